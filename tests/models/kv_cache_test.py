"""Attention's cache on the real models of scripts/fetch-model: llama.cpp's own against the rules that simulate it, and what a long context takes."""

import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import shortened_model  # noqa: E402
from program import SOURCE, TEXT, ProgramTest  # noqa: E402

SMOLLM2, GEMMA = (os.path.join(SOURCE, "models", f"{name}-f16.gguf") for name in ("smollm2-135m", "gemma-3-270m"))
TYPES = ("q8_0", "q5_1", "q4_0")


class KvCacheModelsTest(ProgramTest):
    def test_a_simulated_cache_is_the_real_one_where_nothing_is_rounded_behind_it(self):
        """In models of one layer no difference by the order of a sum is rounded again. Of Gemma where it was fetched, too."""
        for model in filter(os.path.exists, (SMOLLM2, GEMMA)):
            short = shortened_model.write(model, self.path("short.gguf"), layers=1)
            for kind in TYPES:
                measured = ("-f", TEXT, "-c", 256, "--chunks", 2, "--arithmetic", "f32")
                cost = self.measure("eval", short, *measured, "--recipe", f"@llama.cpp/kv-{kind}")["variants"][0]["kld"]["mean"]
                left = self.measure("eval", short, *measured, "-ctk", kind, "-ctv", kind, "--recipe", self.simulated(kind))["variants"][0]["kld"]["mean"]
                self.assertLess(left, 0.01 * cost, (model, kind))

    def simulated(self, kind):
        """The recipe in a cache of its own, beside a baseline whose cache is the real one."""
        with open(os.path.join(SOURCE, "recipes", "llama.cpp", f"kv-{kind}-simulated.yaml"), encoding="utf-8") as file:
            recipe = file.read()
        with open(self.path("simulated.yaml"), "w", encoding="utf-8") as file:
            file.write(recipe + "cache_type_k: f32\ncache_type_v: f32\nflash_attn: off\n")
        return self.path("simulated.yaml")

    def test_a_simulated_cache_costs_what_the_real_one_costs(self):
        """Through all layers chance is 2 % of each figure."""
        variants = [word for kind in ("q8_0", "q4_0") for form in ("", "-simulated")
                    for word in ("--variant", f"{kind}{form}=@llama.cpp/kv-{kind}{form}")]
        result = self.measure("eval", SMOLLM2, "-f", TEXT, "-c", 512, "--chunks", 6, *variants)
        kld = {variant["name"]: variant["kld"]["mean"] for variant in result["variants"]}
        for kind in ("q8_0", "q4_0"):
            self.assertAlmostEqual(kld[f"{kind}-simulated"] / kld[kind], 1, delta=0.06, msg=kld)

    def test_memory_is_what_was_foretold(self):
        """Of 32,768 tokens, by the first layer of SmolLM2, whose context is made as long."""
        short = shortened_model.write(SMOLLM2, self.path("short.gguf"), layers=1, context=32768)
        with open(TEXT, encoding="utf-8") as file:
            text = file.read()
        with open(self.path("long.txt"), "w", encoding="utf-8") as file:
            file.write(2 * text)
        result = self.measure("eval", short, "-f", self.path("long.txt"), "-c", 32768, "--chunks", 1, "--rule", "a:k_cache=int8")
        taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # the largest that any of these tests ran
        memory = result["memory"]
        self.assertEqual(memory["total"], sum(size for part, size in memory.items() if part != "total"))
        self.assertGreater(taken, 1e9)
        self.assertAlmostEqual(memory["total"] / taken, 1, delta=0.1, msg=memory)


if __name__ == "__main__":
    unittest.main()
