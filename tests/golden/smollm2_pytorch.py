#!/usr/bin/env python3
"""Perplexity and KL divergences of SmolLM2 135M by PyTorch, for tests/models/smollm2_pytorch_test.py.

Usage: smollm2_pytorch.py [--modelopt] [--seeds N] [--llama-tokenize PROGRAM] [--out FILE]

The model is transformers' own LlamaForCausalLM in float32, with the dequantized weights of the GGUF file. Only the token ids
come from llama.cpp. The roundings are written here in PyTorch, from the definitions in docs/formats.md. With --modelopt the
same variants are also rounded by NVIDIA ModelOpt's own code. README.md in this folder says how to install what this needs.
"""

import argparse
import ast
import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = "models/smollm2-135m.gguf"
TEXT = "demo/heldout.txt"
CTX, CHUNKS = 512, 4
FIRST = CTX // 2  # the first position whose prediction is scored
JITTER = 1e-6

# The modules of a layer, and their names in GGUF.
MATRICES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
            "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


# Roundings: float32 tensors, in which each row (the last dimension) is a row of a weight, or a token.


def round_integer(x, bits, block=None):
    """Symmetric integers without the lowest code, with a scale for each row or each block of a row."""
    columns = x.shape[-1]
    block = block or columns
    padded = torch.nn.functional.pad(x, (0, -columns % block)).unflatten(-1, (-1, block))
    largest = 2 ** (bits - 1) - 1
    scale = padded.abs().amax(-1, keepdim=True) / largest
    codes = torch.round(padded / scale.where(scale > 0, 1)).clamp(-largest, largest)
    return (codes * scale).flatten(-2)[..., :columns]


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
# Halfway between neighbours the even code wins: the upper one at every other midpoint, from 0.75 on.
MIDPOINTS = (E2M1[1:] + E2M1[:-1]) / 2
MIDPOINTS[1::2] = torch.nextafter(MIDPOINTS[1::2], torch.tensor(0.0))


def round_nvfp4(x):
    """E2M1 with an E4M3 scale for 16 values, and a float32 scale for the tensor."""
    outer = x.abs().max() / (6 * 448)
    blocks = x.unflatten(-1, (-1, 16))
    scale = (blocks.abs().amax(-1, keepdim=True) / 6 / outer).to(torch.float8_e4m3fn).float() * outer
    ratio = (blocks / scale.where(scale > 0, 1)).where(scale > 0, 0)
    elements = E2M1[torch.bucketize(ratio.abs(), MIDPOINTS)].copysign(ratio)
    return (elements * scale).flatten(-2)


def round_bf16(x):
    return x.bfloat16().float()


PLAIN = {"int8": lambda x: round_integer(x, 8), "int4_block128": lambda x: round_integer(x, 4, 128), "nvfp4": round_nvfp4,
         "int8_tokens": lambda x: round_integer(x, 8), "bf16": round_bf16}

# What is rounded to what, and fakequant's rules for it.
INT8_INPUTS = [{"activations": site, "format": "int8", "per": "token"}
               for site in ("attn_input", "attn_output_input", "ffn_input", "ffn_down_input")]
LAST = {"layers": "last:1"}
VARIANTS = {
    "weights_int8": ({"weights": "int8"}, [{"weights": "matrices", "format": "int8", "per": "row"}]),
    "weights_int4_block128": ({"weights": "int4_block128"}, [{"weights": "matrices", "format": "int4", "per": "block", "block": 128}]),
    "weights_nvfp4": ({"weights": "nvfp4"}, [{"weights": "matrices", "format": "nvfp4"}]),
    "weights_int8_inputs_int8": ({"weights": "int8", "inputs": "int8_tokens"},
                                 [{"weights": "matrices", "format": "int8", "per": "row"}, *INT8_INPUTS]),
    "ffn_norm_bf16": ({"ffn_norm": "bf16"}, [{"activations": "ffn_norm", "format": "bf16"}]),
    # Few roundings follow these, so that chance changes their figures little.
    "last_inputs_int8": ({"inputs": "int8_tokens", "last": 1}, [{**rule, **LAST} for rule in INT8_INPUTS]),
    "last_ffn_norm_bf16": ({"ffn_norm": "bf16", "last": 1}, [{"activations": "ffn_norm", "format": "bf16", **LAST}]),
}


