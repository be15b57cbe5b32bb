#!/usr/bin/env python3
"""Writes tests/golden/conventions.txt: checksums of what other libraries' own code makes of the same values.

Needs torch, torchao, nvidia-modelopt, compressed-tensors, bitsandbytes, amd-quark and gguf of PyPI (several GB), and a CPU:

    python3 scripts/golden_conventions.py TRANSFORMER_ENGINE > tests/golden/conventions.txt

TRANSFORMER_ENGINE is a checkout of github.com/NVIDIA/TransformerEngine. Its package needs CUDA; the functions that find scales
are taken out of its source and run alone. So are Quark's, whose package compiles kernels when it is loaded.

Each line: a checksum, the format of fakequant that is the same, the library with its version, and "wide" where the values are those
that span more powers of two, or "weights" where they are those of the demo model. src/format/conventions_test.cc and
src/weights/conventions_test.cc take the same values, round them, and compare.
"""

import ast
import pathlib
import sys

import importlib.metadata
import importlib.util
import logging
import os
import warnings

warnings.filterwarnings("ignore")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
logging.disable(logging.WARNING)

import bitsandbytes.functional
import gguf
import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams
from modelopt.torch.quantization.config import QuantizerAttributeConfig
from modelopt.torch.quantization.nn import TensorQuantizer
from modelopt.torch.quantization.qtensor.mxfp8_tensor import MXFP8QTensor
from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor
from torchao.prototype.mx_formats import nvfp4_tensor
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.constants import DTYPE_FP6_E2M3, DTYPE_FP6_E3M2
from torchao.prototype.mx_formats.mx_tensor import MXTensor
from torchao.quantization import quant_primitives

ROWS, COLUMNS = 1024, 1024


def golden_values(wide=False):
    """Whole numbers of 24 bits times powers of two: exact in float32, with outliers, zeros and subnormals. Where `wide`, rows are smaller
    and smaller, by 31 powers of two: so are the scales of their blocks, which E4M3 cannot all hold."""
    index = np.arange(ROWS * COLUMNS, dtype=np.uint32)
    word = index * np.uint32(2654435761)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        word ^= word >> np.uint32(shift)
        word *= np.uint32(factor)
    word ^= word >> np.uint32(16)
    number = (word >> np.uint32(8)).astype(np.int64) - (1 << 23)
    row = (index // COLUMNS).astype(np.int64)
    exponent = (-(row % 32) if wide else row % 4) - 25
    kind = word & np.uint32(0xFF)
    exponent += np.where(kind == 0, 5, 0) - np.where(kind == 2, 140, 0)
    number = np.where(kind == 1, 0, number)
    return torch.from_numpy(np.ldexp(number.astype(np.float64), exponent).astype(np.float32).reshape(ROWS, COLUMNS))


def demo_weights():
    """The first matrices of the demo model, one after the other."""
    file = pathlib.Path(__file__).resolve().parent.parent / "demo/fakequant-demo-4m-f16.gguf"
    matrices = [tensor.data for tensor in gguf.GGUFReader(file).tensors if tensor.data.dtype == np.float16]
    values = np.concatenate([matrix.reshape(-1) for matrix in matrices])[: ROWS * COLUMNS]
    return torch.from_numpy(values.astype(np.float32).reshape(ROWS, COLUMNS))


def checksum(values):
    """The sum of the floats' bits, each times an odd number of its place, modulo 2^64; -0 counts as 0."""
    bits = (values.detach().float().contiguous().numpy().reshape(-1) + np.float32(0)).view(np.uint32).astype(np.uint64)
    return int((bits * (2 * np.arange(bits.size, dtype=np.uint64) + np.uint64(1))).sum(dtype=np.uint64))


def torchao_float8(x, block, dtype=torch.float8_e4m3fn):
    scale = quant_primitives._choose_scale_float8(x, list(block), dtype, torch.float32)
    return quant_primitives._dequantize_affine_float8(quant_primitives._quantize_affine_float8(x, scale, dtype), scale)


def torchao_mx(x, dtype, rule):
    mode = getattr(ScaleCalculationMode, rule.upper())
    return MXTensor.to_mx(x, dtype, 32, scaling_mode=mode).dequantize(torch.float32)


def torchao_nvfp4(x, two_level=True):
    outer = nvfp4_tensor.per_tensor_amax_to_scale(x.abs().amax()) if two_level else None
    return nvfp4_tensor.NVFP4Tensor.to_nvfp4(x, per_tensor_scale=outer).dequantize(torch.float32)


def modelopt(x, **config):
    with torch.no_grad():
        return TensorQuantizer(QuantizerAttributeConfig(**config))(x)


def modelopt_mxfp8(x):
    codes, scale = MXFP8QTensor.quantize(x)
    return codes.dequantize(torch.float32, scale=scale)


def modelopt_nvfp4(x):
    codes, scale, outer = NVFP4QTensor.quantize(x.clone(), 16)
    return codes.dequantize(torch.float32, scale=scale, double_scale=outer, block_sizes={-1: 16})


def compressed_tensors(x, strategy, group=None, **arguments):
    arguments = QuantizationArgs(strategy=strategy, dynamic=False, group_size=group, **arguments)
    grouped = x if group is None else x.unflatten(-1, (-1, group))
    low, high = grouped.amin(-1, keepdim=group is None), grouped.amax(-1, keepdim=group is None)
    scale, zero_point = calculate_qparams(low, high, arguments)
    return fake_quantize(x, scale, zero_point, arguments)


def bitsandbytes_nf4(x, block):
    return bitsandbytes.functional.dequantize_4bit(*bitsandbytes.functional.quantize_4bit(x, blocksize=block, quant_type="nf4"))


def functions_of(path, names, known):
    """Adds functions of a source file to those that are known, without their decorators."""
    definitions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name in names]
    for definition in definitions:
        definition.decorator_list = []
    exec(compile(ast.Module(definitions, []), str(path), "exec"), known)


