"""A model of TinyLlama 1.1B's shape in Q4_K_M, made of random blocks: speed does not depend on the values.

Its tensors and types are TinyLlama's as llama-quantize writes them, 0.67 GB; its vocabulary reads text as bytes.
tinyllama_shape.py FILE writes it. It is run as a process of its own, for numpy's sake: a benchmark's own process stays small.
"""

import sys

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 22, 2048, 32, 4, 5632, 32000


def write_model(path):
    """TinyLlama's tensors in the types that llama-quantize gives them for Q4_K_M."""
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
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    # As in TinyLlama: three tokens with a purpose, one for each byte, and others. Text becomes a token a byte.
    kinds = gguf.TokenType
    special, in_bytes = [b"<unk>", b"<s>", b"</s>"], [b"<0x%02X>" % byte for byte in range(256)]
    others = [b"t%d" % i for i in range(VOCABULARY - len(special) - len(in_bytes))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + in_bytes + others)
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * len(in_bytes) + [kinds.NORMAL] * len(others))

    def matrix(name, rows, columns, kind=types.Q4_K):
        data = blocks(kind, rows * columns // 256)
        writer.add_tensor(name, data.reshape(rows, -1), raw_dtype=kind)

    def norm(name):
        writer.add_tensor(name, np.ones(WIDTH, np.float32))

    matrix("token_embd.weight", VOCABULARY, WIDTH)
    matrix("output.weight", VOCABULARY, WIDTH, types.Q6_K)
    norm("output_norm.weight")
    for layer in range(LAYERS):
        name = f"blk.{layer}.{{}}.weight".format
        eighth = LAYERS // 8
        more_bits = layer < eighth or layer >= 7 * LAYERS // 8 or (layer - eighth) % 3 == 2
        important = types.Q6_K if more_bits else types.Q4_K
        norm(name("attn_norm"))
        norm(name("ffn_norm"))
        matrix(name("attn_q"), WIDTH, WIDTH)
        matrix(name("attn_k"), WIDTH // HEADS * KV_HEADS, WIDTH)
        matrix(name("attn_v"), WIDTH // HEADS * KV_HEADS, WIDTH, important)
        matrix(name("attn_output"), WIDTH, WIDTH)
        matrix(name("ffn_gate"), FEED_FORWARD, WIDTH)
        matrix(name("ffn_up"), FEED_FORWARD, WIDTH)
        matrix(name("ffn_down"), WIDTH, FEED_FORWARD, important)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write_model(sys.argv[1])
