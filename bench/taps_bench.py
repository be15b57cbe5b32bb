"""What a tap costs on a model of TinyLlama 1.1B's shape in Q4_K_M, beside the untouched model in the same process.

The model is made here from random blocks: speed does not depend on the values. `fakequant bench` lets baseline and variant
take turns and gives the median of the ratios with the interval that holds it with 95 % confidence.
"""

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["FAKEQUANT"]
LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 22, 2048, 32, 4, 5632, 32000
# The rules, on how many threads, and what they may add to the time of the prompt and of decoding.
CASES = [("a:ffn_norm=bf16", 1, 0.01, 0.01), ("a:ffn_norm=bf16", 2, 0.01, 0.01),
         ("a:in(*)=int8,per=row", 1, 0.05, None), ("a:in(*)=int8,per=row", 2, 0.05, None)]


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
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"t{i}".encode() for i in range(VOCABULARY)])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([1] * VOCABULARY)

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


def cost(speed):
    return (f"{100 * (speed['ratio'] - 1):+5.2f} % ({100 * (speed['ratio_low'] - 1):+.2f} to "
            f"{100 * (speed['ratio_high'] - 1):+.2f})")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "write":
        return write_model(sys.argv[2])
    rounds = os.environ.get("ROUNDS", "20")
    with tempfile.TemporaryDirectory(prefix="fakequant-bench-") as folder:
        model = os.path.join(folder, "tinyllama-shape.gguf")
        subprocess.run([sys.executable, __file__, "write", model], check=True)
        print("Taps on a model of TinyLlama 1.1B's shape, Q4_K_M: time added to the baseline's, 95 % confidence\n")
        print(f"{'':34}{'prompt':>28}{'decode':>30}")
        for rule, threads, prompt_limit, decode_limit in CASES:
            done = subprocess.run(
                [PROGRAM, "bench", model, "--rule", rule, "--threads", str(threads), "--prompt-tokens", "64",
                 "--decode-tokens", "8", "--repetitions", rounds, "--json", "-"],
                stdout=subprocess.PIPE, check=True)
            result = json.loads(done.stdout)
            variant, base = result["variants"][0], result["baseline"]
            limits = f"< {prompt_limit:.0%}" + (f", < {decode_limit:.0%}" if decode_limit else "")
            print(f"{rule:22} {threads} thread{'s' if threads > 1 else ' '} {cost(variant['prompt']):>28} "
                  f"{cost(variant['decode']):>28}   (aim: {limits}; baseline {base['prompt_tps']:.1f} and "
                  f"{base['decode_tps']:.1f} t/s)", flush=True)


if __name__ == "__main__":
    main()
