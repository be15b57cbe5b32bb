"""Norms: the question that fakequant grew out of."""

from .chart import curves
from .figures import ratio
from .measurement import sweep
from .page import GEMMA, SMOLLM, Page, cost_chart, figure_table, in_code, of_each
from .text import block, claim, nats, percent, plain_nats, times

STEPS = ("norms",)
SITES = ("a:ffn_norm", "a:attn_norm", "w:norms")
FORMATS = ("f16", "bf16", "bf16,round=zero", "e4m3", "int8", "int4")
LAYERED = ("bf16", "bf16,round=zero", "int8")


def steps(size):
    layered = (("a:ffn_norm",), LAYERED, ("-c", "256", "--chunks", size.few_chunks, "--layers"))
    return [
        sweep(
            "norms",
            "model.gguf",
            SITES,
            FORMATS if size.is_complete else LAYERED,
            "-c",
            "256",
            "--chunks",
            size.chunks,
            also=[layered] if size.is_complete else [],
        )
    ]


NAMES = {
    "a:ffn_norm": "output of the FFN's norm",
    "a:attn_norm": "output of attention's norm",
    "w:norms": "weights of all norms",
}


def page(results):
    made = Page("Norms: does BF16 do harm?")
    made.add(
        "The question that fakequant grew out of: what does a model lose when its norms are kept in BF16, or in less?"
        " Outputs of norms are rounded for every token, in all layers; the last rows round the norms' weights instead."
        " `round=zero` is truncation, as the reference experiment did it, `int8` and `int4` have a scale for each"
        " token. The models are the F16 files, whose norms are F32 as they were published."
    )
    models = results.with_steps(*STEPS)
    studies = {model: results.study(model, "norms") for model, _ in models}
    if SMOLLM in studies:
        findings(made, studies)
    for model, title in models:
        rows = [
            (in_code(f"{site}={form}"), studies[model][site, None, form])
            for site in SITES
            for form in FORMATS
            if (site, None, form) in studies[model]
        ]
        made.add(f"## {title}", figure_table("rule", rows))
    rows = []
    for site in SITES:
        of_site = [(form, of_each(studies, (site, None, form))) for form in FORMATS]
        rows += [(NAMES[site], None), *(row for row in of_site if row[1])]
    made.chart(
        "norms.svg",
        "The divergence of each format at three sites",
        cost_chart("What rounding of norms costs", models, rows),
    )
    for model, title in models:
        if layers_of(studies[model], LAYERED[0]):
            made.chart(
                f"norms-layers-{model}.svg",
                f"The divergence layer by layer, {title}",
                layer_chart(studies[model], title),
            )
    made.add(
        "## Commands",
        block(
            "fakequant sweep model.gguf -f prose.txt -f code.txt -c 256 --chunks 4 --site a:ffn_norm --site a:attn_norm"
            " --site w:norms \\\n    --format f16 --format bf16 --format bf16,round=zero --format e4m3 --format int8"
            " --format int4 -o norms.db\nfakequant sweep model.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --site"
            " a:ffn_norm --layers \\\n    --format bf16 --format bf16,round=zero --format int8 -o norms.db\nfakequant"
            " report norms.db -o norms.html"
        ),
    )
    return made


def layers_of(study, form):
    """(layer, figure) of the FFN's norm in one format."""
    return sorted(
        (layer, figure) for (site, layer, name), figure in study.items() if layer is not None and name == form
    )


def layer_chart(study, title):
    return curves(
        f"The output of one FFN norm rounded, layer by layer: {title}",
        "layer",
        "KL divergence, nats",
        [(form, [(layer, *figure.interval) for layer, figure in layers_of(study, form)]) for form in LAYERED],
    )


def largest_layers(study, form, count=3):
    """The layers that cost most, and their share of the sum over all."""
    costs = sorted(((figure.kld, layer) for layer, figure in layers_of(study, form)), reverse=True)
    return [layer for _, layer in costs[:count]], sum(kld for kld, _ in costs[:count]) / sum(kld for kld, _ in costs)


