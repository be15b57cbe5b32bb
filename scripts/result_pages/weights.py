"""Weights by format and bits."""

from .chart import plane
from .figures import ratio
from .measurement import sweep
from .page import SMOLLM, Page, figure_table, in_code
from .text import block, claim, times

GGML = ("q8_0", "q5_1", "q5_0", "q4_0", "iq4_nl")
GROUPS = ("int8", "int6,per=block,scale=f16", "int5,per=block,scale=f16", "int4,per=block,scale=f16",
          "int4,per=block,block=128,scale=f16", "int4,per=block,block=128,mode=asym,scale=f16", "int3,per=block,scale=f16")
FLOATS = ("e4m3,per=row", "mxfp8", "mxfp6", "mxfp4", "nvfp4", "nf4")
GPTQ = ",fit=gptq,order=activation,hessian=hessian.bin"
FITTED = ("int4,per=block,block=128,scale=f16" + GPTQ, "int3,per=block,scale=f16" + GPTQ, "nvfp4" + GPTQ,
          "q4_0,imatrix=imatrix.gguf")
FEW = ("q8_0", "q5_0", "q4_0", "iq4_nl", "int8", "int4,per=block,scale=f16", "e4m3,per=row", "mxfp4", "nvfp4", "nf4")


def steps(size):
    formats = GGML + GROUPS + FLOATS + FITTED if size.is_whole else FEW
    return [sweep("weights", "original.gguf", ("w:matrices",), formats, "-c", "256", "--chunks", size.chunks,
                  needs=("calibrate",) if size.is_whole else ())]


KINDS = {"ggml's types": GGML, "integers": GROUPS, "floats, MX, NVFP4, NF4": FLOATS, "fitted to a text": FITTED}


def short_name(form):
    """A format as a chart names it."""
    name = form.replace(",per=block", "").replace(",scale=f16", "").replace(",per=row", "").replace(",mode=asym", " asym").replace(GPTQ, " GPTQ")
    name = name.replace(",imatrix=imatrix.gguf", " imatrix").replace(",block=", " g")
    return name + " g32" if name[:4] in ("int3", "int4", "int5", "int6") and " g" not in name else name.replace(" GPTQ g32", " g32 GPTQ")


def page(results):
    made = Page("Weights by format and bits")
    made.add("All matrices of the layers are rounded, and nothing else. Bits are those of a value, its share of scales included; `scale=f16` "
             "scales are shared by 32 values where `block=` does not say otherwise.",
             "The files that can be had of these models were themselves quantized, and values that lie on a grid of 4 bits flatter every "
             "format of 4 bits. The original here is the *dithered* file: each value moved by a random part of its block's step "
             "([models.md](../models.md#dithered-originals)). So compare formats with each other, and not with the published model. "
             "GPTQ's Hessians and the importance matrix are of another text than those that are measured.")
    models = results.with_step("weights")
    studies = {model: {form: figure for (_, _, form), figure in results.study(model, "weights").items()} for model, _ in models}
    if SMOLLM in studies:
        findings(made, studies)
    for model, title in models:
        figures = studies[model]
        rows = [(in_code(form.replace(GPTQ, ",fit=gptq")), figures[form]) for forms in KINDS.values() for form in forms if form in figures]
        made.add(f"## {title}", figure_table("`w:matrices=`", sorted(rows, key=lambda row: (-row[1].bits, row[1].kld)), bits=True))
        series = [(kind, [(figures[form].bits, *figures[form].interval, short_name(form)) for form in forms if form in figures])
                  for kind, forms in KINDS.items()]
        made.chart(f"weights-{model}.svg", f"Divergence against bits, {title}",
                   plane(f"All matrices rounded: {title}", "bits of a weight, scales included", "KL divergence, nats", series,
                         linear_x=(3, 4, 5, 6, 7, 8)))
    made.add("## Commands", "`hessian.bin` and `imatrix.gguf` are those of `calibrate`; in the table `hessian=` and `order=activation` are left out.", block(
        "fakequant calibrate original.gguf -f calibration.txt --chunks 12 --hessian hessian.bin --imatrix imatrix.gguf\n"
        "fakequant sweep original.gguf -f prose.txt -f code.txt -c 256 --chunks 4 --site w:matrices --format q4_0 --format nvfp4 \\\n"
        "    --format int4,per=block,block=128,scale=f16" + GPTQ + " -o weights.db\n"
        "fakequant report weights.db -o weights.html"))
    return made
