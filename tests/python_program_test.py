"""The functions of the Python package that run the program: they give the figures of its JSON."""

import contextlib
import dataclasses
import glob
import importlib.util
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unittest
from unittest import mock

import gguf
import numpy as np

from program import MODEL, PROGRAM, SOURCE, TEXT, ProgramTest

os.environ["FAKEQUANT_PROGRAM"] = PROGRAM
sys.path.insert(0, os.path.join(SOURCE, "python"))
import fakequant as fq  # noqa: E402  (the library is named in FAKEQUANT_LIBRARY)
from fakequant import _program  # noqa: E402

FEW = {"ctx_size": 64, "chunks": 1, "threads": 1}
AS_OPTIONS = ("--ctx-size", 64, "--chunks", 1, "--threads", 1)
HAS_PANDAS = importlib.util.find_spec("pandas") is not None
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


class PythonProgramTest(ProgramTest):
    def assert_same(self, result, expected, *but):
        """A result has every figure of the JSON, under the same names."""
        given = json.loads(json.dumps(dataclasses.asdict(result)))

        def check(ours, theirs, path):
            if isinstance(theirs, dict):
                for name in theirs:
                    if (path + name) not in ("command", "study", *but):
                        self.assertIn(name, ours, path)
                        check(ours[name], theirs[name], f"{path}{name}.")
            elif isinstance(theirs, list):
                self.assertEqual(len(ours), len(theirs), path)
                for our, their in zip(ours, theirs):
                    check(our, their, path)
            else:
                self.assertEqual(ours, theirs, path)
        check(given, expected, "")

    def refuse_call(self, kind, pattern, function, *arguments, **options):
        with self.assertRaisesRegex(kind, pattern) as caught:
            function(*arguments, **options)
        self.assertNotIn("\n", str(caught.exception))

    def test_evaluate_gives_the_figures_of_eval(self):
        recipe = self.path("w4.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - {weights: ffn_up, format: int4}\n  - a:ffn_norm@0=bf16\n")
        expected = self.measure("eval", MODEL, "-f", TEXT, "--variant", f"w4={recipe}", "--variant", "g=@vllm/w4a16-g128",
                                *AS_OPTIONS)
        as_text = fq.evaluate(MODEL, TEXT, {"w4": ["w:ffn_up=int4", "a:ffn_norm@0=bf16"], "g": "@vllm/w4a16-g128"}, **FEW)
        self.assert_same(as_text, expected)
        self.assertEqual([variant.recipe for variant in as_text.variants][0], "w:ffn_up=int4 a:ffn_norm@0=bf16")
        self.assertGreater(as_text.variants[0].kld.mean, 0)
        self.assertEqual(as_text.rows()[1]["kld.mean"], expected["variants"][1]["kld"]["mean"])
        (chunk,) = (row for row in as_text.rows("variants.chunks") if row["variants.name"] == "w4")
        self.assertEqual(chunk["ppl"], expected["variants"][0]["chunks"][0]["ppl"])
        self.assertEqual({row["variant"] for row in as_text.rows("weights")}, {"w4", "g"})
        self.refuse_call(ValueError, "there are no rows 'chunks'", as_text.rows, "chunks")
        as_file = fq.evaluate(MODEL, TEXT, {"w4": recipe, "d": {"weights": "ffn_up", "format": "int4"},
                                            "e": {"rules": ["w:ffn_up=int4"], "except": "w:ffn_up@0"}}, **FEW)
        self.assertEqual(as_file.variants[0], as_text.variants[0])
        self.assertEqual([variant.recipe for variant in as_file.variants[1:]],
                         ["w:ffn_up=int4", "w:ffn_up@except:ffn_up@0=int4"])

    def test_a_text_may_be_given_itself(self):
        with open(TEXT, encoding="utf-8", newline="") as file:
            text = file.read(6000)
        ours = fq.evaluate(MODEL, text, "a:ffn_input=int4", **FEW)
        theirs = fq.evaluate(MODEL, TEXT, "a:ffn_input=int4", **FEW)
        self.assertEqual(ours.baseline, theirs.baseline)
        self.assertEqual([(variant.name, variant.kld) for variant in ours.variants], [("variant", theirs.variants[0].kld)])
        self.refuse_call(RuntimeError, "^the text given has 6 tokens", fq.evaluate, MODEL, "too\nfew", **FEW)

    def test_sweep_plan_and_study(self):
        path = self.path("s.db")
        sweep = fq.sweep(MODEL, TEXT, path, ["a:ffn_input@0-1", "w:ffn_up@5"], ["int4", "int8", "f16"],
                         layers=True, **FEW)
        shown = self.measure("study", "show", path)
        self.assert_same(sweep, shown, "backends", "measured", "passes", "seconds", "threads", "variants.chunks_found")
        self.assertEqual(len(sweep.variants), 9)
        study = fq.Study(path)
        rows = {row["recipe"]: row for row in study.variants()}
        for variant in sweep.variants:
            self.assertEqual(rows[variant.recipe]["kld"], variant.kld.mean)
        self.assertEqual(os.listdir(self.folder), ["s.db"])
        plan = fq.plan(study, bits=["w:5", "a:9"], keep="a:ffn_input@0=int4", output=self.path("plan.yaml"))
        self.assert_same(plan, self.measure("plan", path, "--bits", "w:5", "--bits", "a:9", "--keep", "a:ffn_input@0=int4"))
        self.assertEqual(plan.chosen.rules, ["w:ffn_up@5=int4", "a:ffn_input@0=int4", "a:ffn_input@1=int8"])
        self.assertEqual([row["format"] for row in plan.rows("chosen.assignments")].count("int4"), 2)
        self.assertTrue(os.path.exists(self.path("plan.yaml")))
        self.refuse_call(ValueError, "bits", fq.plan, study, bits="many")
        self.refuse_call(ValueError, "the study has no site 'w:x': it has a:ffn_input", study.heatmap, "w:x")
        self.refuse_call(ValueError, "there is no figure 'x': the columns are recipe", study.heatmap, figure="x")
        self.refuse_call(ValueError, "no figure is above 0", study.heatmap, "w:ffn_up", "f16")
        for missing, call in (("pandas", study.frame), ("pandas", sweep.frame), ("matplotlib", study.heatmap)):
            with mock.patch.dict(sys.modules, {missing: None}):
                self.refuse_call(ImportError, f"needs {missing}: pip install {missing}", call)
        if HAS_PANDAS:
            self.assertEqual(list(study.frame()["kld"]), [row["kld"] for row in study.variants()])
            self.assertEqual(list(sweep.frame()["kld.mean"]), [variant.kld.mean for variant in sweep.variants])
        if HAS_MATPLOTLIB:
            import matplotlib
            matplotlib.use("agg")
            axes = study.heatmap("a:ffn_input", "int4")
            self.assertEqual([label.get_text() for label in axes.get_yticklabels()], ["a:ffn_input=int4"])
            self.assertEqual(axes.images[0].get_array()[0, 0], rows["a:ffn_input@0=int4"]["kld"])

    def test_studies_of_others(self):
        self.refuse_call(FileNotFoundError, "there is no study", fq.Study, self.path("none.db"))
        self.refuse_call(ValueError, "is no study of fakequant", fq.Study, TEXT)
        path = self.path("other.db")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE x (y)")
        self.refuse_call(ValueError, "is no study of fakequant", fq.Study, path)
        old = shutil.copy(os.path.join(SOURCE, "tests", "golden", "study-v1-measured.db"), self.path("a ?#%.db"))
        self.assertGreater(fq.Study(old).variants()[0]["kld"], 0)
        with contextlib.closing(sqlite3.connect(old)) as connection:  # a study in which a sweep writes
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("UPDATE scores SET kld = 2 * predictions")
            connection.commit()
            self.assertEqual(fq.Study(old).variants()[0]["kld"], 2)

    def test_inspect_calibrate_and_generate(self):
        self.assert_same(fq.inspect(MODEL, select="*norm*"), self.measure("inspect", MODEL, "--select", "*norm*"))
        ranges = self.path("r.json")
        ours = fq.calibrate(MODEL, TEXT, ranges, rule="a:ffn_input=int8", **FEW)
        with open(ranges, encoding="utf-8") as file:
            self.assert_same(ours, json.load(file))
        self.assertEqual(fq.calibrate(MODEL, TEXT, rule="a:ffn_input=int8", **FEW).rows(), ours.rows())
        static = fq.evaluate(MODEL, TEXT, f"a:ffn_input=int8,range=static:{ranges}", **FEW)
        self.assertGreater(static.variants[0].kld.mean, 0)
        prompts = ["Once\\n", "-x"]
        ours = fq.generate(MODEL, prompts, {"w2": "w:matrices=int2"}, max_tokens=3, threads=1)
        self.assertEqual([row["prompts.prompt"] for row in ours.rows()], prompts)
        theirs = self.measure("generate", MODEL, *(f"--prompt={prompt}" for prompt in prompts), "--no-escape", "-n", 3,
                              "--threads", 1, "--rule", "w:matrices=int2")
        self.assertEqual([prompt.variants[0].text for prompt in ours.prompts],
                         [prompt["variants"][0]["text"] for prompt in theirs["prompts"]])

    def test_activations_are_rounded_as_the_program_rounds_them(self):
        # The norm of the first layer depends on the token alone: a text of one token gives two rows, of BOS and of it. Their
        # values are exact in the ranges of the channels; which is whose follows from the embeddings.
        reader = gguf.GGUFReader(MODEL)
        tensors = {tensor.name: tensor.data.astype(np.float64) for tensor in reader.tensors
                   if tensor.name in ("token_embd.weight", "blk.0.attn_norm.weight")}
        rows = tensors["token_embd.weight"]
        epsilon = reader.fields["llama.attention.layer_norm_rms_epsilon"].contents()
        rows = rows / np.sqrt((rows ** 2).mean(axis=1, keepdims=True) + epsilon) * tensors["blk.0.attn_norm.weight"]
        four = {"ctx_size": 4, "chunks": 1, "threads": 1}
        (site,) = fq.calibrate(MODEL, "Z" * 100 + "\n", rule="a:in(attn_q)@0=int8", **four).sites
        low, high = (np.array(site.channels[name], np.float32) for name in ("min", "max"))
        bos = rows[reader.fields["tokenizer.ggml.bos_token_id"].contents()]
        error = np.abs(np.minimum(rows, bos) - low).max(axis=1) + np.abs(np.maximum(rows, bos) - high).max(axis=1)
        self.assertLess(error.min(), 1e-5)
        tokens = np.stack([bos, *[rows[error.argmin()]] * 3])
        x = np.where(np.abs(tokens - low) < np.abs(tokens - high), low, high)
        for text in ("nvfp4", "int8", "nvfp4,rotate=hadamard", "e4m3,round=stochastic"):
            change = fq.round(x, text, activation=True, site="attn_norm-0").astype(np.float64) - x
            (rounded,) = fq.evaluate(MODEL, "Z" * 100 + "\n", f"a:in(attn_q)@0={text}", **four).sites
            self.assertEqual((rounded.rows, rounded.absmax), (4, np.abs(x).max()))
            self.assertEqual((rounded.changed, rounded.max_abs), (np.count_nonzero(change), np.abs(change).max()), text)
            self.assertAlmostEqual(rounded.rmse, np.sqrt((change ** 2).mean()), delta=1e-8 * rounded.rmse)

    def test_refusals_are_the_line_of_the_program(self):
        self.refuse_call(ValueError, "^variant x:1:12: format int99 is out of range",
                         fq.evaluate, MODEL, TEXT, {"x": "w:ffn_up=int99"})
        self.refuse_call(ValueError, "^unknown argument '--chunk=1'", fq.evaluate, MODEL, TEXT, chunk=1)
        self.refuse_call(ValueError, "its name may have no '='", fq.evaluate, MODEL, TEXT, {"a=b": "w:ffn_up=int8"})
        self.refuse_call(RuntimeError, "^cannot read none.txt: No such file", fq.evaluate, MODEL, "none.txt")
        self.refuse_call(RuntimeError, "holds for 1 of 1",
                         fq.evaluate, MODEL, TEXT, "w:ffn_up=int4", fail_if="kld.mean>0", **FEW)
        self.refuse_call(ValueError, "is read from 'fakequant.plan/1'",
                         fq.results.Plan.from_json, {"schema": "fakequant.eval/1"})
        with mock.patch.dict(os.environ, {"FAKEQUANT_PROGRAM": self.path("none")}):
            self.refuse_call(FileNotFoundError, "FAKEQUANT_PROGRAM names", fq.inspect, MODEL)
        self.assertEqual(glob.glob(os.path.join(self.folder, "*")), [])

    def test_the_program_is_found(self):
        with mock.patch.dict(os.environ, {"PATH": os.path.dirname(PROGRAM)}):
            del os.environ["FAKEQUANT_PROGRAM"]
            with mock.patch.object(_program.library, "_name", "libfakequant_formats.so"):
                self.assertEqual(_program.program(), PROGRAM)
            os.environ["PATH"] = ""
            bin_of = os.path.join(self.folder, "bin")
            os.makedirs(bin_of)
            os.symlink(PROGRAM, os.path.join(bin_of, "fakequant"))
            with mock.patch.object(_program.library, "_name", os.path.join(self.folder, "lib", "libfakequant_formats.so")):
                os.makedirs(os.path.join(self.folder, "lib"))
                self.assertEqual(os.path.realpath(_program.program()), os.path.realpath(PROGRAM))
            with mock.patch.object(_program.library, "_name", "libfakequant_formats.so"):
                self.refuse_call(FileNotFoundError, "is not on the PATH", _program.program)

    @unittest.skipUnless(importlib.util.find_spec("tqdm"), "tqdm is not installed")
    def test_progress_is_shown_as_a_bar(self):
        teller = self.path("teller")  # says how far it is, as the program does on a terminal after a second
        with open(teller, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n[ -t 2 ] || exit 1\nprintf '\\r\\033[Keval: 7 %%, 12 s left; [1]\\r\\033[K' >&2\n"
                       f"exec {PROGRAM} \"$@\"\n")
        os.chmod(teller, 0o755)
        said = io.StringIO()
        with mock.patch.dict(os.environ, {"FAKEQUANT_PROGRAM": teller}), contextlib.redirect_stderr(said):
            fq.evaluate(MODEL, TEXT, progress=True, **FEW)
            self.refuse_call(ValueError, "^unknown argument", fq.inspect, MODEL, nothing=1, progress=True)
        self.assertIn("eval:   7 %|", said.getvalue())
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            fq.evaluate(MODEL, TEXT, **FEW)
        self.assertEqual(said.getvalue(), "")

    def test_ctrl_c_ends_the_program(self):
        pid, script = self.path("pid"), self.path("program")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\necho $$ >{pid}.new\nmv {pid}.new {pid}\nexec {PROGRAM} "$@"\n')
        os.chmod(script, 0o755)
        code = f"import fakequant as fq\ntry: fq.evaluate({MODEL!r}, {TEXT!r}, 'a:in(*)=int4', threads=1)\n" \
               "except KeyboardInterrupt: print('stopped')\n"
        python_path = os.pathsep.join([os.path.join(SOURCE, "python"), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "FAKEQUANT_PROGRAM": script, "PYTHONPATH": python_path})
        while not os.path.exists(pid):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=60)[0], "stopped\n")
        with open(pid, encoding="utf-8") as file:
            child = int(file.read())
        with self.assertRaises(ProcessLookupError):
            os.kill(child, 0)


if __name__ == "__main__":
    unittest.main()
