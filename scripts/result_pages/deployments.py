"""Deployments, which round weights and the inputs of their products."""

from .activations import STATIC, shown
from .figures import ratio
from .measurement import evaluation
from .page import SMOLLM, Page, cost_chart, figure_table, in_code, of_each
from .text import block, claim, nats, times

STEPS = ("recipes",)


def steps(size):
    if not size.is_whole:
        return []
    options = ("-c", "256", "--chunks", size.few_chunks)
    return [evaluation("recipes", "original.gguf", RECIPES, *options, needs=("calibrate",))]


def recipe(weights, inputs):
    return (f"w:matrices={weights}", f"a:in(matrices)={inputs}")


# Those that come with the program, by the names that they have there, and some of our own.
RECIPES = {
    "vllm-w8a8-int8": "@vllm/w8a8-int8",
    "vllm-fp8-dynamic": "@vllm/fp8-dynamic",
    "vllm-w4a16-g128": "@vllm/w4a16-g128",
    "modelopt-int8": "@modelopt/int8",
    "modelopt-fp8": "@modelopt/fp8",
    "modelopt-mxfp8": "@modelopt/mxfp8",
    "modelopt-mxfp4": "@modelopt/mxfp4",
    "deepseek-v3-fp8": "@deepseek/v3-fp8",
    "transformer-engine-nvfp4": "@transformer-engine/nvfp4",
    "smoothquant-w8a8": "@smoothquant/w8a8",
    "gptq-w4a16-g128": "@gptq/w4a16-g128",
    "quarot-w4a4": "@quarot/w4a4",
    "quarot-nvfp4": "@quarot/nvfp4",
    "llama.cpp-kernels-q8_0": "@llama.cpp/kernels-q8_0",
    "w8a8-static-per-tensor": recipe("int8,per=tensor", f"int8,{STATIC}"),
    "w4a8": recipe("int4,per=block,scale=f16", "int8"),
    "w4a4": recipe("int4", "int4"),
    "w4a4-blocks": recipe("int4,per=block,scale=f16", "int4,per=block,scale=f16"),
}


def described(name):
    """A recipe in a table: its name in the program, or its rules."""
    rules = RECIPES[name]
    return (
        in_code(rules)
        if isinstance(rules, str)
        else ", ".join(in_code(shown(rule)) for rule in rules)
    )


def deployment_chart(models, recipes):
    rows = [(name, of_each(recipes, name)) for name in RECIPES]
    measured = sorted(
        (row for row in rows if row[1]), key=lambda row: next(row[1][model].kld for model, _ in models if model in row[1])
    )
    return cost_chart("Deployments: weights and inputs", models, measured)


def page(results):
    made = Page("Deployments: weights and inputs")
    models = results.with_steps(*STEPS)
    recipes = {model: results.evaluation(model, "recipes") for model, _ in models}
    made.add(
        "Weights and inputs of all matrices of the layers are rounded, or one of both, as deployments do it. Names with"
        " @ are those of `fakequant recipes`. Static ranges and SmoothQuant's channels are of another text. The model"
        " is the dithered original of [weights.md](weights.md)."
    )
    if SMOLLM in recipes:
        findings(made, recipes[SMOLLM])
    made.chart("deployments.svg", "The divergence of each deployment", deployment_chart(models, recipes))
    for model, title in models:
        rows = sorted(
            ((described(name), figure) for name, figure in recipes[model].items()), key=lambda row: row[1].kld
        )
        made.add(f"## {title}", figure_table("recipe", rows))
    made.add(
        "## Commands",
        block(
            "fakequant calibrate original.gguf -f calibration.txt --chunks 8 -o ranges.json --channels"
            " channels.gguf\nfakequant eval original.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --variant"
            " w8a8=@vllm/w8a8-int8 \\\n    --variant w4a4=@quarot/w4a4"
        ),
    )
    return made


def findings(made, deployed):
    w8a8, fp8 = deployed["vllm-w8a8-int8"], deployed["vllm-fp8-dynamic"]
    static_w8a8, static_fp8 = ratio(deployed["modelopt-int8"], w8a8), ratio(deployed["modelopt-fp8"], fp8)
    smoothed = ratio(deployed["w8a8-static-per-tensor"], deployed["smoothquant-w8a8"])
    rotated = ratio(deployed["w4a4"], deployed["quarot-w4a4"])
    rotated_nvfp4 = ratio(deployed["quarot-nvfp4"], deployed["transformer-engine-nvfp4"])
    a4 = ratio(deployed["w4a4-blocks"], deployed["w4a8"])
    made.findings(
        claim(
            static_w8a8[1] > 1,
            f"W8A8 with dynamic scales costs SmolLM2 {nats(w8a8)} nats in INT8 and {nats(fp8)} in FP8; static ranges"
            f" cost {times(static_w8a8)} and {times(static_fp8)} times as much.",
        ),
        claim(
            rotated[1] > 1 and rotated_nvfp4[1] > 1,
            "Whether a rotation helps depends on how many values share a scale. W4A4 in INT4 with a scale for each row"
            f" and token costs {times(rotated)} times as much without it ({nats(deployed['w4a4'])} against"
            f" {nats(deployed['quarot-w4a4'])} nats); in NVFP4, where 16 values share one, rotating costs"
            f" {times(rotated_nvfp4)} times as much as not rotating.",
        ),
        claim(
            smoothed[1] > 1,
            f"SmoothQuant divides the loss of static W8A8 with one scale for each weight by {times(smoothed)}.",
        ),
        claim(
            a4[1] > 1,
            f"With the same INT4 weights in blocks of 32, inputs in 4 bits cost {times(a4)} times as much as inputs"
            " in 8.",
        ),
    )
