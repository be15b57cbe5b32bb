"""Accumulators of matrix products (acc=, every=) and the results of products as sites, on the demo model."""

import unittest

from program import MODEL, NATIVE, TEXT, ProgramTest, run

ARGUMENTS = ("-f", TEXT, "--chunks", 2, "--ctx-size", 128)
USAGE = 2


class AccumulatorsTest(ProgramTest):
    def evaluate(self, *rules):
        return self.measure("eval", MODEL, *ARGUMENTS, *(word for rule in rules for word in ("--rule", rule)))

    def kld(self, *rules):
        return self.evaluate(*rules)["variants"][0]["kld"]["mean"]

    def test_a_narrower_accumulator_loses_more(self):
        klds = [self.kld(f"a:out(matrices)=mantissa23,acc={width},every=32") for width in ("e8m19", "e8m16", "e8m13", "e8m10", "e8m7")]
        self.assertEqual(klds, sorted(klds))
        # Three bits less are eight times the error, and 64 times the divergence, until that is no longer small.
        self.assertTrue(all(15 < after / before < 250 for before, after in zip(klds[2:-1], klds[3:])), klds)
        # Sums that are rounded more often lose more.
        self.assertGreater(self.kld("a:out(matrices)=mantissa23,acc=e8m10"), 4 * klds[3])

    def test_sums_of_integer_codes(self):
        model = self.path("wide.gguf")  # so that codes and scales are stored as they are
        self.assertEqual(run("apply", MODEL, "-o", model, "--store", "f32").returncode, 0)
        integers = ("w:matrices=int8,per=row", "a:in(matrices)=int8,per=token")

        def divergence(*rules):
            words = [word for rule in rules for word in ("--rule", rule)]
            return self.measure("eval", model, *ARGUMENTS, *words)["variants"][0]["kld"]["mean"]

        def of_sums(accumulator, *rules):
            return divergence(*(rules or integers), f"a:out(matrices)=mantissa23,acc={accumulator}")

        exact = divergence(*integers)
        wide = of_sums("int32")
        # 32 bits hold every sum: what differs are float32's last bits, which a model amplifies.
        self.assertAlmostEqual(wide / exact, 1, delta=0.03)
        self.assertEqual(of_sums("int32:wrap"), wide)
        # 16 bits hold 2 products of the largest codes.
        self.assertGreater(of_sums("int16"), 20 * wide)
        self.assertGreater(of_sums("int16:wrap"), 20 * wide)
        # As llama.cpp's kernels for Q4_0 do it: 16 bits hold 32 products of codes of 4 and of 8 bits.
        blocks = ("w:matrices=int4,per=block,block=32", "a:in(matrices)=int8,per=block,block=32")
        self.assertAlmostEqual(of_sums("int16,every=32", *blocks) / divergence(*blocks), 1, delta=0.03)

    def test_integer_sums_need_integers(self):
        for rules in ((), ("w:matrices=int8,per=row",), ("w:matrices=int8,per=row", "a:in(matrices)=e4m3,per=token"),
                      ("w:matrices=int4,per=block,block=32", "a:in(matrices)=int8,per=token")):
            words = [word for rule in (*rules, "a:out(ffn_up)=mantissa23,acc=int32") for word in ("--rule", rule)]
            done = run("eval", MODEL, *ARGUMENTS, *words)
            self.assertEqual(done.returncode, USAGE, done.stderr)
            self.assertIn("an integer accumulator adds products of integers", done.stderr.splitlines()[-1])

    def test_sums_that_overflow_are_recorded(self):
        variant = self.evaluate("a:out(matrices)=mantissa23,acc=e4m10,every=32")["variants"][0]  # up to 255
        self.assertIsNone(variant["kld"]["mean"])
        self.assertEqual(variant["overflow"]["text"], TEXT)

    def test_float32_sums_change_nothing(self):
        variant = self.evaluate("a:out(*)=mantissa23,acc=f32")["variants"][0]
        self.assertEqual((variant["kld"]["max"], variant["ppl_ratio"]), (0, 1))

    def test_counters_are_those_of_the_format(self):
        result = self.evaluate("a:out(ffn_up)@1-2=bf16,acc=e8m13,every=32", "a:out(ffn_up)@2=mantissa23,every=4,acc=e5m10")
        sites = {site["site"]: site for site in result["sites"]}
        self.assertEqual({name: site["format"] for name, site in sites.items()},
                         {"ffn_up-1": "bf16,acc=e8m13,every=32", "ffn_up-2": "mantissa23,acc=e5m10,every=4"})
        self.assertGreater(sites["ffn_up-1"]["changed"], 0)
        self.assertEqual(sites["ffn_up-2"]["changed"], 0)
        for site in sites.values():
            self.assertEqual(site["elements"], site["rows"] * site["columns"])
            self.assertEqual(site["also_read_by"], [])
        self.assertIn("acc=e8m13,every=32", result["variants"][0]["recipe"])
        self.assertGreater(result["variants"][0]["kld"]["mean"], 0)

    def test_a_recipe_says_the_same(self):
        path = self.path("recipe.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("rules:\n  - activations: {output_of: ffn_down}\n    format: mantissa23\n    acc: e5m10\n    every: 2\n")
        in_words = self.evaluate("a:out(ffn_down)=mantissa23,acc=e5m10,every=2")
        in_a_file = self.measure("eval", MODEL, *ARGUMENTS, "--recipe", path)
        self.assertEqual(in_a_file["variants"][0]["kld"], in_words["variants"][0]["kld"])
        self.assertEqual(in_a_file["variants"][0]["recipe"], in_words["variants"][0]["recipe"])

    def test_neither_threads_nor_batches_change_a_bit(self):
        rule = ("--rule", "a:out(*)=mantissa23,acc=e8m10,every=8")
        klds = [self.measure("eval", MODEL, *ARGUMENTS, *rule, "--threads", threads, "--batch-size", size)["variants"][0]["kld"]
                for threads, size in ((1, 128), (2, 128), (1, 3))]
        self.assertEqual(klds[1], klds[0])
        self.assertEqual(klds[2], klds[0])

    def test_products_are_listed_and_named(self):
        listed = self.measure("sites", MODEL)["activations"]
        products = {entry["product_of"]: entry for entry in listed if entry["product_of"]}
        weights = {weight["name"] for weight in self.measure("sites", MODEL)["weights"]
                   if any(reader["operation"] == "MUL_MAT" for reader in weight["readers"])}
        self.assertEqual(set(products), weights)
        self.assertEqual({entry["operation"] for entry in products.values()}, {"MUL_MAT"})
        chosen = self.measure("sites", MODEL, "a:out(attn_q)@3", "a:out(blk.2.ffn_down.weight)", "a:out(token_embd)")
        self.assertEqual([entry["product_of"] for entry in chosen["activations"]],
                         ["blk.2.ffn_down.weight", "blk.3.attn_q.weight", "token_embd.weight"])

    def test_refuses_what_has_no_accumulator(self):
        arguments = ("eval", MODEL, *ARGUMENTS, "--rule")
        for rule, why in (("w:ffn_up=bf16,acc=e8m13", "a weight is no sum"),
                          ("a:ffn_norm=bf16,acc=e8m13", "a:ffn_norm is none by its name, write a:out"),
                          ("a:out(ffn_up)@tokens:0=bf16,acc=e8m13", "leave out @tokens:"),
                          ("a:out(ffn_up)=bf16,acc=e8m23", "acc= takes f32, or eXmY"),
                          ("a:out(ffn_up)=bf16,every=4", "give acc=eXmY"),
                          ("a:out(fnn_up)=bf16,acc=e8m13", r"the nearest are out\(ffn_up\)")):
            self.refuse(USAGE, why, *arguments, rule)
        self.refuse(USAGE, "acc= needs f32 arithmetic", *arguments, "a:out(ffn_up)=bf16,acc=e8m13", *NATIVE)
        self.assertEqual(run(*arguments, "a:out(ffn_up)=bf16", *NATIVE).returncode, 0)


if __name__ == "__main__":
    unittest.main()
