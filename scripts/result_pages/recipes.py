"""The recipes that come with the program: what each emulates, and what it costs."""

import os
import re

from .measurement import evaluation
from .page import Page, in_code
from .text import block, nats, table

STEPS = ("all-recipes",)
FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "recipes")


def names():
    """vendor/name of each recipe."""
    return sorted(
        os.path.relpath(os.path.join(folder, file), FOLDER).removesuffix(".yaml")
        for folder, _, files in os.walk(FOLDER)
        for file in files
        if file.endswith(".yaml")
    )


def described(recipe):
    """Its name and source."""
    with open(os.path.join(FOLDER, f"{recipe}.yaml"), encoding="utf-8") as file:
        text = file.read()
    return tuple(re.search(rf'^{key}: "(.*)"$', text, re.MULTILINE).group(1) for key in ("name", "source"))


def variant_name(recipe):
    return recipe.replace("/", "-")


# Formats with rows of 256 values, which few matrices of these models have.
UNSUITED = ("llama.cpp/kernels-q8_k",)


def steps(size):
    if not size.is_whole:
        return []
    variants = {variant_name(recipe): f"@{recipe}" for recipe in names() if recipe not in UNSUITED}
    options = ("-c", "256", "--chunks", size.few_chunks)
    return [evaluation("all-recipes", "original.gguf", variants, *options, needs=("calibrate",))]


def page(results):
    made = Page("Recipes: what each emulates, and what it costs")
    models = results.with_steps(*STEPS)
    figures = {model: results.evaluation(model, "all-recipes") for model, _ in models}
    made.add(
        "The recipes that come with the program, by the names that `--recipe` and `--variant` take, and the KL divergence"
        " of each in nats. What they read of a calibration (static ranges, channels, Hessians) is of another text. The"
        " models are the dithered originals of [weights.md](weights.md). `fakequant recipes NAME` prints a recipe with its"
        " notes. Some formats do not fit the rows of a model; these have no figure.",
        table(
            ["recipe", "emulates", "source", *(title for _, title in models)],
            [
                [
                    in_code(f"@{recipe}"),
                    *described(recipe),
                    *(
                        nats(figures[model][variant_name(recipe)]) if variant_name(recipe) in figures[model] else "-"
                        for model, _ in models
                    ),
                ]
                for recipe in names()
            ],
            right=range(3, 3 + len(models)),
        ),
        "## Commands",
        block(
            "fakequant calibrate original.gguf -f calibration.txt --chunks 8 -o ranges.json --channels channels.gguf"
            " --hessian hessian.bin\nfakequant eval original.gguf -f prose.txt -f code.txt -c 256 --chunks 2 --variant"
            " fp8=@modelopt/fp8 --variant nvfp4=@modelopt/nvfp4"
        ),
    )
    return made
