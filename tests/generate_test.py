"""Texts of the baseline and a variant side by side."""

import unittest

from program import MODEL, PROMPTS, ProgramTest, run, run_llama

PROMPT = "<|user|> What is 2+2?\\n<|assistant|>"


class GenerateTest(ProgramTest):
    def test_the_baseline_writes_what_llama_cpp_writes(self):
        result = self.measure("generate", MODEL, "-p", PROMPT, "-n", 24)
        prompt = PROMPT.replace("\\n", "\n")
        self.assertEqual(result["prompts"][0]["prompt"], prompt)
        said = run_llama("llama-completion", "-m", MODEL, "-p", prompt, "-n", 24, "--temp", 0, "-no-cnv", "--no-display-prompt",
                         "--no-warmup", until=result["prompts"][0]["baseline"].strip())
        self.assertIn(result["prompts"][0]["baseline"].strip(), said)
        self.assertIn("2+2 is 4", result["prompts"][0]["baseline"])

    def test_a_rounding_that_changes_nothing_changes_no_text(self):
        run("apply", MODEL, "-o", self.path("out.gguf"), "--rule", "w:ffn_norm=bf16")
        result = self.measure("generate", self.path("out.gguf"), "--prompt-file", PROMPTS, "--rule", "w:ffn_norm=bf16")
        for prompt in result["prompts"]:
            variant = prompt["variants"][0]
            self.assertEqual(variant["text"], prompt["baseline"])
            self.assertTrue(variant["identical"])
            self.assertIsNone(variant["first_difference"])
            self.assertEqual((variant["agreement"], variant["forced_agreement"]), (1, 1))

    def test_says_where_texts_part(self):
        # Sampling at a high temperature makes the smallest change of a probability visible sooner or later.
        result = self.measure("generate", MODEL, "--prompt-file", PROMPTS, "-n", 200, "--temp", 3, "--top-k", 0, "--top-p", 1, "--seed",
                              5, "--rule", "w:*=bf16,round=zero", "--rule", "a:ffn_norm=bf16,round=zero")
        variants = [prompt["variants"][0] for prompt in result["prompts"]]
        parted = [v for v in variants if not v["identical"]]
        self.assertGreater(len(parted), 0)
        for variant in parted:
            self.assertGreaterEqual(variant["first_difference"], 0)
            self.assertLess(variant["agreement"], 1)

    def test_the_same_seed_writes_the_same(self):
        arguments = ("generate", MODEL, "-p", PROMPT, "--temp", "1.5", "-n", 40)
        texts = [self.measure(*arguments, "--seed", seed)["prompts"][0]["baseline"] for seed in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])


if __name__ == "__main__":
    unittest.main()
