"""Predictions on the demo model: the divergence of variants that were not measured, compared with measuring all."""

import shutil
import sqlite3
import unittest

from program import MODEL, NATIVE, TEXT, ProgramTest

# bench/prediction_bench.py checks more, on more of the text.
CHUNKS, CONTEXT = 6, 160
SITES = ("a:ffn_input", "w:ffn_down")
FORMATS = ("e4m3", "int8", "int4", "mxfp4", "nvfp4")
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

    def test_what_was_not_measured_is_predicted(self):
        told = self.sweep(*question(), "--predict", "--budget", 7)
        unseen = [variant for variant in told["variants"] if variant["chunks"] == 0]
        self.assertEqual(len(told["variants"]), 60)
        self.assertGreater(len(unseen), 15)
        cost = told["prediction"]
        self.assertEqual(cost["variants"], len(unseen))
        self.assertEqual(cost["probes"], 60 - len(unseen))
        self.assertLessEqual(cost["passes"], 7)
        # The reported cost follows from the study: a chunk of a variant costs the layers from the first changed one on.
        passes = sum(0.02 + (6 - first) / 6 for first, in rows_of(self.study, "SELECT first_layer FROM scores JOIN variants ON variant = id"))
        self.assertGreater(cost["passes"] * CHUNKS, passes)
        self.assertLess(cost["passes"] * CHUNKS, passes + 4 * CHUNKS)
        self.assertGreater(cost["quality"]["compared"], 0)
        for variant in told["variants"]:
            self.assertTrue(variant["chunks"] > 0 or variant["predicted"])
            if variant["predicted"]:
                self.assertLess(variant["predicted"]["low"], variant["predicted"]["kld"])
                self.assertLess(variant["predicted"]["kld"], variant["predicted"]["high"])

        # Run again, it measures nothing and gives the same result.
        again = self.sweep(*question(), "--predict", "--budget", 7)
        self.assertEqual(again["measured"], 0)
        self.assertEqual([variant["predicted"] for variant in again["variants"]], [variant["predicted"] for variant in told["variants"]])

        # A plan uses the predictions of variants that were not measured.
        planned = self.measure("plan", self.study, "--bits", 6)
        self.assertIn(f"{len(unseen)} of 60 variants have not been measured, and count as predicted.", planned["notes"])

        measured = self.sweep(*question())
        self.assertTrue(all(variant["chunks"] == CHUNKS for variant in measured["variants"]))
        found = {variant["recipe"]: variant["kld"]["mean"] for variant in measured["variants"]}
        predicted = [variant["predicted"]["kld"] for variant in unseen]
        truth = [found[variant["recipe"]] for variant in unseen]
        self.assertGreaterEqual(spearman(predicted, truth), 0.9)
        self.assertLessEqual(median([abs(p - t) / t for p, t in zip(predicted, truth)]), 0.5)
        within = [variant["predicted"]["low"] <= found[variant["recipe"]] <= variant["predicted"]["high"] for variant in unseen]
        self.assertGreater(sum(within), 0.7 * len(within))
        # The study keeps the prediction of each variant that was measured later, and reports its quality.
        quality = measured["prediction"]["quality"]
        before = dict(rows_of(self.study, "SELECT recipe, kld FROM predictions JOIN variants ON variant = id"))
        self.assertEqual(quality["compared"], len(before))
        self.assertGreaterEqual(len(before), len(unseen))
        self.assertAlmostEqual(quality["spearman"], spearman(list(before.values()), [found[name] for name in before]), 9)
        self.assertAlmostEqual(quality["median_error"], median([abs(kld - found[name]) / found[name] for name, kld in before.items()]), 9)

    def test_an_interrupted_sweep_goes_on_within_its_budget(self):
        # So large a budget that all chunks are probed: what is measured then counts as known, and as paid for.
        budget = 18
        self.sweep(*question(), "--predict", "--budget", budget)
        cut = self.path("cut.db")
        shutil.copyfile(self.study, cut)
        with sqlite3.connect(cut) as study:
            study.execute("DELETE FROM scores WHERE variant > 30")  # of 60: variants are measured in their order
            study.execute("DELETE FROM predictions")
        study.close()
        resumed = self.sweep(*question(), "--predict", "--budget", budget, study=cut)
        self.assertGreater(resumed["measured"], 0)
        count = "SELECT count(*) FROM scores"
        (before,), (after,) = rows_of(self.study, count)[0], rows_of(cut, count)[0]
        self.assertLessEqual(abs(after - before), 0.15 * before)
        passes = "SELECT sum(0.02 + (6 - first_layer) / 6.0) FROM scores JOIN variants ON variant = id"
        self.assertLessEqual(rows_of(cut, passes)[0][0], budget * CHUNKS)

    def test_a_rounding_that_changes_nothing_is_known_to_cost_nothing(self):
        # The kernel that reads the FFN's input rounds it to F16 itself, where weights are not repacked.
        told = self.sweep(*question(("a:ffn_input",), ("f16", "e4m3")), "--predict", "--budget", 1.5, *NATIVE, "--no-repack", chunks=2,
                          ctx_size=64)
        unseen = [variant for variant in told["variants"] if variant["format"] == "f16" and variant["chunks"] == 0]
        self.assertGreater(len(unseen), 0)
        for variant in unseen:
            self.assertEqual(variant["predicted"], {"kld": 0, "low": 0, "high": 0})

    def test_refuses_what_does_not_go_together(self):
        few = question(("a:ffn_input@5",), ("e4m3",))
        self.refuse(USAGE, "--budget limits the cost of --predict", *self.arguments(*few, "--budget", 3))
        self.refuse(USAGE, "--shard separates them", *self.arguments(*few, "--predict", "--shard", "1/2"))
        self.refuse(USAGE, "--predict and --precision both choose the chunks", *self.arguments(*few, "--predict", "--precision", "5%"))


if __name__ == "__main__":
    unittest.main()
