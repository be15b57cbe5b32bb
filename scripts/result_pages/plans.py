"""Plans beside the mixes of llama-quantize, in files of the same size."""

from .figures import ratio
from .measurement import CALIBRATION, MEASURED_ON, Step, size_of
from .page import SMOLLM, Page, cost_chart, figure_table, in_code, of_each
from .text import block, claim, nats, times

STEPS = ("plans",)
WORK = "plans.work"
MIXES = ("q3_k_m", "iq4_xs", "q4_k_m", "q5_k_m")


def steps(size):
    if not size.is_whole:
        return []
    # The first makes the importance matrix, which the mixes get too.
    plan = ("-f", CALIBRATION, "--work", WORK)
    commands = [("quantize", "original.gguf", "-o", "plan.gguf", "--bpw", "6", *plan)]
    for mix in MIXES:
        file = f"{mix}.gguf"
        commands.append(("quantize", "original.gguf", "-o", file, "--type", mix, "--imatrix", f"{WORK}/imatrix.gguf"))
        commands.append(("quantize", "original.gguf", "-o", f"plan-{file}", "--size", size_of(file), *plan))
    files = [word for mix in MIXES for name in (mix, f"plan-{mix}") for word in ("--against", f"{name}.gguf")]
    commands.append(
        ("eval", "original.gguf", *MEASURED_ON, "-c", "256", "--chunks", size.chunks, *files, "--json", "plans.json")
    )
    return [Step("plans", tuple(commands), "plans.json")]


def page(results):
    made = Page("Plans: files of the size of llama-quantize's mixes")
    models = results.with_steps(*STEPS)
    figures = {model: results.evaluation(model, "plans") for model, _ in models}
    made.add(
        "`quantize --size` chooses a type for each matrix, the embedding among them, so that a file of the size loses"
        " least on a text ([quantize.md](../quantize.md)). Here the size is that of each mix of llama-quantize, both"
        " are quantized with the same importance matrix, and the text that the plans were made on is none of those that"
        " are measured. The model is the dithered original of [weights.md](weights.md)."
    )
    if SMOLLM in figures:
        findings(made, figures[SMOLLM])
    rows = [(name, of_each(figures, name)) for mix in MIXES for name in (mix, f"plan-{mix}")]
    made.chart(
        "plans.svg",
        "The divergence of each mix, and of the plan of its size",
        cost_chart("Mixes, and plans of their sizes", models, rows),
    )
    for model, title in models:
        of = figures[model]
        made.add(
            f"## {title}",
            figure_table(
                "file", [(in_code(name), of[name]) for mix in MIXES for name in (mix, f"plan-{mix}")], bits=True
            ),
            "A plan's loss over that of the mix of its size: "
            + ", ".join(f"{times(ratio(of[f'plan-{mix}'], of[mix]))} at {in_code(mix)}" for mix in MIXES)
            + ".",
        )
    made.add(
        "## Commands",
        block(
            "fakequant quantize original.gguf -o plan.gguf --size 105MB -f calibration.txt --work work\n"
            "fakequant quantize original.gguf -o mix.gguf --type q4_k_m --imatrix work/imatrix.gguf\n"
            "fakequant eval original.gguf -f prose.txt -f code.txt -c 256 --against mix.gguf --against plan.gguf"
        ),
    )
    return made


def findings(made, of):
    ratios = {mix: ratio(of[f"plan-{mix}"], of[mix]) for mix in MIXES}
    best = min(MIXES, key=lambda mix: ratios[mix][0])
    made.findings(
        claim(
            all(middle < 1 for middle, _, _ in ratios.values()),
            f"At each of the four sizes the plan loses less than the mix. At that of `{best}` it loses"
            f" {times(ratios[best])} times as much: {nats(of[f'plan-{best}'])} nats and {nats(of[best])}.",
        ),
    )
