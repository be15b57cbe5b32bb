"""What a tap costs on a model of TinyLlama 1.1B's shape in Q4_K_M, beside the untouched model in the same process.

`fakequant bench` lets baseline and variant
take turns and gives the median of the ratios with the interval that holds it with 95 % confidence.
"""

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["FAKEQUANT"]
SHAPE = os.path.join(os.path.dirname(__file__), "model_shape.py")
# The rules, on how many threads, and what they may add to the time of the prompt and of decoding.
CASES = [("a:ffn_norm=bf16", 1, 0.01, 0.01), ("a:ffn_norm=bf16", 2, 0.01, 0.01),
         ("a:in(*)=int8,per=row", 1, 0.05, None), ("a:in(*)=int8,per=row", 2, 0.05, None)]


def cost(speed):
    return (f"{100 * (speed['ratio'] - 1):+5.2f} % ({100 * (speed['ratio_low'] - 1):+.2f} to "
            f"{100 * (speed['ratio_high'] - 1):+.2f})")


def main():
    rounds = os.environ.get("ROUNDS", "20")
    with tempfile.TemporaryDirectory(prefix="fakequant-bench-") as folder:
        model = os.path.join(folder, "tinyllama-shape.gguf")
        subprocess.run([sys.executable, SHAPE, "tinyllama", model], check=True)
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