def findings(made, studies):
    study = studies[SMOLLM]

    def of(form, site="a:ffn_norm"):
        return study[site, None, form]

    cut, cut_attention = (
        ratio(of("bf16,round=zero", site), of("bf16", site)) for site in ("a:ffn_norm", "a:attn_norm")
    )
    finer, coarser = ratio(of("bf16"), of("f16")), ratio(of("int8"), of("bf16"))
    weights = [of(form, "w:norms").kld for form in ("f16", "bf16", "bf16,round=zero")]
    integer, floating = of("int8", "w:norms"), of("e4m3", "w:norms")
    worst, share = largest_layers(study, "int8")
    sum_of_layers = sum(figure.kld for _, figure in layers_of(study, "bf16"))
    made.findings(
        claim(
            cut[1] > 1 and cut_attention[1] > 1,
            f"Truncation to BF16 costs {times(cut)} times as much as rounding to nearest at the outputs of SmolLM2's"
            f" FFN norms, and {times(cut_attention)} times at those of attention's. The energy of its error is four"
            " times as large, and three quarters of that are a common shift towards zero.",
        ),
        claim(
            of("bf16").interval[2] < 1e-4 and of("bf16", "a:attn_norm").interval[2] < 1e-4,
            f"Rounded to nearest, BF16 does no harm: {nats(of('bf16'))} nats, and {percent(of('bf16').same_top)} of the"
            " most likely tokens stay what they were.",
        ),
        claim(
            48 < finer[0] < 80,
            f"FP16 has three bits more, so errors an eighth as large, and costs {times(finer)} times less than BF16: "
            "the loss grows with the square of the error.",
        ),
        claim(
            coarser[1] > 100 and of("int4").kld > 1,
            f"INT8 with a scale for each token costs {times(coarser)} times as much as BF16, and INT4 destroys "
            "the model: the norm's output has channels that are far larger than the others.",
        ),
        *(gemma_findings(studies[GEMMA], cut, cut_attention) if GEMMA in studies else []),
        claim(
            not any(weights),
            "The weights of SmolLM2's norms are in BF16 already, and FP16 holds them, too: rounding them to either"
            " costs exactly 0, even by truncation. An experiment that rounds only them finds no effect and says nothing"
            " about BF16.",
        ),
        claim(
            integer.interval[2] < floating.interval[1],
            "In 8 bits, INT8 with a scale suits these weights, E4M3 without one does not: "
            f"{nats(integer)} against {nats(floating)} nats.",
        ),
        claim(
            share > 0.2,
            f"Of the loss that INT8 makes in single layers, {percent(share, 0)} comes from layers {worst[0]},"
            f" {worst[1]} and {worst[2]} of 30.",
        ),
        claim(
            0.5 < sum_of_layers / of("bf16").kld < 2,
            f"For BF16 the losses of single layers add up: their sum is {plain_nats(sum_of_layers)}, and all "
            f"layers together cost {plain_nats(of('bf16').kld)} nats.",
        ),
    )


def gemma_findings(study, cut, cut_attention):
    """What is otherwise in Gemma; cut and cut_attention are SmolLM2's ratios of truncation."""
    own, own_attention = (
        ratio(study[site, None, "bf16,round=zero"], study[site, None, "bf16"]) for site in ("a:ffn_norm", "a:attn_norm")
    )
    weights, coarse = study["w:norms", None, "bf16"], study["w:norms", None, "int8"]
    return [
        claim(
            own[2] < cut[1] and own_attention[2] < cut_attention[1],
            f"On Gemma truncation costs {times(own)} and {times(own_attention)} times as much. It normalizes queries,"
            " keys and the results of attention and FFN again, which takes a common factor out.",
        ),
        claim(
            weights.interval[1] > 0 and coarse.kld > 0.5,
            "The weights of Gemma's norms are not in BF16, because the converter adds 1 to them: BF16 costs"
            f" {nats(weights)} nats. They have large outliers, and INT8 with one scale for each norm destroys the"
            f" model: {nats(coarse)} nats.",
        ),
    ]
