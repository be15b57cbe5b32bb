#!/usr/bin/env python3
"""KL divergences of SmolLM2 135M under NVIDIA ModelOpt's presets, by its own code, for tests/models/smollm2_presets_test.py.

Usage: smollm2_presets_pytorch.py [--seeds N] [--llama-tokenize PROGRAM] [--out FILE]

The model is that of smollm2_pytorch.py. ModelOpt inserts its quantizers, calibrates them on the same chunks, and rounds. Its kernels for
formats in blocks need CUDA; on a CPU its quantizers for storage take their place (QTensor). README.md in this folder says how to install
what this needs.
"""

import copy
import gc

import modelopt.torch.quantization as mtq
import torch
from modelopt.torch.quantization.nn import register_quant_backend
from modelopt.torch.quantization.qtensor.mxfp4_tensor import MXFP4QTensor
from modelopt.torch.quantization.qtensor.mxfp8_tensor import MXFP8QTensor
from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor
from smollm2_pytorch import CHUNKS, Experiment, chance, evaluate, options_parser, scores


def nvfp4(x, quantizer):
    # What was calibrated is the largest magnitude of all blocks.
    absmax = quantizer._amax.amax() if hasattr(quantizer, "_amax") else x.abs().amax()  # pylint: disable=protected-access
    rows = x.detach().reshape(-1, x.shape[-1]).clone()
    stored, scale, outer = NVFP4QTensor.quantize(rows, 16, weights_scaling_factor_2=absmax.float() / (6 * 448))
    return stored.dequantize(torch.float32, scale=scale, double_scale=outer, block_sizes={-1: 16}).reshape(x.shape)


def mxfp4(x, _quantizer):
    stored, scale = MXFP4QTensor.quantize(x.detach().reshape(-1, x.shape[-1]).contiguous(), 32)
    return stored.dequantize(torch.float32, scale=scale, block_sizes={-1: 32}).reshape(x.shape)


def mxfp8(x, _quantizer):
    stored, scale = MXFP8QTensor.quantize(x.detach().reshape(-1, x.shape[-1]).contiguous())
    return stored.dequantize(torch.float32, scale=scale).reshape(x.shape)


def stored(preset, rounding):
    """The preset, where blocks are rounded by the function."""
    name = f"stored_{rounding.__name__}"
    register_quant_backend(name, rounding)
    preset = copy.deepcopy(preset)
    for entry in preset["quant_cfg"]:
        if "block_sizes" in (entry.get("cfg") or {}):
            entry["cfg"]["backend"] = name
    return preset


OFF = {"quantizer_name": "*", "enable": False}
FP8_CACHE = {"quant_cfg": [OFF, {"quantizer_name": "*[kv]_bmm_quantizer", "cfg": {"num_bits": (4, 3), "axis": None}}], "algorithm": "max"}

# The recipe, ModelOpt's preset, and whether it rounds activations.
PRESETS = {
    "modelopt/int8-weight-only": (mtq.INT8_WEIGHT_ONLY_CFG, False),
    "modelopt/int4-blockwise-weight-only": (mtq.INT4_BLOCKWISE_WEIGHT_ONLY_CFG, False),
    "modelopt/nvfp4-w4a16": (stored(mtq.W4A16_NVFP4_CFG, nvfp4), False),
    "modelopt/fp8-2d-blockwise-weight-only": (mtq.FP8_2D_BLOCKWISE_WEIGHT_ONLY_CFG, False),
    "modelopt/fp8": (mtq.FP8_DEFAULT_CFG, True),
    "modelopt/fp8-per-channel-per-token": (mtq.FP8_PER_CHANNEL_PER_TOKEN_CFG, True),
    "modelopt/int8": (mtq.INT8_DEFAULT_CFG, True),
    "modelopt/nvfp4": (stored(mtq.NVFP4_DEFAULT_CFG, nvfp4), True),
    "modelopt/mxfp8": (stored(mtq.MXFP8_DEFAULT_CFG, mxfp8), True),
    "modelopt/mxfp4": (stored(mtq.MXFP4_DEFAULT_CFG, mxfp4), True),
    "modelopt/kv-fp8": (FP8_CACHE, True),
}


def main():
    options = options_parser(seeds=3).parse_args()
    experiment = Experiment(options, CHUNKS)
    model, jitter, chunks = experiment.model, experiment.jitter, experiment.chunks
    baselines = []
    for jitter.seed in (None, *range(1, options.seeds + 1)):
        baselines.append(evaluate(model, jitter, chunks))
    result = {"baseline": {"ppl": scores(baselines[0], baselines[0], chunks)["ppl"]}, "variants": {}}
    print("baseline", result["baseline"], flush=True)
    for recipe, (preset, rounds_activations) in PRESETS.items():
        jitter.seed = None
        variant = copy.deepcopy(model)
        mtq.quantize(variant, preset, lambda quantized: [quantized(chunk[None], use_cache=False) for chunk in chunks])
        mtq.fold_weight(variant)
        entry = result["variants"][recipe] = scores(baselines[0], evaluate(variant, jitter, chunks), chunks)
        if rounds_activations:
            draws = [entry["kld_of_chunks"]]
            for jitter.seed in range(1, options.seeds + 1):
                draws.append(scores(baselines[jitter.seed], evaluate(variant, jitter, chunks), chunks)["kld_of_chunks"])
            if options.seeds:
                entry["kld_of_chunks_with_jitter"], entry["kld_by_chance"] = draws[1:], chance(draws)
        print(recipe, entry, flush=True)
        variant = None
        gc.collect()
    experiment.write("tests/golden/smollm2_presets_pytorch.py", result, ["nvidia-modelopt"])


if __name__ == "__main__":
    main()
