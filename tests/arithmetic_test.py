"""The two arithmetics: f32, in which nothing is rounded that no rule names, and native, llama.cpp's own."""

import unittest

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama

ARGUMENTS = ("-f", TEXT, "--chunks", 2, "--ctx-size", 128)
F32 = ("--arithmetic", "f32")


class ArithmeticTest(ProgramTest):
    def evaluate(self, model, *arguments):
        return self.measure("eval", model, *ARGUMENTS, *arguments)

    def quantized(self, kind):
        path = self.path(f"{kind}.gguf")
        run_llama("llama-quantize", MODEL, path, kind)
        return path

    def wide(self, model):
        """A file with the same values in F32."""
        path = self.path("wide.gguf")
        self.assertEqual(run("apply", model, "-o", path, "--promote", "f32", "--rule", "w:*=mantissa23").returncode, 0)
        return path

    def test_the_type_of_the_weights_does_not_matter(self):
        rule = ("--rule", "a:in(matrices)=int8")
        for kind in ("Q4_0", "Q6_K"):
            model = self.quantized(kind)
            stored, wide = self.evaluate(model, *rule), self.evaluate(self.wide(model), *rule)
            for figure in ("ppl", "kld", "top1_agreement"):
                self.assertEqual(stored["variants"][0][figure], wide["variants"][0][figure], figure)
            self.assertEqual(stored["baseline"]["ppl"], wide["baseline"]["ppl"])
            self.assertEqual({tuple(site["kernels_round_to"]) for site in stored["sites"]}, {()})

    def test_a_sweep_in_native_arithmetic_has_the_floors_of_its_sites(self):
        model = self.quantized("Q8_0")
        question = ("sweep", model, *ARGUMENTS, "-o", self.path("study.db"), "--site", "a:ffn_norm", "--site", "w:ffn_norm", "--layers",
                    "--format", "bf16")
        swept = {(variant["site"], variant["layer"]): variant["noise_floor"] for variant in self.measure(*question, *NATIVE)["variants"]}
        self.assertEqual({floor for (site, _), floor in swept.items() if site.startswith("w:")}, {None})
        for layer in (0, 5):
            alone = self.evaluate(model, *NATIVE, "--rule", f"a:ffn_norm@{layer}=int4")["variants"][0]["noise_floor"]
            floor = swept["a:ffn_norm", layer]
            self.assertEqual(floor["predictions"], alone["predictions"])
            self.assertAlmostEqual(floor["kld"], alone["kld"], delta=1e-9 * alone["kld"])
            self.assertGreater(floor["kld"], 0)
        again = self.measure(*question, *NATIVE)  # nothing is left to measure
        self.assertEqual((again["measured"], {variant["noise_floor"] for variant in again["variants"]}), (0, {None}))
        exact = self.measure(*(word if word != self.path("study.db") else self.path("exact.db") for word in question))
        self.assertEqual({variant["noise_floor"] for variant in exact["variants"]}, {None})

    def test_a_variant_computes_as_the_file_that_apply_writes(self):
        # Kernels may have layouts of their own for either type, or for one of both.
        for kind in ("Q4_0", "Q5_0"):
            model, written = self.quantized(kind), self.path("written.gguf")
            for wide in ("f16", "bf16", "f32"):
                rules = ("--rule", "w:matrices=mxfp4", "--rule", "w:token_embd=int8,per=row", "--promote", wide)
                self.assertEqual(run("apply", model, "-o", written, *rules).returncode, 0)
                of_file = self.evaluate(written, *NATIVE)["baseline"]["ppl"]
                for size in ("1GB", "0"):
                    variant = self.evaluate(model, *NATIVE, *rules, "--weight-memory", size)["variants"][0]
                    self.assertEqual(variant["ppl"], of_file, (kind, wide, size))

    def test_the_memory_of_rounded_weights_changes_no_figure(self):
        model = self.quantized("Q4_0")
        rules = ("--rule", "w:matrices=mxfp4", "--rule", "w:token_embd=int8", "--promote", "f16")
        for arithmetic in (NATIVE, F32):
            figures = [self.evaluate(model, *arithmetic, *rules, "--weight-memory", size) for size in ("1GB", "300kB", "0")]
            for other in figures[1:]:
                self.assertEqual(other["variants"], figures[0]["variants"])
                self.assertEqual(other["weights"], figures[0]["weights"])
            held = [figure["memory"]["rounded_weights"] for figure in figures]
            self.assertGreater(held[0], 2 * held[1])
            self.assertGreater(held[1], held[2])
        done = run("eval", model, *ARGUMENTS, *rules, "--weight-memory", "plenty")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
        self.assertIn("--weight-memory plenty is invalid", done.stderr)

    def test_there_is_a_noise_floor_in_native_arithmetic_only(self):
        model = self.quantized("Q4_0")
        rule = ("--rule", "a:ffn_norm=mantissa20")
        native, exact = self.evaluate(model, *NATIVE, *rule), self.evaluate(model, *rule)
        self.assertEqual((native["arithmetic"], exact["arithmetic"]), ("native", "f32"))
        least = self.evaluate(model, *NATIVE, "--rule", "a:ffn_norm=mantissa22")["variants"][0]
        floor = native["variants"][0]["noise_floor"]
        self.assertEqual((floor["kld"], floor["predictions"]), (least["kld"]["mean"], native["tokens_scored"]))
        self.assertIsNone(exact["variants"][0]["noise_floor"])
        self.assertLess(exact["variants"][0]["kld"]["mean"], floor["kld"] / 100)
        said = run("eval", model, *ARGUMENTS, *NATIVE, "--rule", "a:ffn_norm=mantissa22").stdout
        self.assertIn("in native arithmetic", said)
        self.assertRegex(said, "the noise floor: the divergence is not twice that")
        self.assertNotIn("noise floor", run("eval", model, *ARGUMENTS, *rule).stdout)

    def test_what_kernels_do_not_round_has_no_floor(self):
        self.assertIsNone(self.evaluate(MODEL, *NATIVE, "--rule", "a:ffn_inp=bf16")["variants"][0]["noise_floor"])

    def test_no_figure_depends_on_threads_or_on_what_is_evaluated_together(self):
        rules = ("--rule", "a:in(matrices)=int4", "--rule", "w:ffn_up=e2m1")
        expected = self.evaluate(MODEL, *rules, "--threads", 1)
        for arguments in (("--threads", 2), ("--batch-size", 1), ("--batch-size", 7), ("--batch-size", 64, "--threads", 2)):
            result = self.evaluate(MODEL, *rules, *arguments)
            self.assertEqual(result["variants"][0]["kld"], expected["variants"][0]["kld"], arguments)
            self.assertEqual(result["baseline"], expected["baseline"], arguments)

    def test_jitters_are_seeded_and_small(self):
        rules = ("--rule", "a:in(matrices)=int8")
        one, three = (self.evaluate(MODEL, *rules, "--jitter", n)["variants"][0] for n in (1, 3))
        self.assertEqual(one["jittered_kld"], three["jittered_kld"][:1])
        self.assertEqual(len(set(three["jittered_kld"])), 3)
        for divergence in three["jittered_kld"]:
            self.assertAlmostEqual(divergence / three["kld"]["mean"], 1, delta=0.5)
        self.assertEqual(self.evaluate(MODEL, *rules)["variants"][0]["jittered_kld"], [])
        weights = self.evaluate(MODEL, "--rule", "w:matrices=int4", "--jitter", 2)["variants"][0]
        for divergence in weights["jittered_kld"]:
            self.assertAlmostEqual(divergence / weights["kld"]["mean"], 1, delta=0.02)
        self.assertRegex(run("eval", MODEL, *ARGUMENTS, *rules, "--jitter", 2).stdout, "under 2 jitters of the embeddings")

    def test_weights_that_change_in_the_loaded_model_are_those_that_apply_writes(self):
        quantized = self.quantized("Q4_0")
        for model, arithmetic, promotion in ((MODEL, F32, ()), (MODEL, NATIVE, ()), (quantized, F32, ("--promote", "f32")),
                                             (quantized, NATIVE, ("--promote", "f16"))):
            for rules in (("w:ffn_norm=bf16,round=zero",), ("w:*=e4m3",), ("w:matrices=nvfp4", "w:ffn_up@0-2=q4_0"),
                          ("w:embedding=int8", "w:ffn_down=int4,round=stochastic,seed=3"), ("w:attn_q=int8,per=tensor",)):
                arguments = [word for rule in rules for word in ("--rule", rule)]
                self.assertEqual(run("apply", model, "-o", self.path("out.gguf"), *promotion, *arguments).returncode, 0)
                written = self.evaluate(self.path("out.gguf"), *arithmetic)["baseline"]
                changed = self.evaluate(model, *arithmetic, *promotion, *arguments)
                self.assertEqual(changed["variants"][0]["ppl"], written["ppl"], (rules, arithmetic))
                if "f16" in promotion:
                    continue  # which does not hold all values of Q4_0, whether they are rounded or not
                compared = self.measure("compare", model, self.path("out.gguf"))["tensors"]
                differ = {tensor["name"] for tensor in compared if tensor["changed"]}
                self.assertLessEqual(differ, {weight["name"] for weight in changed["weights"] if weight["changed"]})

    def test_what_only_native_arithmetic_can_is_native(self):
        result = self.evaluate(MODEL, "-ctv", "q8_0", "-ctk", "q8_0")
        self.assertEqual((result["arithmetic"], result["cache_type_k"]), ("native", "q8_0"))
        self.refuse(2, "q8_0 values in the cache need flash attention, which is off", "eval", MODEL, *ARGUMENTS, *F32, "-ctv", "q8_0", "-fa", "off")
        self.refuse(2, "f32 arithmetic is computed on this machine's processor|there is none", "eval", MODEL, *ARGUMENTS, *F32, "-ngl", 1)
        self.refuse(2, "arithmetic 'f16' is unknown: take f32 or native", "eval", MODEL, *ARGUMENTS, "--arithmetic", "f16")

    def test_a_study_keeps_to_its_arithmetic(self):
        study = self.path("study.db")
        arguments = ("sweep", MODEL, *ARGUMENTS, "-o", study, "--site", "a:ffn_input", "--format")
        self.assertEqual(self.measure(*arguments, "bf16", *NATIVE)["arithmetic"], "native")
        self.assertEqual(self.measure(*arguments, "int8")["arithmetic"], "native")  # goes on as it was begun
        self.refuse(2, "was measured in native arithmetic, and not in f32", *arguments, "int4", *F32)


if __name__ == "__main__":
    unittest.main()
