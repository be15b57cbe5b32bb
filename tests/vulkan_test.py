"""Layers on a device whose memory is not the host's: ggml's Vulkan back end on Mesa's llvmpipe."""

import glob
import os
import unittest

from program import MODEL, TEXT, ProgramTest, run

TEXT_ARGUMENTS = ("-f", TEXT, "--chunks", 2, "-c", 128)
WEIGHTS = ("w:matrices=int4", "w:ffn_norm=bf16", "w:output_norm=bf16")
ACTIVATIONS = ("a:ffn_norm=bf16", "a:in(ffn_down)=mxfp4", "a:logits=e4m3")
LAYERS = 6


def device():
    """The environment in which the program has the device; None where it is not installed."""
    back_ends = os.path.join(os.environ["LLAMA_TOOLS"], "..", "..", "vulkan")
    drivers = glob.glob("/usr/share/vulkan/icd.d/lvp_icd*.json")
    if not os.path.exists(os.path.join(back_ends, "libggml-vulkan.so")) or not drivers:
        return None
    return {**os.environ, "FAKEQUANT_BACKENDS": os.path.realpath(back_ends), "VK_ICD_FILENAMES": drivers[0],
            "GGML_VK_VISIBLE_DEVICES": "0"}  # ggml takes a device that is a processor only where it is named


@unittest.skipIf(device() is None, "there is no Vulkan for processors, or no back end for it: make test-vulkan fetches both")
class VulkanTest(ProgramTest):
    def recipe(self, name, rules):
        path = self.path(f"{name}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"rules: [{', '.join(repr(rule) for rule in rules)}]\n")
        return f"{name}={path}"

    def evaluate(self, model, *arguments, env=None):
        return self.measure("eval", model, *TEXT_ARGUMENTS, "--arithmetic", "native", *arguments, env=env)

    def test_weights_and_activations_are_rounded_there_as_here(self):
        variants = [word for name, rules in (("weights", WEIGHTS), ("activations", ACTIVATIONS), ("none", ("a:ffn_norm=mantissa23",)))
                    for word in ("--variant", self.recipe(name, rules))]
        there = self.evaluate(MODEL, *variants, "--device", "Vulkan0", env=device())
        self.assertEqual([name.split()[0] for name in there["backends"]], ["Vulkan0", "CPU"])
        weights, activations, none = there["variants"]

        # Weights that are changed in the device's memory are those of a file that is loaded into it, in every bit; after
        # them the model is the baseline again.
        written = self.path("written.gguf")
        arguments = [word for rule in WEIGHTS for word in ("--rule", rule)]
        self.assertEqual(run("apply", MODEL, "-o", written, *arguments).returncode, 0)
        self.assertEqual(weights["ppl"], self.evaluate(written, "--device", "Vulkan0", env=device())["baseline"]["ppl"])
        # On a device they are kept there, whatever memory they are given here.
        kept = self.evaluate(MODEL, *variants[:2], "--device", "Vulkan0", "--weight-memory", "0", env=device())["variants"][0]
        self.assertEqual((kept["ppl"], kept["kld"]), (weights["ppl"], weights["kld"]))
        self.assertEqual((none["ppl"], none["kld"]["max"]), (there["baseline"]["ppl"], 0))

        # The device sums in another order, and multiplies in 16 bits.
        here = self.evaluate(MODEL, *variants)
        self.assertAlmostEqual(there["baseline"]["ppl"] / here["baseline"]["ppl"], 1, delta=2e-3)
        for one, other in zip((weights, activations), here["variants"]):
            self.assertAlmostEqual(one["ppl"] / other["ppl"], 1, delta=5e-3)
            self.assertAlmostEqual(one["kld"]["mean"], other["kld"]["mean"], delta=3 * other["kld"]["error"])
        self.assertEqual(len(there["sites"]), 3 * LAYERS + 1)
        for one, other in zip(there["sites"], here["sites"], strict=True):
            self.assertEqual([one[field] for field in ("site", "format", "rows", "columns", "elements")],
                             [other[field] for field in ("site", "format", "rows", "columns", "elements")])
            self.assertAlmostEqual(one["changed"], other["changed"], delta=1e-2 * other["changed"])

    def test_reference_arithmetic_is_refused(self):
        self.refuse(2, "f32 arithmetic is computed on this machine's processor", "eval", MODEL, *TEXT_ARGUMENTS, "--arithmetic", "f32",
                    "--device", "Vulkan0", env=device())


if __name__ == "__main__":
    unittest.main()
