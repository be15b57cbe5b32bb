"""Figures of measured variants, as sweep's studies and eval's JSON hold them, and what follows from several of them.

Intervals of 95 %. That of a divergence is 1.96 standard errors over the predictions, which counts them as independent.
That of a ratio is of the logarithm, by Student's t over the chunks of the text, which both variants were measured on.
"""

import csv
import json
import math
import os
import sqlite3
from dataclasses import dataclass, field

# Student's t, the 97.5 % quantile for 1, 2, ... degrees of freedom; beyond them that of the normal distribution.
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
NORMAL = 1.96


@dataclass
class Figure:
    """What a variant costs: the mean KL divergence in nats, its standard error, and the means of the chunks."""

    name: str
    kld: float
    error: float
    chunks: dict = field(default_factory=dict)  # {(text, chunk): mean}
    same_top: float = 0.0  # the fraction of predictions with the same most likely token
    perplexity_ratio: float = 1.0
    bits: float = 0.0  # of a value, scales included

    @property
    def interval(self):
        """Value, low, high."""
        return self.kld, max(0.0, self.kld - NORMAL * self.error), self.kld + NORMAL * self.error

    def of_text(self, text):
        """The mean over the chunks of one text, for all have as many predictions."""
        means = [mean for (name, _), mean in self.chunks.items() if name == text]
        return sum(means) / len(means)


def ratio(a, b):
    """How many times as much a costs as b: the ratio, and the ends of its interval."""
    shared = sorted(a.chunks.keys() & b.chunks.keys())
    ours, others = [a.chunks[key] for key in shared], [b.chunks[key] for key in shared]
    mean_a, mean_b = sum(ours) / len(shared), sum(others) / len(shared)
    changes = [x / mean_a - y / mean_b for x, y in zip(ours, others)]
    degrees = len(shared) - 1
    deviation = math.sqrt(sum(change * change for change in changes) / degrees / len(shared))
    half = deviation * (T_QUANTILES[degrees - 1] if degrees <= len(T_QUANTILES) else NORMAL)
    middle = mean_a / mean_b
    return middle, middle * math.exp(-half), middle * math.exp(half)


def read_study(path):
    """The figures of a study by (site, layer, format); the layer of a whole site is None.

    bits are those of `study export`, in the file NAME.csv beside NAME.db.
    """
    with open(os.path.splitext(path)[0] + ".csv", encoding="utf-8", newline="") as file:
        bits = {row["recipe"]: float(row["bits"] or 0) for row in csv.DictReader(file)}
    figures = {}
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as study:
        texts = dict(study.execute("SELECT id, name FROM texts"))
        chunks = {}
        for variant, text, chunk, mean in study.execute(
            "SELECT variant, text, chunk, kld / predictions FROM scores ORDER BY text, chunk"
        ):
            chunks.setdefault(variant, {})[os.path.basename(texts[text]), chunk] = mean
        ids = dict(study.execute("SELECT recipe, id FROM variants"))
        rows = study.execute(
            "SELECT recipe, site, layer, format, kld, kld_error, top1_agreement, log_ppl_ratio FROM figures"
        )
        for recipe, site, layer, name, kld, error, same_top, log_ratio in rows:
            if kld is not None:
                figures[site, layer, name] = Figure(
                    recipe, kld, error, chunks[ids[recipe]], same_top, math.exp(log_ratio), bits[recipe]
                )
    return figures


def read_predictions(path):
    """The predictions of a study by (site, layer, format): value, low, high."""
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as study:
        rows = study.execute(
            "SELECT site, layer, format, kld, low, high FROM predictions JOIN variants ON variants.id = variant"
        )
        return {(site, layer, name): (kld, low, high) for site, layer, name, kld, low, high in rows}


def read_eval(path):
    """The figures of eval's JSON, as scripts/results keeps it, by the names of the variants."""
    with open(path, encoding="utf-8") as file:
        return {
            variant["name"]: Figure(
                variant["name"],
                variant["kld"]["mean"],
                variant["kld"]["error"],
                {(os.path.basename(chunk["text"]), chunk["chunk"]): chunk["kld"] for chunk in variant["chunks"]},
                variant["top1_agreement"],
                variant["ppl_ratio"],
                variant["bits_per_weight"] or 0,
            )
            for variant in json.load(file)["variants"]
            if variant["kld"]["mean"] is not None
        }


def spearman(pairs):
    """The rank correlation of pairs of numbers; equal ones share the mean of their ranks."""

    def ranks(values):
        order = sorted(range(len(values)), key=lambda index: values[index])
        found = [0.0] * len(values)
        start = 0
        while start < len(order):
            end = start
            while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
                end += 1
            for index in order[start : end + 1]:
                found[index] = (start + end) / 2
            start = end + 1
        return found

    first, second = ranks([a for a, _ in pairs]), ranks([b for _, b in pairs])
    middle = (len(pairs) - 1) / 2
    product = sum((a - middle) * (b - middle) for a, b in zip(first, second))
    return product / math.sqrt(sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second))


def median(values):
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
