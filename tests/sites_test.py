"""The sites of a model: `sites`, --dry-run, and the selectors of activations."""

import os
import unittest

import gguf

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama

LAYERS = range(6)
TEXT_ARGUMENTS = ("-f", TEXT, "--chunks", 2)
PLAIN = (*NATIVE, "--no-repack")  # on every processor the inputs of products with F16 weights are rounded to F16
USAGE = 2


class SitesTest(ProgramTest):
    def activations(self, model=MODEL, *rules):
        return {entry["site"]: entry for entry in self.measure("sites", model, *PLAIN, *self.arguments(rules))["activations"]}

    @staticmethod
    def arguments(rules):
        return [word for rule in rules for word in ("--rule", rule)]

    def rounded(self, *rules):
        """The sites that eval rounds by these rules, and their formats."""
        result = self.measure("eval", MODEL, *TEXT_ARGUMENTS, *PLAIN, *self.arguments(rules))
        return {site["site"]: site["format"] for site in result["sites"]}

    def test_lists_the_files_weights_and_who_reads_them(self):
        listed = self.measure("sites", MODEL)
        tensors = gguf.GGUFReader(MODEL).tensors
        self.assertEqual([(w["name"], w["type"], w["shape"]) for w in listed["weights"]],
                         [(t.name, t.tensor_type.name, [int(n) for n in t.shape]) for t in tensors])
        readers = {w["name"]: [(r["node"], r["operation"]) for r in w["readers"]] for w in listed["weights"]}
        self.assertEqual(readers["blk.2.ffn_up.weight"], [("ffn_up-2", "MUL_MAT")])
        self.assertEqual(readers["blk.2.ffn_norm.weight"], [("ffn_norm-2", "MUL")])
        self.assertIn(("embd", "GET_ROWS"), readers["token_embd.weight"])

    def test_lists_activations_with_roles_readers_and_kernels(self):
        found = self.activations()
        for layer in LAYERS:
            ffn = found[f"ffn_norm-{layer}"]
            self.assertEqual((ffn["layer"], ffn["roles"], ffn["shape"][0]), (layer, ["ffn_input"], 256))
            self.assertEqual(set(ffn["feeds"]), {f"blk.{layer}.ffn_up.weight", f"blk.{layer}.ffn_gate.weight"})
            self.assertEqual(ffn["kernels_round_to"], ["F16"])
            self.assertEqual(found[f"attn_norm-{layer}"]["roles"], ["attn_input"])
            self.assertEqual(found[f"kqv_out-{layer}"]["roles"], ["attn_output_input", "attn_result"])
            self.assertEqual(found[f"ffn_swiglu-{layer}"]["roles"], ["ffn_down_input"])
            self.assertEqual(found[f"Qcur-{layer}#0"]["operation"], "MUL_MAT")
            self.assertEqual(found[f"Qcur-{layer}"]["operation"], "ROPE")
            # The type of attention's query depends on the number of tokens.
            self.assertEqual(found[f"Qcur-{layer}"]["kernels_round_to"], ["?"])
            self.assertEqual(found[f"Vcur-{layer}"]["kernels_round_to"], ["F16"])  # in the cache
            # The residual is added and normalized, and no kernel rounds it.
            residual = found[f"ffn_inp-{layer}"]
            self.assertEqual({r["operation"] for r in residual["readers"]}, {"ADD", "RMS_NORM"})
            self.assertEqual(residual["kernels_round_to"], [])
        self.assertEqual(found["result_output"]["roles"], ["logits"])

    def test_says_what_the_kernels_of_quantized_weights_round_to(self):
        for kind, rounded in (("Q8_0", "Q8_0"), ("Q4_K", "Q8_K"), ("Q4_1", "Q8_1")):
            run_llama("llama-quantize", "--pure", MODEL, self.path("quantized.gguf"), kind)
            self.assertEqual(self.activations(self.path("quantized.gguf"))["ffn_norm-0"]["kernels_round_to"], [rounded])

    def test_a_rounding_that_the_kernels_do_anyway_changes_values_and_no_logit(self):
        result = self.measure("eval", MODEL, *TEXT_ARGUMENTS, *PLAIN, "--rule", "a:ffn_norm=f16")
        self.assertGreater(sum(site["changed"] for site in result["sites"]), 0)
        self.assertEqual(result["variants"][0]["kld"]["max"], 0)
        self.assertEqual({tuple(site["kernels_round_to"]) for site in result["sites"]}, {("F16",)})

    def test_every_activation_can_be_named_as_it_is_listed(self):
        found = self.activations()
        rounded = self.rounded(*(f"a:{site}=mantissa23" for site in found))
        self.assertEqual(list(rounded), list(found))

    def test_selectors_find_what_they_say(self):
        expected = {f"ffn_norm-{layer}" for layer in LAYERS}
        for rule in ("a:ffn_norm=bf16", "a:ffn_norm*=bf16", "a:ffn_input=bf16", "a:in(ffn_up)=bf16",
                     "a:in(blk.*.ffn_gate.weight)=bf16"):
            self.assertEqual(set(self.rounded(rule)), expected, rule)
        self.assertEqual(set(self.rounded("a:in(ffn_up)@last:2=bf16")), {"ffn_norm-4", "ffn_norm-5"})
        self.assertEqual(set(self.rounded("a:Qcur@1=bf16")), {"Qcur-1"})
        self.assertEqual(set(self.rounded("a:Qcur#0@1=bf16")), {"Qcur-1#0"})
        self.assertEqual(set(self.rounded("a:logits=bf16")), {"result_output"})
        self.assertEqual(set(self.rounded("a:in(token_embd)=bf16")), {"result_norm"})  # it is the output's matrix, too

    def test_the_last_rule_that_matches_wins_on_the_command_line_and_in_a_recipe(self):
        expected = {f"ffn_norm-{layer}": "int8" if layer == 3 else "bf16" for layer in LAYERS}
        self.assertEqual(self.rounded("a:ffn_norm=bf16", "a:in(ffn_up)@3=int8"), expected)
        self.assertEqual(set(self.rounded("a:in(ffn_up)@3=int8", "a:ffn_norm=bf16").values()), {"bf16"})
        recipe = self.path("recipe.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - activations: ffn_norm\n    format: bf16\n"
                       "  - activations: {input_of: ffn_up}\n    layers: 3\n    format: int8\n")
        sites = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--recipe", recipe)["sites"]
        self.assertEqual({site["site"]: site["format"] for site in sites}, expected)

    def test_tokens_are_positions_in_the_sequence(self):
        result = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "a:ffn_norm@1@tokens:0-2,255=int4", "--rule",
                              "a:Qcur@2@tokens:7=int4", "--rule", "a:ffn_norm@5@tokens:0-127=int4")
        rows = {site["site"]: (site["rows"], site["elements"], site["tokens"]) for site in result["sites"]}
        # The last layer is computed for positions 128 to 254 only: those whose predictions are scored.
        self.assertEqual(rows, {"ffn_norm-1": (8, 8 * 256, "0-2,255"), "Qcur-2": (2 * 4, 2 * 256, "7"),
                                "ffn_norm-5": (0, 0, "0-127")})

    def test_a_dry_run_says_what_eval_does(self):
        rules = ("a:ffn_input@0-2=int8", "a:attn_input=bf16", "w:ffn_up@1=e4m3")
        listed = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--dry-run", *self.arguments(rules))
        self.assertEqual(listed["schema"], "fakequant.sites/1")
        self.assertEqual({entry["site"]: entry["format"] for entry in listed["activations"]}, self.rounded(*rules))
        self.assertEqual([(w["name"], w["format"], w["stored_as"]) for w in listed["weights"]],
                         [("blk.1.ffn_up.weight", "e4m3", "F16")])
        for command in (["generate", MODEL, "-p", "What"], ["bench", MODEL],
                        ["experiment", MODEL, "-f", TEXT, "-o", self.path("results")]):
            done = run(*command, "--dry-run", *self.arguments(rules))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"ffn_norm +0-2 +256 +ffn_input .* int8")
        done = run("apply", MODEL, "-o", self.path("out.gguf"), "--dry-run", "--rule", "w:ffn_up@1=e4m3")
        self.assertRegex(done.stdout, r"ffn_up +1 +F16 +256x512 +e4m3 +F16")
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_dry_run_knows_what_becomes_of_quantized_weights(self):
        run_llama("llama-quantize", MODEL, self.path("quantized.gguf"), "Q8_0")
        arguments = ("eval", self.path("quantized.gguf"), *TEXT_ARGUMENTS, *PLAIN, "--promote", "f16",
                     *self.arguments(("w:ffn_up=bf16", "a:ffn_norm=int8")))
        listed, result = self.measure(*arguments, "--dry-run"), self.measure(*arguments)
        self.assertEqual({w["stored_as"] for w in listed["weights"]}, {"F16"})
        for entries in (listed["activations"], result["sites"]):
            self.assertEqual({tuple(sorted(entry["kernels_round_to"])) for entry in entries}, {("F16", "Q8_0")})
        self.assertRegex(run(*arguments).stdout, "Beware: weights are stored wider than in the baseline .Q8_0 → F16")

    def test_says_where_a_rules_tokens_were_not_computed(self):
        said = run("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "a:ffn_norm@tokens:0-3=int8").stdout
        self.assertRegex(said, "Nothing was rounded at ffn_norm-5: it was not computed for any of the tokens")

    def test_says_who_else_reads_a_rounded_value(self):
        result = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "a:in(attn_q)@0=bf16")
        others = [reader["weight"] for reader in result["sites"][0]["also_read_by"]]
        self.assertEqual(set(others), {"blk.0.attn_k.weight", "blk.0.attn_v.weight"})
        said = run("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "a:in(attn_q)@0=bf16").stdout
        self.assertRegex(said, "values of attn_norm-0 are also read by attn_[kv], attn_[kv]")
        self.assertNotIn("also read", run("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "a:ffn_input=bf16").stdout)

    def test_what_is_wrong_is_one_line_that_names_the_nearest(self):
        evaluate = ("eval", MODEL, *TEXT_ARGUMENTS, "--rule")
        self.refuse(USAGE, r"matches no activation of this model: the nearest are ffn_input", *evaluate, "a:ffn_inputs=bf16")
        self.refuse(USAGE, r"the nearest are in\(ffn_up\)", *evaluate, "a:in(ffn_upp)=bf16")
        self.refuse(USAGE, r"the nearest are ffn_norm", *evaluate, "a:ffn_norm#1=bf16")
        self.refuse(USAGE, "has no closing parenthesis", *evaluate, "a:in(ffn_up=bf16")
        self.refuse(USAGE, "names no tokens", *evaluate, "a:ffn_norm@tokens:x=bf16")
        self.refuse(USAGE, "write a:in", *evaluate, "w:in(ffn_up)=bf16")
        self.refuse(USAGE, "tokens are for activations", *evaluate, "w:ffn_up@tokens:0=bf16")
        self.refuse(USAGE, "has layers twice", *evaluate, "a:ffn_norm@1@2=bf16")
        self.refuse(USAGE, "--dry-run shows what rules name", "eval", MODEL, *TEXT_ARGUMENTS, "--dry-run")
        self.refuse(USAGE, "matches no activation", "sites", MODEL, "--rule", "a:nothing=bf16")
        self.refuse(1, "cannot open", "sites", self.path("missing.gguf"))


if __name__ == "__main__":
    unittest.main()
