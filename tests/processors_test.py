"""Lesser processors: ggml's lower CPU back ends and the kernels' lower targets. Rounding comes out the same to the bit."""

import glob
import hashlib
import json
import os
import re
import unittest

from program import MODEL, TEXT, ProgramTest, run, run_llama

LEVELS = ("x64", "haswell")
RULES = ("w:ffn_up=mxfp4", "w:ffn_down=nvfp4", "w:ffn_gate=int8", "w:attn_q=bf16", "w:attn_k=e4m3", "w:attn_v=bf16,round=stochastic",
         "w:attn_output=int4,per=block,block=32,round=stochastic", "w:token_embd=q4_k", "w:ffn_norm=e5m2,round=zero",
         "w:attn_norm=mantissa5,round=stochastic")
WEIGHTS = [word for rule in RULES for word in ("--rule", rule)]
# Measured sums depend on the order in which a back end adds; nothing else does.
TOLERANCE = 1e-3


def environment(**more):
    return {**os.environ, **more}


class ProcessorsTest(ProgramTest):
    def applied(self, env, *arguments):
        """SHA-256 of the model that apply writes."""
        out = self.path("out.gguf")
        done = run("apply", *arguments, "-o", out, "--no-provenance", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(out, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def evaluated(self, env):
        path, recipe = self.path("eval.json"), self.path("activations.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - {activations: ffn_input, format: int4}\n")
        done = run("eval", MODEL, "-f", TEXT, "--chunks", 4, *WEIGHTS, "--variant", f"activations={recipe}", "--json", path, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def test_kernels_of_every_target_round_alike(self):
        quantized = self.path("q4.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_0")
        promoted = (quantized, "--promote", "bf16", "--rule", "w:*ffn_*=e4m3,round=stochastic")
        best = self.applied(environment(), MODEL, *WEIGHTS), self.applied(environment(), *promoted)
        said = run("formats", env=environment(FAKEQUANT_HIGHEST_TARGET="none")).stderr
        targets = re.fullmatch("fakequant: FAKEQUANT_HIGHEST_TARGET=none: the targets on this processor are (.*)\n", said).group(1).split()
        self.assertGreater(len(targets), 1)
        for target in targets[1:]:
            with self.subTest(target=target):
                env = environment(FAKEQUANT_HIGHEST_TARGET=target)
                self.assertEqual((self.applied(env, MODEL, *WEIGHTS), self.applied(env, *promoted)), best)

    def test_lower_back_ends_measure_nearly_the_same_and_round_the_same(self):
        folder = self.back_ends()
        best, file = self.evaluated(environment()), self.applied(environment(), MODEL, *WEIGHTS)
        for level in LEVELS:
            with self.subTest(level=level):
                one = self.path(level)
                os.mkdir(one)
                library = f"libggml-cpu-{level}.so"
                os.symlink(os.path.join(folder, library), os.path.join(one, library))
                env = environment(FAKEQUANT_BACKENDS=one)
                result = self.evaluated(env)
                self.assertEqual(result["weights"], best["weights"])
                for here, there in zip((result["baseline"], *result["variants"]), (best["baseline"], *best["variants"]), strict=True):
                    self.assertAlmostEqual(here["ppl"] / there["ppl"], 1, delta=TOLERANCE)
                (weights, activations), expected = ([variant["kld"] for variant in found["variants"]] for found in (result, best))
                self.assertAlmostEqual(weights["mean"] / expected[0]["mean"], 1, delta=TOLERANCE)
                # An activation that differs in its last digit may round to the neighboring code.
                self.assertAlmostEqual(activations["mean"], expected[1]["mean"], delta=expected[1]["error"] / 10)
                for here, there in zip(result["sites"], best["sites"], strict=True):
                    self.assertEqual((here["site"], here["elements"]), (there["site"], there["elements"]))
                    self.assertAlmostEqual(here["changed"] / there["changed"], 1, delta=TOLERANCE)
                self.assertEqual(self.applied(env, MODEL, *WEIGHTS), file)

    def test_a_folder_without_back_ends_is_refused(self):
        self.refuse(1, f"found no back end for this CPU in {self.folder}", "eval", MODEL, "-f", TEXT,
                    env=environment(FAKEQUANT_BACKENDS=self.folder))

    def back_ends(self):
        """The folder of ggml's back ends, where it has one for each level."""
        tools = os.environ["LLAMA_TOOLS"]
        found = glob.glob(os.path.join(tools, "..", "lib", "*", "ggml", "backends*", f"libggml-cpu-{LEVELS[0]}.so"))
        if not found:
            self.skipTest("this ggml has no back ends for single levels")
        return os.path.dirname(os.path.realpath(found[0]))


if __name__ == "__main__":
    unittest.main()
