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

    def test_a_range_is_searched_or_that_of_the_last_chunks(self):
        """Of one and the same record; those of chunks are put together from runs on each chunk."""
        whole = {site["site"]: site for site in self.calibrate()[1]["sites"]}
        for range_ in ("entropy", "mse:int4"):
            _, recorded = self.calibrate("--range", range_)
            self.assertEqual(recorded["range"].split(":")[0], range_.split(":")[0])
            clipped = [site for site in recorded["sites"] if site["high"] < whole[site["site"]]["high"]]
            self.assertGreater(len(clipped), len(whole) / 2)
            for site in recorded["sites"]:
                self.assertLessEqual(site["high"], whole[site["site"]]["high"])
                self.assertEqual((site["min"], site["max"]), (whole[site["site"]]["min"], whole[site["site"]]["max"]))
        first = {site["site"]: site for site in self.calibrate(chunks=("--chunks", 1))[1]["sites"]}
        last = {site["site"]: site for site in self.calibrate("--range", "history:1")[1]["sites"]}
        averages = {site["site"]: site for site in self.calibrate("--range", "average:0.25")[1]["sites"]}
        for name, site in whole.items():
            self.assertEqual(site["high"], max(first[name]["high"], last[name]["high"]))
            self.assertEqual(site["low"], min(first[name]["low"], last[name]["low"]))
            between = first[name]["max"] + (last[name]["high"] - first[name]["max"]) / 4
            if last[name]["high"] > 0:
                self.assertAlmostEqual(averages[name]["high"], between, delta=1e-6 * abs(between))
        self.assertEqual([site["high"] for site in self.calibrate("--range", "history:2")[1]["sites"]],
                         [site["high"] for site in whole.values()])

    def test_statistics_of_channels_are_asked_for(self):
        """Without --channel-statistics the file is shorter; the result of --json has them always."""
        ranges, short = self.calibrate("--json", self.path("all.json"))
        size = os.path.getsize(ranges)
        _, long = self.calibrate("--channel-statistics")
        with open(self.path("all.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["sites"], long["sites"])
        self.assertGreater(os.path.getsize(ranges), 5 * size)
        for site in long["sites"]:
            site["channels"] = {"absmax": site["channels"]["absmax"]}
        self.assertEqual(short["sites"], long["sites"])

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
        self.refuse(USAGE, "--range: range=output is not to be had", *command, "--range", "output")
        self.refuse(USAGE, "no option 'range'", *command, "--range", "mse:mxfp4")
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
