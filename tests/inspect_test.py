"""The census of the demo model, against numpy on the same data."""

import unittest

import gguf
import numpy as np

from program import MODEL, ProgramTest, run


class InspectTest(ProgramTest):
    def test_finds_what_numpy_finds(self):
        census = self.measure("inspect", MODEL)
        self.assertEqual(census["schema"], "fakequant.inspect/1")
        self.assertEqual(census["types"], {"F16": 43, "F32": 13})
        read = {tensor.name: tensor for tensor in gguf.GGUFReader(MODEL).tensors}
        self.assertEqual([t["name"] for t in census["tensors"]], list(read))
        for tensor in census["tensors"]:
            stored = read[tensor["name"]].data
            values = stored.astype(np.float64).ravel()
            self.assertEqual(tensor["shape"], [int(n) for n in read[tensor["name"]].shape])
            self.assertEqual(tensor["elements"], values.size)
            self.assertEqual(tensor["min"], values.min())
            self.assertEqual(tensor["max"], values.max())
            self.assertEqual(tensor["absmax"], np.abs(values).max())
            self.assertEqual(tensor["zeros"], int((values == 0).sum()))
            np.testing.assert_allclose(tensor["mean"], values.mean(), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(tensor["std"], values.std(), rtol=1e-9)
            deviation = values - values.mean()
            np.testing.assert_allclose(tensor["kurtosis"], (deviation**4).mean() / (deviation**2).mean() ** 2 - 3, rtol=1e-7)
            bits = values.astype(np.float32).view(np.uint32)
            mantissas = bits & 0x7FFFFF
            used = max(b for b in range(24) if b == 0 or (mantissas & (1 << (23 - b))).any())
            self.assertEqual(tensor["mantissa_bits"], used)
            if stored.dtype == np.float32:
                self.assertEqual(tensor["low16_zero"], ((bits & 0xFFFF) == 0).mean())
            else:
                self.assertIsNone(tensor["low16_zero"])
            self.assertEqual("f16" in tensor["lossless_in"], bool((values.astype(np.float16) == values).all()))

    def test_none_of_the_demo_models_norms_is_bf16_already(self):
        census = self.measure("inspect", MODEL)
        norms = [t for t in census["tensors"] if t["type"] == "F32"]
        self.assertEqual(len(norms), 13)
        for tensor in norms:
            self.assertLess(tensor["low16_zero"], 1)
            self.assertNotIn("bf16", tensor["lossless_in"])
        self.assertIn("None of the 13 tensors stored as F32 is BF16 already", run("inspect", MODEL).stdout)

    def test_does_not_depend_on_threads(self):
        one, two = (self.measure("inspect", MODEL, "--threads", n) for n in (1, 2))
        self.assertEqual(one["tensors"], two["tensors"])

    def test_writes_its_json_beside_its_table(self):
        done = run("inspect", MODEL, "--json", self.path("census.json"))
        self.assertIn("blk.0-5.ffn_norm.weight", done.stdout)
        self.assertIn("blk.5.ffn_norm.weight", run("inspect", MODEL, "--all").stdout)
        with open(self.path("census.json"), encoding="utf-8") as file:
            self.assertIn('"schema": "fakequant.inspect/1"', file.read())

    def test_looks_through_the_1_that_converters_add_to_norms(self):
        random = np.random.default_rng(7)
        small = (random.standard_normal(256, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
        tiny = (1e-6 * random.standard_normal(256, np.float32)).astype(np.float32)
        tiny = (tiny.view(np.uint32) & 0xFFFF0000).view(np.float32)
        other = random.standard_normal(256, np.float32)
        for architecture, expected in (("gemma3", (1, 1)), ("llama", (None, None))):
            writer = gguf.GGUFWriter(self.path("norms.gguf"), architecture)
            for name, array in (("blk.0.attn_norm", small), ("blk.0.ffn_norm", tiny), ("output_norm", other)):
                writer.add_tensor(f"{name}.weight", np.float32(1) + array)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            found = {t["name"]: t["low16_zero_minus_1"] for t in self.measure("inspect", self.path("norms.gguf"))["tensors"]}
            self.assertEqual((found["blk.0.attn_norm.weight"], found["blk.0.ffn_norm.weight"]), expected)
            said = run("inspect", self.path("norms.gguf")).stdout
            if architecture == "gemma3":
                self.assertLess(found["output_norm.weight"], 0.1)
                self.assertIn("2 of the 3 tensors stored as F32 are BF16 after subtracting the converter's 1: attn_norm and ffn_norm.", said)
                self.assertNotIn("None of the", said)
            else:
                self.assertNotIn("converter", said)


if __name__ == "__main__":
    unittest.main()
