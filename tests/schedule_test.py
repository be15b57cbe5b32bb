"""scripts/simulate-schedule on the study of a sweep."""

import os
import re
import sqlite3
import subprocess
import sys
import unittest

from program import MODEL, SOURCE, TEXT, ProgramTest, run


class ScheduleTest(ProgramTest):
    def study(self):
        path = self.path("study.db")
        done = run("sweep", MODEL, "-f", TEXT, "--chunks", 2, "-c", 64, "--site", "a:ffn_norm", "--format", "bf16", "--format", "int8",
                   "--layers", "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def simulate(self, study, *options):
        """The seconds until the end and those of all nodes, and the failures, for each number of shares."""
        command = [sys.executable, os.path.join(SOURCE, "scripts", "simulate-schedule"), study, *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        unit = {"s": 1, "min": 60, "h": 3600}
        row = re.compile(r"^ +(\d+) +([\d.]+) (s|min|h) +([\d.]+) (s|min|h) +([\d.]+) +(\d+)$", re.MULTILINE)
        return {int(shares): (float(wall) * unit[of_wall], float(busy) * unit[of_busy], int(failures))
                for shares, wall, of_wall, busy, of_busy, _, failures in row.findall(done.stdout)}

    def test_times_are_the_sums_of_passes(self):
        study = self.study()
        exact = ("--spread", 0, "--load", 0, "--seconds", 100)
        # Two formats at 6 layers, each from its own layer on: 2 (1 + 5/6 + ... + 1/6) passes, and the baseline's.
        layers, = sqlite3.connect(study).execute("SELECT layers FROM study").fetchone()
        passes = 2 * sum(1 - layer / layers for layer in range(layers))
        outcome = self.simulate(study, *exact, "--shares", 1, 2 * layers)
        self.assertAlmostEqual(outcome[1][0], 2 * 100 * (passes + 1), delta=20)
        self.assertEqual(outcome[1][0], outcome[1][1])
        self.assertAlmostEqual(outcome[2 * layers][0], 2 * 100 * (1 + 1), delta=20)  # the share of a whole variant
        self.assertAlmostEqual(outcome[2 * layers][1], 2 * 100 * (passes + 2 * layers), delta=40)

    def test_nodes_that_are_few_or_fail_take_longer(self):
        study = self.study()
        options = ("--variants", 400, "--chunks", 10, "--seconds", 20, "--shares", 100)
        many, few = (self.simulate(study, *options, "--nodes", nodes)[100] for nodes in (100, 10))
        self.assertGreater(few[0], 8 * many[0])
        self.assertAlmostEqual(few[1] / many[1], 1, delta=0.1)
        failing = self.simulate(study, *options, "--nodes", 100, "--hours-between-failures", 2)[100]
        self.assertGreater(failing[2], 0)
        self.assertGreater(failing[0], many[0])
        self.assertEqual(failing, self.simulate(study, *options, "--nodes", 100, "--hours-between-failures", 2)[100])

    def test_refuses_what_is_no_study(self):
        done = subprocess.run([sys.executable, os.path.join(SOURCE, "scripts", "simulate-schedule"), MODEL], capture_output=True,
                              text=True, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))


if __name__ == "__main__":
    unittest.main()
