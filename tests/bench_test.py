"""The form of speed measurements; no test asserts a time."""

import json
import os
import unittest

from program import MODEL, ProgramTest, run


class BenchTest(ProgramTest):
    def measure(self, *arguments):
        # One thread: with more, on a busy machine such a small model mostly waits for threads.
        return super().measure(*arguments, "--threads", 1)

    def test_measures_the_baseline_and_the_variant(self):
        arguments = ("bench", MODEL, "--rule", "a:ffn_norm=bf16", "--repetitions", 6, "--prompt-tokens", 32, "--decode-tokens", 4)
        result = self.measure(*arguments)
        self.assertEqual((result["prompt_tokens"], result["decode_tokens"], result["repetitions"]), (32, 4, 6))
        self.assertGreater(result["baseline"]["prompt_tps"], 0)
        self.assertGreater(result["baseline"]["decode_tps"], 0)
        self.assertGreater(result["load_ms"], 0)
        self.assertGreater(result["peak_rss"], 1 << 20)
        self.assertEqual([v["name"] for v in result["variants"]], ["variant"])
        for phase in ("prompt", "decode"):
            speed = result["variants"][0][phase]
            self.assertGreater(speed["tps"], 0)
            self.assertLessEqual(speed["ratio_low"], speed["ratio"])
            self.assertLessEqual(speed["ratio"], speed["ratio_high"])
        self.assertIn("95 % confidence", run(*arguments, "--threads", 1).stdout)

    def recipe(self, site, number_format):
        path = self.path("recipe.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - {site}\n    format: {number_format}\n")
        return path

    def test_measures_several_variants_and_fails_on_conditions(self):
        recipe = self.recipe("activations: ffn_norm", "int8")
        arguments = ("bench", MODEL, "--repetitions", 6, "--prompt-tokens", 8, "--decode-tokens", 2, "--rule", "a:logits=bf16",
                     "--variant", f"int8={recipe}")
        self.assertEqual([v["name"] for v in self.measure(*arguments, "--fail-if", "prompt.ratio>1e9")["variants"]],
                         ["variant", "int8"])
        done = run(*arguments, "--fail-if", "decode.ratio>0", "--threads", 1)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, "'decode.ratio>0' holds for 2 of 2")

    def test_says_what_loading_and_memory_cost(self):
        result = self.measure("bench", MODEL, "--repetitions", 6, "--prompt-tokens", 8, "--decode-tokens", 2, "--rule",
                              "a:ffn_norm=int8", "--variant", f"weights={self.recipe('weights: ffn_norm', 'bf16')}")
        activations, weights = result["variants"]
        self.assertEqual(result["baseline"]["load_ms"], result["load_ms"])
        self.assertIsNone(activations["load_ms"])  # it runs on the baseline's model
        self.assertGreater(weights["load_ms"], 0)
        for measured in (result["baseline"], activations, weights):
            self.assertLess(measured["rss_added"], result["peak_rss"])
        # The variant's own model is in memory beside the baseline's.
        self.assertGreater(weights["rss_added"], os.path.getsize(MODEL) / 2)
        self.assertLess(activations["rss_added"], weights["rss_added"])

    def test_the_verdict_is_what_the_interval_says(self):
        arguments = ("bench", MODEL, "--repetitions", 12, "--prompt-tokens", 32, "--decode-tokens", 4, "--rule", "a:in(*)=int8")
        out = self.path("bench.json")
        said = run(*arguments, "--json", out, "--threads", 1).stdout
        with open(out, encoding="utf-8") as file:
            variant = json.load(file)["variants"][0]
        for phase in ("prompt", "decode"):
            low, high = variant[phase]["ratio_low"], variant[phase]["ratio_high"]
            verdict = ("costs" if low > 1 else "is faster by" if high < 1 else "the runs differ too much" if high > 2
                       else "not told apart from zero; a cost above")
            self.assertRegex(said, f"{phase}: {verdict}")

    def test_without_rules_measures_the_baseline_alone(self):
        self.assertEqual(self.measure("bench", MODEL, "--repetitions", 6, "--prompt-tokens", 8)["variants"], [])


if __name__ == "__main__":
    unittest.main()
