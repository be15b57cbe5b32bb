"""What attention's cache holds, rounded by rules, against llama.cpp's own types of the cache; and values inside attention."""

import json
import os
import re
import unittest

import shortened_model
import tiny_model
import tiny_rwkv
from program import MODEL, NATIVE, SOURCE, TEXT, ProgramTest, run

LAYERS, HEADS, HEAD, CTX = 6, 2, 64, 128  # of the demo model: heads of keys and values
ARGUMENTS = ("-f", TEXT, "--chunks", 2, "-c", CTX, "--details")
FIGURES = ("ppl", "kld", "reverse_kld", "delta_p")
# Where it quantizes keys, llama.cpp rotates keys and queries first, unless it is told not to.
UNROTATED = {**os.environ, "LLAMA_ATTN_ROT_DISABLE": "1"}


class KvCacheTest(ProgramTest):
    def recipe(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return f"{name}={self.path(name)}"

    def evaluate(self, *variants, **options):
        """Variants by name, each the text of a recipe."""
        arguments = [word for name, text in variants for word in ("--variant", self.recipe(name, text))]
        done = run("eval", MODEL, *ARGUMENTS, *arguments, *options.pop("arguments", ()), "--json", self.path("out.json"), **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        for variant in result["variants"]:
            variant["sites"] = [site for site in result["sites"] if site["variant"] == variant["name"]]
        return {variant["name"]: variant for variant in result["variants"]}

    def figures(self, variant):
        return [variant[name] for name in FIGURES]

    def test_a_rounded_cache_is_a_cache_of_that_type(self):
        for kind in ("f16", "bf16"):
            of = self.evaluate(
                ("real", f"cache_type_k: {kind}\ncache_type_v: {kind}\n"),
                ("fake", f"rules:\n- activations: k_cache\n  format: {kind}\n- activations: v_cache\n  format: {kind}\n"))
            self.assertEqual(self.figures(of["real"]), self.figures(of["fake"]))
            self.assertGreater(of["real"]["kld"]["mean"], 0)

    def test_quantized_keys_are_those_of_the_cache(self):
        for kind in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1"):
            of = self.evaluate(("real", f"cache_type_k: {kind}\n"), ("fake", f"rules:\n- activations: k_cache\n  format: {kind}\n"),
                               env=UNROTATED)
            if kind == "q8_0":
                # The back end multiplies by 127 / max, ggml's reference by 1 / (max / 127): a value half way between
                # two codes may become either.
                self.assertAlmostEqual(of["real"]["ppl"], of["fake"]["ppl"], delta=1e-5)
                self.assertAlmostEqual(of["real"]["kld"]["mean"], of["fake"]["kld"]["mean"], delta=0.2 * of["fake"]["kld"]["mean"])
            else:
                self.assertEqual(self.figures(of["real"]), self.figures(of["fake"]), kind)
            self.assertGreater(of["real"]["kld"]["mean"], 0)

    def test_each_head_of_each_token_is_rounded_once(self):
        of = self.evaluate(("all", "rules:\n- activations: k_cache\n  format: int8\n- activations: v_cache\n  layers: 1-2\n  format: int4\n"))
        sites = {site["site"]: site for site in of["all"]["sites"]}
        self.assertEqual(sorted(sites), sorted([f"k_cache-{n}" for n in range(LAYERS)] + ["v_cache-1", "v_cache-2"]))
        for site in sites.values():
            self.assertEqual((site["rows"], site["columns"]), (2 * CTX * HEADS, HEAD))
            self.assertEqual((site["elements"], site["evaluations"]), (2 * CTX * HEADS * HEAD, 2))

    def test_tokens_one_by_one_give_what_the_text_at_once_gives(self):
        recipe = "rules:\n- activations: k_cache\n  format: int4\n- activations: v_cache\n  format: nvfp4\n- activations: attn_probs\n  format: e4m3\n"
        together, alone = self.evaluate(("v", recipe)), self.evaluate(("v", recipe), arguments=("-b", 1))
        self.assertEqual(self.figures(together["v"]), self.figures(alone["v"]))

    def test_queries_read_recent_tokens_in_full(self):
        def rules(*options, span=""):
            return "rules:\n" + "".join(f"- activations: {role}\n  format: int3\n{span}" + "".join(f"  keep: {keep}\n" for keep in options)
                                        for role in ("k_cache", "v_cache"))
        of = self.evaluate(("none", rules()), ("zero", rules("sink:0,recent:0")), ("some", rules("recent:16")), ("more", rules("recent:100")),
                           ("all", rules(f"recent:{CTX}")), ("sink", rules("sink:1")), ("channels", rules(span="  per: channel\n  group: 50\n")))
        self.assertEqual(self.figures(of["none"]), self.figures(of["zero"]))
        divergence = {name: of[name]["kld"]["mean"] for name in of}
        self.assertEqual(divergence["all"], 0)
        self.assertLess(0, divergence["more"])
        self.assertLess(divergence["more"], divergence["some"])
        self.assertLess(divergence["some"], divergence["none"])
        self.assertNotEqual(divergence["sink"], divergence["none"])
        self.assertEqual({site["elements"] for site in of["sink"]["sites"]}, {2 * (CTX - 1) * HEADS * HEAD})
        for site in of["channels"]["sites"]:  # two complete groups of each chunk
            self.assertEqual((site["rows"], site["columns"]), (2 * 2 * HEADS * HEAD, 50))
            self.assertEqual(site["format"], "int3,per=channel,group=50")

    def test_a_sweep_takes_the_options_of_rules_and_a_plan_tells_the_bytes(self):
        formats = ("int2,mode=asym,per=channel,group=16,keep=sink:2,recent:8", "int4,per=row")
        study = ("-f", TEXT, "--chunks", 1, "-c", 64, "-o", self.path("study.db"))
        swept = self.measure("sweep", MODEL, *study, "--site", "a:k_cache@2-3", "--layers", *(w for f in formats for w in ("--format", f)))
        of = {variant["recipe"]: variant for variant in swept["variants"]}
        self.assertEqual({variant["format"] for variant in of.values()}, set(formats))
        for rule, variant in of.items():
            measured = self.measure("eval", MODEL, "-f", TEXT, "--chunks", 1, "-c", 64, "--rule", rule)["variants"][0]
            self.assertEqual((variant["kld"]["mean"], variant["ppl"]), (measured["kld"]["mean"], measured["ppl"]), rule)
            self.assertGreater(variant["kld"]["mean"], 0)
        # Of 1000 tokens 2 + 8 are in full, among them the 6 of the last group. A channel's scale has 32 bits, its zero point 2.
        in_full = HEADS * HEAD * 32
        bytes_of = {formats[0]: (10 * in_full + 990 * HEADS * HEAD * (2 + 34 / 16)) / 8, formats[1]: 1000 * HEADS * (HEAD * 4 + 32) / 8}
        plan = ("plan", self.path("study.db"), "-c", 1000)
        result = self.measure(*plan, "--bits", 5, "-o", self.path("plan.yaml"), "--verify")
        self.assertEqual(result["ctx_size"], 1000)
        self.assertEqual(result["kinds"][0]["untouched_cache_bytes"], 2 * 1000 * in_full / 8)
        self.assertEqual({mix["format"]: mix["cache_bytes"] for mix in result["uniform"]}, {name: 2 * size for name, size in bytes_of.items()})
        chosen = result["chosen"]
        self.assertEqual(chosen["cache_bytes"], sum(bytes_of[part["format"]] for part in chosen["assignments"]))
        self.assertEqual(self.measure("eval", MODEL, "-f", TEXT, "--chunks", 1, "-c", 64, "--recipe", self.path("plan.yaml"))["variants"][0]["recipe"],
                         chosen["recipe"])
        kept = self.measure(*plan, "--bits", 19, "--keep", f"a:k_cache@2={formats[0]}", "--keep", "a:k_cache@3=none")["chosen"]
        self.assertEqual(kept["cache_bytes"], bytes_of[formats[0]] + 1000 * in_full / 8)
        self.assertEqual(kept["rules"], [f"a:k_cache@2={formats[0]}"])
        self.assertRegex(run(*plan, "--bits", 5).stdout, r"The cache of 1,000 tokens: .*, where it takes 1.0 MB as it is")

    def test_what_rounds_nothing_says_why(self):
        for options, why in (("per=channel,group=200", "no chunk has a whole group of 200 tokens"), ("keep=sink:200", "keep=sink:200 keeps all tokens")):
            said = run("eval", MODEL, *ARGUMENTS, "--rule", f"a:k_cache@1=int4,{options}").stdout
            self.assertIn(f"Nothing was rounded at k_cache-1: {why}", said)
            self.refuse(2, "rounds nothing in chunks of 64 tokens", "sweep", MODEL, "-f", TEXT, "-c", 64, "--chunks", 1, "-o", self.path("study.db"),
                        "--site", "a:k_cache", "--format", f"int4,{options}")

    def test_predicted_sweeps_round_copies_by_groups(self):
        result = self.measure("sweep", MODEL, "-f", TEXT, "--chunks", 2, "-c", 64, "-o", self.path("study.db"), "--layers", "--predict",
                              "--budget", 2, "--site", "a:k_cache", "--format", "int3,per=channel,group=16", "--format", "int4,per=row")
        predicted = [v["predicted"]["kld"] for v in result["variants"] if v["chunks"] == 0]
        self.assertTrue(predicted and min(predicted) > 0, predicted)

    def test_values_inside_attention_have_roles(self):
        listed = self.measure("sites", MODEL)["activations"]
        for role, site in (("q", "Qcur-3"), ("k_cache", "k_cache-3"), ("v_cache", "v_cache-3"), ("attn_scores", "kq-3"),
                           ("attn_probs", "kq_soft_max-3"), ("attn_result", "kqv-3")):
            self.assertIn(site, [entry["site"] for entry in listed if role in entry["roles"]])
            of = self.evaluate(("v", f"rules:\n- activations: {role}\n  layers: 3\n  format: bf16\n"))
            self.assertEqual([entry["site"] for entry in of["v"]["sites"]], [site])
            self.assertGreater(of["v"]["kld"]["mean"], 0)
        shape = next(entry["shape"] for entry in listed if entry["site"] == "k_cache-3")
        self.assertEqual(shape, [HEAD, HEADS, 1, 1])

    def test_a_glob_means_nodes_and_not_the_cache(self):
        of = self.evaluate(("v", "rules:\n- activations: '*'\n  format: bf16\n"))
        self.assertFalse([site for site in of["v"]["sites"] if "cache" in site["site"]])

    def test_llama_cpps_kernel_is_simulated_whole(self):
        """In a model of one layer no difference by the order of a sum is rounded again."""
        short = shortened_model.write(MODEL, self.path("short.gguf"), layers=1)
        for kind in ("q8_0", "q5_1", "q4_0"):
            measured = ("eval", short, "-f", TEXT, "--chunks", 2, "-c", CTX, "--arithmetic", "f32")
            cost = self.measure(*measured, "--recipe", f"@llama.cpp/kv-{kind}")["variants"][0]["kld"]["mean"]
            with open(os.path.join(SOURCE, "recipes", "llama.cpp", f"kv-{kind}-simulated.yaml"), encoding="utf-8") as file:
                simulated = self.recipe("r", file.read() + "cache_type_k: f32\ncache_type_v: f32\nflash_attn: off\n")[2:]
            left = self.measure(*measured, "-ctk", kind, "-ctv", kind, "--recipe", simulated)["variants"][0]["kld"]["mean"]
            self.assertLess(left, 0.02 * cost, kind)

    def test_the_state_of_rwkv(self):
        model, text = tiny_rwkv.write(self.path("rwkv.gguf")), tiny_model.write_text(self.path("text.txt"))
        measured = ("eval", model, "-f", text, "-c", 16, "--chunks", 2)
        divergence = {}
        for form in ("mantissa23", "int8", "int4"):
            result = self.measure(*measured, "-b", 1, "--rule", f"a:state={form}")
            divergence[form] = result["variants"][0]["kld"]["mean"]
            rows = 2 * 16 * tiny_rwkv.WIDTH  # a matrix for each head, written after each token
            self.assertEqual([(site["site"], site["rows"], site["columns"]) for site in result["sites"]],
                             [(f"state-{layer}", rows, tiny_rwkv.HEAD) for layer in range(tiny_rwkv.LAYERS)])
        self.assertEqual(divergence["mantissa23"], 0)
        self.assertLess(0, divergence["int8"])
        self.assertLess(divergence["int8"], divergence["int4"])
        # Together the tokens of a chunk read no state that was written.
        self.assertEqual(self.measure(*measured, "--rule", "a:state=int4")["variants"][0]["kld"]["mean"], 0)

    def test_memory_and_time_are_told_before(self):
        short = shortened_model.write(MODEL, self.path("short.gguf"), layers=1, context=4096)
        for length in (64, 4096):
            evaluate = ("eval", short, "-f", TEXT, "-c", length, "--chunks", 1, "--rule", "a:k_cache=int8,keep=recent:8")
            done = run(*evaluate, "--json", self.path("out.json"))
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(self.path("out.json"), encoding="utf-8") as file:
                memory = json.load(file)["memory"]
            self.assertEqual(memory["total"], sum(size for part, size in memory.items() if part != "total"))
            cells = max(length, 256)  # that llama.cpp has at least
            self.assertEqual(memory["cache"], 2 * 2 * cells * HEADS * HEAD * 4)  # keys and values, of the baseline and the variant
            self.assertAlmostEqual(memory["cache_in_full"], cells * HEADS * HEAD * 4, delta=2**20 / 100)  # llama.cpp tells hundredths of a MiB
            self.assertEqual(memory["rounded_weights"], 0)
            dry = run(*evaluate, "--dry-run").stderr
            if length == 64:
                self.assertEqual((done.stderr, dry), ("", ""))
            else:
                said = r"2 contexts of 4,096 tokens will take (about [0-9.]+ MB of memory \(10.5 MB for the cache, .*\)) and roughly .*: 1 chunk of "
                self.assertEqual(re.search(said, done.stderr).group(1), re.search(said, dry).group(1))

    def test_what_cannot_be_is_refused(self):
        eval_ = ("eval", MODEL, "-f", TEXT, "--chunks", 2, "-c", CTX)
        self.refuse(2, "a row of scores has values of tokens that the query does not see", *eval_, "--rule", "a:attn_scores=int8")
        self.refuse(2, "matches no activation", *eval_, *NATIVE, "--rule", "a:attn_probs=bf16")  # flash attention shows none
        self.refuse(2, "the cache is held in q8_0, and what is rounded already", *eval_, "-ctk", "q8_0", "--rule", "a:k_cache=bf16")
        for options in ("keep=recent:8", "per=channel"):
            self.refuse(2, "need f32 arithmetic", *eval_, *NATIVE, "--rule", f"a:k_cache=int4,{options}")
            self.refuse(2, "with flash attention off", *eval_, "-fa", "on", "--rule", f"a:k_cache=int4,{options}")
            self.refuse(2, "a:k_cache and a:v_cache", *eval_, "--rule", f"a:Kcur=int4,{options}")
        self.refuse(2, "the recipe of variant.*no type of the cache", *eval_, "--recipe", self.recipe("r", "cache_type_k: q7\n")[2:])
        self.refuse(2, "the recipe of variant.*take on, off or auto", *eval_, "--recipe", self.recipe("r", "flash_attn: maybe\n")[2:])
        self.refuse(2, "flash attention, which is off", *eval_, "--recipe", self.recipe("r", "cache_type_v: q8_0\nflash_attn: off\n")[2:])
        self.refuse(2, "one recipe wants f32 arithmetic and another native", *eval_,
                    "--variant", self.recipe("a", "arithmetic: f32\ncache_type_k: f16\n"),
                    "--variant", self.recipe("b", "arithmetic: native\ncache_type_k: f16\n"))
        self.refuse(2, "the experiment measures rules", "experiment", MODEL, "-f", TEXT, "-o", self.path("dir"),
                    "--recipe", self.recipe("r", "cache_type_k: q8_0\n")[2:])

    def test_a_recipe_says_in_which_arithmetic(self):
        recipe = self.recipe("r", "name: a\nsource: b\nnotes: c\narithmetic: native\nrules:\n- activations: ffn_norm\n  format: bf16\n")[2:]
        evaluate = ("eval", MODEL, "-f", TEXT, "--chunks", 2, "-c", CTX, "--recipe", recipe)
        self.assertEqual(self.measure(*evaluate)["arithmetic"], "native")
        self.assertEqual(self.measure(*evaluate, "--arithmetic", "f32")["arithmetic"], "f32")


if __name__ == "__main__":
    unittest.main()
