"""A sweep of all 22 layers of a model of TinyLlama 1.1B's shape, three formats at one site, beside whole passes.

A variant of layer L begins at layer L, so that all of them should take little more than half of as many passes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ["FAKEQUANT"]
HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "demo", "heldout.txt")
FORMATS, LAYERS, AIM = ("bf16", "e4m3", "int8"), 22, 0.58
CONTEXT = os.environ.get("CONTEXT", "64")


def seconds(*arguments):
    begin = time.perf_counter()
    subprocess.run([PROGRAM, *arguments, "-q"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main():
    rounds = int(os.environ.get("ROUNDS", "3"))
    with tempfile.TemporaryDirectory(prefix="fakequant-bench-") as folder:
        model, study = os.path.join(folder, "tinyllama-shape.gguf"), os.path.join(folder, "study.db")
        subprocess.run([sys.executable, os.path.join(HERE, "model_shape.py"), "tinyllama", model], check=True)
        text = ("-f", TEXT, "--ctx-size", CONTEXT)
        formats = [argument for name in FORMATS for argument in ("--format", name)]
        ratios, passes, sweeps = [], [], []
        for _ in range(rounds):
            # eval without rules takes two whole passes a chunk; twice the text leaves out what does not depend on it.
            few, many = (seconds("eval", model, *text, "--chunks", chunks) for chunks in ("2", "10"))
            one = (many - few) / 16
            # The sweep's own start is left out likewise.
            swept = []
            for chunks in ("1", "2"):
                if os.path.exists(study):
                    os.remove(study)
                swept.append(seconds("sweep", model, *text, "--chunks", chunks, "--site", "a:ffn_input", *formats, "--layers",
                                     "-o", study))
            sweeps.append(swept[1] - swept[0])
            passes.append(one)
            ratios.append(sweeps[-1] / one / (LAYERS * len(FORMATS) + 1))
        print(f"Sweep of {LAYERS} layers x {len(FORMATS)} formats, {CONTEXT} tokens, TinyLlama 1.1B's shape, Q4_K_M: "
              f"{statistics.median(sweeps):.1f} s a chunk, a whole pass {statistics.median(passes):.2f} s")
        print(f"  {statistics.median(ratios):.3f} x as many whole passes ({min(ratios):.3f} to {max(ratios):.3f}; "
              f"aim: {AIM} or less)", flush=True)


if __name__ == "__main__":
    main()
