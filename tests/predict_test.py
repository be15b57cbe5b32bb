"""Predictions on the demo model: what the variants lose that were not measured, held against measuring them all."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, run

CHUNKS, CONTEXT = 10, 256
SITES = ("a:ffn_input", "a:attn_input", "a:ffn_down_input", "w:ffn_down")
FORMATS = ("bf16", "e4m3", "e5m2", "int8", "int4", "mxfp8", "mxfp4", "nvfp4")
USAGE = 2


def question(sites=SITES, formats=FORMATS):
    return (*(part for site in sites for part in ("--site", site)), *(part for name in formats for part in ("--format", name)))


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(i) for i in range(len(values))]


def spearman(a, b):
    """Without ties."""
    a, b, n = ranks(a), ranks(b), len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(a, b)) / (n * (n * n - 1))


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def rows_of(path, query):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as study:
        rows = study.execute(query).fetchall()
    study.close()
    return rows


class PredictTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.study = self.path("study.db")

    def arguments(self, *more, study=None, chunks=CHUNKS, ctx_size=CONTEXT):
        return ("sweep", MODEL, "-f", TEXT, "--chunks", chunks, "--threads", 1, "--ctx-size", ctx_size, "-o", study or self.study,
                "--layers", *more)

    def sweep(self, *more, **options):
        return self.measure(*self.arguments(*more, **options))

    def test_what_was_not_measured_is_predicted_for_a_tenth_of_the_passes(self):
        told = self.sweep(*question(), "--predict")
        unseen = [variant for variant in told["variants"] if variant["chunks"] == 0]
        self.assertEqual(len(told["variants"]), 192)
        self.assertGreater(len(unseen), 96)
        cost = told["prediction"]
        self.assertEqual(cost["variants"], len(unseen))
        self.assertLessEqual(cost["passes"], 0.1 * cost["passes_of_all"])
        # What it says it cost is what the study has: a chunk of a variant takes the layers from the first that is changed.
        passes = sum(0.02 + (6 - first) / 6 for first, in rows_of(self.study, "SELECT first_layer FROM scores JOIN variants ON variant = id"))
        self.assertGreater(cost["passes"] * CHUNKS, passes)
        self.assertLess(cost["passes"] * CHUNKS, passes + 4 * CHUNKS)
        self.assertGreater(cost["quality"]["compared"], 2)

        measured = self.sweep(*question())
        self.assertTrue(all(variant["chunks"] == CHUNKS for variant in measured["variants"]))
        found = {variant["recipe"]: variant["kld"]["mean"] for variant in measured["variants"]}
        predicted = [variant["predicted"]["kld"] for variant in unseen]
        truth = [found[variant["recipe"]] for variant in unseen]
        self.assertGreaterEqual(spearman(predicted, truth), 0.95)
        self.assertLessEqual(median([abs(p - t) / t for p, t in zip(predicted, truth)]), 0.25)
        within = [variant["predicted"]["low"] <= found[variant["recipe"]] <= variant["predicted"]["high"] for variant in unseen]
        self.assertGreater(sum(within), 0.8 * len(within))
        # The study remembers what was predicted of each before it was measured, and says how good that was.
        quality = measured["prediction"]["quality"]
        before = dict(rows_of(self.study, "SELECT recipe, kld FROM predictions JOIN variants ON variant = id"))
        self.assertEqual(quality["compared"], len(before))
        self.assertGreaterEqual(len(before), len(unseen))
        self.assertAlmostEqual(quality["spearman"], spearman(list(before.values()), [found[name] for name in before]), 9)
        self.assertAlmostEqual(quality["median_error"], median([abs(kld - found[name]) / found[name] for name, kld in before.items()]), 9)


if __name__ == "__main__":
    unittest.main()
