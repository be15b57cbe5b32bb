"""Rounded weights beside rounded activations: time and memory of whole processes, in turn.

A variant of weights is to cost what the bytes that it changes cost, and no copy of the model. A chunk more is timed, so that
loading and rounding once are left out where the passes are compared.
"""

import os
import subprocess
import sys
import tempfile

from race import race

PROGRAM = os.environ["FAKEQUANT"]
HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "demo", "heldout.txt")
REAL = os.path.join(HERE, "..", "models", "smollm2-135m.gguf")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
ALL = "100GB"


def passes(model, title):
    """What a chunk of 512 tokens takes, by the difference of two numbers of chunks."""
    variants = {
        "f32: inputs in BF16": ("--rule", "a:ffn_norm=bf16"),
        "f32: matrices in MXFP4, streamed": ("--rule", "w:matrices=mxfp4", "--weight-memory", "0"),
        "f32: the same, kept": ("--rule", "w:matrices=mxfp4", "--weight-memory", ALL),
        "native: matrices in MXFP4, kept": ("--arithmetic", "native", "--promote", "f16", "--rule", "w:matrices=mxfp4",
                                            "--weight-memory", ALL),
        "native: the same, streamed": ("--arithmetic", "native", "--promote", "f16", "--rule", "w:matrices=mxfp4",
                                       "--weight-memory", "0"),
    }
    command = [PROGRAM, "eval", model, "-f", TEXT, "-c", "512", "-q", "--chunks"]
    runs = {f"{name}, {chunks}": [[*command, str(chunks), *options]] for name, options in variants.items() for chunks in (1, 4)}
    seconds = race(f"Chunks of 512 tokens, 1 and 4: {title}", runs, ROUNDS)
    each = {name: (seconds[f"{name}, 4"] - seconds[f"{name}, 1"]) / 3 for name in variants}
    inputs, streamed, kept, native_kept, native_streamed = each.values()
    print(f"  A chunk of baseline and variant, f32: streamed {streamed / inputs:.2f} x inputs in BF16 (aim: 1.1 or less), "
          f"kept {kept / inputs:.2f} x (1.0); native: streamed {native_streamed / native_kept:.2f} x kept (1.1)\n", flush=True)


def sweeps(model, title, folder):
    """All layers of a site of weights, and of the activations that they make."""
    study = os.path.join(folder, "study.db")
    command = [PROGRAM, "sweep", model, "-f", TEXT, "-c", "128", "--chunks", "1", "--layers", "--format", "bf16", "-q", "-o", study]
    race(f"A sweep of the layers, one by one, 128 tokens: {title}", {
        "22 variants of a:ffn_norm": [[*command, "--site", "a:ffn_norm"]],
        "22 variants of w:ffn_norm": [[*command, "--site", "w:ffn_norm"]],
        "22 variants of w:ffn_up": [[*command, "--site", "w:ffn_up"]]}, ROUNDS, outputs=[study])


def main():
    with tempfile.TemporaryDirectory(prefix="fakequant-bench-") as folder:
        shape = os.path.join(folder, "tinyllama.gguf")
        subprocess.run([sys.executable, os.path.join(HERE, "model_shape.py"), "tinyllama", shape], check=True)
        sweeps(shape, "TinyLlama 1.1B's shape, Q4_K_M", folder)
        if os.path.exists(REAL):
            passes(REAL, "SmolLM2 135M, Q4_1")


if __name__ == "__main__":
    main()
