"""Where error enters, grows and dies: baseline and variant of the demo model, node by node."""

import math
import shutil
import struct
import unittest

import gguf

from program import MODEL, TEXT, ProgramTest, run, run_llama

CHUNKS = ("--chunks", 2)
USAGE, WORK = 2, 1
PARTS = ("output", "attention", "ffn")


class DriftTest(ProgramTest):
    def drift(self, *arguments, chunks=CHUNKS):
        return self.measure("drift", MODEL, "-f", TEXT, *chunks, "--threads", 1, *arguments)

    @staticmethod
    def by_name(result):
        return {node["node"]: node for node in result["nodes"]}

    def assert_exact(self, figures, about=None):
        self.assertEqual((figures["relative_error"], figures["cosine"], figures["sqnr_db"], figures["max_abs"], figures["changed"]),
                         (0, 1, None, 0, 0), about)
        self.assertEqual(figures["absmax_baseline"], figures["absmax_variant"])

    def test_without_rules_nothing_differs(self):
        result = self.drift()
        listed = self.measure("sites", MODEL)["activations"]
        self.assertEqual([node["node"] for node in result["nodes"]], [entry["site"] for entry in listed if "_cache-" not in entry["site"]])
        for node in result["nodes"]:
            self.assert_exact(node, node["node"])
            self.assertEqual((node["role"], node["growth"]), ("exact", None))
            self.assertGreater(node["elements"], 0)
        self.assertEqual(len(result["layers"]), 6)
        for layer in result["layers"]:
            for part in (*PARTS, "all_nodes"):
                self.assert_exact(layer[part], (layer["layer"], part))
        self.assertEqual(result["logits"]["kld"]["max"], 0)
        self.assertEqual(result["tokens"], 512)

    def test_follows_an_error_from_where_it_enters(self):
        rule = ("--rule", "a:ffn_norm@3=int4")
        result = self.drift(*rule)
        nodes = self.by_name(result)
        names = list(nodes)
        before = names[:names.index("ffn_norm-3")]
        self.assertGreater(len(before), 30)
        for name in before:
            self.assert_exact(nodes[name], name)
        for name in names[names.index("ffn_norm-3"):]:
            self.assertGreater(nodes[name]["relative_error"], 0, name)
            self.assertEqual(nodes[name]["role"] == "entered", name == "ffn_norm-3", name)
        # The same values as eval's counters. The order of the sums depends on the processor: sums of n values in double
        # differ by at most n times the rounding unit, which is below 1e-9 here.
        site = self.measure("eval", MODEL, "-f", TEXT, *CHUNKS, *rule)["sites"][0]
        entered = nodes["ffn_norm-3"]
        for field in ("elements", "changed", "max_abs"):
            self.assertEqual(entered[field], site[field], field)
        for field in ("sqnr_db", "cosine"):
            self.assertAlmostEqual(entered[field], site[field], delta=1e-9 * abs(site[field]), msg=field)
        self.assertEqual(entered["absmax_baseline"], site["absmax"])
        self.assertEqual((entered["format"], entered["made_of"], entered["input_relative_error"]), ("int4", ["norm-3"], 0))
        self.assertAlmostEqual(entered["sqnr_db"], -20 * math.log10(entered["relative_error"]), places=9)
        # In the stream, the attention's update in layer 3 is not changed yet, but the FFN's is.
        layers = result["layers"]
        for layer in layers[:3]:
            for part in PARTS:
                self.assert_exact(layer[part], (layer["layer"], part))
        self.assert_exact(layers[3]["attention"])
        self.assertEqual([layer["entered"] for layer in layers], [0, 0, 0, 1, 0, 0])
        for layer in layers[3:]:
            self.assertEqual(layer["output"]["node"], f"l_out-{layer['layer']}")
            self.assertEqual(layer["output"]["relative_error"], nodes[f"l_out-{layer['layer']}"]["relative_error"])
            self.assertGreater(layer["output"]["relative_error"], 0)

    def test_growth_is_beside_the_largest_error_that_came_in(self):
        nodes = self.by_name(self.drift("--rule", "a:attn_norm@1=int4", "--rule", "a:Kcur#0@4=e2m1"))
        roles = set()
        for name, node in nodes.items():
            came_in = max((nodes[source]["relative_error"] for source in node["made_of"]), default=0)
            self.assertEqual(node["input_relative_error"], came_in, name)
            roles.add(node["role"])
            if node["format"]:
                self.assertEqual(node["role"], "entered")
            elif came_in > 0:
                growth = node["relative_error"] / came_in
                self.assertAlmostEqual(node["growth"], growth, places=12)
                self.assertEqual(node["role"], "grown" if growth >= 2 else "died" if growth <= 0.5 else "carried", name)
        self.assertEqual({name for name, node in nodes.items() if node["role"] == "entered"}, {"attn_norm-1", "Kcur-4#0"})
        self.assertIn("died", roles)
        # Attention reads the keys in the cache.
        self.assertIn("Kcur-4", nodes["kq-4"]["made_of"])

    def test_the_divergence_is_what_eval_says(self):
        for rules in (("--rule", "a:ffn_norm=int4"), ("--rule", "w:ffn_up=e2m1", "--rule", "a:in(ffn_down)=int8,round=stochastic")):
            drift = self.drift(*rules)["logits"]
            variant = self.measure("eval", MODEL, "-f", TEXT, *CHUNKS, *rules)["variants"][0]
            for field in ("mean", "error", "median", "p99", "max"):
                self.assertEqual(drift["kld"][field], variant["kld"][field], field)
            self.assertEqual((drift["ppl"], drift["top1_agreement"]), (variant["ppl"], variant["top1_agreement"]))

    def test_another_file_is_the_same_weights_in_memory(self):
        applied, rule = self.path("applied.gguf"), ("--rule", "w:ffn_up@2-3=int4")
        self.assertEqual(run("apply", MODEL, "-o", applied, *rule).returncode, 0)
        in_memory, in_file = self.drift(*rule), self.drift("--against", applied)
        self.assertEqual(in_file["against"], applied)
        for result in (in_memory, in_file):
            for field in ("command", "recipe", "against"):
                del result[field]
        self.assertEqual(in_memory, in_file)
        nodes = self.by_name(in_file)
        entered = [name for name, node in nodes.items() if node["role"] == "entered"]
        self.assertEqual(entered, ["ffn_up-2", "ffn_up-3"])
        self.assertEqual(nodes["ffn_up-2"]["changed_weights"], ["blk.2.ffn_up.weight"])

    def test_a_quantized_file_differs_wherever_a_weight_does(self):
        quantized = self.path("q8_0.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q8_0")
        nodes = self.by_name(self.drift("--against", quantized))
        entered = [node for node in nodes.values() if node["role"] == "entered"]
        self.assertGreater(len(entered), 6 * 7)
        self.assertTrue(all(node["changed_weights"] for node in entered))

    def test_lists_the_nodes_that_are_asked_for_as_among_all(self):
        rule = ("--rule", "a:attn_norm@1=int4")
        whole, some = self.drift(*rule), self.drift(*rule, "--nodes", "ffn_*-2")
        expected = [node for node in whole["nodes"] if node["node"].startswith("ffn_") and node["node"].endswith("-2")]
        self.assertGreater(len(expected), 3)
        self.assertEqual(some["nodes"], expected)
        self.assertEqual(some["logits"], whole["logits"])
        self.assertLess(some["kept_bytes"], whole["kept_bytes"] / 2)
        for one, other in zip(some["layers"], whole["layers"]):
            self.assertEqual([one[part] for part in PARTS], [other[part] for part in PARTS])

    def test_does_not_depend_on_threads(self):
        results = [self.measure("drift", MODEL, "-f", TEXT, *CHUNKS, "--rule", "a:*=bf16", "--rule", "w:attn_q=int8", "--threads", n)
                   for n in (1, 2)]
        for result in results:
            del result["command"], result["threads"]
        self.assertEqual(results[0], results[1])

    def test_keeps_no_more_than_a_slice(self):
        sizes = {}
        for ctx_size in (64, 100, 128, 200, 256):
            result = self.drift("--ctx-size", ctx_size, chunks=("--chunks", 1))
            sizes[ctx_size] = (result["tokens_together"], result["kept_bytes"] / result["tokens_together"])
            self.assertEqual(result["tokens"], ctx_size)
        self.assertEqual([together for together, _ in sizes.values()], [64, 100, 64, 67, 64])
        self.assertLess(max(bytes for _, bytes in sizes.values()), 200_000)  # a token

    def test_reads_four_chunks_unless_told(self):
        result = self.drift("--nodes", "l_out*", chunks=())
        self.assertEqual((result["chunks"], result["tokens"]), (4, 4 * 256))

    def test_says_what_is_not_finite_and_where_it_began(self):
        broken = self.path("broken.gguf")
        shutil.copy(MODEL, broken)
        tensor = next(t for t in gguf.GGUFReader(MODEL).tensors if t.name == "blk.2.ffn_down.weight")
        self.assertEqual(tensor.tensor_type.name, "F16")
        with open(broken, "r+b") as file:
            file.seek(tensor.data_offset)
            file.write(struct.pack("<e", math.inf))
        result = self.drift("--against", broken)
        self.assertEqual(result["not_finite_baseline"], 0)
        self.assertIsNone(result["first_not_finite_baseline"])
        self.assertEqual(result["first_not_finite_variant"], {"node": "ffn_out-2", "layer": 2, "chunk": 0})
        nodes = self.by_name(result)
        self.assertEqual(nodes["ffn_out-2"]["not_finite_variant"], 512)  # one of the 256 values of each token
        self.assertEqual(nodes["ffn_out-2"]["relative_error"], 0)  # of all others
        self.assertEqual(nodes["ffn_out-2"]["role"], "entered")
        self.assertEqual(nodes["result_output"]["not_finite_variant"], nodes["result_output"]["elements"])
        self.assertEqual(nodes["result_output"]["role"], "carried")
        self.assertIsNone(result["logits"]["kld"])
        said = run("drift", MODEL, "-f", TEXT, *CHUNKS, "--against", broken)
        self.assertEqual(said.returncode, 0)
        self.assertRegex(said.stdout, "NaN or infinite in the variant, and left out: [0-9,]+ values, the first in ffn_out-2 of "
                                      "layer 2, chunk 0")
        self.assertIn("no divergence", said.stdout)

    def test_the_terminal_shows_layers_and_nodes(self):
        done = run("drift", MODEL, "-f", TEXT, *CHUNKS, "--rule", "a:ffn_norm@3=int4")
        self.assertEqual(done.returncode, 0, done.stderr)
        for pattern in (r"\n +layer +error of attention +error of FFN +error of output", r"\n +3 +0 % +([0-9.]+ % +){5}█+\n",
                        r"\n +4 .* (↑|↓|→) [0-9.]+ +█+\n", r"Where error enters, 1 node:\n", r"ffn_norm-3 .* rounded to int4\n",
                        r"KL divergence [0-9.e-]+ ±"):
            self.assertRegex(done.stdout, pattern)
        nothing = run("drift", MODEL, "-f", TEXT, *CHUNKS)
        self.assertNotIn("█", nothing.stdout)
        self.assertIn("no rules, the model against itself", nothing.stdout)

    def test_conditions_decide_over_the_exit_code(self):
        arguments = ("drift", MODEL, "-f", TEXT, "--chunks", 1, "--ctx-size", 64, "--rule", "a:ffn_norm@3=int4")
        worst = {"output.relative_error>0.001": "layer 3", "relative_error>0.01": "ffn_norm-3"}
        for condition, code in (("relative_error>1", 0), ("relative_error>0.01", 3), ("output.relative_error>0.001", 3),
                                ("output.relative_error>0.5", 0), ("sqnr_db<5", 0), ("sqnr_db<40", 3), ("logits.kld.mean>0", 3),
                                ("logits.relative_error>0.5", 0), ("not_finite_variant>0", 0)):
            done = run(*arguments, "--fail-if", condition)
            self.assertEqual(done.returncode, code, (condition, done.stderr))
            if condition in worst:
                self.assertIn(f"the worst is {worst[condition]}, with", done.stderr)
        self.refuse(USAGE, "there is no field speed here", *arguments, "--fail-if", "speed>1")

    def test_the_first_token_is_kept_apart(self):
        rules = ("--rule", "a:ffn_norm@3@tokens:0=int4")
        result = self.drift(*rules)
        node = next(node for node in result["nodes"] if node["node"] == "ffn_norm-3")
        errors = node["token_errors"]
        self.assertEqual((errors["median"], errors["p90"], errors["first_share"]), (0, 0, 1))
        self.assertGreater(errors["first"], 0.05)
        self.assertIn("most of the squared error is that of the first token", run("drift", MODEL, "-f", TEXT, *CHUNKS, *rules).stdout)
        others = self.drift("--rule", "a:ffn_norm@3@tokens:1-=int4")
        errors = next(node for node in others["nodes"] if node["node"] == "ffn_norm-3")["token_errors"]
        self.assertEqual((errors["first"], errors["first_share"]), (0, 0))
        self.assertTrue(0.05 < errors["median"] <= errors["p90"])
        for layer in others["layers"]:
            self.assertIsNotNone(layer["output"]["token_errors"])

    def test_says_which_predictions_carry_the_divergence(self):
        result = self.drift("--rule", "a:ffn_norm@3=int4")
        self.assertEqual(result["predictions"], 2 * 127)
        self.assertTrue(0 < result["half_of_the_divergence_in"] < result["predictions"] / 2)
        worst = [token["kld"] for token in result["worst_tokens"]]
        self.assertEqual(worst, sorted(worst, reverse=True))
        self.assertEqual(worst[0], result["logits"]["kld"]["max"])
        evaluated = self.measure("eval", MODEL, "-f", TEXT, *CHUNKS, "--rule", "a:ffn_norm@3=int4", "--threads", 1)["variants"][0]
        self.assertEqual([token["position"] for token in result["worst_tokens"]], [token["position"] for token in evaluated["worst_tokens"]])

    def test_dry_run_lists_what_the_rules_name(self):
        listed = self.measure("drift", MODEL, "-f", TEXT, "--rule", "a:ffn_norm@3=int4", "--dry-run")
        self.assertEqual([entry["site"] for entry in listed["activations"]], ["ffn_norm-3"])

    def test_what_is_wrong_is_one_line(self):
        arguments = ("drift", MODEL, "-f", TEXT)
        self.refuse(USAGE, "no node matches 'nothing-\\*'", *arguments, "--nodes", "nothing-*")
        self.refuse(USAGE, "take one of them", *arguments, "--against", MODEL, "--rule", "a:ffn_norm=bf16")
        self.refuse(USAGE, "matches no activation", *arguments, "--rule", "a:nothing=bf16")
        self.refuse(USAGE, "longer than the 256", *arguments, "--ctx-size", 1024)
        self.refuse(WORK, "No such file", "drift", MODEL, "-f", self.path("missing.txt"))
        self.refuse(WORK, "cannot open", *arguments, "--against", self.path("missing.gguf"))
        self.refuse(USAGE, "also an input", *arguments, "--json", MODEL)
        with open(self.path("short.txt"), "w", encoding="utf-8") as file:
            file.write("Too short.")
        self.refuse(WORK, "two contexts of 256 are needed", "drift", MODEL, "-f", self.path("short.txt"))


if __name__ == "__main__":
    unittest.main()