def modelopt_roundings():
    """The same by ModelOpt, except for BF16."""
    from modelopt.torch.quantization.config import QuantizerAttributeConfig  # pylint: disable=import-outside-toplevel
    from modelopt.torch.quantization.nn import TensorQuantizer  # pylint: disable=import-outside-toplevel
    from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor  # pylint: disable=import-outside-toplevel

    def quantizer(**attributes):
        return lambda x: TensorQuantizer(QuantizerAttributeConfig(**attributes))(x.contiguous())

    def nvfp4(x):
        stored, scale, outer = NVFP4QTensor.quantize(x.clone(), 16)
        return stored.dequantize(torch.float32, scale=scale, double_scale=outer, block_sizes={-1: 16})

    return {"int8": quantizer(num_bits=8, axis=0), "int4_block128": quantizer(num_bits=4, block_sizes={-1: 128, "type": "static"}),
            "nvfp4": nvfp4, "int8_tokens": quantizer(num_bits=8, type="dynamic", block_sizes={-1: None})}


# The model


def rows_of_rope(weight, heads):
    """From the order of a llama file, in which the two values that RoPE turns together are neighbours, to transformers' halves."""
    return weight.reshape(heads, -1, 2, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)


def load(path):
    """The model and the token id that the first token of a chunk becomes, or None."""
    reader = gguf.GGUFReader(path)

    def field(key):
        return reader.fields[key].contents() if key in reader.fields else None

    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def values(name):
        tensor = tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(tensor.shape[::-1])

    assert field("general.architecture") == "llama" and "output.weight" not in tensors and not field("llama.rope.scaling.type")
    layers, heads, kv_heads = (field(f"llama.{key}") for key in ("block_count", "attention.head_count", "attention.head_count_kv"))
    config = LlamaConfig(
        vocab_size=len(reader.fields["tokenizer.ggml.tokens"].data), hidden_size=field("llama.embedding_length"),
        intermediate_size=field("llama.feed_forward_length"), num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, max_position_embeddings=field("llama.context_length"),
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")})
    config._attn_implementation = "eager"  # pylint: disable=protected-access

    state = {"model.embed_tokens.weight": values("token_embd.weight"), "model.norm.weight": values("output_norm.weight")}
    for layer in range(layers):
        for module, name in {**MATRICES, **NORMS}.items():
            weight = values(f"blk.{layer}.{name}.weight")
            if name in ("attn_q", "attn_k"):
                weight = rows_of_rope(weight, heads if name == "attn_q" else kv_heads)
            state[f"model.layers.{layer}.{module}.weight"] = weight
    assert len(state) == len(tensors)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config).float().eval()
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()})
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    return model, field("tokenizer.ggml.bos_token_id") if field("tokenizer.ggml.add_bos_token") else None


