"""Every field of the JSON that the commands wrote once is still there, with its type; and the schemas describe every field.

tests/golden/json_fields.json holds the fields of each command's JSON on the demo model: paths with [] for the elements of an
array, and the types found there. `json_fields_test.py --write` makes it with the program at hand. docs/reference/schemas has a
JSON Schema for each kind of file: what the commands write must be valid, and no schema may describe a field that none of
them writes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import tiny_model
from json_schemas import SHARED, Schemas, names_in
from program import MODEL, NATIVE, PROGRAM, SOURCE, TEXT, run_llama

LICENSE = os.path.join(SOURCE, "LICENSE")
GOLDEN = os.path.join(SOURCE, "tests", "golden", "json_fields.json")
HOW = ("The fields of each command's JSON on the demo model, as fakequant 0.1.0 wrote it before its sources were reorganized. "
       "Made by tests/json_fields_test.py --write. Remove none: scripts of users read them.")

PLAIN = (*NATIVE, "--no-repack")  # on every processor the inputs of products with F16 weights are rounded to F16
MEASURED = ("-f", TEXT, "--ctx-size", 32, "--threads", 1)
LONGER = ("-f", TEXT, "--ctx-size", 64, "--chunks", 1, "--threads", 1)
OVERFLOWING = ("overflowing.gguf", "-f", "text.txt", "--ctx-size", 64, "--chunks", 2, "--threads", 1, "--rule", "a:ffn_norm=f16")
SWEEP = ("sweep", MODEL, *MEASURED, "--layers", "--site", "a:ffn_input@0-1", "--format", "e4m3", "--format", "int4")
COMMANDS = {
    "formats": ("formats",),
    "formats NAME": ("formats", "int4,mode=asym,per=block,block=32", "--round", "0.3"),
    "inspect": ("inspect", MODEL),
    "apply": ("apply", MODEL, "-o", "out.gguf", "--rule", "w:ffn_norm=bf16", "--rule", "w:ffn_up=mxfp4"),
    "apply --promote": ("apply", "q4.gguf", "-o", "promoted.gguf", "--rule", "w:ffn_up=mxfp4", "--promote", "f16"),
    "compare": ("compare", MODEL, "out.gguf"),
    "sites": ("sites", MODEL, *PLAIN, "--rule", "a:ffn_input=int8", "--rule", "w:ffn_up=mxfp4"),
    "eval": ("eval", MODEL, *MEASURED, "--chunks", 2),
    "eval, a rule": ("eval", MODEL, *PLAIN, *MEASURED, "--chunks", 2, "--rule", "a:ffn_norm=int4", "--rule", "w:ffn_up=mxfp4"),
    "eval, variants": ("eval", MODEL, *PLAIN, *MEASURED, "--chunks", 2, "--variant", "one=one.yaml", "--against", "q4.gguf"),
    "eval, texts": ("eval", MODEL, *PLAIN, *MEASURED, "-f", LICENSE, "--chunks", 2, "--rule", "a:ffn_norm=int4"),
    "generate": ("generate", MODEL, "-p", "Once", "-n", 16, "--threads", 1, "--rule", "a:ffn_norm=int2"),
    "bench": ("bench", MODEL, "--prompt-tokens", 16, "--decode-tokens", 4, "--repetitions", 6, "--threads", 1, "--rule", "a:ffn_norm=bf16",
              "--rule", "w:ffn_norm=bf16"),
    "calibrate": ("calibrate", MODEL, *MEASURED, "--chunks", 1, "-o", "ranges.json", "--channel-statistics", "--rule", "a:ffn_input=int8"),
    "calibrate, longer": ("calibrate", MODEL, *LONGER, "-o", "longer.json", "--rule", "a:ffn_input=int8"),
    "eval, ranges": ("eval", MODEL, *PLAIN, *LONGER, "--rule", "a:ffn_input=int8,range=static:longer.json"),
    "drift, ranges": ("drift", MODEL, *PLAIN, *LONGER, "--rule", "a:ffn_input=int8,range=static:longer.json"),
    "sweep, ranges": ("sweep", MODEL, *PLAIN, *LONGER, "--site", "a:ffn_input", "--format", "int8,range=static:longer.json", "-o", "ranges.db"),
    "calibrate --imatrix": ("calibrate", MODEL, *MEASURED, "--chunks", 1, "--imatrix", "importance.gguf"),
    "calibrate --hessian": ("calibrate", MODEL, *MEASURED, "--chunks", 1, "--hessian", "hessian.bin"),
    "calibrate --channels": ("calibrate", MODEL, *MEASURED, "--chunks", 1, "--channels", "channels.gguf"),
    "quantize": ("quantize", MODEL, "-o", "packed.gguf", "--type", "q4_0", "--rule", "w:attn_q=q8_0", "--imatrix", "importance.gguf"),
    "drift": ("drift", MODEL, *MEASURED, "--chunks", 1, "--rule", "a:ffn_norm@1=int4"),
    "drift --against": ("drift", MODEL, *MEASURED, "--chunks", 1, "--against", "q4.gguf"),
    "tasks": ("tasks", MODEL, "--winogrande", "winogrande.csv", "--threads", 1, "--rule", "a:ffn_norm=int4"),
    "sweep": (*SWEEP, "--chunks", 2, "-o", "study.db"),
    "sweep, weights": ("sweep", MODEL, *MEASURED, "--layers", "--chunks", 1, "--site", "w:ffn_down@0-1", "--format", "q4_k", "-o", "weights.db"),
    "sweep, native": ("sweep", MODEL, *PLAIN, *MEASURED, "--chunks", 1, "--site", "a:ffn_norm", "--format", "bf16", "-o", "native.db"),
    "sweep --precision": (*SWEEP, "--chunks", 3, "-o", "race.db", "--precision", "50%"),
    "sweep --predict": (*SWEEP, "--site", "w:ffn_down", "--format", "int8", "--chunks", 2, "-o", "predict.db", "--predict", "--budget", 3),
    "sweep --shard": (*SWEEP, "--chunks", 1, "-o", "shard.db", "--shard", "1/2"),
    "study merge": ("study", "merge", "all.db", "shard.db"),
    "study status": ("study", "status", "study.db", "shard.db"),
    "plan": ("plan", "study.db"),
    "plan --size": ("plan", "weights.db", "--size", "7.5MB"),
    "plan --refine": ("plan", "weights.db", "--size", "7.5MB", "--refine", 1, "--max-active-bpw", 16, "--threads", 1),
    "plan --fits-memory": ("plan", "weights.db", "--fits-memory", "30MB", "-c", 512),
    "plan --bytes-per-token": ("plan", "weights.db", "--bytes-per-token", "7.5MB"),
    "plan --bits": ("plan", "study.db", "--bits", 20),
    "plan, predictions": ("plan", "predict.db", "--bits", "w:9", "--bits", "a:20"),
    "plan --verify": ("plan", "study.db", "--bits", 20, "--verify", "--threads", 1),
    "inspect, rounded": ("inspect", "out.gguf"),
    "recipes": ("recipes",),
    "study show": ("study", "show", "study.db"),
    "study show --query": ("study", "show", "study.db", "--query", "SELECT site, layer, kld FROM figures"),
    "eval --dry-run": ("eval", MODEL, *MEASURED, "--dry-run", "--variant", "one=one.yaml", "--variant", "two=one.yaml"),
    "eval, an overflow": ("eval", *OVERFLOWING, "--rule", "a:in(attn_q)=int8"),
    "drift, an overflow": ("drift", *OVERFLOWING),
    "sweep, an overflow": ("sweep", *OVERFLOWING[:-2], "--site", "a:ffn_norm", "--format", "f16", "-o", "overflow.db"),
    "experiment": ("experiment", MODEL, *PLAIN, *MEASURED, "--chunks", 2, "-p", "Once", "-n", 8, "--repetitions", 6, "-o", "results"),
    "report": ("report", "predict.db", "-o", "study.html"),
    "report of a folder": ("report", "folder", "-o", "folder.html"),
}
# Fields that schemas describe, and that need files of other programs or architectures: tests/safetensors_test.py has `reason`,
# src/report and src/measure the shapes of nodes.
NOT_HERE = {"compare": {"reason"}, "drift": {"baseline", "variant"}}


def type_of(value):
    if value is None:
        return "null"
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def fields(value, path="", found=None):
    """Paths of a JSON value and of all that is in it, each with the types found there."""
    found = {} if found is None else found
    found.setdefault(path, set()).add(type_of(value))
    for name, part in value.items() if isinstance(value, dict) else ():
        fields(part, f"{path}.{name}", found)
    for part in value if isinstance(value, list) else ():
        fields(part, f"{path}[]", found)
    return found


def page_data(path):
    """The results that a page holds."""
    with open(path, encoding="utf-8") as file:
        return json.loads(re.search(r'<script type="?application/json"?[^>]*>(.*?)</script>', file.read(), re.S).group(1))


def run_in(folder, *arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments), "-q"], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(f"fakequant {' '.join(map(str, arguments))}: {done.returncode} {done.stderr}")


def all_results(folder):
    """Runs every command; returns what each wrote."""
    run_llama("llama-quantize", MODEL, os.path.join(folder, "q4.gguf"), "Q4_0")
    with open(os.path.join(folder, "one.yaml"), "w", encoding="utf-8") as file:
        file.write("rules:\n  - {activations: ffn_norm, format: int8}\n")
    with open(os.path.join(folder, "winogrande.csv"), "w", encoding="utf-8") as file:
        file.write("0,The dog saw the robot and the _ was happy to see it.,dog,cup,1\n")
    tiny_model.write(os.path.join(folder, "overflowing.gguf"), ffn_norm=1e5)
    tiny_model.write_text(os.path.join(folder, "text.txt"))
    os.mkdir(os.path.join(folder, "folder"))
    written = {}
    for name, arguments in COMMANDS.items():
        if name == "report of a folder":
            os.symlink(os.path.join(folder, "predict.db"), os.path.join(folder, "folder", "predict.db"))
            with open(os.path.join(folder, "folder", "damaged.json"), "w", encoding="utf-8") as file:
                file.write("{")
        run_in(folder, *arguments, "--json", "result.json")
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            written[name] = json.load(file)
    results = os.path.join(folder, "results")
    files = {f"experiment: {name}": os.path.join(results, name) for name in os.listdir(results) if name.endswith(".json")}
    files["calibrate -o"] = os.path.join(folder, "ranges.json")
    for name, path in files.items():
        with open(path, encoding="utf-8") as file:
            written[name] = json.load(file)
    written["report of a study"] = page_data(os.path.join(folder, "study.html"))
    written["page of a folder"] = page_data(os.path.join(folder, "folder.html"))
    written["report of an experiment"] = page_data(os.path.join(results, "report.html"))
    return written


class JsonFieldsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            cls.results = all_results(folder)

    def test_every_field_that_existed_still_does(self):
        with open(GOLDEN, encoding="utf-8") as file:
            golden = json.load(file)["commands"]
        found = {name: fields(value) for name, value in self.results.items()}
        missing = []
        for command, expected in golden.items():
            for path, types in expected.items():
                now = found.get(command, {}).get(path, set())
                # Where nothing but null was seen, the type is not known.
                if not now or (types != "null" and not now <= {*types.split("|"), "null"}):
                    missing.append(f"{command}: {path or '(all)'} was {types}, is {'|'.join(sorted(now)) or 'missing'}")
        self.assertEqual(missing, [])

    def test_every_result_is_as_its_schema_says(self):
        schemas = Schemas()
        for name, result in self.results.items():
            self.assertEqual(schemas.faults(result), [], f"{name}: {result['schema']}")

    def test_every_field_of_a_schema_is_in_a_result(self):
        schemas = Schemas()
        written = {}
        for result in self.results.values():
            written.setdefault(schemas.of(result)["$id"], set()).update(names_in(result))
        self.assertEqual(set(schemas.by_id) - set(written), {SHARED})
        for name, fields_written in written.items():
            described = schemas.described(schemas.by_id[name]) - NOT_HERE.get(name.split(".")[0], set())
            self.assertEqual(described - fields_written, set(), name)


def write():
    with tempfile.TemporaryDirectory() as folder:
        commands = {name: {path: "|".join(sorted(types)) for path, types in sorted(found.items())}
                    for name, found in sorted((name, fields(value)) for name, value in all_results(folder).items())}
    os.makedirs(os.path.dirname(GOLDEN), exist_ok=True)
    lines = [f'    {json.dumps(name)}: {{\n' + ",\n".join(f"      {json.dumps(path)}: {json.dumps(types)}" for path, types in found.items())
             + "\n    }" for name, found in commands.items()]
    with open(GOLDEN, "w", encoding="utf-8") as file:
        file.write(f'{{\n  "about": {json.dumps(HOW)},\n  "commands": {{\n' + ",\n".join(lines) + "\n  }\n}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
