"""Comparisons of models, against numpy on the same data."""

import os
import unittest

import gguf
import numpy as np

from program import MODEL, ProgramTest, run, run_llama


class CompareTest(ProgramTest):
    def test_a_model_is_identical_to_itself(self):
        comparison = self.measure("compare", MODEL, MODEL)
        self.assertTrue(comparison["identical"])
        self.assertEqual(comparison["tensors_identical"], 56)
        self.assertTrue(all(t["changed"] == 0 and t["sqnr_db"] is None for t in comparison["tensors"]))
        self.assertIn("identical, byte for byte", run("compare", MODEL, MODEL).stdout)

    def test_finds_the_tensors_that_apply_changed(self):
        applied = self.measure("apply", MODEL, "-o", self.path("out.gguf"))
        comparison = self.measure("compare", MODEL, self.path("out.gguf"))
        changed = [t for t in comparison["tensors"] if t["changed"] > 0]
        self.assertEqual([t["name"] for t in changed], [t["name"] for t in applied["tensors"]])
        for found, expected in zip(changed, applied["tensors"]):
            for field in ("changed", "max_abs", "elements"):
                self.assertEqual(found[field], expected[field])
            for field in ("mean_abs", "max_rel", "rmse", "sqnr_db"):
                np.testing.assert_allclose(found[field], expected[field], rtol=1e-6)
        self.assertFalse(comparison["identical"])
        self.assertEqual(comparison["metadata_differs"], ["fakequant.recipe", "fakequant.version", "fakequant.source"])

    def test_fails_where_a_condition_says_so(self):
        self.measure("apply", MODEL, "-o", self.path("out.gguf"))
        compare = ["compare", MODEL, self.path("out.gguf")]
        worst = max(self.measure(*compare)["tensors"], key=lambda t: t["max_rel"])
        for condition, code in (("max_rel>0.01", 0), ("max_rel > 0", 3), ("changed<0", 0), ("only_in_a>0", 0),
                                ("metadata_differs>=3", 3), ("output_norm.weight: max_rel>0", 0), ("blk.0.ffn_norm.weight: max_rel>0", 3), ("cosine<0.9", 0)):
            done = run(*compare, "--json", self.path("out.json"), "--fail-if", condition)
            self.assertEqual(done.returncode, code, condition)
            self.assertIn("have the same bytes", done.stdout)
            self.assertTrue(os.path.exists(self.path("out.json")))
        done = run(*compare, "--fail-if", "max_rel>0.01", "--fail-if", "max_rel>0")
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"holds for 6 of 56: the worst is {worst['name']}, with {worst['max_rel']}", done.stderr)
        self.refuse(2, "there is no field max_ril here: take one of max_rel, max_abs", *compare, "--fail-if", "max_ril>1")
        self.refuse(2, "write FIELD>NUMBER", *compare, "--fail-if", "max_rel")

    def test_widens_quantized_types_as_python_gguf_does(self):
        quantized = self.path("q8.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q8_0")
        comparison = {t["name"]: t for t in self.measure("compare", MODEL, quantized)["tensors"]}
        original = {t.name: t for t in gguf.GGUFReader(MODEL).tensors}
        for tensor in gguf.GGUFReader(quantized).tensors:
            x = original[tensor.name].data.astype(np.float64)
            y = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64).reshape(x.shape)
            found = comparison[tensor.name]
            self.assertEqual(found["type_b"], tensor.tensor_type.name)
            bits_differ = x.astype(np.float32).view(np.uint32) != y.astype(np.float32).view(np.uint32)
            self.assertEqual(found["changed"], int(bits_differ.sum()))
            np.testing.assert_allclose(found["max_abs"], np.abs(x - y).max(), rtol=1e-12)
            np.testing.assert_allclose(found["rmse"], np.sqrt(((x - y) ** 2).mean()), rtol=1e-9)
            np.testing.assert_allclose(found["cosine"], (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()), rtol=1e-9)

    def write_tensors(self, name, **tensors):
        writer = gguf.GGUFWriter(self.path(name), "llama")
        for tensor, data in tensors.items():
            writer.add_tensor(tensor, data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return self.path(name)

    def test_lets_no_destroyed_tensor_pass(self):
        sound = np.linspace(1, 2, 64, dtype=np.float32)
        a = self.write_tensors("a.gguf", x=sound, zeros=np.zeros(8, np.float32))
        for broken in (np.nan, np.inf, -np.inf):
            b = self.write_tensors("b.gguf", x=np.full(64, broken, np.float32), zeros=np.zeros(8, np.float32))
            tensor = self.measure("compare", a, b)["tensors"][0]
            self.assertEqual((tensor["changed"], tensor["not_finite"]), (64, 64))
            self.assertEqual((tensor["max_abs"], tensor["max_rel"]), (None, None))
            for condition in ("max_rel>0.01", "max_abs>1000", "not_finite>0"):
                done = run("compare", a, b, "--fail-if", condition)
                self.assertEqual(done.returncode, 3, condition)
                self.assertIn("x: 64 values are NaN or infinite in one of the two", done.stdout)
        b = self.write_tensors("b.gguf", x=np.zeros(64, np.float32), zeros=np.zeros(8, np.float32))
        self.assertEqual([t["cosine"] for t in self.measure("compare", a, b)["tensors"]], [0, 1])
        self.assertEqual(run("compare", a, b, "--fail-if", "cosine<0.9").returncode, 3)
        other = self.write_tensors("other.gguf", y=sound)
        self.refuse_after_output("no result has this field", "compare", a, other, "--fail-if", "max_rel>0.01")

    def refuse_after_output(self, pattern, *arguments):
        done = run(*arguments)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, pattern)

    def test_shows_no_names_that_a_terminal_would_obey(self):
        a = self.write_tensors("a.gguf", **{"bad\x1b[31m": np.ones(4, np.float32)})
        b = self.write_tensors("b.gguf", good=np.ones(4, np.float32))
        for command in (["compare", a, b], ["inspect", a]):
            said = run(*command).stdout
            self.assertIn("bad\ufffd[31m", said)
            self.assertNotIn("\x1b", said)
        self.assertEqual(self.measure("inspect", a)["tensors"][0]["name"], "bad\x1b[31m")  # results keep names as they are

    def test_names_what_only_one_has_and_what_has_another_shape(self):
        def write(name, tensors, **keys):
            writer = gguf.GGUFWriter(self.path(name), "llama")
            for key, value in keys.items():
                writer.add_uint32(key, value)
            for tensor, data in tensors.items():
                writer.add_tensor(tensor, data)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()

        ones = np.ones((2, 32), np.float32)
        write("a.gguf", {"same": ones, "reshaped": ones, "gone": ones}, number=1)
        write("b.gguf", {"same": ones, "reshaped": ones.reshape(4, 16), "new": ones}, number=2, more=3)
        comparison = self.measure("compare", self.path("a.gguf"), self.path("b.gguf"))
        self.assertEqual([t["name"] for t in comparison["tensors"]], ["same"])
        self.assertEqual(comparison["only_in_a"], ["gone"])
        self.assertEqual(comparison["only_in_b"], ["new"])
        self.assertEqual(comparison["reshaped"], ["reshaped"])
        self.assertEqual(comparison["metadata_differs"], ["number", "more"])


if __name__ == "__main__":
    unittest.main()