def tokenize(program, model, text):
    said = subprocess.run([program, "-m", model, "-f", text, "--ids", "--no-parse-special", "--log-disable"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return ast.literal_eval(said)


class Jitter:
    """Multiplies each value of the embeddings with 1 + JITTER x N(0, 1): the same factors for each model that evaluates a chunk."""

    def __init__(self):
        self.seed, self.chunk = None, 0

    def __deepcopy__(self, memo):
        return self  # one for all copies of a model

    def __call__(self, module, inputs, output):
        if self.seed is None:
            return output
        noise = torch.Generator().manual_seed(self.seed * CHUNKS + self.chunk)
        return output * (1 + JITTER * torch.randn(output.shape, generator=noise))


class Variant:
    """A context in which parts of the model are rounded, in all layers or in the last few."""

    def __init__(self, model, roundings, weights=None, inputs=None, ffn_norm=None, last=0):
        self.layers, self.hooks, self.kept = model.model.layers[-last:], [], []
        self.weights, self.inputs, self.ffn_norm = (name and roundings[name] for name in (weights, inputs, ffn_norm))

    def __enter__(self):
        for layer in self.layers:
            if self.ffn_norm:
                self.hooks.append(layer.post_attention_layernorm.register_forward_hook(lambda _module, _inputs, out: self.ffn_norm(out)))
            for name in MATRICES:
                linear = layer.get_submodule(name)
                if self.inputs:
                    self.hooks.append(linear.register_forward_pre_hook(lambda _module, inputs: (self.inputs(inputs[0]),)))
                if self.weights:
                    self.kept.append((linear, linear.weight.data))
                    linear.weight.data = self.weights(linear.weight.data)

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()
        for linear, weight in self.kept:
            linear.weight.data = weight


def evaluate(model, jitter, chunks):
    """The scored logits of all chunks, in float32."""
    logits = []
    for jitter.chunk, chunk in enumerate(chunks):
        logits.append(model(chunk[None], use_cache=False).logits[0, FIRST:CTX - 1].clone())
    return logits


def scores(baseline, variant, chunks):
    """The variant's perplexity, and the mean of KL(baseline || variant), of all chunks and of each, computed in double."""
    surprise, divergence = [], []
    for ours, theirs, chunk in zip(baseline, variant, chunks):
        p, q = (torch.log_softmax(logits.double(), -1) for logits in (ours, theirs))
        surprise.append(-q.gather(1, chunk[FIRST + 1:, None])[:, 0])
        divergence.append((p.exp() * (p - q)).sum(1))
    return {"ppl": float(torch.cat(surprise).mean().exp()), "kld": float(torch.cat(divergence).mean()),
            "kld_of_chunks": [float(chunk.mean()) for chunk in divergence]}


def chance(draws):
    """The mean and the standard deviation of a variant's KL divergence, from those of the chunks under each jitter.

    A jitter changes the chunks independently, so each of them tells about the variance of the mean over all.
    """
    draws = np.array(draws)
    return {"mean": float(draws.mean()), "sd": float(np.sqrt(draws.var(axis=0, ddof=1).sum()) / draws.shape[1])}


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def options_parser(seeds):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=seeds, help="how many jitters")
    parser.add_argument("--llama-tokenize", default=os.path.join(SOURCE, "third_party/llama/current/usr/bin/llama-tokenize"))
    parser.add_argument("--model", default=os.path.join(SOURCE, MODEL))
    parser.add_argument("--out", help="the JSON file to write")
    return parser


class Experiment:
    """The model with a jitter of its embeddings, and the first chunks of the text."""

    def __init__(self, options, chunks):
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        self.options, self.text = options, os.path.join(SOURCE, TEXT)
        self.model, bos = load(options.model)
        self.tokens = tokenize(options.llama_tokenize, options.model, self.text)
        self.chunks = list(torch.tensor(self.tokens[:CTX * chunks]).reshape(chunks, CTX))
        for chunk in self.chunks:
            if bos is not None:
                chunk[0] = bos
        self.jitter = Jitter()
        self.model.model.embed_tokens.register_forward_hook(self.jitter)

    def write(self, script, result, packages=()):
        """The golden file, where one is asked for: where its figures come from, and the result."""
        if not self.options.out:
            return
        chunks = len(self.chunks)
        golden = {
            "made_by": script,
            "versions": {"python": platform.python_version(),
                         **{package: version(package) for package in ("torch", "transformers", "numpy", "gguf", *packages)}},
            "model": {"file": MODEL, "sha256": sha256(self.options.model)},
            "text": {"file": TEXT, "sha256": sha256(self.text), "tokens": len(self.tokens)},
            "ctx_size": CTX, "chunks": chunks, "predictions": chunks * (CTX - 1 - FIRST), "jitter": JITTER, **result}
        with open(self.options.out, "w", encoding="utf-8") as file:
            json.dump(golden, file, indent=2)
            file.write("\n")


def main():
    parser = options_parser(seeds=4)
    parser.add_argument("--modelopt", action="store_true")
    options = parser.parse_args()
    experiment = Experiment(options, CHUNKS)
    model, jitter, chunks = experiment.model, experiment.jitter, experiment.chunks
    modelopt = modelopt_roundings() if options.modelopt else {}

    baseline = evaluate(model, jitter, chunks)
    result = {"baseline": {"ppl": scores(baseline, baseline, chunks)["ppl"]}, "variants": {}}
    print("baseline", result["baseline"], flush=True)
    for name, (parts, rules) in VARIANTS.items():
        entry = result["variants"][name] = {"rules": rules}
        with Variant(model, PLAIN, **parts):
            entry.update(scores(baseline, evaluate(model, jitter, chunks), chunks))
        if all(rounding in modelopt for part, rounding in parts.items() if part != "last"):
            with Variant(model, modelopt, **parts):
                entry["kld_by_modelopt"] = scores(baseline, evaluate(model, jitter, chunks), chunks)["kld"]
        print(name, entry, flush=True)

    rounds_activations = {name: parts for name, (parts, _) in VARIANTS.items() if parts.keys() & {"inputs", "ffn_norm"}}
    for jitter.seed in range(1, options.seeds + 1):
        baseline = evaluate(model, jitter, chunks)
        for name, parts in rounds_activations.items():
            with Variant(model, PLAIN, **parts):
                found = scores(baseline, evaluate(model, jitter, chunks), chunks)
            print("jitter", jitter.seed, name, found, flush=True)
            result["variants"][name].setdefault("kld_of_chunks_with_jitter", []).append(found["kld_of_chunks"])
    if options.seeds:
        for name in rounds_activations:
            entry = result["variants"][name]
            entry["kld_by_chance"] = chance([entry["kld_of_chunks"], *entry["kld_of_chunks_with_jitter"]])

    experiment.write("tests/golden/smollm2_pytorch.py", result, ["nvidia-modelopt"] * options.modelopt)


if __name__ == "__main__":
    main()
