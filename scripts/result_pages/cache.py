"""The cache of keys and values."""

from .chart import dots
from .figures import ratio
from .measurement import evaluation
from .page import SMOLLM, Page, figure_table, in_code
from .text import block, claim, times

HADAMARD = ",rotate=hadamard"
RECENT = ",keep=recent:64"
KIVI_KEYS, KIVI_VALUES = "int2,mode=asym,per=channel,group=32", "int2,mode=asym,per=block,block=32"


def both(keys, values=None):
    return (f"a:k_cache={keys}", f"a:v_cache={values or keys}")


VARIANTS = {
    "real-q8_0": "@llama.cpp/kv-q8_0",
    "real-q5_1": "@llama.cpp/kv-q5_1",
    "real-q4_0": "@llama.cpp/kv-q4_0",
    "q8_0": both("q8_0"),
    "q8_0-rotated": both("q8_0" + HADAMARD),
    "q4_0": both("q4_0"),
    "q4_0-rotated": both("q4_0" + HADAMARD),
    "q4_0-rotated-keys": ("a:k_cache=q4_0" + HADAMARD,),
    "q4_0-rotated-values": ("a:v_cache=q4_0" + HADAMARD,),
    "e4m3": both("e4m3"),
    "int4-keys-per-token": both("int4,mode=asym,per=block,block=32"),
    "int4-keys-per-channel": both("int4,mode=asym,per=channel,group=32", "int4,mode=asym,per=block,block=32"),
    "int2-keys-per-token": both(KIVI_VALUES),
    "kivi2": both(KIVI_KEYS, KIVI_VALUES),
    "kivi2-recent": both(KIVI_KEYS + RECENT, KIVI_VALUES + RECENT),
}
FEW = ("real-q8_0", "real-q5_1", "real-q4_0", "q4_0", "q4_0-rotated", "q4_0-rotated-keys", "q4_0-rotated-values", "e4m3", "kivi2")


def steps(size):
    variants = VARIANTS if size.is_whole else {name: VARIANTS[name] for name in FEW}
    return [evaluation("cache", "model.gguf", variants, "-c", "512", "--chunks", "2" if size.is_whole else "1")]


def page(results):
    made = Page("The cache of keys and values")
    models = results.with_step("cache")
    figures = {model: results.evaluation(model, "cache") for model, _ in models}
    made.add("What attention keeps of earlier tokens, in llama.cpp's own types (`@llama.cpp/...`, the real thing) and simulated in any other. "
             "Chunks of 512 tokens, of which the second half is scored: 256 to 511 tokens before each prediction. "
             "Longer texts may lose more.")
    if SMOLLM in figures:
        findings(made, figures)
    names = [name for name in VARIANTS if any(name in figures[model] for model, _ in models)]
    rows = [(name, [figures[model][name].interval if name in figures[model] else None for model, _ in models]) for name in names]
    made.chart("cache.svg", "The divergence of each cache",
               dots("Attention's cache in fewer bits", "KL divergence, nats, with its 95 % interval", [title for _, title in models], rows))
    for model, title in models:
        made.add(f"## {title}", figure_table("cache", [(described(name), figures[model][name]) for name in names if name in figures[model]]))
    made.add("## Commands", block(
        "fakequant eval model.gguf -f prose.txt -f code.txt -c 512 --chunks 2 --variant real=@llama.cpp/kv-q4_0\n"
        "fakequant eval model.gguf -f prose.txt -f code.txt -c 512 --chunks 2 --rule a:k_cache=q4_0,rotate=hadamard \\\n"
        "    --rule a:v_cache=q4_0,rotate=hadamard"))
    return made


def described(name):
    rules = VARIANTS[name]
    return in_code(rules) if isinstance(rules, str) else ", ".join(map(in_code, rules))
