"""The form of speed measurements; no test asserts a time."""

import unittest

from program import MODEL, ProgramTest, run


class BenchTest(ProgramTest):
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
        self.assertIn("95 % confidence", run(*arguments).stdout)

    def test_measures_several_variants_and_fails_on_conditions(self):
        recipe = self.path("recipe.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - activations: ffn_norm\n    format: int8\n")
        arguments = ("bench", MODEL, "--repetitions", 6, "--prompt-tokens", 8, "--decode-tokens", 2, "--rule", "a:logits=bf16",
                     "--variant", f"int8={recipe}")
        self.assertEqual([v["name"] for v in self.measure(*arguments, "--fail-if", "prompt.ratio>1e9")["variants"]],
                         ["variant", "int8"])
        done = run(*arguments, "--fail-if", "decode.ratio>0")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "'decode.ratio>0' holds for 2 of 2")

    def test_without_rules_measures_the_baseline_alone(self):
        self.assertEqual(self.measure("bench", MODEL, "--repetitions", 6, "--prompt-tokens", 8)["variants"], [])


if __name__ == "__main__":
    unittest.main()
