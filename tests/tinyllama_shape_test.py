"""A file of TinyLlama 1.1B's shape, quantized to Q4_K_M by llama.cpp, has the tensors that the reference experiment counted."""

import unittest

import gguf
import numpy as np

from program import ProgramTest, run_llama

LAYERS, WIDTH, HEADS, KV_HEADS = 22, 256, 4, 1
FEED_FORWARD, VOCABULARY = 512, 512


class TinyLlamaShapeTest(ProgramTest):
    def write_model(self):
        """TinyLlama's layers and tensors, with narrower matrices of random values, and BF16 norms as in the published model."""
        random = np.random.default_rng(1)
        writer = gguf.GGUFWriter(self.path("f16.gguf"), "llama")
        writer.add_context_length(2048)
        writer.add_embedding_length(WIDTH)
        writer.add_block_count(LAYERS)
        writer.add_feed_forward_length(FEED_FORWARD)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(WIDTH // HEADS)
        writer.add_file_type(1)
        writer.add_tokenizer_model("llama")
        writer.add_token_list([f"t{i}".encode() for i in range(VOCABULARY)])
        writer.add_token_scores([0.0] * VOCABULARY)
        writer.add_token_types([1] * VOCABULARY)

        def matrix(name, rows, columns):
            writer.add_tensor(name, random.standard_normal((rows, columns), np.float32).astype(np.float16))

        def norm(name):
            values = 1 + 0.1 * random.standard_normal(WIDTH, np.float32)
            writer.add_tensor(name, (values.view(np.uint32) & 0xFFFF0000).view(np.float32))

        matrix("token_embd.weight", VOCABULARY, WIDTH)
        matrix("output.weight", VOCABULARY, WIDTH)
        norm("output_norm.weight")
        kv_width = WIDTH // HEADS * KV_HEADS
        for layer in range(LAYERS):
            block = f"blk.{layer}."
            norm(block + "attn_norm.weight")
            norm(block + "ffn_norm.weight")
            matrix(block + "attn_q.weight", WIDTH, WIDTH)
            matrix(block + "attn_k.weight", kv_width, WIDTH)
            matrix(block + "attn_v.weight", kv_width, WIDTH)
            matrix(block + "attn_output.weight", WIDTH, WIDTH)
            matrix(block + "ffn_gate.weight", FEED_FORWARD, WIDTH)
            matrix(block + "ffn_up.weight", FEED_FORWARD, WIDTH)
            matrix(block + "ffn_down.weight", WIDTH, FEED_FORWARD)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def test_has_the_reference_experiments_tensors_and_its_finding(self):
        self.write_model()
        run_llama("llama-quantize", self.path("f16.gguf"), self.path("q4.gguf"), "Q4_K_M")
        census = self.measure("inspect", self.path("q4.gguf"))
        self.assertEqual(census["types"], {"F32": 45, "Q4_K": 135, "Q6_K": 21})
        self.assertEqual(census["layers"], LAYERS)
        norms = [t for t in census["tensors"] if t["type"] == "F32"]
        self.assertEqual(sum(t["name"].endswith("attn_norm.weight") for t in norms), 22)
        self.assertEqual(sum(t["name"].endswith("ffn_norm.weight") for t in norms), 22)
        self.assertTrue(all(t["low16_zero"] == 1 for t in norms))

        applied = self.measure("apply", self.path("q4.gguf"), "-o", self.path("out.gguf"))
        self.assertEqual(len(applied["tensors"]), LAYERS)
        self.assertEqual(sum(t["changed"] for t in applied["tensors"]), 0)
        self.refuse(2, "is stored as Q4_K: promote it to a wider type", "apply", self.path("q4.gguf"), "-o",
                    self.path("no.gguf"), "--rule", "w:ffn_up=bf16")

    def test_its_quantized_values_are_those_that_python_gguf_reads(self):
        self.write_model()
        run_llama("llama-quantize", self.path("f16.gguf"), self.path("q4.gguf"), "Q4_K_M")
        census = {t["name"]: t for t in self.measure("inspect", self.path("q4.gguf"))["tensors"]}
        for tensor in gguf.GGUFReader(self.path("q4.gguf")).tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
            self.assertEqual(census[tensor.name]["absmax"], np.abs(values).max())
            np.testing.assert_allclose(census[tensor.name]["std"], values.std(), rtol=1e-9)


if __name__ == "__main__":
    unittest.main()