def function_of(path, name):
    """A function of a source file that needs torch alone."""
    known = {"torch": torch, "Tuple": tuple}
    functions_of(path, [name], known)
    return known[name]


def transformer_engine_current(folder, x, dtype):
    path = folder / "transformer_engine/pytorch/custom_recipes/reference_current_scaling.py"
    scale, back, _ = function_of(path, "_scale_from_amax_tensor")(torch.float32, x.abs().amax().view(1), dtype, eps=0.0, pow_2_scales=False)
    return (x * scale).to(dtype).float() * back


def transformer_engine_delayed(folder, x, dtype, margin):
    path = folder / "transformer_engine/pytorch/quantization.py"
    scale = function_of(path, "_default_sf_compute")(x.abs().amax().view(1), torch.ones(1), torch.finfo(dtype).max, margin)
    return (x * scale).to(dtype).float() * (1.0 / scale)


def quark_microexponents(x, bits):
    folder = pathlib.Path(importlib.util.find_spec("quark").submodule_search_locations[0]) / "torch"
    known = {"torch": torch, "Any": object}
    functions_of(folder / "quantization/utils.py", ["pad_to_blocks", "reshape_to_blocks", "exponent_frexp_no_exception", "t_exponent"], known)
    functions_of(folder / "kernel/hw_emulation/hw_emulation_interface.py",
                 ["_compute_mx_exponents", "_mx6_mx9_codes", "fake_quantize_mx6_mx9"], known)
    return known["fake_quantize_mx6_mx9"](x, -1, 16, quant_bit=bits, sub_block_size=2)


