"""Whole commands beside their peers, in turn, several times: medians, ratios to the first, and peak memory.

inspect, apply and compare on a model of 2 GB that is made here, beside cp, a loop that only reads and adds up, and the
same work done with python3-gguf and numpy.

The parts that need numpy run in processes of their own, for the sake of the memory that is shown: see race.py.
"""

import os
import shutil
import sys
import tempfile

from race import race, run

PROGRAM, READ_WORKER = os.environ["FAKEQUANT"], os.environ["READ_WORKER"]
LAYERS, WIDTH, FEED_FORWARD = 20, 2048, 7168
CORES = os.cpu_count()


def write_model(path):
    """A llama of 2 GB: random F16 matrices, F32 norms."""
    import gguf
    import numpy as np

    random = np.random.default_rng(1)
    block = (0.02 * random.standard_normal((FEED_FORWARD, WIDTH), np.float32)).astype(np.float16)
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


def python_inspect(path):
    """The census's figures, with numpy."""
    import gguf
    import numpy as np

    for tensor in gguf.GGUFReader(path).tensors:
        x = tensor.data.astype(np.float32)
        bits = x.view(np.uint32)
        mean = x.mean(dtype=np.float64)
        d = x - np.float32(mean)
        d2 = d * d
        print(tensor.name, x.min(), x.max(), np.abs(x).max(), mean, np.sqrt(d2.mean(dtype=np.float64)),
              (d2 * d2).mean(dtype=np.float64), (x == 0).sum(), np.isnan(x).sum(), np.isinf(x).sum(),
              np.bitwise_or.reduce(bits.ravel() & 0x7FFFFF), ((bits & 0xFFFF) == 0).mean())


def python_apply(path, out):
    """Every weight through MXFP4 and back, with python3-gguf's own quantizer."""
    import gguf
    import numpy as np

    shutil.copyfile(path, out)
    kind = gguf.GGMLQuantizationType.MXFP4
    for tensor in gguf.GGUFReader(out, "r+").tensors:
        rounded = gguf.quants.dequantize(gguf.quants.quantize(tensor.data.astype(np.float32), kind), kind)
        error = rounded.astype(np.float64) - tensor.data
        print(tensor.name, np.abs(error).max(), np.sqrt((error**2).mean()))
        tensor.data[...] = rounded.astype(tensor.data.dtype)


def python_compare(a, b):
    """The comparison's figures, with numpy."""
    import gguf
    import numpy as np

    for old, new in zip(gguf.GGUFReader(a).tensors, gguf.GGUFReader(b).tensors):
        x, y = old.data.astype(np.float64), new.data.astype(np.float64)
        error = np.abs(x - y)
        with np.errstate(all="ignore"):
            relative = np.nanmax(np.where(x == 0, 0, error / np.abs(x)))
        print(old.name, (old.data != new.data).sum(), error.max(), error.mean(), relative, np.sqrt((error**2).mean()),
              (x**2).sum(), (y**2).sum(), (x * y).sum())


def main():
    if len(sys.argv) > 1:
        {"write": write_model, "inspect": python_inspect, "apply": python_apply,
         "compare": python_compare}[sys.argv[1]](*sys.argv[2:])
        return
    folder = tempfile.mkdtemp(prefix="fakequant-bench-")
    try:
        model, copy, rounded = (os.path.join(folder, name) for name in ("model.gguf", "copy.gguf", "rounded.gguf"))
        this = [sys.executable, __file__]
        run([*this, "write", model])
        size = f"{os.path.getsize(model) / 1e9:.2f} GB of F16, {CORES} cores"
        apply = [PROGRAM, "apply", model, "-o", rounded]
        race(f"inspect, {size}", {
            "reading, widening and adding up": [[READ_WORKER, model, str(CORES)]],
            "inspect": [[PROGRAM, "inspect", model]],
            "python3-gguf and numpy": [[*this, "inspect", model]],
        }, 15)
        race(f"apply, {size}, both synced", {
            "cp --reflink=never, sync": [["cp", "--reflink=never", model, copy], ["sync", copy]],
            "apply w:*norm*=bf16": [[*apply, "--rule", "w:*norm*=bf16"]],
            "apply w:*=mxfp4": [[*apply, "--rule", "w:*=mxfp4"]],
            "python3-gguf: w:*=mxfp4": [[*this, "apply", model, copy]],
        }, 5, (copy, rounded))
        run([*apply, "--rule", "w:*=mxfp4"])
        race(f"compare, {size} each", {
            "reading both, adding up": [[READ_WORKER, model, str(CORES)], [READ_WORKER, rounded, str(CORES)]],
            "compare": [[PROGRAM, "compare", model, rounded]],
            "python3-gguf and numpy": [[*this, "compare", model, rounded]],
        }, 3)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
