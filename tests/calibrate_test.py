"""Static ranges: recorded by calibrate, used by range=static:FILE."""

import json
import os
import unittest

from program import MODEL, TEXT, ProgramTest, run

CHUNKS = ("--chunks", 2)
WORK, USAGE = 1, 2


class CalibrateTest(ProgramTest):
    def calibrate(self, *arguments, chunks=CHUNKS):
        ranges = self.path("ranges.json")
        done = run("calibrate", MODEL, "-f", TEXT, "-o", ranges, *chunks, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(ranges, encoding="utf-8") as file:
            return ranges, json.load(file)

    def evaluate(self, *rules):
        return self.measure("eval", MODEL, "-f", TEXT, *CHUNKS, *(word for rule in rules for word in ("--rule", rule)))

    def test_records_what_the_taps_of_an_eval_see(self):
        _, recorded = self.calibrate()
        self.assertEqual(recorded["schema"], "fakequant.ranges/1")
        seen = {site["site"]: site for site in self.evaluate("a:in(*)=mantissa23")["sites"]}
        self.assertEqual([site["site"] for site in recorded["sites"]], list(seen))
        for site in recorded["sites"]:
            channels = site["channels"]
            self.assertEqual(len(channels["absmax"]), site["columns"])
            self.assertEqual(max(channels["absmax"]), site["absmax"])
            self.assertEqual((site["low"], site["high"]), (min(site["min"], 0), max(site["max"], 0)))
            percentiles = list(site["percentiles"].values())
            self.assertEqual(percentiles, sorted(percentiles))
            self.assertLessEqual(percentiles[-1], site["absmax"])
            self.assertEqual(site["rows"] * site["columns"], site["elements"])
            counted = sum(count for _, count in site["histogram"]["octaves"]) + site["zeros"]
            self.assertEqual(counted, site["elements"])
            # eval computes the last layer for the scored tokens only.
            if site["layer"] is not None and site["layer"] < 5:
                of_eval = seen[site["site"]]
                self.assertEqual((site["rows"], site["columns"]), (of_eval["rows"], of_eval["columns"]))
                self.assertAlmostEqual(site["absmax"], of_eval["absmax"], delta=1e-7 * site["absmax"])  # float's digits

    def test_does_not_depend_on_threads(self):
        one, two = (self.calibrate("--threads", n)[1]["sites"] for n in (1, 2))
        self.assertEqual(one, two)

    def test_its_range_holds_every_value_and_a_percentile_the_rest(self):
        ranges, _ = self.calibrate()
        rule = f"a:ffn_input@0-4=int8,range=static:{ranges}"
        # Layer by layer, because rounding one changes the values of the next.
        self.assertEqual(self.evaluate(rule.replace("@0-4", "@0"))["sites"][0]["saturated"], 0)
        self.calibrate("--range", "percentile:99")
        site = self.evaluate(rule.replace("@0-4", "@0"))["sites"][0]
        self.assertAlmostEqual(site["saturated"] / site["elements"], 0.01, delta=0.002)

    def test_a_static_range_spans_the_site(self):
        ranges, recorded = self.calibrate("--rule", "a:ffn_norm@2=int8")
        self.assertEqual([site["site"] for site in recorded["sites"]], ["ffn_norm-2"])
        site = self.evaluate(f"a:ffn_norm@2=int8,range=static:{ranges}")["sites"][0]
        # A value within the range changes by at most half a step.
        self.assertLessEqual(site["max_abs"], recorded["sites"][0]["absmax"] / 127 / 2 * 1.0001)
        self.assertGreater(site["max_abs"], recorded["sites"][0]["absmax"] / 127 / 2 * 0.99)
        dynamic = self.evaluate("a:ffn_norm@2=int8")["sites"][0]
        self.assertLess(dynamic["mean_abs"], site["mean_abs"])
        for rule in ("int4,mode=asym", "nvfp4", "int8,round=stochastic"):
            found = self.evaluate(f"a:ffn_norm@2={rule},range=static:{ranges}")["sites"][0]
            self.assertGreater(found["changed"], 0)

    def test_the_same_recipe_records_and_uses_the_ranges(self):
        recipe, ranges = self.path("recipe.yaml"), self.path("ranges.json")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - activations: attn_input\n    format: int8\n    range: static:{ranges}\n"
                       "  - weights: ffn_up\n    format: e4m3\n")
        self.calibrate("--recipe", recipe)
        result = self.measure("eval", MODEL, "-f", TEXT, *CHUNKS, "--recipe", recipe)
        self.assertEqual({site["site"] for site in result["sites"]}, {f"attn_norm-{layer}" for layer in range(6)})

    def test_what_is_wrong_leaves_no_file(self):
        ranges = self.path("ranges.json")
        command = ("calibrate", MODEL, "-f", TEXT, "-o", ranges)
        self.refuse(USAGE, "matches no activation", *command, "--rule", "a:nothing=int8")
        self.refuse(USAGE, "mse", *command, "--range", "mse")
        self.refuse(USAGE, "also an input", "calibrate", MODEL, "-f", TEXT, "-o", MODEL)
        self.refuse(WORK, "No such file", "calibrate", MODEL, "-f", self.path("missing.txt"), "-o", ranges)
        self.refuse(WORK, "nothing was recorded", *command, "--chunks", 1, "--rule", "a:ffn_norm@tokens:1000=bf16")
        self.assertEqual(os.listdir(self.folder), [])

        self.calibrate("--rule", "a:ffn_norm=int8")
        evaluate = ("eval", MODEL, "-f", TEXT, *CHUNKS, "--rule")
        self.refuse(USAGE, "has no range for attn_norm-0: the nearest are ffn_norm-0", *evaluate,
                    f"a:attn_norm=int8,range=static:{ranges}")
        self.refuse(USAGE, "range is always known", *evaluate, f"w:ffn_up=int8,range=static:{ranges}")
        self.refuse(WORK, "missing.json", *evaluate, f"a:ffn_norm=int8,range=static:{self.path('missing.json')}")
        self.refuse(WORK, "ranges", *evaluate, f"a:ffn_norm=int8,range=static:{TEXT}")


if __name__ == "__main__":
    unittest.main()
