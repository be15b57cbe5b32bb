#!/usr/bin/env python3
"""Ranges that the histogram calibrators of NVIDIA ModelOpt find in some histograms, for src/measure/range_search_test.cc.

Usage: range_search_modelopt.py > range_search_modelopt.txt

ModelOpt 0.47 passes the bits where its quantizers take a bias, which makes its search by squared errors none: here they are passed in the
place that they were meant for.

Each line: the histogram, the search and what rounds, and in how many bins the range ends. The test makes the same histograms. README.md in
this folder says how to install what this needs.
"""

import importlib.metadata

import numpy as np
from modelopt.torch.quantization.calib import histogram

HISTOGRAMS = {
    "heavy": [10 ** 6 * 40000 // (40000 + i * i) for i in range(2500)],
    "steep": [10 ** 9 >> i // 64 for i in range(1900)],
    "outliers": [10 ** 6 * 10000 // (10000 + i * i) if i < 400 else int(i % 97 == 0 or i == 2999) for i in range(3000)],
    "flat": [1000] * 2048,
    "short": [200 - i for i in range(150)],
}

quantize_integer, quantize_e4m3 = histogram.fake_tensor_quant, histogram.scaled_e4m3
histogram.fake_tensor_quant = lambda x, absmax, bits, unsigned: quantize_integer(x, absmax, None, bits, unsigned)
histogram.scaled_e4m3 = lambda x, absmax, exponent_bits, mantissa_bits: quantize_e4m3(x, absmax, None, exponent_bits, mantissa_bits)


def main():
    print("# nvidia-modelopt", importlib.metadata.version("nvidia-modelopt"))
    for name, counts in HISTOGRAMS.items():
        edges = np.arange(len(counts) + 1, dtype=np.float64)
        for bits in (8, 4):
            print(name, "entropy", bits, float(histogram._compute_amax_entropy(np.array(counts), edges, bits, False)), flush=True)
        for text, bits in (("int8", 8), ("int4", 4), ("e4m3", (4, 3))):
            print(name, "mse", text, float(histogram._compute_amax_mse(np.array(counts), edges, bits, False)), flush=True)


if __name__ == "__main__":
    main()
