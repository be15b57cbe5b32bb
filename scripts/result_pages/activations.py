"""Activations by site, token and scale."""

from .chart import curves
from .figures import ratio
from .measurement import CALIBRATION, Step, sweep
from .page import SMOLLM, Page, cost_chart, figure_table, in_code
from .text import block, claim, nats, percent, short, times

STEPS = ("outliers", "activations")
SITES = ("a:attn_input", "a:attn_output_input", "a:ffn_input", "a:ffn_down_input", "a:in(matrices)")
STATIC = "range=static:ranges.json"
FORMATS = ("int8", f"int8,{STATIC}", "e4m3", "e4m3,per=token", "mxfp8", "int4", "int4,per=block", "nvfp4")
TOKEN_SITES = ("a:in(matrices)@tokens:0", "a:in(matrices)@tokens:1-")
TOKEN_FORMATS = ("int8", f"int8,{STATIC}", "int4")


def steps(size):
    if not size.is_whole:
        return []
    options = ("-c", "256", "--chunks", size.few_chunks)
    return [
        Step(
            "outliers",
            (("calibrate", "original.gguf", "-f", CALIBRATION, "--chunks", "4", "-o", "outliers.json"),),
            "outliers.json",
        ),
        sweep(
            "activations",
            "original.gguf",
            SITES,
            FORMATS,
            *options,
            needs=("calibrate",),
            also=[(TOKEN_SITES, TOKEN_FORMATS, options)],
        ),
    ]


ROLES = {
    "a:attn_input": "attention's input",
    "a:attn_output_input": "input of attention's output matrix",
    "a:ffn_input": "FFN's input",
    "a:ffn_down_input": "input of FFN's down matrix",
    "a:in(matrices)": "all of them",
}


def page(results):
    made = Page("Activations by site and token")
    models = results.with_steps(*STEPS)
    studies = {
        model: {(site, form): figure for (site, _, form), figure in results.study(model, "activations").items()}
        for model, _ in models
    }
    made.add(
        "The inputs of the layers' matrix products are rounded, by where they are. Integers and `per=token` have a"
        " scale for each token, `per=block` for each 32 values, `range=static` one that was recorded on another text."
        " Weights stay as they are; the model is the dithered original of [weights.md](weights.md)."
    )
    if SMOLLM in studies:
        findings(made, results, studies)
    made.add("## Where the outliers are")
    for model, title in models:
        made.chart(
            f"outliers-{model}.svg",
            f"Largest against typical values by layer, {title}",
            outlier_chart(results.json(model, "outliers.json"), title),
        )
    made.add("## By site and format")
    for model, title in models:
        figures = studies[model]
        made.chart(
            f"activations-{model}.svg", f"The divergence by site and format, {title}", site_chart(figures, model, title)
        )
        rows = [
            (in_code(f"{site}={shown(form)}"), figures[site, form])
            for site in SITES
            for form in FORMATS
            if (site, form) in figures
        ]
        made.add(f"### {title}", figure_table("rule", rows))
    made.add(
        "## The first token and all others",
        "`@tokens:0` rounds the inputs of the first token of each chunk only, `@tokens:1-` those of all others.",
    )
    for model, title in models:
        rows = [
            (in_code(f"{site}={shown(form)}"), studies[model][site, form])
            for form in TOKEN_FORMATS
            for site in TOKEN_SITES
            if (site, form) in studies[model]
        ]
        made.add(f"### {title}", figure_table("rule", rows))
    made.add(
        "## Commands",
        block(
            "fakequant calibrate original.gguf -f calibration.txt --chunks 8 -o ranges.json --channels channels.gguf"
            " --hessian hessian.bin \\\n    --rule 'a:in(*)=int8' --rule a:k_cache=e4m3 --rule"
            " a:v_cache=e4m3\nfakequant sweep original.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --site"
            " a:ffn_down_input --site 'a:in(matrices)@tokens:1-' \\\n    --format int8 --format"
            " int8,range=static:ranges.json --format nvfp4 -o activations.db\nfakequant"
            " report activations.db -o activations.html"
        ),
    )
    return made


def shown(form):
    return form.replace(":ranges.json", "")


