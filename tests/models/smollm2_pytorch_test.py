"""Float32 arithmetic on a real model, SmolLM2 135M in Q4_1, against PyTorch's figures in tests/golden/smollm2_pytorch.json."""

import hashlib
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import SOURCE, ProgramTest  # noqa: E402

with open(os.path.join(SOURCE, "tests", "golden", "smollm2_pytorch.json"), encoding="utf-8") as golden:
    GOLDEN = json.load(golden)
# How far a divergence may be from PyTorch's, relative to it. A difference of 1e-6 in a value decides roundings of activations
# otherwise, and each of those moves what later roundings get: where activations are rounded, three standard deviations of PyTorch's own
# figures under such differences are allowed too.
WEIGHTS_BAR, LAST_LAYER_BAR, ACTIVATIONS_BAR = 0.005, 0.01, 0.05


class SmolLM2PyTorchTest(ProgramTest):
    def evaluate(self):
        """Measures all variants of the golden file beside one baseline."""
        variants = []
        for name, variant in GOLDEN["variants"].items():
            recipe = self.path(f"{name}.yaml")
            with open(recipe, "w", encoding="utf-8") as file:
                json.dump({"rules": variant["rules"]}, file)
            variants += ["--variant", f"{name}={recipe}"]
        model, text = (os.path.join(SOURCE, GOLDEN[which]["file"]) for which in ("model", "text"))
        return self.measure("eval", model, "-f", text, "--ctx-size", GOLDEN["ctx_size"], "--chunks", GOLDEN["chunks"],
                            "--arithmetic", "f32", "--promote", "f32", *variants)

    def test_perplexity_and_divergences(self):
        result = self.evaluate()
        self.assertEqual((result["tokens_in_text"], result["tokens_scored"]), (GOLDEN["text"]["tokens"], GOLDEN["predictions"]))
        self.assertEqual(f"{result['baseline']['ppl']:.5g}", f"{GOLDEN['baseline']['ppl']:.5g}")
        measured = {variant["name"]: variant for variant in result["variants"]}
        self.assertEqual(set(measured), set(GOLDEN["variants"]))
        for name, variant in GOLDEN["variants"].items():
            with self.subTest(name):
                kld, by_chance = measured[name]["kld"]["mean"], variant.get("kld_by_chance")
                if by_chance is None:
                    self.assertEqual(f"{measured[name]['ppl']:.5g}", f"{variant['ppl']:.5g}")
                    self.assertLessEqual(abs(kld / variant["kld"] - 1), WEIGHTS_BAR)
                    continue
                bar = LAST_LAYER_BAR if all("layers" in rule for rule in variant["rules"]) else ACTIVATIONS_BAR
                if abs(kld / variant["kld"] - 1) > bar:
                    self.assertLessEqual(abs(kld - by_chance["mean"]), 3 * by_chance["sd"])

    def test_model_and_text_are_those_of_the_figures(self):
        for which in ("model", "text"):
            with open(os.path.join(SOURCE, GOLDEN[which]["file"]), "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), GOLDEN[which]["sha256"], which)


if __name__ == "__main__":
    unittest.main()
