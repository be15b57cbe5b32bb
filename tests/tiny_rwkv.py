"""A model of RWKV 6 small enough to be made by a test: two layers, a byte-level vocabulary, random weights."""

import gguf
import numpy as np

LAYERS, WIDTH, HEAD, INNER, EXTRA, CONTEXT = 2, 64, 32, 96, 8, 64


def write(path):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    tokens = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))] + ["AA", "<s>"]
    writer = gguf.GGUFWriter(path, "rwkv6")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(0)
    writer.add_layer_norm_eps(1e-5)
    writer.add_wkv_head_size(HEAD)
    writer.add_time_mix_extra_dim(EXTRA)
    writer.add_time_decay_extra_dim(EXTRA)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["A A"])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    random = np.random.default_rng(1)

    def noise(name, *shape, size=0.2):
        writer.add_tensor(name, (size * random.standard_normal(shape)).astype(np.float32))

    def norm(name):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, np.float32))

    noise("token_embd.weight", len(tokens), WIDTH, size=1)
    noise("output.weight", len(tokens), WIDTH)
    norm("token_embd_norm")
    norm("output_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_norm", "attn_norm_2", "time_mix_ln"):
            norm(f"{block}.{name}")
        noise(f"{block}.time_mix_w1.weight", 5 * EXTRA, WIDTH)
        noise(f"{block}.time_mix_w2.weight", 5, WIDTH, EXTRA)
        for name in "xwkvrg":
            noise(f"{block}.time_mix_lerp_{name}.weight", 1, 1, WIDTH)
        noise(f"{block}.time_mix_first.weight", WIDTH // HEAD, HEAD)
        noise(f"{block}.time_mix_decay.weight", WIDTH)
        noise(f"{block}.time_mix_decay_w1.weight", EXTRA, WIDTH)
        noise(f"{block}.time_mix_decay_w2.weight", WIDTH, EXTRA)
        for name in ("key", "value", "receptance", "gate", "output"):
            noise(f"{block}.time_mix_{name}.weight", WIDTH, WIDTH)
        for name in "kr":
            noise(f"{block}.channel_mix_lerp_{name}.weight", 1, 1, WIDTH)
        noise(f"{block}.channel_mix_key.weight", INNER, WIDTH)
        noise(f"{block}.channel_mix_value.weight", WIDTH, INNER)
        noise(f"{block}.channel_mix_receptance.weight", WIDTH, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
