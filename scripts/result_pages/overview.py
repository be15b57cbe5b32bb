"""The first page of docs/results: the findings in short, and how they were measured."""

from .page import Page, bullets
from .text import block, table

INTRODUCTION = (
    "What small real models lose when parts of them are stored in other formats, measured with fakequant. One script"
    " made these pages from its data, [`data/`](data): studies of `sweep` and the JSON of `eval`. No figure is typed,"
    " and a test compares the pages with the data. A sentence that the data contradict stops the script."
)
METHOD = (
    (
        "**Loss** is the mean KL divergence of the changed model from the unmodified one, over the whole vocabulary, in"
        " nats for a token. Products are computed in float32 (`--arithmetic f32`), so nothing is rounded that no rule"
        " names."
    ),
    (
        "**Texts.** [`prose.txt`](texts/prose.txt) is from *The Time Machine* and [`code.txt`](texts/code.txt) is C++,"
        " a part of this program. What formats are fitted to (ranges, Hessians, importances) is"
        " [`calibration.txt`](texts/calibration.txt): another novel (*The War of the Worlds*), other C++, and Python."
        " Both novels are by H. G. Wells and in the public domain."
    ),
    (
        "**Intervals** are of 95 %. Behind ± is 1.96 times the standard error over the predictions, which counts them"
        ' as independent. "3.1 times (2.7 to 3.5)" is a ratio on the same chunks, with an interval by Student\'s t from'
        " the chunks. They say how sure the figure is for texts like these two, and nothing about other models."
    ),
    (
        "**Originals.** Neither model can be had unquantized here. SmolLM2 comes in Q4_1 and Gemma in Q4_K_M."
        " `model.gguf` is that file, widened to F16. `original.gguf` is the dithered one"
        " ([models.md](../models.md#dithered-originals)), for everything about weights: its weights lie on no grid, but"
        " it is a somewhat worse model than the published one."
    ),
    (
        "**Small.** These are models of 135 and 270 million weights. Nothing here was measured on larger ones. Norms"
        " layer by layer, plans, and prediction were measured on SmolLM2 alone."
    ),
)


def page(results, pages):
    made = Page("What real models lose")
    made.add(INTRODUCTION, "## Findings")
    for name, of in pages.items():
        made.add(f"### [{of.title}]({name}.md)", *([bullets(of.headlines)] if of.headlines else []))
    made.add(
        "## How it was measured",
        bullets(METHOD),
        "## Doing it again",
        block(
            "scripts/fetch-model smollm2-135m --dither\nscripts/fetch-model gemma-3-270m --dither\nscripts/results"
            " measure      # what has been measured is not measured again\nscripts/results write        # these pages,"
            " from docs/results/data\nscripts/results measure --model mine=mine-f16.gguf --data mine/data &&"
            " scripts/results write --data mine/data --output mine"
        ),
        "The last line measures another model. Its pages have tables and charts, and no findings in words. A study is"
        " also a page with charts of its own: `fakequant report docs/results/data/smollm2-135m/norms.db -o"
        " norms.html`.",
    )
    rows, seconds, processor = [], 0, 0
    for model in results.models:
        for step, run in results.json(model, "runs.json").items():
            rows.append(
                [model, step, str(run["seconds"]), str(run["processor_seconds"] or "not recorded"), str(run["threads"])]
            )
            seconds, processor = seconds + run["seconds"], processor + (run["processor_seconds"] or 0)
    made.add(
        "Seconds that each step took on 2 processors that several other programs shared, and of processor time:",
        table(
            ["model", "step", "seconds", "of processor time", "threads"],
            [*rows, ["**all**", "", str(seconds), str(processor), ""]],
            right=(2, 3, 4),
        ),
    )
    return made
