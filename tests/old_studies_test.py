"""Studies of earlier versions are read, continued, planned, reported and merged."""

import hashlib
import json
import os
import shutil
import sqlite3
import unittest

from program import MODEL, NATIVE, SOURCE, TEXT, ProgramTest, run

WORK = 1
GOLDEN = os.path.join(SOURCE, "tests", "golden")
QUESTION = ("--ctx-size", 64, "--threads", 1, "--site", "a:ffn_norm", "--site", "w:ffn_down", "--format", "e4m3",
            "--format", "int4,per=block,block=32")
KEPT = ("ppl", "ppl_error", "ppl_ratio", "ppl_ratio_error", "kld", "delta_p", "top1_agreement", "top5_overlap", "top10_overlap")


def kept(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
        return json.load(file)


def rows(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


class OldStudiesTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.path("text.txt")
        with open(TEXT, "rb") as file, open(self.text, "wb") as part:
            part.write(file.read(6000))

    def sweep(self, study, chunks, *more):
        return self.measure("sweep", MODEL, "-f", self.text, "-o", study, "--chunks", chunks, *QUESTION, *more)

    def study(self, name):
        """A copy of a kept study, as if this machine had measured it: otherwise sweep refuses to continue it."""
        path, own = self.path(name), self.path("own.db")
        shutil.copy(os.path.join(GOLDEN, name), path)
        self.measure("sweep", MODEL, "-f", self.text, "-o", own, "--chunks", 2, "--ctx-size", 64, "--site", "a:logits", "--format", "f16",
                     *NATIVE)
        engine, backends = rows(own, "SELECT engine, backends FROM study")[0]
        baseline = rows(own, "SELECT nll, nll_squared, text, chunk FROM chunks")
        with sqlite3.connect(path) as old:
            old.execute("UPDATE study SET engine = ?, backends = ?", (engine, backends))
            # Processors differ in the last digits of the baseline.
            for nll, nll_squared, text, chunk in baseline:
                for before, in old.execute("SELECT nll FROM chunks WHERE text = ? AND chunk = ?", (text, chunk)).fetchall():
                    self.assertAlmostEqual(nll, before, delta=1e-3 * before)
                old.execute("UPDATE chunks SET nll = ?, nll_squared = ? WHERE text = ? AND chunk = ?", (nll, nll_squared, text, chunk))
        old.close()
        return path

    def assert_figures(self, variants, expected):
        self.assertEqual({variant["recipe"] for variant in variants}, set(expected))
        for variant in variants:
            own = expected[variant["recipe"]]
            self.assertEqual((variant["chunks"], variant["predicted"]), (own["chunks"], own["predicted"]))
            for name in KEPT:
                pairs = own[name].items() if isinstance(own[name], dict) else [(None, own[name])]
                for field, value in pairs:
                    found = variant[name] if field is None else variant[name][field]
                    if value is None:
                        self.assertIsNone(found)
                    else:
                        self.assertAlmostEqual(found, value, delta=1e-12 * abs(value), msg=(variant["recipe"], name, field))

    def test_a_study_is_read_and_continued(self):
        study = self.study("study-v1-measured.db")
        self.assertEqual(rows(study, "SELECT schema_version FROM study"), [(1,)])
        dry = self.sweep(study, 2, "--dry-run")
        self.assert_figures(dry["variants"], kept("study-v1.json")["measured"])
        self.assertEqual(rows(study, "SELECT schema_version FROM study"), [(1,)])
        again = self.sweep(study, 2)
        self.assertEqual(again["measured"], 0)
        self.assert_figures(again["variants"], kept("study-v1.json")["measured"])
        self.assertGreater(rows(study, "SELECT schema_version FROM study")[0][0], 1)
        # The view of an old study has the columns of a new one.
        new = self.path("own.db")
        columns = "SELECT name FROM pragma_table_info('figures') ORDER BY name"
        self.assertEqual(rows(study, columns), rows(new, columns))
        tables = "SELECT name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        self.assertEqual(rows(study, tables), rows(new, tables))
        for variant in again["variants"]:  # what was not measured is not 0
            self.assertEqual(variant["reverse_kld"], {"mean": None, "error": None, "max": None})
        more = self.sweep(study, 3)
        self.assertIsNone(more["variants"][0]["reverse_kld"]["mean"])
        self.assertEqual((more["measured"], [variant["chunks"] for variant in more["variants"]]), (4, [3] * 4))

    def test_a_study_without_the_tables_that_came_later_is_continued(self):
        study = self.study("study-v1-measured.db")
        with sqlite3.connect(study) as old:
            old.executescript("DROP TABLE predictions; DROP TABLE variant_sites")
        old.close()
        self.assert_figures(self.sweep(study, 2, "--dry-run")["variants"], kept("study-v1.json")["measured"])
        self.sweep(study, 2)
        self.assertGreater(rows(study, "SELECT count(*) FROM variant_sites")[0][0], 0)

    def test_a_study_with_predictions_is_read_and_continued(self):
        study = self.study("study-v1-predicted.db")
        dry = self.sweep(study, 2, "--layers", "--dry-run")
        expected = {recipe: {**own, "predicted": None} for recipe, own in kept("study-v1.json")["predicted"].items()}
        for variant in dry["variants"]:
            expected[variant["recipe"]]["predicted"] = variant["predicted"]
        self.assert_figures(dry["variants"], expected)
        missing = sum(2 - variant["chunks"] for variant in dry["variants"])
        self.assertGreater(missing, 0)
        predicted = rows(study, "SELECT * FROM predictions ORDER BY variant")
        self.assertEqual(self.sweep(study, 2, "--layers")["measured"], missing)
        self.assertEqual(rows(study, "SELECT * FROM predictions ORDER BY variant"), predicted)

    def test_reading_a_study_leaves_it_as_it_is(self):
        for name in ("study-v1-measured.db", "study-v1-predicted.db"):
            study = self.path(name)
            shutil.copy(os.path.join(GOLDEN, name), study)
            with open(study, "rb") as file:
                before = hashlib.sha256(file.read()).hexdigest()
            self.assertGreater(len(self.measure("plan", study)["pareto"]), 1)
            done = run("report", study, "-o", self.path(name + ".html"))
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(self.path(name + ".html"), encoding="utf-8") as file:
                data = file.read().split('<script type="application/json" id="fakequant-data">', 1)[1].split("</script>", 1)[0]
            variants = json.loads(data)["results"][0]["result"]["variants"]
            self.assertGreaterEqual(len(variants), 4)
            self.measure("study", "merge", self.path("all-" + name), study)
            with open(study, "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), before, name)

    def test_a_study_of_a_later_version_is_refused(self):
        study = self.study("study-v1-measured.db")
        with sqlite3.connect(study) as later:
            later.execute("UPDATE study SET schema_version = 99")
        later.close()
        pattern = "is a study of version 99, and this program knows versions up to [0-9]+: use a newer fakequant"
        self.refuse(WORK, pattern, "plan", study)
        self.refuse(WORK, pattern, "sweep", MODEL, "-f", self.text, "-o", study, *QUESTION)


if __name__ == "__main__":
    unittest.main()
