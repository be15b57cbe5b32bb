"""Every quantized type that python3-gguf can dequantize: the same values, the same statistics."""

import unittest

import gguf
import numpy as np

from program import ProgramTest

BLOCKS = 400


def random_blocks(kind, random):
    """Blocks of a type with random bytes whose values, by python3-gguf, are finite and neither too small nor too large."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (40 * BLOCKS, size), np.uint8)
    with np.errstate(all="ignore"):
        values = gguf.quants.dequantize(data, kind).reshape(-1, elements).astype(np.float64)
        absmax = np.abs(values).max(axis=1)
        sound = np.isfinite(values).all(axis=1) & (absmax > 1e-30) & (absmax < 1e30)
    return data[sound][:BLOCKS]


class QuantizedTypesTest(ProgramTest):
    def write(self, tensors):
        """tensors: name to (type, stored bytes or values)."""
        path = self.path("model.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        for name, (kind, data) in tensors.items():
            writer.add_tensor(name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def kinds(self):
        """The quantized types that python3-gguf can dequantize."""
        kinds = [kind for kind in gguf.quants._type_traits if gguf.GGML_QUANT_SIZES[kind][0] > 1]
        self.assertGreater(len(kinds), 20)
        return kinds

    def test_their_values_are_those_that_python_gguf_reads(self):
        random = np.random.default_rng(4)
        widened, stored = {}, {}
        for kind in self.kinds():
            blocks = random_blocks(kind, random)
            self.assertGreater(len(blocks), 100, kind.name)
            stored[kind.name] = (kind, blocks.reshape(4, -1) if len(blocks) % 4 == 0 else blocks.reshape(1, -1))
            widened[kind.name] = gguf.quants.dequantize(stored[kind.name][1], kind).astype(np.float32)
        census = {t["name"]: t for t in self.measure("inspect", self.write(stored))["tensors"]}
        self.assertEqual(set(census), set(widened))
        for name, values in widened.items():
            found, x = census[name], values.astype(np.float64).ravel()
            self.assertEqual(found["type"], name)
            self.assertEqual(found["elements"], x.size)
            self.assertEqual(found["zeros"], int((x == 0).sum()))
            for field, expected in (("min", x.min()), ("max", x.max()), ("absmax", np.abs(x).max()), ("std", x.std())):
                np.testing.assert_allclose(found[field], expected, rtol=1e-6, err_msg=f"{name} {field}")
            np.testing.assert_allclose(found["mean"], x.mean(), rtol=1e-5, atol=1e-7 * np.abs(x).max(), err_msg=name)

        quantized = self.path("quantized.gguf")
        with open(self.path("model.gguf"), "rb") as source, open(quantized, "wb") as target:
            target.write(source.read())
        plain = self.write({name: (None, values) for name, values in widened.items()})
        for tensor in self.measure("compare", quantized, plain)["tensors"]:
            # Both compute in float32, for a few types in different orders.
            self.assertLess(tensor["max_rel"], 1e-5, tensor)
            self.assertGreater(tensor["sqnr_db"] or np.inf, 120, tensor)

    def test_promoted_they_hold_the_rounded_values_exactly(self):
        random = np.random.default_rng(5)
        stored = {kind.name: (kind, random_blocks(kind, random)[:200].reshape(2, -1)) for kind in self.kinds()}
        model = self.write(stored)
        result = self.measure("apply", model, "-o", self.path("out.gguf"), "--rule", "w:*=mantissa23", "--promote", "f32")
        self.assertEqual({t["changed"] + t["storage_moved"] for t in result["tensors"]}, {0})
        comparison = self.measure("compare", model, self.path("out.gguf"))
        self.assertEqual({t["type_b"] for t in comparison["tensors"]}, {"F32"})
        self.assertEqual({t["changed"] for t in comparison["tensors"]}, {0})

    def test_requantized_they_come_back_where_ggml_can(self):
        """Rounding that changes nothing, then ggml's own quantizer: for types whose quantizer reproduces its own values."""
        random = np.random.default_rng(6)
        values = random.standard_normal((8, 256), np.float32)
        stored = {kind.name: (kind, gguf.quants.quantize(values, kind)) for kind in
                  (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q5_0)}
        model = self.write(stored)
        result = self.measure("apply", model, "-o", self.path("out.gguf"), "--rule", "w:*=mantissa23", "--requantize")
        for tensor in result["tensors"]:
            self.assertEqual(tensor["stored_as"], tensor["type"])
            self.assertEqual(tensor["changed"], 0)
        comparison = self.measure("compare", model, self.path("out.gguf"))
        self.assertEqual([t["type_b"] for t in comparison["tensors"]], list(stored))
        for tensor in comparison["tensors"]:
            self.assertLess(tensor["max_abs"], 1e-6, tensor)


if __name__ == "__main__":
    unittest.main()
