#!/usr/bin/env python3
"""Output errors of GPTQ by LLM Compressor's own code, for tests/gptq_test.py.

Usage: gptq_llmcompressor.py --model MODEL --hessian FILE [--weight NAME ...] [--out FILE]

FILE is what `fakequant calibrate --hessian` wrote for MODEL, whose weights are F16 or F32. README.md in this folder says how to
install what this needs, and which commands made the kept file.
"""

import argparse
import importlib.metadata
import json
import os
import sys

import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams
from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from gptq_figures import Hessians, output_error
from input_file import tensors_of

WEIGHTS = ("blk.0.attn_q.weight", "blk.2.attn_v.weight", "blk.3.ffn_down.weight", "blk.5.ffn_up.weight")
# The format of fakequant that is the same, and LLM Compressor's arguments.
FORMATS = {
    "int4,codes=full,per=block,block=64,order=activation": {"num_bits": 4, "strategy": "group", "group_size": 64, "actorder": "weight"},
    "int4,codes=full,per=block,block=128,order=activation": {"num_bits": 4, "strategy": "group", "group_size": 128, "actorder": "weight"},
    "int3,codes=full,per=block,block=32,order=activation": {"num_bits": 3, "strategy": "group", "group_size": 32, "actorder": "weight"},
    "int4,codes=full,per=row": {"num_bits": 4, "strategy": "channel"},
    "int8,codes=full,per=row": {"num_bits": 8, "strategy": "channel"},
    "e4m3,per=row": {"num_bits": 8, "type": "float", "strategy": "channel"},
}


def quantization(weights, arguments):
    """The arguments as an object, with the scales and zero points of the original weights."""
    arguments = QuantizationArgs(symmetric=True, dynamic=False, **arguments)
    groups = weights if arguments.group_size is None else weights.unflatten(-1, (-1, arguments.group_size))
    keep = arguments.group_size is None
    scale, zero_point = calculate_qparams(groups.amin(-1, keepdim=keep), groups.amax(-1, keepdim=keep), arguments)
    return arguments, scale, zero_point


def errors(weights, hessian, arguments):
    """Of LLM Compressor's GPTQ and of its rounding to the nearest."""
    values = torch.from_numpy(weights)
    arguments, scale, zero_point = quantization(values, arguments)
    # quantize_weight() overwrites its arguments, and takes a batch.
    found, _, failed = quantize_weight(values.clone()[None], torch.from_numpy(hessian.astype(np.float32))[None], scale[None],
                                       zero_point[None], None, arguments, percdamp=0.01)
    if failed.any():
        raise SystemExit("LLM Compressor found no factor of a Hessian")
    nearest = fake_quantize(values, scale, zero_point, arguments)
    return {name: float(output_error(weights, rounded.numpy(), hessian)) for name, rounded in (("gptq", found[0]), ("nearest", nearest))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--hessian", required=True)
    parser.add_argument("--weight", action="append")
    parser.add_argument("--out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights, hessians = tensors_of(options.model), Hessians(options.hessian)
    result = {"made_by": "tests/golden/gptq_llmcompressor.py",
              "versions": {name: importlib.metadata.version(name) for name in ("llmcompressor", "compressed-tensors", "torch")},
              "errors": {}}
    for name in options.weight or WEIGHTS:
        of_weight = result["errors"][name] = {}
        for text, arguments in FORMATS.items():
            if weights[name].shape[1] % arguments.get("group_size", 1) == 0:
                of_weight[text] = errors(weights[name], hessians.matrix(name), arguments)
                print(name, text, of_weight[text], flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
