"""The cache of keys and values."""

from .chart import dots
from .figures import ratio
from .measurement import evaluation
from .page import SMOLLM, Page, figure_table, in_code
from .text import block, claim, nats, times

STEPS = ("cache",)
HADAMARD = ",rotate=hadamard"
RECENT = ",keep=recent:64"
KIVI_KEYS, KIVI_VALUES = "int2,mode=asym,per=channel,group=32", "int2,mode=asym,per=block,block=32"


def both(keys, values=None):
    return (f"a:k_cache={keys}", f"a:v_cache={values or keys}")


VARIANTS = {
    "real-q8_0": "@llama.cpp/kv-q8_0",
    "real-q5_1": "@llama.cpp/kv-q5_1",
    "real-q4_0": "@llama.cpp/kv-q4_0",
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
FEW = (
    "real-q8_0",
    "real-q5_1",
    "real-q4_0",
    "q4_0",
    "q4_0-rotated",
    "q4_0-rotated-keys",
    "q4_0-rotated-values",
    "e4m3",
    "kivi2",
)


def steps(size):
    variants = VARIANTS if size.is_whole else {name: VARIANTS[name] for name in FEW}
    return [evaluation("cache", "model.gguf", variants, "--chunks", "2" if size.is_whole else "1")]


def page(results):
    made = Page("The cache of keys and values")
    models = results.with_steps(*STEPS)
    figures = {model: results.evaluation(model, "cache") for model, _ in models}
    made.add(
        "What attention keeps of earlier tokens, in llama.cpp's own types (`@llama.cpp/...`, the real thing) and"
        " simulated in any other. Chunks of 512 tokens, of which the second half is scored: 256 to 511 tokens before"
        " each prediction. Longer texts may lose more."
    )
    if SMOLLM in figures:
        findings(made, figures)
    names = [name for name in VARIANTS if any(name in figures[model] for model, _ in models)]
    rows = [
        (name, [figures[model][name].interval if name in figures[model] else None for model, _ in models])
        for name in names
    ]
    made.chart(
        "cache.svg",
        "The divergence of each cache",
        dots(
            "Attention's cache in fewer bits",
            "KL divergence, nats, with its 95 % interval",
            [title for _, title in models],
            rows,
        ),
    )
    for model, title in models:
        made.add(
            f"## {title}",
            figure_table(
                "cache", [(described(name), figures[model][name]) for name in names if name in figures[model]]
            ),
        )
    made.add(
        "## Commands",
        block(
            "fakequant eval model.gguf -f prose.txt -f code.txt --chunks 2 --variant real=@llama.cpp/kv-q4_0\n"
            "fakequant eval model.gguf -f prose.txt -f code.txt --chunks 2 --rule a:k_cache=q4_0,rotate=hadamard \\\n"
            "    --rule a:v_cache=q4_0,rotate=hadamard"
        ),
    )
    return made


def described(name):
    rules = VARIANTS[name]
    return in_code(rules) if isinstance(rules, str) else ", ".join(map(in_code, rules))


def findings(made, figures):
    of = figures[SMOLLM]
    steps_down = ratio(of["real-q4_0"], of["real-q8_0"])
    rotation = ratio(of["q4_0"], of["q4_0-rotated"])
    keys = ratio(of["q4_0-rotated-keys"], of["q4_0-rotated-values"])
    simulated = ratio(of["q4_0-rotated"], of["real-q4_0"])
    channels, two_bits = ratio(of["int4-keys-per-token"], of["int4-keys-per-channel"]), ratio(
        of["int2-keys-per-token"], of["kivi2"]
    )
    recent = ratio(of["kivi2"], of["kivi2-recent"])
    made.findings(
        f"llama.cpp's cache in Q8_0 costs SmolLM2 {nats(of['real-q8_0'])} nats, in Q5_1 {nats(of['real-q5_1'])}, in"
        f" Q4_0 {nats(of['real-q4_0'])}: from 8 to 4 bits {times(steps_down)} times as much.",
        claim(
            keys[1] > 1,
            f"Keys need the bits: Q4_0 for keys alone costs {times(keys)} times as much as for values alone.",
        ),
        claim(
            rotation[1] > 1, f"llama.cpp's rotation of keys and values is worth a factor of {times(rotation)} in Q4_0."
        ),
        claim(
            0.5 < simulated[0] < 2,
            f"The simulation is close to the real thing: `q4_0,rotate=hadamard` costs {times(simulated)} times what"
            " llama.cpp's Q4_0 does, whose kernel rounds queries, too.",
        ),
        claim(
            channels[1] > 1 and two_bits[1] > 1,
            f"Keys want a scale for each channel, as KIVI has it: for each token they cost {times(channels)} times as"
            f" much in 4 bits and {times(two_bits)} times in 2.",
        ),
        claim(
            recent[1] > 1,
            f"The last 64 tokens in full divide the loss of KIVI's 2 bits by {times(recent)} in chunks of 512 tokens.",
        ),
    )
