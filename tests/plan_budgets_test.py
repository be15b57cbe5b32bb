"""Budgets of plan beside bits and size: memory as llama.cpp prints it, bytes that a token reads, experts; coupled weights; refining."""

import json
import os
import re
import unittest

import gguf

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama
import tiny_model

USAGE = 2
LAYERS = 6
CONTEXT, CHUNKS = 64, 2


class PlanBudgetsTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.holder = ProgramTest()
        cls.holder.setUp()
        cls.addClassCleanup(cls.holder.doCleanups)
        cls.study = cls.holder.path("study.db")
        for sites, formats in ((("w:attn_q", "w:attn_k", "w:attn_v", "w:ffn_up"), ("q2_k", "q4_k", "q6_k")),
                               (("a:k_cache", "a:v_cache"), ("int4", "int8"))):
            question = [word for site in sites for word in ("--site", site)] + [word for name in formats for word in ("--format", name)]
            done = run("sweep", MODEL, "-f", TEXT, "--chunks", CHUNKS, "--ctx-size", CONTEXT, "--layers", "--threads", 1, "-o", cls.study,
                       *question)
            assert done.returncode == 0, done.stderr

    def plan(self, *options):
        return self.measure("plan", self.study, "--threads", 1, *options)["chosen"]

    def write(self, *options):
        """The file of a plan, and what quantize says of it."""
        path = self.path("plan.json")
        done = run("plan", self.study, "--threads", 1, *options, "--json", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        written = self.measure("quantize", MODEL, "-o", self.path("planned.gguf"), "--plan", self.weights_of(path))
        with open(path, encoding="utf-8") as file:
            return json.load(file)["chosen"], written

    def weights_of(self, path):
        """A plan without the rules of activations, which no file holds."""
        with open(path, encoding="utf-8") as file:
            plan = json.load(file)
        plan["chosen"]["rules"] = [rule for rule in plan["chosen"]["rules"] if rule.startswith("w:")]
        with open(self.path("weights.json"), "w", encoding="utf-8") as file:
            json.dump(plan, file)
        return self.path("weights.json")

    def test_memory_is_what_llama_cpp_allocates(self):
        for context, budget in ((4096, 29_000_000), (1024, 16_000_000)):
            chosen, _ = self.write("--fits-memory", budget, "-c", context, "--bits", "a:32")
            memory = chosen["memory"]
            self.assertLessEqual(sum(memory.values()), budget)
            log = run_llama("llama-completion", "-m", self.path("planned.gguf"), "-c", context, "-n", 1, "-p", "a", "--no-repack", "--no-warmup",
                            "-no-cnv", "-lv", 4, "-fit", "off", until="compute buffer size")

            def printed(what):
                return sum(float(size) for size in re.findall(what + r" buffer size = +([0-9.]+) MiB", log)) * 2**20

            self.assertEqual(log.count("KV buffer size"), 1, log[-3000:])
            ours, theirs = sum(memory.values()), printed("model") + printed("KV") + printed("compute") + printed("output")
            self.assertLess(abs(ours - theirs), 0.02 * theirs, (memory, theirs))
            self.assertLess(abs(memory["cache"] - printed("KV")), 0.02 * printed("KV"))
            self.assertLess(abs(memory["compute"] - printed("compute") - printed("output")), 0.02 * printed("compute"))
        wide = self.plan("--fits-memory", 29_000_000, "-c", 4096, "--bits", "a:32")
        narrow = self.plan("--fits-memory", 29_000_000, "-c", 4096, "--bits", "a:32", "--cache-type-k", "q8_0", "--cache-type-v", "q8_0")
        self.assertLess(narrow["memory"]["cache"], 0.6 * wide["memory"]["cache"])
        self.refuse(USAGE, "no plan fits in 1000000 bytes: the smallest takes", "plan", self.study, "--fits-memory", "1MB", "--bits", "a:32")

    def test_a_token_reads_weights_and_cache_once(self):
        for budget, context in ((5_700_000, 512), (9_500_000, 4096)):
            chosen, written = self.write("--bytes-per-token", budget, "-c", context)
            # The model's output reads the table of embeddings, too, or a token reads one row of it.
            read = 0
            for tensor in written["tensors"]:
                is_table = tensor["name"] == "token_embd.weight" and any(t["name"] == "output.weight" for t in written["tensors"])
                rows = next(t.shape[1] for t in gguf.GGUFReader(MODEL).tensors if t.name == tensor["name"]) if is_table else 1
                read += tensor["bytes"] / rows
            self.assertLessEqual(chosen["bytes_per_token"], budget)
            self.assertLess(abs(chosen["bytes_per_token"] - read - chosen["cache_bytes"]), 32 * len(written["tensors"]))
            # No step to a wider format is left: the least widens one matrix or the cache of a layer.
            self.assertGreater(chosen["bytes_per_token"], budget - max(65536 * 2.125 / 8, context * 256 * 4 / 8) - 4096)
        self.refuse(USAGE, "no plan reads 1000 bytes for a token: the fewest are", "plan", self.study, "--bytes-per-token", 1000)

    def test_each_kind_has_its_budget(self):
        chosen = self.plan("--bits", "w:4.2", "--bits", "c:6")
        self.assertLessEqual(chosen["weight_bits"], 4.2)
        self.assertLessEqual(chosen["cache_bits"], 6)
        self.assertGreater(chosen["cache_bits"], 5)
        self.assertIsNone(chosen["activation_bits"])
        self.assertEqual({a["kind"] for a in chosen["assignments"]}, {"weights", "cache"})
        alone = self.plan("--site", "w:attn_q", "--site", "w:attn_k", "--site", "w:attn_v", "--site", "w:ffn_up", "--bits", 4.2)
        self.assertEqual([a for a in chosen["assignments"] if a["kind"] == "weights"], alone["assignments"])

    def test_coupled_weights_have_one_format(self):
        def formats_of(chosen):
            return [{a["format"] for a in chosen["assignments"] if a["layer"] == layer and a["site"].startswith("w:attn")} for layer in range(LAYERS)]

        options = ("--bits", "w:4", "--bits", "a:8")
        free, coupled = self.plan(*options), self.plan(*options, "--couple", "qkv,gate-up")
        self.assertTrue(any(len(formats) > 1 for formats in formats_of(free)))
        self.assertTrue(all(len(formats) == 1 for formats in formats_of(coupled)))
        self.assertLessEqual(free["kld"], coupled["kld"])
        limited = self.plan(*options, "--at-least", "w:attn_v=q4_k", "--keep", "w:attn_v@0=q6_k")
        bits = {a["layer"]: a["bits"] for a in limited["assignments"] if a["site"] == "w:attn_v"}
        self.assertGreaterEqual(min(bits.values()), 4.5)
        self.assertEqual(bits[0], 6.5625)
        self.refuse(USAGE, "'kv' couples nothing: take qkv, gate-up or experts", "plan", self.study, *options, "--couple", "kv")
        self.refuse(USAGE, "--at-least w:attn_v is invalid", "plan", self.study, *options, "--at-least", "w:attn_v")
        self.refuse(USAGE, "give one of them", "plan", self.study, "--size", "3MB", "--fits-memory", "3MB")

    def test_refined_plans_are_no_worse_and_no_larger(self):
        options = ("--site", "w:attn_q", "--site", "w:attn_k", "--site", "w:attn_v", "--site", "w:ffn_up", "--size", 5_600_000)
        before = self.measure("plan", self.study, "--threads", 1, *options, "--verify")
        refined = self.measure("plan", self.study, "--threads", 1, *options, "--refine", 12, "--verify")
        result = refined["refine"]
        self.assertLessEqual(result["tried"], 12)
        self.assertGreater(result["tried"], 3)
        self.assertAlmostEqual(result["first_kld"], before["verify"]["measured_kld"], delta=1e-6 * result["first_kld"])
        self.assertAlmostEqual(result["kld"], refined["verify"]["measured_kld"], delta=1e-6 * result["first_kld"])
        self.assertLessEqual(result["kld"], result["first_kld"])
        self.assertAlmostEqual(result["difference"], result["kld"] - result["first_kld"], delta=1e-12)
        self.assertEqual(result["accepted"] == 0, refined["chosen"]["recipe"] == before["chosen"]["recipe"])
        self.assertLessEqual(refined["chosen"]["file_size"], 5_600_000)
        self.refuse(USAGE, "within a budget", "plan", self.study, "--refine", 2)
        self.refuse(USAGE, "not within one of divergence", "plan", self.study, "--refine", 2, "--site", "w:attn_q", "--max-kld", 1)

    def test_kernels_measure_what_the_file_loses(self):
        # The study has native arithmetic, and so has the baseline: then eval compares the file with the same.
        study, plan = self.path("native.db"), self.path("plan.json")
        sites = [word for name in ("attn_q", "ffn_down") for word in ("--site", f"w:{name}")]
        done = run("sweep", MODEL, "-f", TEXT, "-c", CONTEXT, "--chunks", CHUNKS, "--layers", "--threads", 1, "-o", study, *NATIVE, "--no-repack",
                   *sites, "--format", "q4_k", "--format", "q8_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run("plan", study, "--threads", 1, "--no-repack", "--size", 6_000_000, "--refine", 4, "--kernels", "--json", plan)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(plan, encoding="utf-8") as file:
            refined = json.load(file)["refine"]
        self.assertTrue(refined["by_kernels"])
        self.measure("quantize", MODEL, "-o", self.path("kernels.gguf"), "--plan", plan)
        of_file = self.measure("eval", MODEL, "-f", TEXT, "-c", CONTEXT, "--chunks", CHUNKS, "--threads", 1, *NATIVE, "--no-repack", "--against",
                               self.path("kernels.gguf"))
        self.assertAlmostEqual(of_file["variants"][0]["kld"]["mean"], refined["kld"], delta=1e-12 * refined["kld"])
        # The kernels round inputs, which rounded values in floats do not show.
        with open(plan, encoding="utf-8") as file:
            recipe = json.load(file)["chosen"]["rules"]
        floats = self.measure("eval", MODEL, "-f", TEXT, "-c", CONTEXT, "--chunks", CHUNKS, "--threads", 1, *(w for rule in recipe for w in ("--rule", rule)))
        self.assertGreater(refined["kld"], 1.05 * floats["variants"][0]["kld"]["mean"])
        self.refuse(USAGE, "add --refine and a budget", "plan", study, "--size", "6MB", "--kernels")
        self.refuse(USAGE, "add it", "quantize", MODEL, "-o", self.path("c.gguf"), "-f", TEXT, "--size", "4MB", "--kernels")

    def test_of_experts_a_token_reads_its_share(self):
        model, text = tiny_model.write(self.path("experts.gguf"), experts=4), tiny_model.write_text(self.path("text.txt"))
        study = self.path("experts.db")
        words = sorted({t.name.split(".")[2] for t in gguf.GGUFReader(model).tensors if "_exps" in t.name})
        sites = [word for name in ("attn_q", *words) for word in ("--site", f"w:{name}")]
        done = run("sweep", model, "-f", text, "-c", 32, "--chunks", 2, "--layers", "--threads", 1, "-o", study, *sites, "--format", "q4_0",
                   "--format", "q8_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        shares = {t.name: 0.5 if "_exps" in t.name else 1 for t in gguf.GGUFReader(model).tensors}
        has_output = "output.weight" in shares
        for budget, more in ((21.5, ()), (22.5, ()), (22.5, ("--size", os.path.getsize(model) - 8000)), (24, ("--bpw", 20))):
            result = self.measure("plan", study, "--max-active-bpw", budget, *more)
            with open(self.path("plan.json"), "w", encoding="utf-8") as file:
                json.dump(result, file)
            tensors = self.measure("quantize", model, "-o", self.path("out.gguf"), "--plan", self.path("plan.json"))["tensors"]
            rows = next(t.shape[1] for t in gguf.GGUFReader(model).tensors if t.name == "token_embd.weight")
            if has_output:
                shares["token_embd.weight"] = 1 / rows
            active = sum(t["bytes"] * 8 * shares[t["name"]] for t in tensors) / sum(t["elements"] * shares[t["name"]] for t in tensors)
            self.assertAlmostEqual(result["chosen"]["active_bits_per_weight"], active, delta=0.02 * active)
            self.assertLessEqual(active, budget)
            if "--size" in more:
                self.assertLessEqual(os.path.getsize(self.path("out.gguf")), more[1])
        coupled = self.measure("plan", study, "--bits", 20, "--couple", "experts")["chosen"]["assignments"]
        self.assertEqual(len({a["format"] for a in coupled if "_exps" in a["site"]}), 1)


if __name__ == "__main__":
    unittest.main()
