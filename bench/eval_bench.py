"""eval beside llama-perplexity: the same perplexity and divergence, time and memory of whole processes, in turn.

On the demo model; on models of TinyLlama 1.1B's and Qwen2.5 1.5B's shapes, which are large enough for the model's own work to be
nearly all of it; and on a real model where scripts/fetch-model has fetched it. llama-perplexity needs two runs for one variant, and
a file for the baseline's logits. Several variants beside one baseline are to take as many passes, and hardly more.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from race import race

PROGRAM = os.environ["FAKEQUANT"]
HERE = os.path.dirname(os.path.abspath(__file__))
MODEL, TEXT = (os.path.join(HERE, "..", "demo", name) for name in ("fakequant-demo-4m-f16.gguf", "heldout.txt"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
VARIANTS = 4
REAL = os.path.join(HERE, "..", "models", "smollm2-135m.gguf")


def against_llama_perplexity(model, title, ctx_size, chunks, folder):
    perplexity = shutil.which("llama-perplexity", path=os.environ["LLAMA_TOOLS"] or None)
    if perplexity is None:
        return
    logits = os.path.join(folder, "logits")
    same = [perplexity, "-m", model, "-f", TEXT, "-c", str(ctx_size), "--chunks", str(chunks), "--kl-divergence-base", logits]
    ours = [PROGRAM, "eval", model, "-f", TEXT, "--ctx-size", str(ctx_size), "--chunks", str(chunks), "-q"]
    race(f"Perplexity and divergence of {chunks} chunks of {ctx_size}: {title}", {
        "llama-perplexity, twice": [same, [*same, "--kl-divergence"]],
        "eval, native arithmetic": [[*ours, "--arithmetic", "native", "--rule", "a:ffn_norm=bf16"]],
        "eval, f32 arithmetic": [[*ours, "--rule", "a:ffn_norm=bf16"]],
        "eval of rounded weights, f32": [[*ours, "--rule", "w:matrices=mxfp4"]],
    }, ROUNDS)
    print(f"  llama-perplexity wrote {os.path.getsize(logits) / 1e6:.0f} MB of logits; eval wrote nothing.\n", flush=True)
    os.remove(logits)


def several_variants(model, title, ctx_size, chunks, folder):
    variants = []
    for i, form in enumerate(("bf16", "e4m3", "int8", "mantissa9")[:VARIANTS]):
        recipe = os.path.join(folder, f"{form}.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - activations: ffn_norm\n    format: {form}\n")
        variants += ["--variant", f"v{i}={recipe}"]
    ours = [PROGRAM, "eval", model, "-f", TEXT, "--ctx-size", str(ctx_size), "-q", "--chunks"]
    seconds = race(f"Several variants, {chunks} x {ctx_size} tokens: {title}", {
        "eval without rules: 2 plain passes": [[*ours, str(chunks)]],
        "the same of twice the text": [[*ours, str(2 * chunks)]],
        f"eval, {VARIANTS} variants: {VARIANTS + 1} passes": [[*ours, str(chunks), *variants]]}, ROUNDS)
    once, twice, tapped = seconds.values()
    two_passes = twice - once
    passes = (tapped - once + two_passes) / (two_passes / 2)  # without what does not depend on the text
    print(f"  {VARIANTS + 1} passes take {passes:.2f} x a plain one: {passes / (VARIANTS + 1):.3f} each (aim: 1.03 or less).\n",
          flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="fakequant-bench-") as folder:
        shape, larger = (os.path.join(folder, f"{name}.gguf") for name in ("tinyllama", "qwen2.5-1.5b"))
        for file in (shape, larger):
            name = os.path.splitext(os.path.basename(file))[0]
            subprocess.run([sys.executable, os.path.join(HERE, "model_shape.py"), name, file], check=True)
        against_llama_perplexity(MODEL, "the demo model", 256, 16, folder)
        against_llama_perplexity(shape, "TinyLlama 1.1B's shape, Q4_K_M", 512, 2, folder)
        against_llama_perplexity(larger, "Qwen2.5 1.5B's shape, Q4_K_M", 512, 4, folder)
        os.remove(larger)
        if os.path.exists(REAL):
            against_llama_perplexity(REAL, "SmolLM2 135M, Q4_1", 512, 4, folder)
        several_variants(MODEL, "the demo model", 256, 16, folder)
        several_variants(shape, "TinyLlama 1.1B's shape, Q4_K_M", 256, 2, folder)


if __name__ == "__main__":
    main()
