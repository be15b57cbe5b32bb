"""Runs the steps of a measurement, each once: what was measured with the same commands is not measured again.

A step is some commands of fakequant in a folder of work, one for each model, where models, texts and files of
calibrations have short names. What a step leaves is kept in the data folder: a study with its CSV, or eval's JSON
without what no page needs.
runs.json there says of each step which commands were run and how long they took.
"""

import json
import os
import resource
import shlex
import shutil
import sqlite3
import subprocess
import time
from dataclasses import dataclass

TEXTS = ("prose.txt", "code.txt")
CALIBRATION = "calibration.txt"
MEASURED_ON = ("-f", TEXTS[0], "-f", TEXTS[1])


@dataclass
class Step:
    name: str
    commands: tuple  # of tuples of words; the program is not among them
    made: str  # what they leave in the work folder: NAME.db, NAME.json, or a file of a calibration
    is_kept: bool = True
    needs: tuple = ()  # names of other steps whose files it reads
    recipes: tuple = ()  # (NAME, rules) of the recipes that its commands read


def size_of(file):
    """A word of a command that stands for the bytes of a file that an earlier one made."""
    return f"SIZE:{file}"


def sweep(name, model, sites, formats, *options, needs=(), also=()):
    """A sweep of sites and formats into the study NAME.db.

    also: further sweeps (sites, formats, options) into the same study.
    """
    commands = []
    for sites_of, formats_of, options_of in ((sites, formats, options), *also):
        commands.append(
            (
                "sweep",
                model,
                *MEASURED_ON,
                *options_of,
                "-o",
                f"{name}.db",
                *(word for site in sites_of for word in ("--site", site)),
                *(word for form in formats_of for word in ("--format", form)),
            )
        )
    return Step(
        name, (*commands, ("study", "export", f"{name}.db", "-o", f"{name}.csv")), f"{name}.db", needs=tuple(needs)
    )


def evaluation(name, model, variants, *options, needs=()):
    """eval with variants {NAME: rules, or the @NAME of a recipe that comes with fakequant}, into NAME.json."""
    recipes = tuple((variant, rules) for variant, rules in variants.items() if not isinstance(rules, str))
    of = [
        f"{variant}={rules if isinstance(rules, str) else recipe_file(variant)}" for variant, rules in variants.items()
    ]
    command = (
        "eval",
        model,
        *MEASURED_ON,
        *options,
        "--json",
        f"{name}.json",
        *(word for one in of for word in ("--variant", one)),
    )
    return Step(name, (command,), f"{name}.json", needs=tuple(needs), recipes=recipes)


def recipe_file(variant):
    return f"{variant}.yaml"


