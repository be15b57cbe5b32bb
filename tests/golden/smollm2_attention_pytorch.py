#!/usr/bin/env python3
"""KL divergences of SmolLM2 135M with attention in FP8 by PyTorch, for tests/models/smollm2_pytorch_test.py.

Usage: smollm2_attention_pytorch.py [--seeds N] [--llama-tokenize PROGRAM] [--out FILE]

The model, the text and the scores are those of smollm2_pytorch.py. Queries, keys, the softmax's probabilities and values are
rounded inside transformers' own attention, by PyTorch's float8_e4m3fn. README.md in this folder says how to install what this needs.
"""

import argparse
import json
import os
import platform
from importlib.metadata import version

import torch
from transformers.models.llama import modeling_llama

import smollm2_pytorch as smollm2

CHUNKS = 2
LARGEST = 448  # of E4M3
VALUE_RANGE = 16  # no smaller than any value of the model's on the text


def round_e4m3(x, scale):
    return (x / scale).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn).float() * scale


def e4m3_rows(x):
    """A scale for each row: a head of a token."""
    absmax = x.abs().amax(-1, keepdim=True)
    return round_e4m3(x, (absmax / LARGEST).where(absmax > 0, 1))


def e4m3_static(largest):
    """A scale that is known beforehand."""
    return lambda x: round_e4m3(x, torch.tensor(largest / LARGEST, dtype=torch.float32))


def int8_blocks(x):
    """Blocks of 32 values of a head, in the order of a llama file: the two values that RoPE turns together are neighbours."""
    half = x.shape[-1] // 2
    order = torch.arange(x.shape[-1]).reshape(2, half).T.flatten()
    rounded = torch.empty_like(x)
    rounded[..., order] = smollm2.round_integer(x[..., order], 8, 32)
    return rounded


def rules(q, k, v, **more):
    """fakequant's, with the probabilities in E4M3 with a scale of 1/448."""
    formats = {"q": q, "k_cache": k, "attn_probs": {"format": "e4m3", "range": 1}, "v_cache": v}
    return [{"activations": role, **form, **more} for role, form in formats.items()]


ROWS, BLOCKS = {"format": "e4m3", "per": "row"}, {"format": "int8", "per": "block", "block": 32}
STATIC = {"format": "e4m3", "range": VALUE_RANGE}
IN_ROWS = {"q": e4m3_rows, "k": e4m3_rows, "v": e4m3_rows}
# What is rounded, in which layers at the model's end (0: all), and fakequant's rules for it.
VARIANTS = {
    "attention_e4m3": (IN_ROWS, 0, rules(ROWS, ROWS, ROWS)),
    "attention_int8_e4m3": ({"q": int8_blocks, "k": int8_blocks, "v": e4m3_static(VALUE_RANGE)}, 0, rules(BLOCKS, BLOCKS, STATIC)),
    # Few roundings follow these, so that chance changes their figures little.
    "last_attention_e4m3": (IN_ROWS, 1, rules(ROWS, ROWS, ROWS, layers="last:1")),
}


class RoundedAttention:
    """transformers' own attention, with what it reads rounded."""

    def __init__(self, layers):
        self.layers, self.last, self.parts = layers, 0, None
        modeling_llama.eager_attention_forward = self

    def __call__(self, module, query, key, value, mask, scaling, **_):
        probabilities = round_v = lambda x: x
        if self.parts and (self.last == 0 or module.layer_idx >= self.layers - self.last):
            query, key, round_v, probabilities = self.parts["q"](query), self.parts["k"](key), self.parts["v"], e4m3_static(1)
        value = round_v(value)
        key, value = (modeling_llama.repeat_kv(x, module.num_key_value_groups) for x in (key, value))
        scores = query @ key.transpose(2, 3) * scaling + mask
        return (probabilities(torch.softmax(scores, -1)) @ value).transpose(1, 2).contiguous(), None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3, help="how many jitters")
    parser.add_argument("--llama-tokenize", default=os.path.join(smollm2.SOURCE, "third_party/llama/current/usr/bin/llama-tokenize"))
    parser.add_argument("--model", default=os.path.join(smollm2.SOURCE, smollm2.MODEL))
    parser.add_argument("--out", help="the JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    smollm2.CHUNKS = CHUNKS

    text = os.path.join(smollm2.SOURCE, smollm2.TEXT)
    model, bos = smollm2.load(options.model)
    tokens = smollm2.tokenize(options.llama_tokenize, options.model, text)
    chunks = list(torch.tensor(tokens[:smollm2.CTX * CHUNKS]).reshape(CHUNKS, smollm2.CTX))
    for chunk in chunks:
        if bos is not None:
            chunk[0] = bos

    jitter, attention = smollm2.Jitter(), RoundedAttention(len(model.model.layers))
    model.model.embed_tokens.register_forward_hook(jitter)
    result = {"baseline": {}, "variants": {name: {"rules": of_name} for name, (_, _, of_name) in VARIANTS.items()}}
    for jitter.seed in (None, *range(1, options.seeds + 1)):
        attention.parts = None
        baseline = smollm2.evaluate(model, jitter, chunks)
        if jitter.seed is None:
            result["baseline"]["ppl"] = smollm2.scores(baseline, baseline, chunks)["ppl"]
        for name, (attention.parts, attention.last, _) in VARIANTS.items():
            found, entry = smollm2.scores(baseline, smollm2.evaluate(model, jitter, chunks), chunks), result["variants"][name]
            print("jitter", jitter.seed, name, found, flush=True)
            if jitter.seed is None:
                entry.update(found)
            else:
                entry.setdefault("kld_of_chunks_with_jitter", []).append(found["kld_of_chunks"])
    if options.seeds:
        for entry in result["variants"].values():
            entry["kld_by_chance"] = smollm2.chance([entry["kld_of_chunks"], *entry["kld_of_chunks_with_jitter"]])

    result = {
        "made_by": "tests/golden/smollm2_attention_pytorch.py",
        "versions": {"python": platform.python_version(), **{package: version(package) for package in ("torch", "transformers", "numpy", "gguf")}},
        "model": {"file": smollm2.MODEL, "sha256": smollm2.sha256(options.model)},
        "text": {"file": smollm2.TEXT, "sha256": smollm2.sha256(text), "tokens": len(tokens)},
        "ctx_size": smollm2.CTX, "chunks": CHUNKS, "predictions": CHUNKS * (smollm2.CTX - 1 - smollm2.FIRST), "jitter": smollm2.JITTER, **result}
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
