"""Float32 arithmetic on a real model, SmolLM2 135M in Q4_1, against PyTorch's figures in tests/golden/smollm2*_pytorch.json."""

import hashlib
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import SOURCE, ProgramTest  # noqa: E402

# How far a divergence may be from PyTorch's, relative to it. A difference of 1e-6 in a value decides roundings of activations
# otherwise, and each of those moves what later roundings get: where activations are rounded, three standard deviations of PyTorch's own
# figures under such differences are allowed too.
WEIGHTS_BAR, LAST_LAYER_BAR = 0.005, 0.01


class SmolLM2PyTorchTest(ProgramTest):
    def read(self, name):
        with open(os.path.join(SOURCE, "tests", "golden", name), encoding="utf-8") as file:
            golden = json.load(file)
        for which in ("model", "text"):
            with open(os.path.join(SOURCE, golden[which]["file"]), "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), golden[which]["sha256"], which)
        return golden

    def evaluate(self, golden):
        """Measures all variants of the golden file beside one baseline."""
        variants = []
        for name, variant in golden["variants"].items():
            recipe = self.path(f"{name}.yaml")
            with open(recipe, "w", encoding="utf-8") as file:
                json.dump({"rules": variant["rules"]}, file)
            variants += ["--variant", f"{name}={recipe}"]
        model, text = (os.path.join(SOURCE, golden[which]["file"]) for which in ("model", "text"))
        return self.measure("eval", model, "-f", text, "--ctx-size", golden["ctx_size"], "--chunks", golden["chunks"],
                            "--arithmetic", "f32", "--promote", "f32", *variants)

    def compare(self, golden, activations_bar):
        result = self.evaluate(golden)
        self.assertEqual((result["tokens_in_text"], result["tokens_scored"]), (golden["text"]["tokens"], golden["predictions"]))
        self.assertEqual(f"{result['baseline']['ppl']:.5g}", f"{golden['baseline']['ppl']:.5g}")
        measured = {variant["name"]: variant for variant in result["variants"]}
        self.assertEqual(set(measured), set(golden["variants"]))
        for name, variant in golden["variants"].items():
            with self.subTest(name):
                kld, by_chance = measured[name]["kld"]["mean"], variant.get("kld_by_chance")
                if by_chance is None:
                    self.assertEqual(f"{measured[name]['ppl']:.5g}", f"{variant['ppl']:.5g}")
                    self.assertLessEqual(abs(kld / variant["kld"] - 1), WEIGHTS_BAR)
                    continue
                bar = LAST_LAYER_BAR if all("layers" in rule for rule in variant["rules"]) else activations_bar
                if abs(kld / variant["kld"] - 1) > bar:
                    self.assertLessEqual(abs(kld - by_chance["mean"]), 3 * by_chance["sd"])

    def test_weights_and_inputs(self):
        self.compare(self.read("smollm2_pytorch.json"), 0.05)

    def test_attention_in_fp8(self):
        self.compare(self.read("smollm2_attention_pytorch.json"), 0.02)


if __name__ == "__main__":
    unittest.main()