def site_chart(figures, model, title):
    rows = []
    for site in SITES:
        of_site = [(shown(form), {model: figures[site, form]}) for form in FORMATS if (site, form) in figures]
        rows += [(ROLES[site], None), *of_site] if of_site else []
    return cost_chart(f"Inputs of products rounded: {title}", [(model, title)], rows)


def peaks(ranges):
    """{node: [(layer, largest magnitude, median magnitude)]} of the inputs of products in the layers."""
    found = {}
    for site in ranges["sites"]:
        if site["layer"] is not None:
            found.setdefault(site["site"].rsplit("-", 1)[0], []).append(
                (site["layer"], site["absmax"], site["percentiles"]["50"])
            )
    return {node: sorted(of) for node, of in found.items()}


def outlier_chart(ranges, title):
    return curves(
        f"The largest value, in medians of the magnitudes: {title}",
        "layer",
        "largest / median magnitude",
        [
            (node, [(layer, *[largest / middle] * 3) for layer, largest, middle in of])
            for node, of in peaks(ranges).items()
        ],
    )


def costliest(study, form):
    """The site that costs most in this format, and its share of what all cost one by one."""
    costs = {site: study[site, form].kld for site in SITES[:-1]}
    worst = max(costs, key=costs.get)
    return worst, costs[worst] / sum(costs.values())


def findings(made, results, studies):
    study = studies[SMOLLM]
    whole = "a:in(matrices)"
    by_token, by_range = (costliest(study, form) for form in ("int8", f"int8,{STATIC}"))
    node, layer, largest, middle = max(
        ((node, *of) for node, points in peaks(results.json(SMOLLM, "outliers.json")).items() for of in points),
        key=lambda peak: peak[2] / peak[3],
    )
    static = ratio(study[whole, f"int8,{STATIC}"], study[whole, "int8"])
    blocks = ratio(study[whole, "int4"], study[whole, "int4,per=block"])
    first, others = (study[site, "int8"] for site in TOKEN_SITES)
    static_others = ratio(study[TOKEN_SITES[1], f"int8,{STATIC}"], study[TOKEN_SITES[1], "int8"])
    scaled, plain, microscaled = (
        ratio(study[whole, form], study[whole, "int8"]) for form in ("e4m3,per=token", "e4m3", "mxfp8")
    )
    made.findings(
        claim(
            static[1] > 1,
            "A scale for each token beats a static one: with static ranges, INT8 at all inputs of SmolLM2's matrices"
            f" costs {times(static)} times as much, {nats(study[whole, f'int8,{STATIC}'])} instead of"
            f" {nats(study[whole, 'int8'])} nats.",
        ),
        claim(
            by_token[0] != by_range[0],
            f"With scales for each token, {ROLES[by_token[0]]} costs most in INT8, {percent(by_token[1], 0)} of what"
            f" the four sites cost one by one. With static ranges it is the {ROLES[by_range[0]]},"
            f" {percent(by_range[1], 0)}.",
        ),
        claim(
            largest / middle > 1000,
            f"The outliers are there, too: the largest value of {in_code(f'{node}-{layer}')} is"
            f" {short(largest / middle)} times the median magnitude. A single scale that holds it leaves nothing for"
            " the others.",
        ),
        claim(
            first.kld / study[whole, "int8"].kld > 0.05,
            f"Each chunk's first token, one of 256, makes {percent(first.kld / study[whole, 'int8'].kld, 0)} of the"
            f" loss of INT8 with scales for each token: {nats(first)} nats where only its inputs are rounded,"
            f" {nats(others)} where all others are.",
        ),
        claim(
            static_others[1] > 1,
            "Static ranges harm the tokens without outliers: rounding all but the first token costs"
            f" {times(static_others)} times as much with them as with scales of their own.",
        ),
        claim(
            scaled[2] < 1 and plain[1] > 1 and microscaled[1] > 1,
            "Of activations in 8 bits, floats lose less than integers, other than of weights: E4M3 with a scale for"
            f" each token costs {times(scaled)} times as much as INT8 with one. Without a scale it costs"
            f" {times(plain)} times as much as INT8, and MXFP8, whose scales are powers of two, {times(microscaled)}"
            " times.",
        ),
        claim(
            blocks[1] > 1,
            f"In INT4, a scale for each 32 values instead of each token divides the loss by {times(blocks)}.",
        ),
    )
