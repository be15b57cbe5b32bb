#!/usr/bin/env python3
"""KL divergences of SmolLM2 135M with attention in FP8 by PyTorch, for tests/models/smollm2_pytorch_test.py.

Usage: smollm2_attention_pytorch.py [--seeds N] [--llama-tokenize PROGRAM] [--out FILE]

The model, the text and the scores are those of smollm2_pytorch.py. Queries, keys, the softmax's probabilities and values are
rounded inside transformers' own attention, by PyTorch's float8_e4m3fn. README.md in this folder says how to install what this needs.
"""

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
    options = smollm2.options_parser(seeds=3).parse_args()
    experiment = smollm2.Experiment(options, CHUNKS)
    model, jitter, chunks = experiment.model, experiment.jitter, experiment.chunks
    attention = RoundedAttention(len(model.model.layers))
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

    experiment.write("tests/golden/smollm2_attention_pytorch.py", result)


if __name__ == "__main__":
    main()
