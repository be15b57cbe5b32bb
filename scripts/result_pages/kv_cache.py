"""Attention's cache of keys and values."""

from .figures import ratio
from .measurement import evaluation
from .page import GEMMA, SMOLLM, Page, cost_chart, figure_table, in_code, of_each
from .text import block, claim, nats, times

STEPS = ("kv-cache",)


def cache(keys, values=None):
    return (f"a:k_cache={keys}", f"a:v_cache={values or keys}")


GROUP = "per=block,block=32"
KIVI = (f"int2,mode=asym,per=channel,group=32,keep=recent:{{recent}}", f"int2,mode=asym,{GROUP},keep=recent:{{recent}}")


def kivi(recent):
    return cache(*(rule.format(recent=recent) for rule in KIVI))


# What llama.cpp itself stores, and simulated formats.
VARIANTS = {
    "real f16": ("cache_type_k: f16", "cache_type_v: f16"),
    "real q8_0": "@llama.cpp/kv-q8_0",
    "real q5_1": "@llama.cpp/kv-q5_1",
    "real q4_0": "@llama.cpp/kv-q4_0",
    "bf16": cache("bf16"),
    "e4m3": cache("e4m3"),
    "e5m2": cache("e5m2"),
    "int8": cache("int8"),
    "q8_0": cache("q8_0,rotate=hadamard"),
    "q4_0": cache("q4_0,rotate=hadamard"),
    "mxfp4": cache("mxfp4"),
    "nvfp4": cache("nvfp4"),
    "int4": cache("int4"),
    "int4 rotated": cache("int4,rotate=hadamard"),
    "int4 keys": ("a:k_cache=int4",),
    "int4 values": ("a:v_cache=int4",),
    "int2 keys per token": (f"a:k_cache=int2,mode=asym,{GROUP}",),
    "int2 keys per channel": ("a:k_cache=int2,mode=asym,per=channel,group=32",),
    "KIVI 2 bits": kivi(0),
    "KIVI 2 bits, 128 recent": kivi(128),
}


# Keys against values, and scales along tokens against scales along channels.
PAIRS = (("int4 keys", "int4 values"), ("int2 keys per token", "int2 keys per channel"))


def file_name(variant):
    return variant.replace(" ", "-").replace(",", "")


def steps(size):
    variants = {file_name(name): rules for name, rules in VARIANTS.items()}
    return [evaluation("kv-cache", "model.gguf", variants, "-c", "512", "--chunks", size.few_chunks)] if size.is_whole else []


def described(name):
    rules = VARIANTS[name]
    return in_code(rules) if isinstance(rules, str) else ", ".join(map(in_code, rules))


def page(results):
    made = Page("The cache of keys and values")
    models = results.with_steps(*STEPS)
    figures = {
        model: {name: of[file_name(name)] for name in VARIANTS if file_name(name) in of}
        for model, _ in models
        for of in [results.evaluation(model, "kv-cache")]
    }
    made.add(
        "What attention keeps of each token, its keys and values, is rounded, and nothing else; chunks of 512 tokens, of"
        " which the second half is scored. *Real* are llama.cpp's own types of the cache, computed by its fused kernel,"
        " which also rounds queries and sums in F16; the others are simulated in float32, where a head of a token shares"
        " a scale if nothing else is said ([kv-cache.md](../kv-cache.md))."
    )
    if SMOLLM in figures:
        findings(made, figures[SMOLLM], figures.get(GEMMA))
    made.chart(
        "kv-cache.svg",
        "The divergence of each cache",
        cost_chart("The cache of keys and values", models, [(name, of_each(figures, name)) for name in VARIANTS]),
    )
    for model, title in models:
        made.add(f"## {title}", figure_table("cache", [(described(name), figure) for name, figure in figures[model].items()]))
    made.add(
        "## Commands",
        block(
            "fakequant eval model.gguf -f prose.txt -f code.txt -c 512 --chunks 2 --variant real=@llama.cpp/kv-q8_0\n"
            "fakequant eval model.gguf -f prose.txt -f code.txt -c 512 --chunks 2 --rule a:k_cache=int4,rotate=hadamard \\\n"
            "    --rule a:v_cache=int4,rotate=hadamard"
        ),
    )
    return made


def findings(made, of, gemma):
    keys, channels = (ratio(of[one], of[other]) for one, other in PAIRS)
    rotated = ratio(of["int4"], of["int4 rotated"])
    real = ratio(of["real q4_0"], of["real q8_0"])
    sentences = [
        claim(
            real[1] > 1,
            f"llama.cpp's `q8_0` cache costs SmolLM2 {nats(of['real q8_0'])} nats, its `q4_0` cache {nats(of['real q4_0'])}.",
        ),
        claim(
            rotated[1] > 1 and keys[1] > 1,
            f"Keys are what suffers: in INT4 with a scale for each head they cost {times(keys)} times as much as values."
            f" A rotation of both divides the loss by {times(rotated)}.",
        ),
        claim(
            channels[1] > 1,
            "Keys have channels of large values. In 2 bits, scales along channels, as KIVI has them, cost SmolLM2"
            f" {nats(of['int2 keys per channel'])} nats, scales along tokens {times(channels)} times as much.",
        ),
        f"KIVI's cache of 2 bits costs {nats(of['KIVI 2 bits'])} nats, and with the last 128 of 512 tokens in full"
        f" {nats(of['KIVI 2 bits, 128 recent'])}.",
    ]
    if gemma:
        keys, channels = (ratio(gemma[one], gemma[other]) for one, other in PAIRS)
        sentences.append(
            claim(
                keys[1] > 1 and channels[1] > 1,
                f"Gemma is alike: keys in INT4 cost {times(keys)} times as much as values, and 2-bit keys with scales along"
                f" tokens {times(channels)} times as much as with scales along channels.",
            )
        )
    made.findings(*sentences)
