#!/usr/bin/env python3
"""Writes a quantized GGUF model as F16: quantized tensors become F16, all others stay as they are.

Usage: widen_model.py MODEL OUT [--dither SEED]

With --dither, each value of a quantized tensor is moved by a random number between -1/2 and +1/2 of the quantization
step of its own block: an original that the quantized model might have been made from. The numbers come from the counter
generator SplitMix64, so they depend on the seed, the tensor's name and the value's index only: value i (from 0) of a tensor
gets the output of the state key + (i + 1) * 0x9E3779B97F4A7C15, where key is the first 8 bytes, little-endian, of
SHA-256("SEED NAME"); its upper 24 bits u give (u + 0.5) / 2^24 - 0.5 steps. Needs numpy and python3-gguf.
"""

import argparse
import hashlib
import os
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

VALUES_AT_ONCE = 1 << 22


def half(two_bytes):
    return two_bytes.copy().view(np.float16).astype(np.float32)


# The quantization step of each value, for blocks of raw bytes: arrays (blocks, values of a block) or (blocks, 1).


def step_at_start(blocks):
    return np.abs(half(blocks[:, 0:2]))


def step_of_q4_k(blocks):
    scales, _ = gguf.quants.Q4_K.get_scale_min(blocks[:, 4:16])
    return np.repeat(np.abs(half(blocks[:, 0:2]) * scales.astype(np.float32)), 32, axis=1)


def step_of_q6_k(blocks):
    scales = blocks[:, 192:208].copy().view(np.int8).astype(np.float32)
    return np.repeat(np.abs(half(blocks[:, 208:210]) * scales), 16, axis=1)


STEPS = {Type.Q4_0: step_at_start, Type.Q4_1: step_at_start, Type.Q5_0: step_at_start, Type.Q5_1: step_at_start,
         Type.Q8_0: step_at_start, Type.Q4_K: step_of_q4_k, Type.Q6_K: step_of_q6_k}
KEPT = {Type.F32, Type.F16, Type.BF16}


def uniform(seed, name, begin, count):
    """Numbers in (-1/2, 1/2) of the values begin to begin + count of a tensor."""
    key = np.frombuffer(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "<u8")[0]
    with np.errstate(over="ignore"):
        z = key + np.arange(begin + 1, begin + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (((z >> np.uint64(40)).astype(np.float64) + 0.5) * 2.0**-24 - 0.5).astype(np.float32)


def widened(tensor, seed):
    """Yields the F16 values of a quantized tensor, piece by piece."""
    elements, size = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
    blocks = np.asarray(tensor.data).reshape(-1, size)
    at_once = VALUES_AT_ONCE // elements
    for begin in range(0, len(blocks), at_once):
        piece = np.ascontiguousarray(blocks[begin:begin + at_once])
        values = gguf.quants.dequantize(piece, tensor.tensor_type).reshape(-1, elements)
        if seed is not None:
            random = uniform(seed, tensor.name, begin * elements, values.size)
            values = values + STEPS[tensor.tensor_type](piece) * random.reshape(values.shape)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            sys.exit(f"widen_model: {tensor.name} has values that F16 cannot hold")
        yield halves


def main():
    parser = argparse.ArgumentParser(description="Writes a quantized GGUF model as F16.")
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--dither", type=int, metavar="SEED", help="move each value by a random part of its block's step")
    arguments = parser.parse_args()

    reader = gguf.GGUFReader(arguments.model)
    for tensor in reader.tensors:
        if tensor.tensor_type not in KEPT and tensor.tensor_type not in STEPS:
            sys.exit(f"widen_model: {tensor.name} is {tensor.tensor_type.name}, whose step is not known here; known are "
                     f"{' '.join(kind.name for kind in STEPS)}")

    writer = gguf.GGUFWriter(arguments.out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = int(gguf.LlamaFileType.MOSTLY_F16) if name == "general.file_type" else field.contents()
        writer.add_key_value(name, value, field.types[0], field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None)
    made = f"widened from {os.path.basename(arguments.model)}"
    writer.add_string("fakequant.widened", made if arguments.dither is None else f"{made}, dithered with seed {arguments.dither}")
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        if tensor.tensor_type in KEPT:
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), int(tensor.n_bytes), tensor.tensor_type)
        else:
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float16), 2 * int(tensor.n_elements), Type.F16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    out = writer.fout[0]
    for tensor in reader.tensors:
        writer.write_padding(out, out.tell())
        if tensor.tensor_type in KEPT:
            tensor.data.tofile(out)
        else:
            for halves in widened(tensor, arguments.dither):
                halves.tofile(out)
    writer.write_padding(out, out.tell())
    writer.close()


if __name__ == "__main__":
    main()
