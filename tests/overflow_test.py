"""Variants whose values or logits become NaN or infinite: they are shown as such, and others are measured."""

import math
import unittest

import gguf
import numpy as np

import tiny_model
from program import ProgramTest, run


class OverflowTest(ProgramTest):
    def setUp(self):
        super().setUp()
        # After this norm values pass 65504, where F16 ends.
        self.model = tiny_model.write(self.path("model.gguf"), ffn_norm=1e5)
        self.text = tiny_model.write_text(self.path("text.txt"))
        self.arguments = ("-f", self.text, "--ctx-size", 64, "--chunks", 2, "--threads", 1)
        self.where = {"text": self.text, "chunk": 0, "token": 32, "site": "ffn_norm-0"}

    def test_eval_measures_the_other_variants(self):
        with open(self.path("bf16.yaml"), "w", encoding="utf-8") as file:
            file.write("rules:\n  - {activations: ffn_norm, format: bf16}\n")
        both = (*self.arguments, "--rule", "a:ffn_norm=f16", "--variant", f"bf16={self.path('bf16.yaml')}")
        result = self.measure("eval", self.model, *both)
        overflowed, other = result["variants"]
        self.assertEqual(overflowed["overflow"], self.where)
        self.assertEqual((overflowed["ppl"], overflowed["kld"]["mean"], overflowed["top1_agreement"]), (None, None, None))
        self.assertEqual(overflowed["chunks"], [])
        self.assertIsNone(other["overflow"])
        alone = self.measure("eval", self.model, *self.arguments, "--recipe", self.path("bf16.yaml"))["variants"][0]
        self.assertEqual(other["kld"], alone["kld"])
        site = next(site for site in result["sites"] if site["variant"] == "variant")
        self.assertGreater(site["not_finite"], 0)
        self.assertEqual((site["cosine"], site["max_abs"], site["sqnr_db"]), (0, None, None))
        said = run("eval", self.model, *both).stdout
        self.assertIn("variant overflows: a logit is NaN or infinite, first at token 32 of chunk 0", said)

    def test_every_condition_holds_for_it(self):
        for condition in ("kld.mean>0.01", "top1_agreement<0.5"):
            done = run("eval", self.model, *self.arguments, "--rule", "a:ffn_norm=f16", "--fail-if", condition)
            self.assertEqual(done.returncode, 3, done.stderr)

    def test_a_sweep_records_it_measures_the_others_and_goes_on(self):
        study = self.path("study.db")
        question = ("--site", "a:ffn_norm", "--format", "f16", "--format", "bf16", "-o", study)
        first = self.measure("sweep", self.model, *self.arguments, *question)
        overflowed, other = first["variants"]
        self.assertEqual(overflowed["overflow"], self.where)
        self.assertEqual((overflowed["chunks"], overflowed["kld"]["mean"]), (0, None))
        self.assertEqual((other["chunks"], other["overflow"]), (2, None))
        self.assertGreater(other["kld"]["mean"], 0)
        again = self.measure("sweep", self.model, *self.arguments, *question)
        self.assertEqual(again["measured"], 0)
        self.assertEqual([variant["overflow"] for variant in again["variants"]], [self.where, None])
        # Predictions leave it out, and a merged study has it.
        predicted = self.measure("sweep", self.model, *self.arguments, *question, "--format", "int8", "--predict", "--budget", 3)
        self.assertEqual(predicted["variants"][0]["overflow"], self.where)
        self.assertEqual(run("study", "merge", self.path("merged.db"), study).returncode, 0)
        plan = self.measure("plan", self.path("merged.db"), "--bits", 20, "--verify", "--threads", 1)
        self.assertIn("1 of 3 variants overflow, and are left out.", plan["notes"])
        self.assertNotIn("f16", {part["format"] for part in plan["chosen"]["assignments"]})
        self.assertIsNotNone(plan["verify"]["measured_kld"])

    def test_drift_and_experiment_report_it(self):
        drift = self.measure("drift", self.model, "-f", self.text, "--chunks", 1, "--threads", 1, "--rule", "a:ffn_norm=f16")
        self.assertEqual(drift["first_not_finite_variant"], {"node": "ffn_norm-0", "layer": 0, "chunk": 0})
        done = run("experiment", self.model, *self.arguments, "-p", "A", "-n", 4, "--repetitions", 6, "-o", self.path("out"),
                   "--rule", "a:ffn_norm=f16")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("overflows", done.stdout)

    def test_no_figure_hides_a_weight_that_a_type_cannot_hold(self):
        for name, scale, formats in (("big", 1e8, ("q4_k", "q8_0", "iq4_nl")), ("huge", 1e16, ("iq3_s", "q6_k", "q4_0")),
                                     ("largest", 3e38, ("iq3_xxs", "q3_k"))):
            model = self.path(f"{name}.gguf")
            writer = gguf.GGUFWriter(model, "llama")
            writer.add_tensor("blk.0.ffn_up.weight", (scale * np.linspace(-1, 1, 512)).astype(np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            for form in formats:
                with self.subTest(f"{name}, {form}"):
                    out = self.path("out.gguf")
                    tensor = self.measure("apply", model, "-o", out, "--rule", f"w:ffn_up={form}")["tensors"][0]
                    stored = gguf.GGUFReader(out).tensors[0].data
                    self.assertEqual(tensor["not_finite"], np.count_nonzero(~np.isfinite(stored)))
                    self.assertEqual(tensor["became_infinite"], np.count_nonzero(np.isinf(stored)))
                    self.assertGreater(tensor["not_finite"], 0)
                    self.assertEqual((tensor["max_abs"], tensor["rmse"], tensor["sqnr_db"]), (None, None, None))
                    self.assertIn("Beware: ", run("apply", model, "-o", out, "--rule", f"w:ffn_up={form}").stdout)
                    done = run("formats", form, "--round", scale, "--json", "-")
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_ggmls_types_hold_nan_where_an_activation_is_infinite(self):
        """The block is lost, and the variant overflows: ggml's quantizers, which do not take infinity, are not asked."""
        result = self.measure("eval", self.model, *self.arguments, "--rule", "a:ffn_norm=f16", "--rule", "a:ffn_swiglu=q8_0")
        self.assertEqual(result["variants"][0]["overflow"]["site"], "ffn_norm-0")
        self.assertTrue(math.isfinite(result["baseline"]["ppl"]))


if __name__ == "__main__":
    unittest.main()
