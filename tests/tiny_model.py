"""A model small enough to be made by a test: one layer, a byte-level vocabulary, random weights."""

import gguf
import numpy as np

WIDTH, CONTEXT = 32, 64


def write(path, ffn_norm=1.0, add_eos=False, ffn_up_type=np.float32, experts=0):
    """`ffn_norm`: the value of all weights of the FFN's norm. `ffn_up_type`: how blk.0.ffn_up.weight is stored. `experts`: of the
    feed-forward, two of which each token is routed to; 0: it has none."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    tokens = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))] + ["AA", "<s>"]
    vocabulary = len(tokens)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_rope_dimension_count(WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (vocabulary - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["A A"])
    writer.add_bos_token_id(vocabulary - 1)
    writer.add_eos_token_id(vocabulary - 1)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
    if add_eos:
        writer.add_add_eos_token(True)
    random = np.random.default_rng(1)

    def noise(*shape):
        return (0.1 * random.standard_normal(shape)).astype(np.float32)

    writer.add_tensor("token_embd.weight", noise(vocabulary, WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("blk.0.ffn_norm.weight", np.full(WIDTH, ffn_norm, np.float32))
    feed_forward = ("ffn_gate", "ffn_up", "ffn_down")
    if experts:
        writer.add_tensor("blk.0.ffn_gate_inp.weight", 30 * noise(experts, WIDTH))
        for name in feed_forward:
            writer.add_tensor(f"blk.0.{name}_exps.weight", noise(experts, WIDTH, WIDTH))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", *(() if experts else feed_forward)):
        values = noise(WIDTH, WIDTH)
        writer.add_tensor(f"blk.0.{name}.weight", values.astype(ffn_up_type) if name == "ffn_up" else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_text(path, repetitions=40):
    with open(path, "w", encoding="utf-8") as file:
        file.write("The quick brown fox jumps over the lazy dog. AAAA " * repetitions)
    return path
