"""Perplexity and divergence on the demo model, against llama-perplexity."""

import os
import re
import subprocess
import unittest

import gguf
import numpy as np

from program import MODEL, NATIVE, PROGRAM, TEXT, ProgramTest, run, run_llama

CHUNKS = 3
LAYERS = range(6)
COLUMNS = 256
TRUNCATED = "a:ffn_norm=bf16,round=zero"
NEAREST = ("--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", "-1")


class EvalTest(ProgramTest):
    def evaluate(self, *arguments):
        return self.measure("eval", MODEL, "-f", TEXT, "--chunks", CHUNKS, *arguments)

    def assert_is_what_llama_perplexity_says(self, estimate, model, *arguments, text=TEXT):
        """PPL and its error, to the digits that llama-perplexity prints where it evaluates one chunk at a time, as eval does."""
        printed = self.llama_perplexity(model, text, 256, *arguments, "-b", 256)
        self.assertEqual(printed, (f"{estimate['ppl']:.4f}", f"{estimate['ppl_error']:.5f}"))

    def llama_perplexity(self, model, text, ctx_size, *arguments):
        """PPL and its error, as printed."""
        said = run_llama("llama-perplexity", "-m", model, "-f", text, "-c", ctx_size, *arguments, until="Final estimate")
        return re.search(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)", said).groups()

    def test_without_rules_is_what_llama_perplexity_says_and_no_divergence(self):
        result = self.evaluate(*NATIVE)
        self.assert_is_what_llama_perplexity_says(result["baseline"], MODEL, "--chunks", CHUNKS)
        itself = result["variants"][0]
        self.assertEqual(itself["ppl"], result["baseline"]["ppl"])
        self.assertEqual(itself["ppl_ratio"], 1)
        self.assertEqual((itself["kld"]["mean"], itself["kld"]["max"]), (0, 0))
        self.assertEqual((itself["reverse_kld"]["mean"], itself["reverse_kld"]["max"]), (0, 0))
        self.assertEqual(itself["top1_agreement"], 1)
        self.assertEqual(itself["worst_tokens"], [])

    def test_without_repacked_weights_is_what_llama_perplexity_says_so(self):
        result = self.evaluate(*NATIVE, "-nr")
        self.assert_is_what_llama_perplexity_says(result["baseline"], MODEL, "--chunks", CHUNKS, "-nr")

    def test_scores_only_what_is_read_from_a_long_cache(self):
        rules = ("--rule", "a:k_cache=int4", "-c", 128)
        of = {start: self.evaluate(*rules, "--kv-from", start) for start in (1, 64, 100)}
        self.assertEqual([result["tokens_scored"] for result in of.values()], [CHUNKS * 126, CHUNKS * 63, CHUNKS * 27])
        self.assertEqual([result["scored_from"] for result in of.values()], [1, 64, 100])
        for field in ("ppl", "kld", "delta_p"):
            self.assertEqual(of[64]["variants"][0][field], self.evaluate(*rules)["variants"][0][field])
        self.assertNotEqual(of[100]["variants"][0]["kld"]["mean"], of[64]["variants"][0]["kld"]["mean"])
        self.refuse(2, "a chunk of 128 tokens has no prediction with 127 tokens before it", "eval", MODEL, "-f", TEXT, "-c", 128, "--kv-from", 127)

    def test_llama_perplexity_says_nearly_the_same_by_default(self):
        """By default it evaluates several chunks at once. On some processors that changes the last digits."""
        printed = self.llama_perplexity(MODEL, TEXT, 256, "--chunks", CHUNKS)
        baseline = self.evaluate(*NATIVE)["baseline"]
        for value, expected in zip(printed, (baseline["ppl"], baseline["ppl_error"])):
            self.assertAlmostEqual(float(value) / expected, 1, delta=1e-3)

    def test_a_whole_text_is_what_llama_perplexity_says(self):
        text = self.path("text.txt")
        with open(TEXT, encoding="utf-8") as file, open(text, "w", encoding="utf-8") as part:
            part.write(file.read(9000))
        result = self.measure("eval", MODEL, "-f", text, *NATIVE)
        self.assert_is_what_llama_perplexity_says(result["baseline"], MODEL, text=text)
        self.assertEqual(result["chunks"], result["tokens_in_text"] // 256)

    def test_a_newline_at_the_end_is_dropped_as_llama_perplexity_does(self):
        with open(TEXT, encoding="utf-8") as file:
            content = file.read(6000).rstrip("\n")
        tokens = []
        for newlines in range(3):
            with open(self.path("text.txt"), "w", encoding="utf-8") as file:
                file.write(content + "\n" * newlines)
            tokens.append(self.measure("eval", MODEL, "-f", self.path("text.txt"), "--chunks", 1)["tokens_in_text"])
        self.assertEqual(tokens[1], tokens[0])
        self.assertEqual(tokens[2], tokens[0] + 1)
        said = run_llama("llama-perplexity", "-m", MODEL, "-f", self.path("text.txt"), "-c", tokens[2] // 2, until="Final estimate")
        self.assertRegex(said, r"over 2 chunks")

    def test_rounded_weights_are_what_llama_perplexity_says_of_the_applied_file(self):
        run("apply", MODEL, "-o", self.path("out.gguf"))
        in_memory = self.evaluate("--rule", "w:ffn_norm=bf16,round=zero", *NATIVE)["variants"][0]
        self.assert_is_what_llama_perplexity_says(in_memory, self.path("out.gguf"), "--chunks", CHUNKS)
        from_file = self.measure("eval", self.path("out.gguf"), "-f", TEXT, "--chunks", CHUNKS, *NATIVE)
        self.assertEqual(in_memory["ppl"], from_file["baseline"]["ppl"])

    def test_quantized_weights_are_promoted_in_memory_as_apply_does_in_a_file(self):
        quantized, applied = self.path("q4_0.gguf"), self.path("applied.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_0")
        rule = ("--rule", "w:ffn_up=mxfp4")
        self.refuse(2, r"stored as Q4_0: promote it to a wider type, such as f16, or requantize it to Q4_0", "eval", quantized, "-f", TEXT, *NATIVE, *rule)
        for storage in (("--promote", "f16"), ("--promote", "f32"), ("--requantize",)):
            variant = self.measure("eval", quantized, "-f", TEXT, "--chunks", CHUNKS, *rule, *storage)["variants"][0]
            self.assertGreater(variant["kld"]["mean"], 0)
            self.assertEqual(run("apply", quantized, "-o", applied, *rule, *storage).returncode, 0)
            of_file = self.measure("eval", applied, "-f", TEXT, "--chunks", CHUNKS)["baseline"]
            self.assertEqual(of_file["ppl"], variant["ppl"], storage)

    def test_rounds_each_value_exactly_once(self):
        result = self.evaluate(*NEAREST)
        self.assertEqual(result["tokens_evaluated"], CHUNKS * 256)
        self.assertEqual(result["tokens_scored"], CHUNKS * 127)
        self.assertEqual([s["site"] for s in result["sites"]], [f"ffn_norm-{layer}" for layer in LAYERS])
        for site in result["sites"]:
            # The last layer is computed only for tokens whose logits were requested.
            rows = result["tokens_scored"] if site["layer"] == 5 else result["tokens_evaluated"]
            self.assertEqual(site["rows"], rows)
            self.assertEqual(site["elements"], rows * COLUMNS)
            self.assertEqual(site["evaluations"], CHUNKS)
            self.assertGreater(site["changed"], 0.99 * site["elements"])
            self.assertEqual(site["format"], "bf16")
            # A value in [2^e, 2^(e+1)) changes by at most half of 2^(e-7), and uniformly, so by a quarter on average.
            self.assertLessEqual(site["max_rel"], 2**-8)
            self.assertGreater(site["sqnr_db"], 50)

    def write_recipe(self, name, *rules):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write("rules:\n" + "".join(f"  - {rule}\n" for rule in rules))
        return self.path(name)

    def test_variants_are_measured_together_as_they_are_alone(self):
        norms = self.write_recipe("norms.yaml", "{activations: ffn_norm, format: int8}")
        weights = self.write_recipe("weights.yaml", "{weights: ffn_up, format: e4m3}", "{activations: logits, format: e4m3}")
        together = self.evaluate("--rule", TRUNCATED, "--variant", f"norms={norms}", "--variant", f"weights={weights}")
        self.assertEqual([variant["name"] for variant in together["variants"]], ["variant", "norms", "weights"])
        self.assertEqual({tensor["variant"] for tensor in together["weights"]}, {"weights"})
        for variant, arguments in zip(together["variants"], (("--rule", TRUNCATED), ("--recipe", norms), ("--recipe", weights))):
            alone = self.evaluate(*arguments)
            self.assertEqual(alone["baseline"], together["baseline"])
            self.assertEqual({**alone["variants"][0], "name": variant["name"]}, variant)
            for site in alone["sites"]:
                self.assertIn({**site, "variant": variant["name"]}, together["sites"])

    def test_another_model_is_measured_as_llama_perplexity_does(self):
        quantized = self.path("q4_k.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_K_M")
        result = self.evaluate("--against", quantized, "--rule", "a:ffn_norm=bf16", *NATIVE)
        self.assertEqual([variant["name"] for variant in result["variants"]], ["variant", "q4_k"])
        variant = result["variants"][1]
        self.assertEqual(variant["model"], quantized)
        self.assertGreater(variant["kld"]["mean"], 0)
        self.assert_is_what_llama_perplexity_says(variant, quantized, "--chunks", CHUNKS)
        itself = self.evaluate("--against", MODEL)["variants"][0]
        self.assertEqual((itself["kld"]["max"], itself["ppl_ratio"]), (0, 1))

    def test_a_cache_of_another_type_is_what_llama_perplexity_says(self):
        for k, v in (("q8_0", "q8_0"), ("q4_0", "f16"), ("f32", "bf16")):
            result = self.evaluate("-ctk", k, "-ctv", v, "-c", 256, "-b", 256, "-t", 1, *NATIVE)
            self.assertEqual((result["cache_type_k"], result["cache_type_v"]), (k, v))
            self.assert_is_what_llama_perplexity_says(result["baseline"], MODEL, "--chunks", CHUNKS, "-ctk", k, "-ctv", v)
            # The variants have the same cache.
            self.assertEqual(result["variants"][0]["kld"]["max"], 0)
        self.assertNotEqual(self.evaluate("-ctk", "q4_0", "-c", 256)["baseline"]["ppl"], self.evaluate("-c", 256)["baseline"]["ppl"])
        self.refuse(2, "type of the cached values: 'q9' is no type of the cache: take one of f32 f16 bf16", "eval", MODEL, "-f", TEXT, "-ctv", "q9")

    def test_conditions_decide_over_the_exit_code(self):
        arguments = ("eval", MODEL, "-f", TEXT, "--chunks", 2, "--rule", "a:ffn_norm=int4")
        for condition, code in (("kld.mean>10", 0), ("kld.mean>0", 3), ("variant: kld.mean>0", 3), ("top1_agreement<0.1", 0), ("ppl_ratio>=0", 3)):
            done = run(*arguments, "--fail-if", condition)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn("KL divergence", done.stdout)
        self.assertRegex(done.stderr, r"^fakequant: --fail-if 'ppl_ratio>=0' holds for 1 of 1: the worst is variant, with .*\n$")
        self.refuse(2, "there is no field speed here", *arguments, "--fail-if", "speed>1")
        self.refuse(2, "nothing is called w4: take one of variant", *arguments, "--fail-if", "w4: kld.mean>0")

    def test_refuses_variants_that_cannot_be(self):
        recipe = self.write_recipe("norms.yaml", "{activations: ffn_norm, format: int8}")
        arguments = ("eval", MODEL, "-f", TEXT)
        for text in ("norms", "=norms.yaml", "norms="):
            self.refuse(2, "write NAME=RECIPE.yaml", *arguments, "--variant", text)
        self.refuse(2, "two variants are called 'a'", *arguments, "--variant", f"a={recipe}", "--variant", f"a={recipe}")
        self.refuse(2, "two variants are called 'variant'", *arguments, "--rule", "a:ffn_norm=bf16", "--variant", f"variant={recipe}")
        self.refuse(1, "cannot open", *arguments, "--against", self.path("missing.gguf"))
        with open(MODEL, "rb") as file:
            model = file.read()
        # Replace a token of one letter by another.
        at = model.index("\u2581the".encode())
        with open(self.path("other.gguf"), "wb") as file:
            file.write(model[:at] + "\u2581thy".encode() + model[at + 6:])
        self.refuse(1, "different vocabularies, so that they cannot be compared: token [0-9]+ is '.*thy.*' and '.*the", *arguments,
                    "--against", self.path("other.gguf"))

    def test_several_texts_are_measured_as_each_alone_and_averaged_both_ways(self):
        with open(TEXT, encoding="utf-8") as file:
            content = file.read()
        texts = [self.path("a.txt"), self.path("b.txt")]
        for path, part in zip(texts, (content[:5000], content[40000:43000])):
            with open(path, "w", encoding="utf-8") as file:
                file.write(part)
        rules = ("--rule", "a:ffn_norm=int4,round=stochastic", "--rule", "a:logits=e4m3")
        both = self.measure("eval", MODEL, "-f", texts[0], "-f", texts[1], *rules)
        alone = [self.measure("eval", MODEL, "-f", text, *rules) for text in texts]
        self.assertEqual([text["text"] for text in both["texts"]], texts)
        self.assertIsNone(both["text"])
        for text, one in zip(both["texts"], alone):
            self.assertEqual([text], one["texts"])
            self.assertEqual(text["baseline"]["ppl"], one["baseline"]["ppl"])
            self.assertEqual(text["variants"][0]["kld"], one["variants"][0]["kld"])
        counts = [one["tokens_scored"] for one in alone]
        self.assertNotEqual(*counts)
        for field in ("chunks", "tokens_scored", "tokens_evaluated"):
            self.assertEqual(both[field], sum(one[field] for one in alone))
        klds = [one["variants"][0]["kld"]["mean"] for one in alone]
        variant = both["variants"][0]
        self.assertAlmostEqual(variant["kld"]["mean"], sum(k * n for k, n in zip(klds, counts)) / sum(counts), places=14)
        self.assertAlmostEqual(variant["macro"]["kld"], sum(klds) / 2, places=14)
        ppls = [one["baseline"]["ppl"] for one in alone]
        self.assertAlmostEqual(both["baseline"]["macro"]["ppl"], (ppls[0] * ppls[1]) ** 0.5, places=12)
        self.assertEqual({chunk["text"] for chunk in variant["chunks"]}, set(texts))
        self.assertIn("mean of the texts", run("eval", MODEL, "-f", texts[0], "-f", texts[1]).stdout)
        self.refuse(1, "b.txt has .* tokens, and two contexts of 2", "eval", MODEL, "-f", texts[0], "-f", self.write_short("b.txt"))

    def write_short(self, name):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write("Too short.")
        return self.path(name)

    def test_a_long_text_is_read_as_far_as_it_is_needed(self):
        with open(TEXT, encoding="utf-8") as file:
            content = file.read()
        long = self.path("long.txt")
        with open(long, "w", encoding="utf-8") as file:
            for part in range(40):  # 6 MB
                file.write(f"Part {part * part}.\n{content}")
        with open(TEXT, "rb") as file:
            beginning = b"Part 0.\n" + file.read(60000)
        with open(self.path("short.txt"), "wb") as file:
            file.write(beginning)
        rule = ("--rule", "a:ffn_norm=int4", "--chunks", 2)
        long_result, short_result = (self.measure("eval", MODEL, "-f", self.path(name), *rule) for name in ("long.txt", "short.txt"))
        self.assertIsNone(long_result["tokens_in_text"])
        self.assertGreater(short_result["tokens_in_text"], 10000)
        for field in ("baseline", "sites"):
            self.assertEqual(long_result[field], short_result[field])
        self.assertEqual(long_result["variants"][0]["kld"], short_result["variants"][0]["kld"])

    def test_memory_does_not_grow_with_the_context(self):
        # A small model with a very large vocabulary: the logits of half a context would take 0.6 GB for each of the two
        # models, and as much again to compute them.
        vocabulary, width, context = 150_000, 64, 2048
        model, text = self.path("wide.gguf"), self.path("bytes.txt")
        random = np.random.default_rng(3)
        writer = gguf.GGUFWriter(model, "llama")
        writer.add_context_length(context)
        writer.add_embedding_length(width)
        writer.add_block_count(1)
        writer.add_feed_forward_length(width)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(width)
        kinds = gguf.TokenType
        writer.add_tokenizer_model("llama")
        writer.add_token_list([b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)] +
                              [b"t%d" % i for i in range(vocabulary - 259)])
        writer.add_token_scores([0.0] * vocabulary)
        writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * 256 + [kinds.NORMAL] * (vocabulary - 259))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.0.{name}.weight", np.ones(width, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            writer.add_tensor(f"blk.0.{name}.weight", (0.1 * random.standard_normal((width, width))).astype(np.float16))
        writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
        writer.add_tensor("token_embd.weight", (0.1 * random.standard_normal((vocabulary, width))).astype(np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with open(TEXT, "rb") as file, open(text, "wb") as part:
            part.write(file.read(2 * context + 100))
        with subprocess.Popen([PROGRAM, "eval", model, "-f", text, "--ctx-size", str(context), "--chunks", "1", "--rule",
                               "a:ffn_norm=bf16"], stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
        self.assertEqual(status, 0)
        self.assertLess(usage.ru_maxrss / 1024, 1200)  # with room for sanitizers

    def test_the_batch_size_changes_nothing(self):
        """Where it does not change llama.cpp's own logits: with fewer than 64 tokens its attention uses another kernel."""
        rules = (*NEAREST, "--rule", "a:Kcur@2=e4m3,round=stochastic", "--rule", "a:ffn_input@1@tokens:3-50=int4")
        results = {}
        for size in (1, 2, 3, 64, 256, 512):
            result = self.measure("eval", MODEL, "-f", TEXT, *rules, "--chunks", 1, "--batch-size", size, "--threads", 2 if size == 64 else 1)
            self.assertEqual(result.pop("batch_size"), min(size, 256))
            del result["command"], result["threads"], result["memory"]
            for site in result["sites"]:
                del site["evaluations"]  # more of them, with fewer rows
                for sums in ("mean_abs", "rmse", "sqnr_db", "cosine"):  # whose summands come in another order
                    del site[sums]
            results[size] = result
        for sizes in ((1, 2, 3), (64, 256, 512)):
            for size in sizes[1:]:
                self.assertEqual(results[size], results[sizes[0]], f"{size} tokens against {sizes[0]}")
        few, many = (results[size]["variants"][0]["kld"]["mean"] for size in (1, 512))
        self.assertAlmostEqual(few / many, 1, delta=0.2)

    def test_a_yardstick_is_what_llama_quantize_would_store(self):
        arguments = ("-f", TEXT, "--chunks", 2, "--ctx-size", 128, "--threads", 1)
        result = self.measure("eval", MODEL, *arguments, "--rule", "a:ffn_norm=int8", "--yardstick")
        self.assertEqual([(v["name"], v["yardstick"]) for v in result["variants"]],
                         [("variant", False), ("yardstick q8_0", True), ("yardstick q6_k", True), ("yardstick q4_k", True)])
        klds = [v["kld"]["mean"] for v in result["variants"][1:]]
        self.assertEqual(klds, sorted(klds))
        bits = [v["bits_per_weight"] for v in result["variants"]]
        self.assertTrue(16 < bits[0] < 16.1 and bits[1] > bits[2] > bits[3] > 4.5, bits)
        alone = self.measure("eval", MODEL, *arguments, "--rule", "w:matrices=q4_k")["variants"][0]
        self.assertEqual(alone["kld"], result["variants"][3]["kld"])

    def test_differences_of_variants_are_paired(self):
        recipes = {name: self.write_recipe(f"{name}.yaml", f"{{activations: ffn_norm, format: {name}}}") for name in ("int8", "int4")}
        variants = [word for name, path in recipes.items() for word in ("--variant", f"{name}={path}")]
        result = self.evaluate(*variants)
        int8, int4 = result["variants"]
        (comparison,) = result["comparisons"]
        self.assertEqual((comparison["variant"], comparison["against"], comparison["better"]), ("int4", "int8", "int8"))
        self.assertAlmostEqual(comparison["kld_difference"], int4["kld"]["mean"] - int8["kld"]["mean"], delta=1e-15)
        differences = [b["kld"] - a["kld"] for a, b in zip(int8["chunks"], int4["chunks"])]
        error = np.std(differences, ddof=1) / len(differences) ** 0.5
        self.assertAlmostEqual((comparison["high"] - comparison["low"]) / 2 / error, 4.3026527, places=5)  # t of 2 degrees, 97.5 %
        said = run("eval", MODEL, "-f", TEXT, "--chunks", 2, *variants)
        self.assertLess(len(said.stdout.splitlines()), 20)
        self.assertIn("int4 - int8", said.stdout)

    def test_the_smallest_contexts_are_measured(self):
        for size in (4, 5, 6, 7):
            result = self.measure("eval", MODEL, "-f", TEXT, *NEAREST, "--chunks", 2, "--ctx-size", size)
            self.assertEqual(result["tokens_scored"], 2 * (size - 1 - size // 2))
        self.refuse(2, "--ctx-size", "eval", MODEL, "-f", TEXT, "--ctx-size", 3)

    def test_does_not_depend_on_threads(self):
        results = [self.evaluate(*NEAREST, "--rule", "w:ffn_norm=bf16", "--threads", n) for n in (1, 2)]
        for result in results:
            del result["command"], result["threads"], result["memory"]
        self.assertEqual(results[0], results[1])

    def test_one_layer_touches_only_that_layer(self):
        result = self.evaluate("--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", "3")
        self.assertEqual([s["site"] for s in result["sites"]], ["ffn_norm-3"])
        self.assertGreater(result["variants"][0]["kld"]["mean"], 0)

    def test_truncation_and_nearest_differ_from_each_other_and_from_the_baseline(self):
        nearest, truncated = self.evaluate(*NEAREST), self.evaluate("--rule", TRUNCATED)
        self.assertEqual(nearest["baseline"], truncated["baseline"])
        ppls = {nearest["baseline"]["ppl"], nearest["variants"][0]["ppl"], truncated["variants"][0]["ppl"]}
        self.assertEqual(len(ppls), 3)
        # The error of truncation is always towards zero, and twice as large.
        self.assertGreater(truncated["variants"][0]["kld"]["mean"], 2 * nearest["variants"][0]["kld"]["mean"])

    def test_what_it_says_fits_together(self):
        variant = self.evaluate("--rule", "w:*=bf16,round=zero")["variants"][0]
        kld = variant["kld"]
        ordered = [kld[q] for q in ("p1", "p5", "p10", "median", "p90", "p95", "p99", "p999", "max")]
        self.assertEqual(ordered, sorted(ordered))
        self.assertEqual(len(variant["chunks"]), CHUNKS)
        self.assertAlmostEqual(sum(c["kld"] for c in variant["chunks"]) / CHUNKS, kld["mean"], places=12)
        self.assertEqual(variant["worst_tokens"][0]["kld"], kld["max"])
        self.assertTrue(0.9 < variant["correlation"] <= 1 and 0.9 < variant["top1_agreement"] < 1)
        self.assertGreater(kld["mean"], 0)

    def test_a_smaller_context_is_what_llama_perplexity_says(self):
        result = self.measure("eval", MODEL, "-f", TEXT, "--chunks", 9, "--ctx-size", 100, *NATIVE)
        printed = self.llama_perplexity(MODEL, TEXT, 100, "--chunks", 9, "-b", 100)
        self.assertEqual(printed, (f"{result['baseline']['ppl']:.4f}", f"{result['baseline']['ppl_error']:.5f}"))


if __name__ == "__main__":
    unittest.main()
