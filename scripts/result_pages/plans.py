"""Plans beside the mixes of llama-quantize, in files of the same size."""

from .chart import dots
from .figures import ratio
from .measurement import MEASURED_ON, Step
from .page import SMOLLM, Page, figure_table, in_code
from .text import block, claim, nats, times

STEPS = ("plans",)
MIXES = ("q4_k_m", "q3_k_m")


def steps(size):
    if not size.is_whole:
        return []
    commands = []
    for mix in MIXES:
        commands.append(("quantize", "original.gguf", "-o", f"plain-{mix}.gguf", "--type", mix))
        commands.append(("quantize", "original.gguf", "-o", f"{mix}.gguf", "--type", mix, "--imatrix", "imatrix.gguf"))
        commands.append(
            (
                "quantize",
                "original.gguf",
                "-o",
                f"plan-{mix}.gguf",
                "--size",
                f"size of {mix}.gguf",
                "-f",
                "calibration.txt",
                "-c",
                "256",
                "--chunks",
                "1",
                "--work",
                "plans.work",
            )
        )
    against = [
        word for mix in MIXES for name in (f"plain-{mix}", mix, f"plan-{mix}") for word in ("--against", f"{name}.gguf")
    ]
    commands.append(
        (
            "eval",
            "original.gguf",
            *MEASURED_ON,
            "-c",
            "256",
            "--chunks",
            size.few_chunks,
            "--json",
            "plans.json",
            *against,
        )
    )
    return [Step("plans", tuple(commands), "plans.json", needs=("calibrate",))]


def page(results):
    made = Page("Plans beside llama-quantize's mixes")
    models = results.with_steps(*STEPS)
    figures = {model: results.evaluation(model, "plans") for model, _ in models}
    made.add(
        "Files in ggml's types: the mixes of llama-quantize without and with an importance matrix, and plans of"
        " `quantize --size` whose files may be no larger than the mix with it. The plan chooses a type for each matrix"
        " by what a sweep predicts; importance matrix and sweep are of another text than those that are measured."
    )
    if SMOLLM in figures:
        findings(made, figures[SMOLLM])
    for model, title in models:
        rows = [(described(name), figures[model][file_of(name)]) for mix in MIXES for name in names_of(mix)]
        made.chart(
            f"plans-{model}.svg",
            "The divergence of each file",
            dots(
                f"Files of the same size: {title}",
                "KL divergence, nats, with its 95 % interval",
                [title],
                [(label.replace("`", ""), [figure.interval]) for label, figure in rows],
            ),
        )
        made.add(f"## {title}", figure_table("file", rows, bits=True))
    made.add(
        "## Commands",
        block(
            "fakequant calibrate original.gguf -f calibration.txt --chunks 8 --imatrix imatrix.gguf\nfakequant quantize"
            " original.gguf -o q4_k_m.gguf --type q4_k_m --imatrix imatrix.gguf\nfakequant quantize original.gguf -o"
            " plan-q4_k_m.gguf --size $(stat -c %s q4_k_m.gguf) -f calibration.txt -c 256 --chunks 1\nfakequant eval"
            " original.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --against q4_k_m.gguf --against plan-q4_k_m.gguf"
        ),
    )
    return made


def names_of(mix):
    return f"plain-{mix}", mix, f"plan-{mix}"


def file_of(name):
    """The name that eval gives the variant of this file."""
    return name


def described(name):
    if name.startswith("plain-"):
        return in_code(name[6:])
    return (
        f"a plan no larger than {in_code(name[5:])}"
        if name.startswith("plan-")
        else f"{in_code(name)} with an importance matrix"
    )


def findings(made, of):
    gains = {mix: ratio(of[mix], of[f"plan-{mix}"]) for mix in MIXES}
    matrices = {mix: ratio(of[f"plain-{mix}"], of[mix]) for mix in MIXES}
    made.findings(
        *(
            claim(
                gains[mix][1] > 1,
                f"In a file no larger than {mix.upper()}, a plan loses less: the mix costs {times(gains[mix])} times as"
                f" much, {nats(of[mix])} against {nats(of[f'plan-{mix}'])} nats.",
            )
            for mix in MIXES
        ),
        claim(
            all(gain[1] > 1 for gain in matrices.values()),
            f"The importance matrix alone divides the loss of {MIXES[0].upper()} by {times(matrices[MIXES[0]])} and of"
            f" {MIXES[1].upper()} by {times(matrices[MIXES[1]])}.",
        ),
    )
