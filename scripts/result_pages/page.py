"""A page of docs/results, the data that it is written from, and the tables that all pages share."""

import json
import os
import textwrap
from dataclasses import dataclass, field

from .chart import dots
from .figures import read_eval, read_predictions, read_study
from .text import nats, percent, plain_nats, table

TITLES = {"smollm2-135m": "SmolLM2-135M", "gemma-3-270m": "Gemma-3-270M"}
SMOLLM, GEMMA = TITLES


@dataclass
class Page:
    title: str
    body: str = ""
    headlines: list = field(default_factory=list)  # sentences for the first page
    charts: dict = field(default_factory=dict)  # {NAME.svg: the file}

    def add(self, *paragraphs):
        self.body += "".join(wrapped(paragraph.rstrip("\n")) + "\n\n" for paragraph in paragraphs)

    def findings(self, *sentences):
        """A list; the first goes to the first page, too."""
        self.headlines += sentences[:2]
        self.add(bullets(sentences))

    def chart(self, name, words, svg):
        self.charts[name] = svg
        self.add(f"![{words}]({name})")


class Results:
    """What a data folder holds: figures of a step of a model, or nothing where it was not measured."""

    def __init__(self, data):
        self.data = data
        found = sorted(name for name in os.listdir(data) if os.path.exists(os.path.join(data, name, "runs.json")))
        self.models = [name for name in TITLES if name in found] + [name for name in found if name not in TITLES]

    def path(self, model, name):
        return os.path.join(self.data, model, name)

    def json(self, model, name):
        path = self.path(model, name)
        if not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def read(self, reader, model, name):
        path = self.path(model, name)
        return reader(path) if os.path.exists(path) else {}

    def study(self, model, step):
        return self.read(read_study, model, f"{step}.db")

    def predictions(self, model, step):
        return self.read(read_predictions, model, f"{step}.db")

    def evaluation(self, model, step):
        return self.read(read_eval, model, f"{step}.json")

    def with_steps(self, *steps):
        """The models of which these steps were measured, with their titles."""
        return [
            (model, TITLES.get(model, model))
            for model in self.models
            if self.json(model, "runs.json").keys() >= {*steps}
        ]


def bullets(sentences):
    return "\n".join(
        textwrap.fill(f"- {sentence}", 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for sentence in sentences
    )


def wrapped(paragraph):
    """Prose in lines of a readable length; tables, lists, code, headings and pictures as they are."""
    if paragraph[0] in "|#!" or "\n" in paragraph:
        return paragraph
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def texts_of(figures):
    return sorted({text for figure in figures for text, _ in figure.chunks})


def figure_table(what, rows, bits=False):
    """rows: (label, figure). The divergence of each text beside that of all."""
    texts = texts_of([figure for _, figure in rows])
    head = [
        what,
        *(["bits"] if bits else []),
        "KL divergence, nats",
        *(text.removesuffix(".txt") for text in texts),
        "same top token",
    ]
    lines = [
        [
            label,
            *([f"{figure.bits:.2f}"] if bits else []),
            nats(figure),
            *(plain_nats(figure.of_text(text)) for text in texts),
            percent(figure.same_top),
        ]
        for label, figure in rows
    ]
    return table(head, lines, right=range(1, len(head)))


def cost_chart(title, models, rows):
    """The divergence of variants as dots, a series for each (model, title).

    rows: (label, {model: figure}), where a model may be missing; a label with None is a heading.
    """
    return dots(
        title,
        "KL divergence, nats, with its 95 % interval",
        [of_model for _, of_model in models],
        [
            (label, [figures[model].interval if model in figures else None for model, _ in models])
            if figures is not None
            else (label, [])
            for label, figures in rows
        ],
    )


def of_each(figures, key):
    """{model: figure} of those models that have the key; figures: {model: {key: figure}}."""
    return {model: of[key] for model, of in figures.items() if key in of}


def in_code(words):
    return f"`{words}`"
