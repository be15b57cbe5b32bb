"""What a sweep predicts from a tenth of the work, beside what the whole work measures."""

from .chart import curves, plane
from .figures import median, spearman
from .measurement import sweep
from .page import SMOLLM, Page, in_code
from .text import block, claim, percent, table

STEPS = ("prediction",)
SITES = ("a:ffn_input", "a:ffn_down_input", "w:ffn_down")
FORMATS = ("int8", "int4", "nvfp4")


def steps(size):
    if not size.is_whole:
        return []
    options = ("-c", "256", "--chunks", "1", "--layers")
    return [sweep("prediction", "original.gguf", SITES, FORMATS, *options, "--predict", also=[(SITES, FORMATS, options)])]


def page(results):
    made = Page("What prediction foretells, and how well")
    models = results.with_steps(*STEPS)
    made.add(
        "`sweep --predict` measures a part of the variants, on part of the chunks, and predicts the others in about a"
        " tenth of the passes ([prediction.md](../prediction.md)). Here all of them were measured afterwards: one site in"
        " one layer in one format each, on one chunk of each text. Only variants that were predicted before that are"
        " counted."
    )
    pairs = {model: pairs_of(results, model) for model, _ in models}
    if SMOLLM in pairs:
        findings(made, pairs)
    made.add(
        "## Quality",
        table(
            [
                "model",
                "variants",
                "rank correlation, all",
                *(f"within {form}" for form in FORMATS),
                "median error",
                "within a factor of 3",
                "within the 95 % interval",
            ],
            [
                [
                    title,
                    str(len(pairs[model])),
                    f"{rank(pairs[model]):.3f}",
                    *(f"{rank([pair for pair in pairs[model] if pair[0][2] == form]):.3f}" for form in FORMATS),
                    percent(median_error(pairs[model]), 0),
                    percent(within_factor(pairs[model], 3), 0),
                    percent(coverage(pairs[model]), 0),
                ]
                for model, title in models
            ],
            right=range(1, 6 + len(FORMATS)),
        ),
        "Texts differ, too. The rank correlation of the same variants between the two chunks that were measured, one of each"
        " text, is what a measurement on one foretells of the other:",
        table(
            ["model", *(f"within {form}" for form in FORMATS)],
            [
                [title, *(f"{agreement([pair for pair in pairs[model] if pair[0][2] == form]):.3f}" for form in FORMATS)]
                for model, title in models
            ],
            right=range(1, 1 + len(FORMATS)),
        ),
    )
    for model, title in models:
        series = [
            (form, [(predicted[0], *figure.interval, "") for key, predicted, figure in pairs[model] if key[2] == form])
            for form in FORMATS
        ]
        made.chart(
            f"prediction-{model}.svg",
            f"Measured against predicted divergence, {title}",
            plane(
                f"Predicted and measured: {title}",
                "predicted KL divergence, nats",
                "measured KL divergence, nats",
                series,
                diagonal=True,
            ),
        )
        made.chart(
            f"sites-{model}.svg",
            f"The divergence layer by layer, {title}",
            layer_chart(results.study(model, "prediction"), title),
        )
    made.add(
        "## Commands",
        block(
            "fakequant sweep original.gguf -f prose.txt -f code.txt -c 256 --chunks 1 --layers -o prediction.db"
            " --predict \\\n    --site a:ffn_input --site a:ffn_down_input --site w:ffn_down --format int8 --format"
            " int4 --format nvfp4\nfakequant sweep original.gguf -f prose.txt -f code.txt -c 256 --chunks 1 --layers -o"
            " prediction.db \\\n    --site a:ffn_input --site a:ffn_down_input --site w:ffn_down --format int8 --format"
            " int4 --format nvfp4\nfakequant report prediction.db -o prediction.html"
        ),
    )
    return made


def pairs_of(results, model):
    """(site, layer, format), prediction and figure of each variant that was predicted and measured."""
    figures, predictions = results.study(model, "prediction"), results.predictions(model, "prediction")
    return [
        (key, predictions[key], figures[key])
        for key in sorted(predictions.keys() & figures.keys())
        if len(figures[key].chunks) == 2
    ]


def rank(pairs):
    return spearman([(predicted[0], figure.kld) for _, predicted, figure in pairs])


def agreement(pairs):
    """The rank correlation of what the two chunks give."""
    return spearman([tuple(figure.chunks[chunk] for chunk in sorted(figure.chunks)) for _, _, figure in pairs])


def within_factor(pairs, factor):
    """The fraction of variants whose prediction is that near."""
    return sum(1 / factor <= predicted[0] / figure.kld <= factor for _, predicted, figure in pairs) / len(pairs)


def median_error(pairs):
    return median([abs(predicted[0] / figure.kld - 1) for _, predicted, figure in pairs])


def coverage(pairs):
    """The fraction of variants whose measured value is in the predicted interval."""
    return sum(low <= figure.kld <= high for _, (_, low, high), figure in pairs) / len(pairs)


def layer_chart(study, title):
    form = "int8"
    return curves(
        f"One site of one layer in INT8: {title}",
        "layer",
        "KL divergence, nats",
        [
            (
                site,
                [
                    (layer, *study[key].interval)
                    for key in sorted(study)
                    for layer in [key[1]]
                    if key[0] == site and key[2] == form
                ],
            )
            for site in SITES
        ],
    )


def findings(made, pairs):
    of = pairs[SMOLLM]
    within = {form: rank([pair for pair in of if pair[0][2] == form]) for form in FORMATS}
    worst = min(within, key=within.get)
    made.findings(
        f"Of {len(of)} variants of SmolLM2 that were predicted before they were measured, the rank correlation with the"
        f" measurement is {rank(of):.2f} over all, and from {min(within.values()):.2f} ({in_code(worst)}) to"
        f" {max(within.values()):.2f} within one format. The first is large because formats differ by powers of ten;"
        " the second says how well layers are put in order.",
        f"The median error is {percent(median_error(of), 0)}, {percent(within_factor(of, 3), 0)} of the predictions are"
        f" within a factor of 3 of the measurement, and {percent(coverage(of), 0)} of the measured values in the 95 %"
        " interval of their prediction. The measurement's own error, on two chunks, is part of all.",
    )
