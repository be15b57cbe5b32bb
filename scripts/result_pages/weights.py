"""Weights by format and bits."""

from .chart import plane
from .figures import ratio
from .measurement import sweep
from .page import SMOLLM, Page, figure_table, in_code
from .text import block, claim, nats, times

STEPS = ("weights",)
GGML = ("q8_0", "q5_1", "q5_0", "q4_0", "iq4_nl")
GROUPS = (
    "int8",
    "int6,per=block,scale=f16",
    "int5,per=block,scale=f16",
    "int4,per=block,scale=f16",
    "int4,per=block,block=128,scale=f16",
    "int4,per=block,block=128,mode=asym,scale=f16",
    "int3,per=block,scale=f16",
)
FLOATS = ("e4m3,per=row", "mxfp8", "mxfp6", "mxfp4", "nvfp4", "nf4")
GPTQ = ",fit=gptq,hessian=hessian.bin,order=activation"
FITTED = (
    "int4,per=block,block=128,scale=f16" + GPTQ,
    "int3,per=block,scale=f16" + GPTQ,
    "nvfp4" + GPTQ,
    "q4_0,imatrix=imatrix.gguf",
)


def steps(size):
    if not size.is_whole:
        return []
    formats = GGML + GROUPS + FLOATS + FITTED
    return [
        sweep(
            "weights",
            "original.gguf",
            ("w:matrices",),
            formats,
            "-c",
            "256",
            "--chunks",
            size.chunks,
            needs=("calibrate",),
        )
    ]


KINDS = {"ggml's types": GGML, "integers": GROUPS, "floats, MX, NVFP4, NF4": FLOATS, "fitted to a text": FITTED}


def short_name(form):
    """A format as a chart names it: int4 g128 asym, nvfp4 GPTQ."""
    name, *options = form.split(",")
    given = dict(option.split("=") for option in options)
    group = f" g{given.get('block', '32')}" if name.startswith("int") and given.get("per") == "block" else ""
    return (
        name
        + group
        + "".join(
            f" {word}" for key, word in (("mode", "asym"), ("fit", "GPTQ"), ("imatrix", "imatrix")) if key in given
        )
    )


def page(results):
    made = Page("Weights by format and bits")
    made.add(
        "All matrices of the layers are rounded, and nothing else. Bits are those of a value, its share of scales"
        " included; `scale=f16` scales are shared by 32 values where `block=` does not say otherwise.",
        "The files that can be had of these models were themselves quantized, and values that lie on a grid of 4 bits"
        " flatter every format of 4 bits. The original here is the *dithered* file: each value moved by a random part"
        " of its block's step ([models.md](../models.md#dithered-originals)). So compare formats with each other, and"
        " not with the published model. GPTQ's Hessians and the importance matrix are of another text than those that"
        " are measured.",
    )
    models = results.with_steps(*STEPS)
    studies = {
        model: {form: figure for (_, _, form), figure in results.study(model, "weights").items()} for model, _ in models
    }
    if SMOLLM in studies:
        findings(made, studies)
    for model, title in models:
        figures = studies[model]
        rows = [
            (in_code(form.replace(GPTQ, ",fit=gptq")), figures[form])
            for forms in KINDS.values()
            for form in forms
            if form in figures
        ]
        made.add(
            f"## {title}",
            figure_table("`w:matrices=`", sorted(rows, key=lambda row: (-row[1].bits, row[1].kld)), bits=True),
        )
        series = [
            (
                kind,
                [(figures[form].bits, *figures[form].interval, short_name(form)) for form in forms if form in figures],
            )
            for kind, forms in KINDS.items()
        ]
        made.chart(
            f"weights-{model}.svg",
            f"Divergence against bits, {title}",
            plane(
                f"All matrices rounded: {title}",
                "bits of a weight, scales included",
                "KL divergence, nats",
                series,
                linear_x=(3, 4, 5, 6, 7, 8),
            ),
        )
    made.add(
        "## Commands",
        "`hessian.bin` and `imatrix.gguf` are those of `calibrate`; in the table `hessian=` and `order=activation` are"
        " left out.",
        block(
            "fakequant calibrate original.gguf -f calibration.txt --chunks 8 --hessian hessian.bin --imatrix"
            " imatrix.gguf\nfakequant sweep original.gguf -f prose.txt -f code.txt -c 256 --chunks 4 --site w:matrices"
            " --format q4_0 --format nvfp4 \\\n    --format int4,per=block,block=128,scale=f16"
            + GPTQ
            + " -o weights.db\nfakequant report weights.db -o weights.html"
        ),
    )
    return made


