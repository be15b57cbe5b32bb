"""Whole commands beside their peers, in turn, several times: medians and ratios.

apply of all norms against cp, on a model of 1 GB that is made here; eval against the two runs of llama-perplexity that
measure the same, on the demo model.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time

import gguf
import numpy as np

PROGRAM = os.environ["FAKEQUANT"]
DEMO = os.path.join(os.path.dirname(__file__), "..", "demo")
MODEL, TEXT = os.path.join(DEMO, "fakequant-demo-4m-f16.gguf"), os.path.join(DEMO, "heldout.txt")
LAYERS, WIDTH, FEED_FORWARD = 10, 2048, 7168


def write_model(path):
    """A llama of 1 GB: random F16 matrices, F32 norms."""
    random = np.random.default_rng(1)
    block = random.standard_normal((FEED_FORWARD, WIDTH), np.float32).astype(np.float16)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", random.standard_normal(WIDTH, np.float32))
        for name in ("ffn_gate", "ffn_up", "ffn_down"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", block)
        writer.add_tensor(f"blk.{layer}.attn_q.weight", block[:WIDTH])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def race(title, runs, repetitions):
    """Runs the commands of each contestant in turn; prints medians and the ratio to the first."""
    seconds = {name: [] for name in runs}
    for repetition in range(repetitions + 1):
        for name, commands in runs.items():
            begin = time.perf_counter()
            for command in commands:
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if repetition > 0:  # the first fills the caches
                seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    print(f"{title}")
    for name, median in medians.items():
        print(f"  {name:36} {median:8.3f} s {median / first:8.2f} x")


def main():
    folder = tempfile.mkdtemp(prefix="fakequant-bench-")
    try:
        model, copy, rounded = (os.path.join(folder, name) for name in ("model.gguf", "copy.gguf", "rounded.gguf"))
        write_model(model)
        race(f"writing a model of {os.path.getsize(model) / 1e9:.2f} GB, synced", {
            "cp --reflink=never, sync": [["cp", "--reflink=never", model, copy], ["sync", copy]],
            "apply --rule 'w:*norm*=bf16'": [[PROGRAM, "apply", model, "-o", rounded, "--rule", "w:*norm*=bf16"]],
            "apply --rule 'w:*=bf16'": [[PROGRAM, "apply", model, "-o", rounded, "--rule", "w:*=bf16"]],
        }, 5)
        perplexity = shutil.which("llama-perplexity", path=os.environ["LLAMA_TOOLS"] or None)
        if perplexity:
            same = [perplexity, "-m", MODEL, "-f", TEXT, "-c", "256", "--chunks", "16"]
            logits = os.path.join(folder, "logits")
            race("perplexity and divergence of 16 chunks", {
                "llama-perplexity, twice": [[*same, "--kl-divergence-base", logits],
                                            [*same, "--kl-divergence-base", logits, "--kl-divergence"]],
                "eval": [[PROGRAM, "eval", MODEL, "-f", TEXT, "--chunks", "16", "--rule", "a:ffn_norm=bf16"]],
            }, 5)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
