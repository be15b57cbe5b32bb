"""Studies shown, queried and exported, and plans that llama-quantize follows."""

import csv
import math
import os
import re
import sqlite3
import unittest

import gguf

from program import MODEL, SOURCE, TEXT, ProgramTest, run, run_llama

QUESTION = ("--site", "w:ffn_up@0-1", "--site", "a:ffn_norm@0-1", "--format", "q8_0", "--format", "q4_0", "--format", "bf16", "--layers")


class StudyTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.sweep_arguments = ("sweep", MODEL, "-f", TEXT, "--chunks", 3, "--ctx-size", 64, "--threads", 1)

    def setUp(self):
        super().setUp()
        self.study = self.path("study.db")
        self.sweep = self.measure(*self.sweep_arguments, *QUESTION, "-o", self.study)

    def test_show_has_what_the_sweep_found(self):
        shown = self.measure("study", "show", self.study)
        self.assertEqual([(v["recipe"], v["kld"], v["bits"]) for v in shown["variants"]],
                         [(v["recipe"], v["kld"], v["bits"]) for v in self.sweep["variants"]])
        self.assertEqual({v["format"]: v["bits"] for v in shown["variants"]}, {"q8_0": 8.5, "q4_0": 4.5, "bf16": 16})
        self.assertIn("w:ffn_up", run("study", "show", self.study).stdout)

    def test_a_query_finds_figures_with_their_errors(self):
        rows = self.measure("study", "show", self.study, "--query", "SELECT recipe, kld, kld_error, layer, why_whole FROM figures")["rows"]
        found = {row["recipe"]: row for row in rows}
        self.assertEqual(len(found), len(self.sweep["variants"]))
        for variant in self.sweep["variants"]:
            row = found[variant["recipe"]]
            self.assertTrue(math.isclose(row["kld"], variant["kld"]["mean"], rel_tol=1e-12, abs_tol=1e-30))
            self.assertTrue(math.isclose(row["kld_error"], variant["kld"]["error"], rel_tol=1e-6, abs_tol=1e-20))
        self.assertIn("a:ffn_norm@1=q4_0", run("study", "show", self.study, "--query", "SELECT recipe FROM variants").stdout)
        for query in ("SELECT nothing FROM figures", "DROP TABLE scores", "DELETE FROM scores", "", "SELECT 1; DROP TABLE scores"):
            done = run("study", "show", self.study, "--query", query)
            self.assertEqual(done.returncode == 0, query in ("", "SELECT 1; DROP TABLE scores"), (query, done.stderr))
        with sqlite3.connect(f"file:{self.study}?mode=ro", uri=True) as study:
            self.assertEqual(study.execute("SELECT count(*) FROM scores").fetchone()[0], 3 * len(found))

    def test_status_says_how_far_shares_are(self):
        shares = self.path("shares")
        os.mkdir(shares)
        self.refuse(1, "there is no study in the folder", "study", "status", shares)
        for share in (1, 2):
            self.measure(*self.sweep_arguments, *QUESTION, "--shard", f"{share}/3", "-o", os.path.join(shares, f"{share}.db"))
        status = self.measure("study", "status", shares)
        self.assertEqual([(s["shard"], s["shards"], s["state"], s["progress"]) for s in status["shares"]], [(1, 3, "complete", 1), (2, 3, "complete", 1)])
        self.assertEqual((status["not_begun"], status["shards"]), ([3], 3))
        self.assertAlmostEqual(status["progress"], 2 / 3)
        for share in status["shares"]:
            self.assertEqual(share["measured"], 3 * share["variants"])
            self.assertAlmostEqual(share["done"], share["passes"])
        self.assertIn("66 % done. Shares: 2 complete, 1 not begun.", run("study", "status", shares).stdout)
        # No log is left beside a share, and what is to be done is what the run then did.
        self.assertEqual(sorted(os.listdir(shares)), ["1.db", "2.db"])
        arguments = (*self.sweep_arguments, *QUESTION, "--shard", "3/3", "-o", os.path.join(shares, "3.db"))
        self.assertEqual(self.measure(*arguments, "--dry-run")["passes"], self.measure(*arguments)["passes"])
        self.assertEqual(self.measure(*arguments, "--dry-run")["passes"], 0)
    def test_the_document_has_its_tables_and_columns(self):
        with open(os.path.join(SOURCE, "docs", "reference", "database.md"), encoding="utf-8") as file:
            sections = re.split(r"^## ", file.read(), flags=re.MULTILINE)[1:]
        described = {section.split("\n")[0]: re.findall(r"^\| `(\w+)` \| (\w*) *\|", section, re.MULTILINE) for section in sections}
        with sqlite3.connect(f"file:{self.study}?mode=ro", uri=True) as study:
            tables = [name for name, in study.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
            found = {table: [(column[1], column[2]) for column in study.execute(f"PRAGMA table_info({table})")] for table in tables}
        self.assertEqual(described, found)

    def test_csv_has_a_row_for_each_variant(self):
        out = self.path("study.csv")
        self.assertEqual(run("study", "export", self.study, "-o", out).returncode, 0)
        with open(out, encoding="utf-8", newline="") as file:
            content = file.read()
        self.assertEqual(run("study", "export", self.study).stdout, content)
        rows = list(csv.DictReader(content.splitlines()))
        self.assertEqual([row["recipe"] for row in rows], [v["recipe"] for v in self.sweep["variants"]])
        for row, variant in zip(rows, self.sweep["variants"]):
            self.assertEqual(float(row["kld"]), variant["kld"]["mean"])
            self.assertEqual(float(row["kld_error"]), variant["kld"]["error"])
            self.assertEqual(float(row["bits"]), variant["bits"])
        self.refuse(2, "is also an input", "study", "export", self.study, "-o", self.study)
        self.refuse(2, "takes one study", "study", "export", self.study, self.study)
        self.refuse(2, "write merge, show, export or status", "study", "list", self.study)

    def test_llama_quantize_follows_a_plan(self):
        types, out = self.path("types.txt"), self.path("out.gguf")
        plan = self.measure("plan", self.study, "--site", "w:ffn_up", "--bits", "w:6.5", "--tensor-type-file", types)
        run_llama("llama-quantize", "--tensor-type-file", types, MODEL, out, "Q5_0")
        expected = {f"blk.{part['layer']}.ffn_up.weight": part["format"].upper() for part in plan["chosen"]["assignments"]}
        self.assertEqual(set(expected.values()), {"Q8_0", "Q4_0"})
        found = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(out).tensors}
        for name, type_name in expected.items():
            self.assertEqual(found[name], type_name)
        self.assertEqual(found["blk.2.ffn_up.weight"], "Q5_0")
        for point in plan["pareto"]:
            self.assertEqual(point["recipe"] == "", point["kld"] == 0)

    def test_what_llama_quantize_has_no_type_for_is_refused(self):
        types = self.path("types.txt")
        self.measure(*self.sweep_arguments, "--site", "w:ffn_down@0", "--format", "int4", "-o", self.path("int4.db"))
        self.refuse(2, "int4 is not a type that llama-quantize knows", "plan", self.path("int4.db"), "--bits", 5, "--tensor-type-file", types)
        self.refuse(2, "gives no weight a format", "plan", self.study, "--site", "a:ffn_norm", "--bits", 9, "--tensor-type-file", types)
        self.refuse(2, "add --bits, --size or --max-kld", "plan", self.study, "--tensor-type-file", types)


if __name__ == "__main__":
    unittest.main()