class Measurement:
    """Steps of one model. data: the folder that keeps; work: the folder of what can be made again."""

    def __init__(self, program, model, files, steps, texts, data, work, threads):
        self.program, self.model, self.steps, self.threads = (
            program,
            model,
            {step.name: step for step in steps},
            threads,
        )
        self.data, self.work = os.path.join(data, model), os.path.join(work, model)
        self.record = os.path.join(self.data, "runs.json")
        self.links = {**files, **{name: os.path.join(texts, name) for name in (*TEXTS, CALIBRATION)}}

    def runs(self):
        if not os.path.exists(self.record):
            return {}
        with open(self.record, encoding="utf-8") as file:
            return json.load(file)

    def identity(self, step):
        """What must be the same for a step to be the same: its commands and recipes."""
        return {
            "commands": [shlex.join(("fakequant", *command)) for command in step.commands],
            "recipes": {name: list(rules) for name, rules in step.recipes},
        }

    def is_done(self, step):
        run = self.runs().get(step.name, {})
        place = self.data if step.is_kept else self.work
        return os.path.exists(os.path.join(place, step.made)) and all(
            run.get(key) == value for key, value in self.identity(step).items()
        )

    def measure(self, name, say):
        """Runs a step and what it needs, unless it is done."""
        step = self.steps[name]
        if self.is_done(step):
            return
        for needed in step.needs:
            self.measure(needed, say)
        self.prepare(step)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        for command in step.commands:
            threads = () if command[0] == "study" else ("--threads", str(self.threads))
            say(f"{self.model}/{name}: {shlex.join(('fakequant', *command))[:150]}")
            subprocess.run(
                [self.program, *map(self.settled, command), *threads, "--quiet"],
                cwd=self.work,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if step.is_kept:
            self.keep(step)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.write_record(
            step,
            {
                **self.identity(step),
                "seconds": round(time.monotonic() - began),
                "processor_seconds": round(processor),
                "threads": self.threads,
            },
        )

    def settled(self, word):
        """A word of a command, with the size of the file where it stands for that."""
        _, is_size, file = word.partition(size_of(""))
        return str(os.path.getsize(os.path.join(self.work, file))) if is_size else word

    def prepare(self, step):
        os.makedirs(self.work, exist_ok=True)
        os.makedirs(self.data, exist_ok=True)
        for name, path in self.links.items():
            link = os.path.join(self.work, name)
            if not os.path.lexists(link) or os.readlink(link) != os.path.abspath(path):
                if os.path.lexists(link):
                    os.remove(link)
                os.symlink(os.path.abspath(path), link)
        for name, rules in step.recipes:
            with open(os.path.join(self.work, recipe_file(name)), "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in rules if not line.startswith(("w:", "a:"))))
                sites = [rule for rule in rules if rule.startswith(("w:", "a:"))]
                file.write("rules:\n" * bool(sites) + "".join(f"  - '{rule}'\n" for rule in sites))

    def keep(self, step):
        made, kept = os.path.join(self.work, step.made), os.path.join(self.data, step.made)
        if step.made.endswith(".db"):
            copy_study(made, kept + ".part")
            shutil.copyfile(made[:-3] + ".csv", kept[:-3] + ".csv")
        else:
            with open(made, encoding="utf-8") as file, open(kept + ".part", "w", encoding="utf-8") as out:
                json.dump(compact(json.load(file)), out, indent=1)
                out.write("\n")
        os.replace(kept + ".part", kept)

    def write_record(self, step, run):
        runs = self.runs()
        runs[step.name] = run
        with open(self.record + ".part", "w", encoding="utf-8") as file:
            json.dump({name: runs[name] for name in self.steps if name in runs}, file, indent=1)
            file.write("\n")
        os.replace(self.record + ".part", self.record)


def copy_study(path, copy):
    """A study in one file, without free pages and the names of machines."""
    study, other = sqlite3.connect(path), sqlite3.connect(copy)
    study.backup(other)
    study.close()
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("UPDATE runs SET host = ''")
    other.commit()
    other.execute("VACUUM")
    other.close()


# What pages need of eval's JSON and of the ranges of calibrate: {} is all of a value, lists are of objects.
HEAD = {"schema": {}, "version": {}, "backends": {}, "arithmetic": {}, "ctx_size": {}}
FIGURES = {key: {} for key in ("name", "recipe", "bits_per_weight", "ppl", "ppl_error", "ppl_ratio", "top1_agreement")}
KEPT_OF_EVAL = {
    **HEAD,
    "texts": {"text": {}, "chunks": {}, "tokens_scored": {}},
    "baseline": {"ppl": {}, "ppl_error": {}},
    "variants": {**FIGURES, "kld": {"mean": {}, "error": {}}, "chunks": {"text": {}, "chunk": {}, "kld": {}}},
}
KEPT_OF_RANGES = {**HEAD, "sites": {"site": {}, "layer": {}, "absmax": {}, "percentiles": {"50": {}}}}


def compact(value):
    """JSON of eval or calibrate without what no page needs."""
    return part_of(value, KEPT_OF_RANGES if value["schema"].startswith("fakequant.ranges") else KEPT_OF_EVAL)


def part_of(value, kept):
    if isinstance(value, list) and kept:
        return [part_of(item, kept) for item in value]
    if isinstance(value, dict) and kept:
        return {key: part_of(value[key], of) for key, of in kept.items() if key in value}
    return float(f"{value:.9g}") if isinstance(value, float) else value
