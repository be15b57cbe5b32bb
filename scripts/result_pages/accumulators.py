"""The sums of matrix products in narrow floats and integers."""

from .figures import ratio
from .measurement import evaluation
from .page import SMOLLM, Page, cost_chart, figure_table, in_code, of_each
from .text import block, claim, nats, times

STEPS = ("accumulators", "integer-sums")


def products(accumulator, *others):
    return (*others, f"a:out(matrices)=mantissa23,acc={accumulator}")


FP8 = ("w:matrices=e4m3,per=row", "a:in(matrices)=e4m3,per=token")
VARIANTS = {
    "e8m13-32": products("e8m13,every=32"),
    "e8m13-128": products("e8m13,every=128"),
    "e8m13-1": products("e8m13"),
    "e8m10-1": products("e8m10"),
    "e5m10-1": products("e5m10"),
    "e5m10-32": products("e5m10,every=32"),
    "e8m7-32": products("e8m7,every=32"),
    "fp8": FP8,
    "fp8-e8m13-32": products("e8m13,every=32", *FP8),
}
INT8 = ("w:matrices=int8,per=row", "a:in(matrices)=int8,per=token")
INTEGERS = {
    "int8": INT8,
    "int8-int32": products("int32", *INT8),
    "int8-int20": products("int20", *INT8),
    "int8-int16": products("int16", *INT8),
    "int8-int16-32": products("int16,every=32", *INT8),
}


def steps(size):
    if not size.is_whole:
        return []
    text = ("-c", "256", "--chunks", size.few_chunks)
    return [
        evaluation("accumulators", "model.gguf", VARIANTS, *text),
        evaluation("integer-sums", "model.gguf", INTEGERS, *text),
    ]


def page(results):
    made = Page("Accumulators: sums in narrow floats and integers")
    models = results.with_steps(*STEPS)
    variants = VARIANTS | INTEGERS
    figures = {
        model: results.evaluation(model, "accumulators") | results.evaluation(model, "integer-sums")
        for model, _ in models
    }
    made.add(
        "A matrix product adds hundreds of numbers. `acc=eXmY` keeps the running sum in a float of X exponent and Y"
        " mantissa bits, rounded to nearest after every `every=` products (1 if it is not said)"
        " ([activations.md](../activations.md#accumulators)); `acc=intN` sums integer codes in N bits, which saturate, and scales"
        " these sums after every `every=` products (all of a row if it is not said). Hardware that cuts off instead of rounding loses more."
        " All products of the layers; the rows of this model have 576 and 1536 values, and longer rows lose more."
    )
    if SMOLLM in figures:
        findings(made, figures[SMOLLM])
    made.chart(
        "accumulators.svg",
        "The divergence of each accumulator",
        cost_chart(
            "Sums of products in narrow numbers", models, [(name, of_each(figures, name)) for name in variants]
        ),
    )
    for model, title in models:
        made.add(
            f"## {title}",
            figure_table(
                "rules",
                [
                    (", ".join(map(in_code, variants[name])), figures[model][name])
                    for name in variants
                    if name in figures[model]
                ],
            ),
        )
    made.add(
        "## Commands",
        block(
            "fakequant eval model.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --rule"
            " 'a:out(matrices)=mantissa23,acc=e8m13,every=32'"
        ),
    )
    return made


def findings(made, of):
    together, often = ratio(of["fp8-e8m13-32"], of["fp8"]), ratio(of["e8m13-1"], of["e8m13-32"])
    wide, narrow = ratio(of["int8-int20"], of["int8"]), ratio(of["int8-int16-32"], of["int8"])
    exponent, bf16 = ratio(of["e5m10-1"], of["e8m10-1"]), ratio(of["e8m7-32"], of["e8m13-32"])
    made.findings(
        claim(
            together[0] < 1.5,
            "Sums of 14 bits, as Hopper's FP8 tensor cores keep them (`e8m13,every=32`), cost SmolLM2"
            f" {nats(of['e8m13-32'])} nats by themselves. FP8 costs {nats(of['fp8'])}, and with such sums"
            f" {times(together)} times as much.",
        ),
        claim(
            often[1] > 1,
            f"Rounding the sum after every product instead of every 32 costs {times(often)} times as much.",
        ),
        f"An FP16 sum after every product (`e5m10`) costs {nats(of['e5m10-1'])} nats, {times(exponent)} times what the"
        " same mantissa with float32's exponents does.",
        claim(
            bf16[1] > 10,
            f"A BF16 sum, rounded every 32 products, costs {nats(of['e8m7-32'])} nats, {times(bf16)} times as much as"
            " 14 bits.",
        ),
        claim(
            wide[0] < 1.5,
            f"INT8 weights and activations cost {nats(of['int8'])} nats. Sums of their codes in 20 bits cost"
            f" {times(wide)} times as much, so 32 bits are more than these rows need.",
        ),
        claim(
            narrow[1] > 1,
            "16 bits that saturate hold two products of the largest codes, and some 30 typical ones: 32 products at a time"
            f" cost {times(narrow)} times as much, and whole rows ruin the model ({nats(of['int8-int16'])} nats).",
        ),
    )
