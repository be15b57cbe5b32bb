"""Runs the program on mutated recipes, texts, studies, results and ranges: mutate_inputs.py [COUNT [SEED]].

Each run must end by itself, with a known exit code, one line on stderr where it fails, and its inputs as they were. The
environment is that of the whole-program tests. Inputs that fail are kept, and named.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tiny_model  # noqa: E402
from program import PROGRAM  # noqa: E402

SECONDS = 30
CODES = (0, 1, 2, 3)
WORDS = [b"", b"\0", b"\n", b"\xff\xfe", b"NaN", b"-1", b"1e999", b"18446744073709551616", b"{", b"]", b'"', b": ", b"- ", b"&a ", b"*a",
         b"!!binary", b"rules:", b"a:in(*)", b"w:*", b"\xc2\x9b", b"\xe2\x80\xae", b"0x", b"null", b"true", b"[[[[[[[[", b"%", b"@@"]

RECIPE = b"""# A recipe.
name: mixed
rules:
  - weights: "blk.*.ffn_*.weight"
    layers: 0
    format: bf16
    round: zero
  - activations: ffn_norm
    tokens: 0-3
    format: int8
    per: row
  - {activations: {input_of: ffn_up}, format: mxfp8}
"""


def mutated(data, draw):
    """A few changes: bits, bytes, pieces cut, doubled, moved, or replaced by words that parsers look at."""
    data = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(data) + 1)
        length = draw.choice((1, 1, 2, 8, 64, 1024))
        piece = bytes(data[at : at + length])
        kind = draw.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = draw.randrange(256)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = piece * draw.choice((1, 2, 50))
        elif kind == 4:
            other = draw.randrange(len(data) + 1)
            data[other:other] = piece
        elif kind == 5:
            word = draw.choice(WORDS)
            data[at : at + len(word) * draw.randrange(2)] = word
        else:
            del data[at:]
    return bytes(data)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Inputs:
    """Valid inputs of each kind, and the commands that read them."""

    def __init__(self, folder):
        self.folder = folder
        self.model = tiny_model.write(self.path("model.gguf"))
        text = tiny_model.write_text(self.path("text.txt"))
        once = ("-f", text, "--ctx-size", "16", "--chunks", "1", "--threads", "1", "-q")
        self.must("calibrate", self.model, *once, "-o", self.path("ranges.json"))
        self.must("sweep", self.model, *once, "--site", "a:ffn_norm", "--site", "w:ffn_up", "--format", "int4", "--format", "bf16",
                  "-o", self.path("study.db"))
        self.must("plan", self.path("study.db"), "--bits", "20", "--json", self.path("plan.json"))
        self.must("eval", self.model, *once, "--rule", "a:ffn_norm=int4", "--json", self.path("eval.json"))
        self.ranges_rule = f"a:in(*)=int8,range=static:{self.path('input')}"
        # The name that a mutated input gets, its contents, and the commands that read it.
        given = self.path("input")
        self.kinds = {
            "recipe": (RECIPE, [("eval", self.model, *once, "--recipe", given), ("sites", self.model, "--recipe", given)]),
            "text": (b"The quick brown fox. " * 20 + "Größe 注意 \U0001f600\n".encode() * 4, [
                ("eval", self.model, "-f", given, *once[2:]), ("generate", self.model, "--prompt-file", given, "-n", "1", "-q")]),
            "ranges": (self.read("ranges.json"), [("eval", self.model, *once, "--rule", self.ranges_rule)]),
            "study": (self.read("study.db"), [("study", "show", given), ("plan", given, "--bits", "20"),
                                              ("report", given, "-o", self.path("out/page.html"))]),
            "plan": (self.read("plan.json"), [("report", self.path("results"), "-o", self.path("out/page.html"))]),
            "result": (self.read("eval.json"), [("report", self.path("results"), "-o", self.path("out/page.html"))]),
        }
        os.mkdir(self.path("results"))
        os.mkdir(self.path("out"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    @staticmethod
    def must(*arguments):
        subprocess.run([PROGRAM, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)


def fault_of(arguments, given, listed):
    """What is wrong with a run; empty if nothing is."""
    before = digest(given)
    try:
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"it did not end within {SECONDS} s"
    if done.returncode not in CODES:
        return f"it left with {done.returncode}: {done.stderr[-500:]!r}"
    lines = done.stderr.splitlines()
    if done.returncode != 0 and not (lines and lines[-1].startswith(b"fakequant: ")):
        return f"it failed without saying why: {done.stderr!r}"
    if any(byte < 32 and byte != 10 for byte in done.stderr):
        return f"it printed control characters: {done.stderr!r}"
    if not os.path.exists(given) or digest(given) != before:
        return "its input is not what it was"
    if done.returncode != 0 and listed():
        return f"it failed and left {listed()}"
    return ""


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    folder = tempfile.mkdtemp(prefix="fakequant-fuzz-")
    inputs = Inputs(folder)
    faults = 0
    for run in range(count):
        kind = draw.choice(list(inputs.kinds))
        content, commands = inputs.kinds[kind]
        in_folder = kind in ("plan", "result")
        given = inputs.path(f"results/{kind}.json" if in_folder else "input")
        with open(given, "wb") as file:
            file.write(mutated(content, draw))
        arguments = draw.choice(commands)
        fault = fault_of(arguments, given, lambda: os.listdir(inputs.path("out")))
        for name in os.listdir(inputs.path("out")):
            os.remove(inputs.path(f"out/{name}"))
        if fault:
            faults += 1
            kept = os.path.join(tempfile.gettempdir(), f"fakequant-fuzz-{kind}-{run}")
            shutil.copyfile(given, kept)
            print(f"run {run}, fakequant {' '.join(arguments)}\n  {fault}\n  the input is kept as {kept}", flush=True)
        os.remove(given)
    shutil.rmtree(folder)
    print(f"{count} runs on mutated inputs, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
