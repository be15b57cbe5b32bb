"""The commands on a real model, SmolLM2 135M in Q4_1, which scripts/fetch-model fetches."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import NATIVE, SOURCE, TEXT, ProgramTest, run, run_llama  # noqa: E402

MODEL = os.path.join(SOURCE, "models", "smollm2-135m.gguf")
WIDE = os.path.join(SOURCE, "models", "smollm2-135m-f16.gguf")
LAYERS, COLUMNS, CTX, CHUNKS = 30, 576, 128, 2
MEASURED = ("-f", TEXT, "--ctx-size", CTX, "--chunks", CHUNKS)


class SmolLM2Test(ProgramTest):
    def evaluate(self, *arguments):
        return self.measure("eval", MODEL, *MEASURED, *arguments)

    def test_perplexity_is_what_llama_perplexity_says(self):
        for model in (MODEL, WIDE):
            result = self.measure("eval", model, *MEASURED, *NATIVE)
            self.assertEqual(result["variants"][0]["kld"]["max"], 0)
            # With the batch as long as a chunk llama-perplexity evaluates chunks one by one, as we do.
            said = run_llama("llama-perplexity", "-m", model, "-f", TEXT, "-c", CTX, "-b", CTX, "--chunks", CHUNKS, until="Final estimate")
            printed = re.search(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)", said)
            baseline = result["baseline"]
            self.assertEqual(printed.groups(), (f"{baseline['ppl']:.4f}", f"{baseline['ppl_error']:.5f}"))

    def test_a_variant_of_each_kind(self):
        recipes = {"weights": "weights: ffn_up, format: mxfp4", "ggml": "weights: ffn_down, format: q4_k", "activations": "activations: ffn_input, format: int8"}
        variants = []
        for name, rule in recipes.items():
            with open(self.path(f"{name}.yaml"), "w", encoding="utf-8") as file:
                file.write(f"rules:\n  - {{{rule}}}\n")
            variants += ["--variant", f"{name}={self.path(name)}.yaml"]
        result = self.evaluate(*variants, "--against", WIDE, "--promote", "f16", *NATIVE)
        self.assertEqual([variant["name"] for variant in result["variants"]], [*recipes, "smollm2-135m-f16"])
        kld = {variant["name"]: variant["kld"]["mean"] for variant in result["variants"]}
        for name, mean in kld.items():
            self.assertGreater(mean, 0, name)
            self.assertLess(mean, 1, name)
        # The F16 file holds the same weights: only what the kernels round activations to differs.
        self.assertLess(kld["smollm2-135m-f16"], kld["weights"])
        self.assertLess(kld["activations"], kld["weights"])
        rounded = {(tensor["variant"], tensor["name"]) for tensor in result["weights"]}
        self.assertEqual(rounded, {(variant, f"blk.{layer}.{word}.weight") for layer in range(LAYERS)
                                   for variant, word in (("weights", "ffn_up"), ("ggml", "ffn_down"))})
        self.assertEqual([site["layer"] for site in result["sites"]], list(range(LAYERS)))

    def test_rounded_weights_are_those_of_a_file_wherever_they_are(self):
        rules = ("--rule", "w:matrices=mxfp4", "--rule", "w:token_embd=int8,per=row", "--promote", "f16")
        self.assertEqual(run("apply", MODEL, "-o", self.path("written.gguf"), *rules).returncode, 0)
        for arithmetic in (NATIVE, ("--arithmetic", "f32")):
            written = self.measure("eval", self.path("written.gguf"), *MEASURED, *arithmetic)["baseline"]["ppl"]
            for size in ("1GB", "100MB", "0"):  # all are kept, some, none
                result = self.evaluate(*arithmetic, *rules, "--weight-memory", size)
                self.assertEqual(result["variants"][0]["ppl"], written, size)
                held = result["memory"]["rounded_weights"]
                self.assertTrue({"1GB": 200e6 < held < 1e9, "100MB": held < 200e6, "0": held < 60e6}[size], held)

    def test_quantized_weights_are_refused_without_a_wider_storage(self):
        self.refuse(2, "stored as Q4_1: promote it to a wider type", "eval", MODEL, *MEASURED, *NATIVE, "--rule", "w:ffn_up=mxfp4")

    def test_the_noise_floor_is_in_native_arithmetic_only(self):
        measured = ("-f", TEXT, "--ctx-size", 512, "--chunks", 2)
        kld = {}
        for form in ("mantissa22", "bf16"):
            exact, native = (self.measure("eval", MODEL, *measured, "--rule", f"a:ffn_norm={form}", *more)["variants"][0]
                             for more in ((), NATIVE))
            kld[form] = exact["kld"]["mean"]
            # One bit of 23 costs as much there as sixteen.
            floor = native["noise_floor"]["kld"]
            self.assertAlmostEqual(floor, 2.6e-3, delta=2.6e-3 / 2)
            self.assertLess(native["kld"]["mean"], 1.5 * floor)
        self.assertLess(kld["mantissa22"], 1e-6)
        self.assertAlmostEqual(kld["bf16"], 2.1e-5, delta=0.3e-5)

    def test_it_is_what_it_is_said_to_be(self):
        inspected = self.measure("inspect", MODEL)
        types = [tensor["type"] for tensor in inspected["tensors"]]
        self.assertEqual({kind: types.count(kind) for kind in set(types)}, {"Q4_1": 210, "F32": 61, "Q8_0": 1})
        self.assertEqual(sum(tensor["elements"] for tensor in inspected["tensors"]), 134515008)

    def test_the_f16_file_holds_its_values(self):
        for tensor in self.measure("compare", MODEL, WIDE)["tensors"]:
            self.assertLess(tensor["max_rel"] or 0, 2**-10, tensor["name"])

    def test_sites_are_found(self):
        listed = self.measure("sites", MODEL)
        found = {entry["site"]: entry for entry in listed["activations"]}
        self.assertEqual(len(listed["weights"]), 272)
        for layer in range(LAYERS):
            ffn = found[f"ffn_norm-{layer}"]
            self.assertEqual((ffn["roles"], ffn["shape"][0]), (["ffn_input"], COLUMNS))
            self.assertEqual(set(ffn["feeds"]), {f"blk.{layer}.ffn_up.weight", f"blk.{layer}.ffn_gate.weight"})
        self.assertEqual(found["result_output"]["roles"], ["logits"])

    def test_answers_in_its_chat_template(self):
        answered = self.measure("generate", MODEL, "--chat", "-p", "What is the capital of France?", "-n", 24, "--rule", "a:ffn_norm=bf16")
        prompt = answered["prompts"][0]
        self.assertEqual(prompt["chat_prompt"], "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n")
        for text in (prompt["baseline"], prompt["variants"][0]["text"]):
            self.assertIn("Paris", text)
            self.assertNotIn("<|im_end|>", text)
        self.assertTrue(prompt["ended"])


if __name__ == "__main__":
    unittest.main()
