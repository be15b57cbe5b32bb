"""Invalid input: one clear line, the right exit code, no partial file, and unchanged input."""

import json
import os
import subprocess
import unittest

import gguf
import numpy as np

from program import MODEL, NATIVE, PROGRAM, TEXT, ProgramTest, run, run_llama, without_rule_lines

WORK, USAGE = 1, 2


class ErrorsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        with open(MODEL, "rb") as file:
            self.model = file.read()

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def changed(self, key, number):
        """The demo model with another number under a key of type uint32."""
        at = self.model.index(key.encode()) + len(key) + 4
        return self.write(f"{key}.{number}.gguf", self.model[:at] + number.to_bytes(4, "little") + self.model[at + 4:])

    def test_models_that_are_none(self):
        missing = self.path("missing.gguf")
        text = self.write("text.gguf", b"This is no model.\n" * 10)
        truncated = self.write("truncated.gguf", self.model[: len(self.model) // 2])
        header = self.write("header.gguf", self.model[:1000])
        for command in (["inspect"], ["apply", "-o", self.path("out.gguf")], ["eval", "-f", TEXT],
                        ["generate", "-p", "What"], ["bench"], ["experiment", "-o", self.path("results"), "-f", TEXT]):
            self.refuse(WORK, "cannot open .*: No such file or directory", *command, missing)
            self.refuse(WORK, "not a GGUF file", *command, text)
            self.refuse(WORK, "'blk.3.attn_norm.weight' needs|truncated", *command, truncated)
            self.refuse(WORK, "truncated or damaged|claims to have", *command, header)
        self.refuse(WORK, "cannot open", "compare", MODEL, missing)
        self.refuse(WORK, "truncated", "compare", truncated, MODEL)
        self.refuse(WORK, "not a regular file", "inspect", self.folder)
        self.refuse(WORK, "is a GGUF file, and no text", "eval", MODEL, "-f", MODEL)
        self.assertEqual(sorted(os.listdir(self.folder)), ["header.gguf", "text.gguf", "truncated.gguf"])

    def test_files_of_another_kind_are_named(self):
        """A file of another kind is named in place of what the right kind would have, with what to do about it."""
        pointer = self.write("pointer.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4976698672\n")
        said = "pointer.[a-z]+ is a Git LFS pointer, not the file itself: run `git lfs pull`"
        for command in (["inspect", pointer], ["sites", pointer], ["eval", pointer, "-f", TEXT], ["eval", MODEL, "-f", pointer],
                        ["eval", MODEL, "-f", TEXT, "--recipe", pointer], ["generate", MODEL, "--prompt-file", pointer],
                        ["eval", MODEL, "-f", TEXT, "--rule", f"w:ffn_up=q3_k,imatrix={pointer}"],
                        ["eval", MODEL, "-f", TEXT, "--rule", f"a:ffn_norm=int8,range=static:{pointer}"],
                        ["compare", MODEL, pointer], ["compare", pointer, MODEL], ["plan", pointer]):
            self.refuse(WORK, said, *command)
        os.rename(pointer, self.path("pointer.safetensors"))
        self.refuse(WORK, said, "compare", MODEL, self.path("pointer.safetensors"))
        safetensors = b'{"__metadata__": {}}'
        for content, kind in ((b"PK\x03\x04\0\0\x08\x08", "a zip archive, as PyTorch writes checkpoints: .*convert_hf_to_gguf.py"),
                              (b"\x80\x02\x8a\nl\xfc\x9c", "a pickle of Python, as PyTorch writes checkpoints"),
                              (b"tjgg\x03\0\0\0", "a GGML file, older than GGUF: .*convert_llama_ggml_to_gguf.py"),
                              (b"\n<!DOCTYPE html><html>", "an HTML page, not the file itself"),
                              (len(safetensors).to_bytes(8, "little") + safetensors, "a safetensors file: .*convert_hf_to_gguf.py"),
                              (b"\x1f\x8b\x08\0", "a compressed file: unpack it")):
            other = self.write("other.gguf", content)
            self.refuse(WORK, f"other.gguf is {kind}", "inspect", other)
            if b"metadata" not in content:
                self.refuse(WORK, f"other.safetensors is {kind}", "compare", MODEL, self.write("other.safetensors", content))
        self.refuse(WORK, "model.safetensors is a GGUF file", "compare", MODEL, self.write("model.safetensors", self.model))
        self.assertEqual(run("eval", MODEL, "-f", self.write("page.txt", b"<html>" + b"Once upon a time. " * 200), "--ctx-size", 64,
                             "--chunks", 2).returncode, 0)  # a page is a text

    def test_models_whose_header_lies(self):
        for number in (0, 7, 100000, 2**32 - 1):
            model = self.changed("llama.block_count", number)
            self.refuse(WORK, f"llama.block_count is {number}, and its tensors belong to 6 layers", "eval", model, "-f", TEXT)
            self.refuse(WORK, "block_count", "generate", model, "-p", "What")
            self.refuse(WORK, "block_count", "bench", model)
        for number in (0, 2**31, 2**32 - 1):
            model = self.changed("llama.context_length", number)
            self.refuse(WORK, "damaged: it says it was trained for a context of", "eval", model, "-f", TEXT)
        self.refuse(WORK, "llama.cpp cannot load", "eval", self.changed("llama.block_count", 5), "-f", TEXT)
        self.refuse(WORK, "llama.cpp cannot load", "eval", self.changed("llama.embedding_length", 128), "-f", TEXT)
        self.refuse(WORK, "llama.cpp", "eval", self.changed("llama.attention.head_count", 0), "-f", TEXT)

    def test_shows_no_control_characters_of_names(self):
        self.refuse(WORK, "cannot open /\ufffd31mred\ufffdtxt.gguf\ufffd: No such file", "inspect", "/\u009b31mred\u202etxt.gguf\u200b")
        self.refuse(WORK, "cannot open /a b", "inspect", "/a\nb")

    def test_texts(self):
        self.refuse(WORK, "cannot read .*: No such file", "eval", MODEL, "-f", self.path("missing.txt"))
        self.refuse(WORK, "cannot read .*: Is a directory", "eval", MODEL, "-f", self.folder)
        self.refuse(WORK, "is empty", "eval", MODEL, "-f", self.write("empty.txt", b""))
        self.refuse(WORK, r"has \d+ tokens, and two contexts of 256 are needed", "eval", MODEL, "-f", self.write("short.txt", b"Hello. " * 50))
        self.refuse(WORK, "prompt is empty", "generate", MODEL, "-p", "")
        self.refuse(WORK, "fill the context", "generate", MODEL, "-p", "word " * 400)
        self.refuse(WORK, "holds no prompts", "generate", MODEL, "--prompt-file", self.write("none.txt", b"\n\n"))

    def test_formats_rules_and_layers(self):
        for command in (["eval", MODEL, "-f", TEXT], ["generate", MODEL, "-p", "What"], ["bench", MODEL]):
            self.refuse(USAGE, "unknown format 'bf17': the formats are f16 bf16", *command, "--rule", "a:ffn_norm=bf17")
            self.refuse(USAGE, "unknown format 'nothing'", *command, "--fake-quant-ffn-norm", "nothing")
            self.refuse(USAGE, "layers 0 to 5", *command, "--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", 6)
            self.refuse(USAGE, "layers 0 to 5", *command, "--rule", "w:ffn_norm@0-6=bf16")
            self.refuse(USAGE, "not in range", *command, "--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", -2)
            self.refuse(USAGE, "add --fake-quant-ffn-norm", *command, "--fake-quant-layer", 1)
            self.refuse(USAGE, "matches no activation of this model: the nearest are ffn_norm,", *command, "--rule", "a:fnn_norm=bf16")
            self.refuse(USAGE, "matches no weight of this model: the nearest are ffn_norm,", *command, "--rule", "w:fnn_norm=bf16")
            self.refuse(USAGE, "names no format", *command, "--rule", "a:ffn_norm")
            self.refuse(USAGE, "round= takes nearest, away, zero, up, down or stochastic", *command, "--rule", "a:ffn_norm=bf16,round=north")
            self.refuse(USAGE, r"recipe.yaml:1:1: ", *command, "--recipe", self.write("recipe.yaml", b"nothing: here\n"))
            self.refuse(WORK, "cannot read the recipe", *command, "--recipe", self.path("missing.yaml"))

    def test_outputs(self):
        self.refuse(USAGE, "is the model itself", "apply", self.write("model.gguf", self.model), "-o", self.path("model.gguf"))
        os.symlink("model.gguf", self.path("link.gguf"))
        self.refuse(USAGE, "is the model itself", "apply", self.path("model.gguf"), "-o", self.path("link.gguf"))
        os.link(self.path("model.gguf"), self.path("hard.gguf"))
        self.refuse(USAGE, "is the model itself", "apply", self.path("model.gguf"), "-o", self.path("hard.gguf"))
        self.refuse(WORK, "No such file or directory", "apply", MODEL, "-o", self.path("no/folder/out.gguf"))
        os.mkfifo(self.path("pipe"))
        for target in ("/dev/null", "/dev/stdout", "/dev/fd/1", self.path("pipe")):
            self.refuse(USAGE, "cannot write a model to .*: name a file", "apply", MODEL, "-o", target)
        os.remove(self.path("pipe"))
        self.refuse(USAGE, "the output has no name", "apply", MODEL, "-o", "")
        self.refuse(WORK, "it is a folder", "apply", MODEL, "-o", self.folder)
        self.refuse(USAGE, "which no file holds", "apply", MODEL, "-o", self.path("out.gguf"), "--rule", "a:ffn_norm=bf16")
        self.refuse(WORK, "cannot make the folder", "experiment", MODEL, "-o", self.path("model.gguf"), "-f", TEXT)
        self.refuse(WORK, "No such file", "inspect", MODEL, "--json", self.path("no/folder/out.json"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["hard.gguf", "link.gguf", "model.gguf"])
        with open(self.path("model.gguf"), "rb") as file:
            self.assertEqual(file.read(), self.model)

    def test_no_input_is_written_to(self):
        recipe = self.write("recipe.yaml", b"rules:\n  - weights: ffn_norm\n    format: bf16\n")
        self.refuse(USAGE, "is also an input", "apply", MODEL, "-o", recipe, "--recipe", recipe)
        model = self.write("model.gguf", self.model)
        self.refuse(USAGE, "only read", "inspect", model, "--json", model)
        text = self.write("text.txt", b"Once upon a time. " * 200)
        self.refuse(USAGE, "only read", "eval", MODEL, "-f", text, "--json", text)
        for path, content in ((model, self.model), (text, b"Once upon a time. " * 200)):
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content)

    def test_two_outputs_are_two_files(self):
        out = self.path("out")
        self.refuse(USAGE, "name two files", "apply", MODEL, "-o", out, "--json", out)
        self.refuse(USAGE, "name two files", "apply", MODEL, "-o", out, "--json", self.path("./out"))
        self.refuse(USAGE, "the experiment's own files", "experiment", MODEL, "-o", out, "-f", TEXT, "--json", f"{out}/report.md")

    def test_an_experiment_that_cannot_begin_leaves_earlier_results(self):
        os.mkdir(self.path("results"))
        report = self.write("results/report.md", b"an earlier report")
        for wrong in (["-f", TEXT, "--rule", "w:nothing=bf16"], ["-f", report], ["-f", self.path("missing.txt")]):
            done = run("experiment", MODEL, "-o", self.path("results"), *wrong)
            self.assertIn(done.returncode, (WORK, USAGE))
            self.assertEqual(os.listdir(self.path("results")), ["report.md"])

    def test_streams_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, "inspect", "missing.gguf"], stderr=full, check=False)
            self.assertEqual(done.returncode, WORK)
            done = subprocess.run([PROGRAM, "inspect", MODEL], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                  env={**os.environ, "TMPDIR": self.folder})
            self.assertEqual(done.returncode, WORK)
            self.assertEqual(done.stderr.count("\n"), 1)
        out = self.path("out.json")
        done = subprocess.run(["bash", "-c", f"exec {PROGRAM} inspect {MODEL} --json {out} <&- >&- 2>&-"], check=False)
        with open(out, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["schema"], "fakequant.inspect/1")

    def test_pipes_are_no_models(self):
        os.mkfifo(self.path("pipe"))
        self.refuse(WORK, "not a regular file", "inspect", self.path("pipe"))

    def test_weights_that_are_not_numbers(self):
        broken = bytearray(self.model)
        reader = gguf.GGUFReader(MODEL)
        norm = next(t for t in reader.tensors if t.name == "blk.0.ffn_norm.weight")
        broken[norm.data_offset : norm.data_offset + 4] = np.float32(np.nan).tobytes()
        model = self.write("nan.gguf", bytes(broken))
        self.refuse(WORK, "logit of the baseline is not a number: chunk 0, token 12[78]", "eval", model, "-f", TEXT)
        variant = self.measure("eval", MODEL, "-f", TEXT, "--chunks", 1, "--against", model)["variants"][0]
        self.assertEqual((variant["overflow"]["chunk"], variant["kld"]["mean"]), (0, None))
        self.assertIn(variant["overflow"]["token"], (127, 128))
        self.refuse(WORK, "logit is not a number", "generate", model, "-p", "What")

    def test_an_unwritable_folder(self):
        # Root can write to every folder that can hold files.
        folder = "/proc" if os.getuid() == 0 else self.path("closed")
        if os.getuid() != 0:
            os.mkdir(folder, mode=0o500)
        self.refuse(WORK, f"cannot write {folder}/out.gguf: ", "apply", MODEL, "-o", f"{folder}/out.gguf")
        self.refuse(WORK, f"cannot make the folder {folder}/results: ", "experiment", MODEL, "-o", f"{folder}/results", "-f", TEXT)

    def test_a_full_disk(self):
        # A limit on file sizes stands in for a full disk.
        limited = f"ulimit -f 1000; trap '' XFSZ; exec {PROGRAM} apply {MODEL} -o {self.path('out.gguf')}"
        done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (WORK, ""))
        self.assertRegex(without_rule_lines(done.stderr), r"^fakequant: cannot write .*out.gguf: File too large\n$")
        self.assertEqual(os.listdir(self.folder), [])

    def test_quantized_weights_are_not_rounded_in_place(self):
        quantized = self.path("q8.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q8_0")
        rule = ["--rule", "w:ffn_up=bf16"]
        offer = r"stored as Q8_0: promote it to a wider type, such as f16, or requantize it to Q8_0"
        self.refuse(USAGE, offer, "apply", quantized, "-o", self.path("out.gguf"), *rule)
        self.refuse(USAGE, offer, "eval", quantized, "-f", TEXT, *NATIVE, *rule)
        self.refuse(USAGE, "take f32, f16 or bf16", "apply", quantized, "-o", self.path("out.gguf"), "--promote", "q8_0")
        self.refuse(USAGE, "take one", "apply", quantized, "-o", self.path("out.gguf"), "--promote", "f16", "--requantize")
        self.refuse(USAGE, "no tensor of .* matches 'blk.7.*': its first is token_embd", "inspect", MODEL, "--select", "blk.7.*")

    def test_commands_and_options(self):
        self.refuse(USAGE, "unknown command 'evil': the commands are inspect apply quantize compare", "evil")
        self.refuse(USAGE, "fakequant --help")
        self.refuse(USAGE, "MODEL is required: see fakequant eval --help", "eval")
        self.refuse(USAGE, "--file is required", "eval", MODEL)
        self.refuse(USAGE, "--threads", "inspect", MODEL, "--threads", 0)
        self.refuse(USAGE, "unknown argument '--no-such-option': see fakequant inspect", "inspect", MODEL, "--no-such-option")
        self.refuse(USAGE, "not a number", "generate", MODEL, "-p", "What", "--temp", "nan")
        self.refuse(USAGE, "not in range", "generate", MODEL, "-p", "What", "--seed", 2**32 - 1)
        self.refuse(USAGE, "not in range", "bench", MODEL, "--repetitions", 5)
        self.refuse(USAGE, "is longer than the 256 that", "eval", MODEL, "-f", TEXT, "--ctx-size", 257)
        self.refuse(USAGE, "do not fit the 256", "bench", MODEL, "--prompt-tokens", 250, "--decode-tokens", 7)

    def test_every_command_has_help_with_an_example(self):
        for command in ("inspect", "apply", "compare", "eval", "generate", "bench", "experiment"):
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Example: fakequant {command} ", done.stdout)
            self.assertIn(f"  {command} ", run("--help").stdout)


if __name__ == "__main__":
    unittest.main()
