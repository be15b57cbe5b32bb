"""The recipes that are named for NVIDIA ModelOpt's presets, on SmolLM2 135M in Q4_1, against ModelOpt's own figures in
tests/golden/smollm2_presets_pytorch.json."""

import hashlib
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import SOURCE, ProgramTest, run  # noqa: E402

# As in smollm2_pytorch_test.py: how far a divergence may be from PyTorch's, relative to it. Where activations are rounded, three
# standard deviations of PyTorch's own figures under differences of 1e-6 are allowed too.
WEIGHTS_BAR, ACTIVATIONS_BAR = 0.005, 0.05


class SmolLM2PresetsTest(ProgramTest):
    def test_recipes_are_the_presets(self):
        with open(os.path.join(SOURCE, "tests", "golden", "smollm2_presets_pytorch.json"), encoding="utf-8") as file:
            golden = json.load(file)
        model, text = (os.path.join(SOURCE, golden[which]["file"]) for which in ("model", "text"))
        for which, path in (("model", model), ("text", text)):
            with open(path, "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), golden[which]["sha256"], which)
        chunks = ("-f", text, "--ctx-size", golden["ctx_size"], "--chunks", golden["chunks"])
        # ModelOpt has calibrated on the same chunks.
        calibrated = run("calibrate", model, *chunks, "--rule", "a:in(matrices)=int8", "--rule", "a:k_cache=e4m3", "--rule", "a:v_cache=e4m3",
                         "-o", self.path("ranges.json"))
        self.assertEqual(calibrated.returncode, 0, calibrated.stderr)
        names = list(golden["variants"])
        variants = [word for index, name in enumerate(names) for word in ("--variant", f"v{index}=@{name}")]
        done = run("eval", model, *chunks, "--arithmetic", "f32", *variants, "--json", self.path("out.json"), cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(result["tokens_scored"], golden["predictions"])
        self.assertEqual(f"{result['baseline']['ppl']:.5g}", f"{golden['baseline']['ppl']:.5g}")
        for index, name in enumerate(names):
            with self.subTest(name):
                variant, expected = result["variants"][index], golden["variants"][name]
                self.assertEqual(variant["name"], f"v{index}")
                kld, by_chance = variant["kld"]["mean"], expected.get("kld_by_chance")
                away = abs(kld / expected["kld"] - 1)
                if by_chance is None:
                    self.assertLessEqual(away, WEIGHTS_BAR)
                elif away > ACTIVATIONS_BAR:
                    self.assertLessEqual(abs(kld - by_chance["mean"]), 3 * by_chance["sd"])


if __name__ == "__main__":
    unittest.main()