HALF_BITS = ("q4_0", "iq4_nl", "int4,per=block,scale=f16", "nvfp4", "nf4")  # 4.5 bits of a weight, all of them


def ranking(study, forms):
    """The formats from the best to the worst, with how many times as much as the best each costs."""
    best, *others = sorted((form for form in forms if form in study), key=lambda form: study[form].kld)
    return best, ", ".join(f"{in_code(form)} {times(ratio(study[form], study[best]))} times as much" for form in others)


def findings(made, studies):
    study = studies[SMOLLM]
    best, others = ranking(study, HALF_BITS)
    group, fitted = "int4,per=block,block=128,scale=f16", "int4,per=block,block=128,scale=f16" + GPTQ
    gptq, gptq_nvfp4 = ratio(study[group], study[fitted]), ratio(study["nvfp4"], study["nvfp4" + GPTQ])
    gptq_three = ratio(study["int3,per=block,scale=f16"], study["int3,per=block,scale=f16" + GPTQ])
    steps_down = [
        ratio(study[f"int{bits - 1},per=block,scale=f16"], study[f"int{bits},per=block,scale=f16"])
        for bits in (6, 5, 4)
    ]
    floats, microscaled = (ratio(study[form], study["int8"]) for form in ("e4m3,per=row", "mxfp8"))
    power, zero_point = ratio(study["mxfp4"], study["nvfp4"]), ratio(
        study[group], study["int4,per=block,block=128,mode=asym,scale=f16"]
    )
    importance = ratio(study["q4_0"], study["q4_0,imatrix=imatrix.gguf"])
    sentences = [
        claim(
            all(abs(study[form].bits - 4.5) < 0.01 for form in HALF_BITS),
            f"Five formats take exactly 4.5 bits of a weight. {in_code(best)} loses least on SmolLM2,"
            f" {nats(study[best])} nats; {others}.",
        ),
        claim(
            gptq[1] > 1 and gptq_nvfp4[1] > 1 and gptq_three[1] > 1,
            f"GPTQ lowers the loss, without a bit more: INT4 in groups of 128 costs {times(gptq)} times as much without"
            f" it, NVFP4 {times(gptq_nvfp4)} times, INT3 in groups of 32 {times(gptq_three)} times.",
        ),
        claim(
            all(step[1] > 2 for step in steps_down),
            f"Each bit less costs a factor: from 6 to 5 bits {times(steps_down[0])}, from 5 to 4 "
            f"{times(steps_down[1])}, from 4 to 3 {times(steps_down[2])}. Four would be the square of twice the error.",
        ),
        claim(
            floats[1] > 1 and microscaled[1] > 1,
            "In 8 bits, integers suit weights better than floats: E4M3 with a scale for each row costs "
            f"{times(floats)} times as much as INT8 with one, MXFP8 {times(microscaled)} times.",
        ),
        claim(
            power[1] > 1,
            f"MXFP4 costs {times(power)} times as much as NVFP4: its scales are powers of two, for 32 values instead of"
            " 16, and it takes a quarter of a bit less.",
        ),
        claim(
            zero_point[1] > 1,
            f"A zero point for each group of 128 helps INT4: without it the loss is {times(zero_point)} times as"
            " large.",
        ),
        claim(importance[1] > 1, f"An importance matrix helps Q4_0 by a factor of {times(importance)}."),
    ]
    made.findings(*sentences)
