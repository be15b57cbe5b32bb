"""docs/results is what scripts/results makes of its data, and the script measures each thing once."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import unittest

from program import MODEL, PROGRAM, SOURCE, ProgramTest, run

FOLDER = os.path.join(SOURCE, "docs", "results")
DATA = os.path.join(FOLDER, "data")


def results(*arguments):
    return subprocess.run([sys.executable, os.path.join(SOURCE, "scripts", "results"), *arguments], capture_output=True, text=True,
                          timeout=600, check=False)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class ResultsTest(ProgramTest):
    def written(self, data):
        done = results("write", "--data", data, "--output", self.path("pages"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return {name: read(os.path.join(self.path("pages"), name)) for name in os.listdir(self.path("pages"))}

    def test_documents_are_those_of_the_data(self):
        pages = self.written(DATA)
        self.assertGreater(len(pages), 10)
        kept = {name for name in os.listdir(FOLDER) if name.endswith((".md", ".svg"))}
        self.assertEqual(kept, set(pages), "scripts/results write makes these files")
        for name, text in pages.items():
            self.assertEqual(read(os.path.join(FOLDER, name)), text, f"{name}: scripts/results write writes it anew")

    def test_data_that_contradict_a_sentence_stop_it(self):
        shutil.copytree(DATA, self.path("data"))
        for model in os.listdir(self.path("data")):
            with sqlite3.connect(self.path(f"data/{model}/norms.db")) as study:
                study.execute("UPDATE scores SET kld = kld / 1000, kld_squared = kld_squared / 1e6 WHERE variant IN "
                              "(SELECT id FROM variants WHERE format = 'bf16,round=zero')")
            study.close()
        done = results("write", "--data", self.path("data"), "--output", self.path("pages"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("the figures contradict this sentence", done.stderr)
        self.assertFalse(os.path.exists(self.path("pages")))

    def test_what_has_been_measured_is_not_measured_again(self):
        done = results("measure", "--program", "/bin/false", "--work", self.path("work"))
        self.assertEqual((done.returncode, done.stdout), (0, "Everything has been measured: nothing to do.\n"), done.stderr)

    def test_any_model(self):
        command = ("measure", "--model", f"demo={MODEL}", "--only", "norms", "--quick", "--program", PROGRAM, "--data", self.path("data"), "--work",
                   self.path("work"), "--threads", "1")
        done = results(*command)
        self.assertEqual(done.returncode, 0, done.stderr)
        record = read(self.path("data/demo/runs.json"))
        self.assertIn("nothing to do", results(*command).stdout)
        self.assertEqual(read(self.path("data/demo/runs.json")), record)

        pages = self.written(self.path("data"))
        self.assertEqual(sorted(pages), ["README.md", "norms.md", "norms.svg"])
        # The figures are the program's own.
        figures = json.loads(run("study", "show", self.path("data/demo/norms.db"), "--json", "-").stdout)["variants"]
        cut = next(one for one in figures if one["recipe"] == "a:ffn_norm=bf16,round=zero")["kld"]["mean"]
        row = next(line for line in pages["norms.md"].splitlines() if "`a:ffn_norm=bf16,round=zero`" in line)
        shown, _, power = row.split("|")[2].split("±")[0].strip().partition("e")
        self.assertAlmostEqual(float(shown) * 10 ** float(power or 0) / cut, 1, delta=0.05)
        self.assertNotIn(os.uname().nodename.encode(), read_bytes(self.path("data/demo/norms.db")))


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


if __name__ == "__main__":
    unittest.main()
