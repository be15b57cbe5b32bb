"""Tensors of integers and doubles: read exactly by every command that reads weights, and refused in a line where they are computed with."""

import unittest

import gguf
import numpy as np

from program import ProgramTest, run

WORK, USAGE = 1, 2
WIDTH = 64
TYPES = {"F64": np.float64, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64}


class WideTypesTest(ProgramTest):
    def setUp(self):
        super().setUp()
        with open(self.path("text.txt"), "w", encoding="utf-8") as file:
            file.write("The quick brown fox jumps over the lazy dog. " * 40)

    def write(self, name, tensors):
        """A whole model of one layer, some of whose tensors are given."""
        random = np.random.default_rng(3)
        writer = gguf.GGUFWriter(self.path(name), "llama")
        writer.add_context_length(128)
        writer.add_embedding_length(WIDTH)
        writer.add_block_count(1)
        writer.add_feed_forward_length(WIDTH)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(WIDTH)
        kinds = gguf.TokenType
        writer.add_tokenizer_model("llama")
        writer.add_token_list([b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)])
        writer.add_token_scores([0.0] * 259)
        writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * 256)
        own = {f"blk.0.{name}.weight": np.ones(WIDTH, np.float32) for name in ("attn_norm", "ffn_norm")}
        own |= {f"blk.0.{name}.weight": (0.1 * random.standard_normal((WIDTH, WIDTH))).astype(np.float16)
                for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
        own |= {"output_norm.weight": np.ones(WIDTH, np.float32),
                "token_embd.weight": (0.1 * random.standard_normal((259, WIDTH))).astype(np.float16)}
        for tensor, data in (own | tensors).items():
            writer.add_tensor(tensor, data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return self.path(name)

    def census(self, **tensors):
        writer = gguf.GGUFWriter(self.path("tensors.gguf"), "llama")
        for name, data in tensors.items():
            writer.add_tensor(name, data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return {t["name"]: t for t in self.measure("inspect", self.path("tensors.gguf"))["tensors"]}

    def test_integers_are_listed_without_what_only_floats_have(self):
        random = np.random.default_rng(4)
        arrays = {kind: random.integers(-100, 100, 70_000).astype(kind) for kind in (np.int8, np.int16, np.int32, np.int64)}
        arrays[np.int64][:2] = 2**62 + 1, -(2**61) - 1
        found = self.census(**{kind.__name__: array for kind, array in arrays.items()})
        for kind, array in arrays.items():
            tensor = found[kind.__name__]
            self.assertEqual((tensor["integer"], tensor["mantissa_bits"], tensor["lossless_in"]), (True, None, []))
            self.assertEqual((tensor["min"], tensor["max"], tensor["zeros"]), (int(array.min()), int(array.max()), int((array == 0).sum())))
            np.testing.assert_allclose(tensor["mean"], array.astype(np.float64).mean(), rtol=1e-12)
            np.testing.assert_allclose(tensor["std"], array.astype(np.float64).std(), rtol=1e-12)
        said = run("inspect", self.path("tensors.gguf")).stdout
        self.assertEqual(said.count(" integers "), 4)
        self.assertNotIn("of 23", said)

    def test_doubles_are_read_as_doubles(self):
        random = np.random.default_rng(5)
        arrays = {"whole": np.arange(100, dtype=np.float64), "fine": random.standard_normal(70_000), "large": np.array([1e300, -1e-300]),
                  "single": random.standard_normal(100).astype(np.float32).astype(np.float64), "none": np.array([np.nan, np.inf])}
        found = self.census(**arrays)
        self.assertEqual(found["whole"]["lossless_in"][:3], ["f32", "bf16", "f16"])
        self.assertEqual(found["single"]["lossless_in"][0], "f32")
        self.assertEqual((found["fine"]["lossless_in"], found["fine"]["mantissa_bits"]), ([], 52))
        self.assertEqual((found["large"]["min"], found["large"]["max"], found["large"]["infs"]), (-1e-300, 1e300, 0))
        self.assertEqual((found["none"]["nans"], found["none"]["infs"], found["none"]["min"]), (1, 1, None))
        np.testing.assert_allclose(found["fine"]["std"], arrays["fine"].std(), rtol=1e-12)
        self.assertEqual(found["fine"]["mantissa_width"], 52)

    def test_no_command_crashes_on_a_model_that_has_them(self):
        text = ["-f", self.path("text.txt"), "--ctx-size", 32, "--chunks", 2]
        for tensor, shape in (("blk.0.ffn_up.weight", (WIDTH, WIDTH)), ("blk.0.ffn_norm.weight", (WIDTH,)), ("token_embd.weight", (259, WIDTH))):
            for name, kind in TYPES.items():
                model = self.write("model.gguf", {tensor: np.ones(shape, kind)})
                listed = {t["name"]: t["type"] for t in self.measure("inspect", model)["tensors"]}
                self.assertEqual(listed[tensor], name)
                self.assertTrue(self.measure("compare", model, model)["identical"])
                word = tensor.split(".")[-2]
                self.refuse(USAGE, f"is stored as {name}: only floats and quantized tensors can be rounded", "apply", model, "-o",
                            self.path("out.gguf"), "--rule", f"w:{word}=bf16")
                said = f"cannot be run: {tensor} is stored as {name}, and llama.cpp computes with floats and quantized tensors only"
                self.refuse(WORK, said, "eval", model, *text)
                if tensor == "blk.0.ffn_up.weight":
                    listed = {w["name"]: w["type"] for w in self.measure("sites", model)["weights"]}
                    self.assertEqual(listed[tensor], name)
                    self.refuse(WORK, said, "eval", model, *text, "--rule", "a:ffn_norm=bf16")
                    self.refuse(WORK, said, "generate", model, "-p", "The")


if __name__ == "__main__":
    unittest.main()
