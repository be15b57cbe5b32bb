"""Models of the shapes of known ones in Q4_K_M, made of random blocks: speed does not depend on the values.

Their tensors and types are those that llama-quantize writes for TinyLlama 1.1B (0.67 GB) and, without its biases, for
Qwen2.5 1.5B (0.93 GB), whose embeddings are the output's matrix as well; the vocabulary reads text as bytes.
model_shape.py NAME FILE writes one. It is run as a process of its own, for numpy's sake: a benchmark's own process stays small.
"""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    has_output: bool  # a matrix of its own


SHAPES = {
    "tinyllama": Shape(22, 2048, 32, 4, 5632, 32000, True),
    "qwen2.5-1.5b": Shape(28, 1536, 12, 2, 8960, 151936, False),
}


def write_model(shape, path):
    """The tensors of a shape in the types that llama-quantize gives them for Q4_K_M."""
    import gguf
    import numpy as np

    random = np.random.default_rng(1)
    types = gguf.GGMLQuantizationType

    def blocks(kind, count):
        """So many random blocks, with values around 0 of about 0.02."""
        size = gguf.GGML_QUANT_SIZES[kind][1]
        data = random.integers(0, 256, (min(count, 4096), size), np.uint8)
        half = lambda x: np.frombuffer(np.float16(x).tobytes(), np.uint8)
        if kind == types.Q4_K:  # the scale, the minimum's scale, 6-bit scales and minima, 4-bit values
            data[:, 0:2], data[:, 2:4] = half(1.2e-4), half(9e-4)
        else:  # Q6_K: values, 8-bit scales, the scale
            data[:, 208:210] = half(1.5e-5)
        return np.tile(data, (-(-count // len(data)), 1))[:count]

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    # As in TinyLlama: three tokens with a purpose, one for each byte, and others. Text becomes a token a byte.
    kinds = gguf.TokenType
    special, in_bytes = [b"<unk>", b"<s>", b"</s>"], [b"<0x%02X>" % byte for byte in range(256)]
    others = [b"t%d" % i for i in range(shape.vocabulary - len(special) - len(in_bytes))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + in_bytes + others)
    writer.add_token_scores([0.0] * shape.vocabulary)
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * len(in_bytes) + [kinds.NORMAL] * len(others))

    def matrix(name, rows, columns, kind=types.Q4_K):
        data = blocks(kind, rows * columns // 256)
        writer.add_tensor(name, data.reshape(rows, -1), raw_dtype=kind)

    def norm(name):
        writer.add_tensor(name, np.ones(shape.width, np.float32))

    width, narrow = shape.width, shape.width // shape.heads * shape.kv_heads
    matrix("token_embd.weight", shape.vocabulary, width, types.Q4_K if shape.has_output else types.Q6_K)
    if shape.has_output:
        matrix("output.weight", shape.vocabulary, width, types.Q6_K)
    norm("output_norm.weight")
    for layer in range(shape.layers):
        name = f"blk.{layer}.{{}}.weight".format
        eighth = shape.layers // 8
        more_bits = layer < eighth or layer >= 7 * shape.layers // 8 or (layer - eighth) % 3 == 2
        important = types.Q6_K if more_bits else types.Q4_K
        norm(name("attn_norm"))
        norm(name("ffn_norm"))
        matrix(name("attn_q"), width, width)
        matrix(name("attn_k"), narrow, width)
        matrix(name("attn_v"), narrow, width, important)
        matrix(name("attn_output"), width, width)
        matrix(name("ffn_gate"), shape.feed_forward, width)
        matrix(name("ffn_up"), shape.feed_forward, width)
        matrix(name("ffn_down"), width, shape.feed_forward, important)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write_model(SHAPES[sys.argv[1]], sys.argv[2])
