"""How fast the rounding kernels are, beside memcpy, ggml, numpy and PyTorch.

All contestants run in turn, several times, on arrays far larger than the caches; printed are medians and their ratio to
memcpy's speed in the same run, so that the machine's own speed drops out. Of numpy and PyTorch those that are
installed take part, each with one thread.
"""

import os
import statistics
import subprocess
import time

import numpy as np

try:
    import torch
    torch.set_num_threads(1)
except ImportError:
    torch = None

ROUNDS = 7
ROW = 4096
FORMATS = ["bf16", "bf16,round=zero", "f16", "tf32", "e4m3", "e5m2", "e2m1", "e3m4", "mantissa7", "mantissa3", "int8",
           "int4", "int8,mode=asym", "int4,per=block", "int4,per=block,block=24", "e4m3,per=token", "e4m3,per=block,block=128",
           "e4m3,tile=128x128", "nf4", "mxfp8", "mxfp6", "mxfp4", "mxint8", "mx6", "nvfp4", "nvfp4,fit=four-over-six", "q8_k",
           "mantissa23,rotate=hadamard", "mantissa23,rotate=random:1", "nvfp4,rotate=hadamard",
           "bf16,round=stochastic", "e4m3,round=stochastic", "int8,round=stochastic", "mxfp4,round=stochastic"]
GGML = {"bf16": "bf16", "f16": "f16", "int8": "q8_0", "int4,per=block": "q4_0", "mxfp4": "mxfp4", "nvfp4": "nvfp4"}
BOTH_CORES = ["bf16", "e4m3", "int8", "mxfp4"]


class Worker:
    """The C++ half: kernels, memcpy and ggml."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["ROUNDING_WORKER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def speed(self, line):
        """Elements a second."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        elements, seconds = self.process.stdout.readline().split()
        return int(elements) / float(seconds)


def python_peers():
    """Functions of numpy and PyTorch that round an array as a format does, by library and format. All write into memory that they
    have written before: fresh memory takes longer than the rounding."""
    values = np.random.default_rng(1).standard_normal((4096, ROW), np.float32)
    half, result = np.empty(values.shape, np.float16), np.empty_like(values)

    def f16_in_numpy():
        np.copyto(half, values, casting="same_kind")
        np.copyto(result, half)

    def int8_in_numpy():
        scale = np.abs(values, out=result).max(axis=1, keepdims=True) / np.float32(127)
        np.rint(np.divide(values, scale, out=result), out=result)
        np.multiply(np.clip(result, -127, 127, out=result), scale, out=result)

    peers = {("numpy", "f16"): f16_in_numpy, ("numpy", "int8"): int8_in_numpy}
    if torch is not None:
        tensor, to = torch.from_numpy(values), torch.from_numpy(result)
        narrow = {"bf16": torch.empty_like(tensor, dtype=torch.bfloat16), "f16": torch.empty_like(tensor, dtype=torch.float16)}

        def float_in_torch(name):
            to.copy_(narrow[name].copy_(tensor))

        def int8_in_torch():
            scale = torch.abs(tensor, out=to).amax(dim=1, keepdim=True) / 127
            torch.div(tensor, scale, out=to).round_().clamp_(-127, 127).mul_(scale)

        peers[("torch", "bf16")] = lambda: float_in_torch("bf16")
        peers[("torch", "f16")] = lambda: float_in_torch("f16")
        peers[("torch", "int8")] = int8_in_torch
    return values.size, peers


def main():
    worker = Worker()
    elements, peers = python_peers()
    both = f"{min(2, os.cpu_count())}"
    lines = ["memcpy 1", f"memcpy {both}"]
    lines += [f"{what} 1 {name}" for name in FORMATS for what in ("round", "measure")]
    lines += [f"ggml 1 {name}" for name in GGML.values()]
    lines += [f"round {both} {name}" for name in BOTH_CORES]
    speeds = {key: [] for key in [*lines, *peers]}
    for turn in range(ROUNDS + 1):
        for key, measured in speeds.items():
            if key in peers:
                begin = time.perf_counter()
                peers[key]()
                speed = elements / (time.perf_counter() - begin)
            else:
                speed = worker.speed(key)
            if turn > 0:  # the first fills caches and tables
                measured.append(speed)
    median = {key: statistics.median(measured) for key, measured in speeds.items()}

    copy = median["memcpy 1"]
    print(f"rounding in place, one core; memcpy moves {copy / 1e9:.2f} G elements/s ({copy * 8 / 1e9:.0f} GB/s)")
    print(f"{'':28}{'G elements/s':>14}{'/ memcpy':>10}{'with figures':>14}{'/ ggml':>9}{'/ torch':>9}{'/ numpy':>9}")
    for name in FORMATS:
        speed = median[f"round 1 {name}"]
        others = [median.get(f"ggml 1 {GGML.get(name)}"), median.get(("torch", name)), median.get(("numpy", name))]
        ratios = "".join(f"{speed / other:9.1f}" if other else " " * 9 for other in others)
        print(f"{name:28}{speed / 1e9:14.2f}{speed / copy:10.2f}{median[f'measure 1 {name}'] / copy:14.2f}{ratios}")
    if torch is None:
        print("(PyTorch is not installed: no column of it)")
    else:
        print(f"(PyTorch {torch.__version__}, numpy {np.__version__}, in memory of their own that is not fresh)")
    copy = median[f"memcpy {both}"]
    print(f"\n{both} cores; memcpy moves {copy / 1e9:.2f} G elements/s ({copy * 8 / 1e9:.0f} GB/s)")
    for name in BOTH_CORES:
        speed = median[f"round {both} {name}"]
        print(f"{name:28}{speed / 1e9:14.2f}{speed / copy:10.2f}")


if __name__ == "__main__":
    main()