def conventions(transformer_engine):
    whole, row, blocks = (ROWS, COLUMNS), (1, COLUMNS), (1, 128)
    for span, size in (("tensor", whole), ("row", row), ("block,block=128", blocks)):
        yield f"e4m3,per={span}", "torchao", lambda x, size=size: torchao_float8(x, size)
    yield "e4m3,tile=128x128", "torchao", lambda x: torchao_float8(x, (128, 128))
    yield "e5m2,per=row", "torchao", lambda x: torchao_float8(x, row, torch.float8_e5m2)
    elements = {"mxfp8": torch.float8_e4m3fn, "mxfp8e5m2": torch.float8_e5m2, "mxfp6": DTYPE_FP6_E3M2,
                "mxfp6e2m3": DTYPE_FP6_E2M3, "mxfp4": torch.float4_e2m1fn_x2}
    for name, dtype in elements.items():
        for rule in ("floor", "ceil", "rceil", "even"):
            yield f"{name},scale={rule}", "torchao", lambda x, dtype=dtype, rule=rule: torchao_mx(x, dtype, rule)
    yield "nvfp4,arithmetic=reciprocal", "torchao", torchao_nvfp4
    yield "e4m3,per=tensor,arithmetic=reciprocal", "nvidia-modelopt", lambda x: modelopt(x, num_bits=(4, 3))
    yield "e4m3,per=row,arithmetic=reciprocal", "nvidia-modelopt", lambda x: modelopt(x, num_bits=(4, 3), axis=0)
    yield "mxfp8,scale=rceil", "nvidia-modelopt", modelopt_mxfp8
    yield "nvfp4", "nvidia-modelopt", modelopt_nvfp4
    yield "e4m3,per=row", "compressed-tensors", lambda x: compressed_tensors(x, "channel", num_bits=8, type="float")
    yield "int8,codes=full", "compressed-tensors", lambda x: compressed_tensors(x, "channel", num_bits=8, type="int")
    yield "int4,per=block,block=32,codes=full", "compressed-tensors", lambda x: compressed_tensors(x, "group", 32, num_bits=4, type="int")
    yield "mxfp4,scale=even", "compressed-tensors", lambda x: compressed_tensors(x, "group", 32, num_bits=4, type="float", scale_dtype=torch.uint8)
    yield "nvfp4,least=normal,arithmetic=reciprocal wide", "torchao", torchao_nvfp4
    yield "nvfp4,least=subnormal wide", "nvidia-modelopt", modelopt_nvfp4
    for name, dtype in (("e4m3", torch.float8_e4m3fn), ("e5m2", torch.float8_e5m2)):
        yield f"{name},per=tensor,arithmetic=factor", "transformer-engine", lambda x, dtype=dtype: transformer_engine_current(transformer_engine, x, dtype)
        # In PyTorch, a number / a tensor is the product with the tensor's reciprocal.
        for margin in (0, 1, 3):
            text = f"{name},per=tensor,arithmetic=reciprocal,margin={margin}"
            yield text, "transformer-engine", lambda x, dtype=dtype, margin=margin: transformer_engine_delayed(transformer_engine, x, dtype, margin)
    for name, bits in (("mx9", 8), ("mx6", 5)):
        for wide in ("", " wide"):
            yield name + wide, "amd-quark", lambda x, bits=bits: quark_microexponents(x, bits)
    yield "nf4", "bitsandbytes", lambda x: bitsandbytes_nf4(x, 64)
    yield "nf4,block=128", "bitsandbytes", lambda x: bitsandbytes_nf4(x, 128)


def main():
    transformer_engine = pathlib.Path(sys.argv[1])
    made = list(conventions(transformer_engine))
    for text, library, make in made + [(f"{text} weights", library, make) for text, library, make in made if " " not in text]:
        text, _, values = text.partition(" ")
        if library == "transformer-engine":
            version = (transformer_engine / "build_tools/VERSION.txt").read_text().strip()
        else:
            version = importlib.metadata.version(library)
        rounded = make(demo_weights() if values == "weights" else golden_values(values == "wide"))
        print(f"{checksum(rounded):016x} {text} {library} {version} {values}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
