"""How good a sweep's predictions are: 8 formats in each layer of 4 sites of the demo model, for a tenth of the passes.

Predicts in one study and measures everything in another, on the same chunks; prints what docs/prediction.md tells. It
takes about ten minutes of one core. Arguments: the chunks [16], and a folder to keep the studies in [a temporary one].
"""

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["FAKEQUANT"]
HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "demo", "fakequant-demo-4m-f16.gguf")
TEXT = os.path.join(HERE, "..", "demo", "heldout.txt")
SITES = ("a:ffn_input", "a:attn_input", "a:ffn_down_input", "w:ffn_down")
FORMATS = ("bf16", "e4m3", "e5m2", "int8", "int4", "mxfp8", "mxfp4", "nvfp4")


def sweep(study, chunks, *more):
    question = [part for site in SITES for part in ("--site", site)] + [part for name in FORMATS for part in ("--format", name)]
    done = subprocess.run([PROGRAM, "sweep", MODEL, "-f", TEXT, "--chunks", str(chunks), "--threads", "1", "--layers", "-o", study,
                           "--json", "-", *question, *more], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    place = [0] * len(values)
    for rank, i in enumerate(order):
        place[i] = rank
    return place


def spearman(a, b):
    n = len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(ranks(a), ranks(b))) / (n * (n * n - 1))


def main():
    chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="fakequant-bench-")
    told = sweep(os.path.join(folder, "predicted.db"), chunks, "--predict")
    measured = sweep(os.path.join(folder, "measured.db"), chunks)
    found = {variant["recipe"]: variant["kld"]["mean"] for variant in measured["variants"]}
    unseen = [variant for variant in told["variants"] if variant["chunks"] == 0]
    pairs = [(variant["predicted"]["kld"], found[variant["recipe"]]) for variant in unseen]
    errors = sorted(abs(p - t) / t for p, t in pairs)
    within = sum(variant["predicted"]["low"] <= found[variant["recipe"]] <= variant["predicted"]["high"] for variant in unseen)
    cost = told["prediction"]
    print(f"{len(told['variants'])} variants on {chunks} chunks; never measured: {len(unseen)}")
    print(f"passes: {cost['passes']:.1f} of {cost['passes_of_all']:.1f}")
    print(f"rank correlation {spearman(*zip(*pairs)):.3f}, median error {100 * errors[len(errors) // 2]:.0f} %, "
          f"nine tenths below {100 * errors[len(errors) * 9 // 10]:.0f} %, within the interval {100 * within / len(unseen):.0f} %")


if __name__ == "__main__":
    main()
