"""What is wrong with the input: one clear line, the right exit code, no partial file, the input as it was."""

import os
import subprocess
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, run

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
            self.refuse(WORK, "no GGUF file", *command, text)
            self.refuse(WORK, "'blk.3.attn_norm.weight' needs|truncated", *command, truncated)
            self.refuse(WORK, "truncated or damaged|says it has", *command, header)
        self.refuse(WORK, "cannot open", "compare", MODEL, missing)
        self.refuse(WORK, "truncated", "compare", truncated, MODEL)
        self.refuse(WORK, "no regular file", "inspect", self.folder)
        self.assertEqual(sorted(os.listdir(self.folder)), ["header.gguf", "text.gguf", "truncated.gguf"])

    def test_models_whose_header_lies(self):
        for number in (0, 7, 100000, 2**32 - 1):
            model = self.changed("llama.block_count", number)
            self.refuse(WORK, f"llama.block_count is {number}, and its tensors belong to 6 layers", "eval", model, "-f", TEXT)
            self.refuse(WORK, "block_count", "generate", model, "-p", "What")
            self.refuse(WORK, "block_count", "bench", model)
        self.refuse(WORK, "llama.cpp cannot load", "eval", self.changed("llama.block_count", 5), "-f", TEXT)
        self.refuse(WORK, "llama.cpp cannot load", "eval", self.changed("llama.embedding_length", 128), "-f", TEXT)
        self.refuse(WORK, "llama.cpp", "eval", self.changed("llama.attention.head_count", 0), "-f", TEXT)

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
            self.refuse(USAGE, "unknown format 'bf17': the formats are bf16", *command, "--rule", "a:ffn_norm=bf17")
            self.refuse(USAGE, "unknown format 'nothing'", *command, "--fake-quant-ffn-norm", "nothing")
            self.refuse(USAGE, "layers 0 to 5", *command, "--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", 6)
            self.refuse(USAGE, "layers 0 to 5", *command, "--rule", "w:ffn_norm@0-6=bf16")
            self.refuse(USAGE, "not in range", *command, "--fake-quant-ffn-norm", "bf16", "--fake-quant-layer", -2)
            self.refuse(USAGE, "add --fake-quant-ffn-norm", *command, "--fake-quant-layer", 1)
            self.refuse(USAGE, "matches no activation of this model: the nearest are ffn_norm,", *command, "--rule", "a:fnn_norm=bf16")
            self.refuse(USAGE, "matches no weight of this model: the nearest are ffn_norm,", *command, "--rule", "w:fnn_norm=bf16")
            self.refuse(USAGE, "names no format", *command, "--rule", "a:ffn_norm")
            self.refuse(USAGE, "round= takes nearest or zero", *command, "--rule", "a:ffn_norm=bf16,round=north")
            self.refuse(USAGE, r"recipe.yaml:1:1: ", *command, "--recipe", self.write("recipe.yaml", b"nothing: here\n"))
            self.refuse(WORK, "cannot read the recipe", *command, "--recipe", self.path("missing.yaml"))

    def test_outputs(self):
        self.refuse(USAGE, "is the model itself", "apply", self.write("model.gguf", self.model), "-o", self.path("model.gguf"))
        os.symlink("model.gguf", self.path("link.gguf"))
        self.refuse(USAGE, "is the model itself", "apply", self.path("model.gguf"), "-o", self.path("link.gguf"))
        os.link(self.path("model.gguf"), self.path("hard.gguf"))
        self.refuse(USAGE, "is the model itself", "apply", self.path("model.gguf"), "-o", self.path("hard.gguf"))
        self.refuse(WORK, "No such file or directory", "apply", MODEL, "-o", self.path("no/folder/out.gguf"))
        self.refuse(WORK, "it is a folder", "apply", MODEL, "-o", self.folder)
        self.refuse(USAGE, "which no file holds", "apply", MODEL, "-o", self.path("out.gguf"), "--rule", "a:ffn_norm=bf16")
        self.refuse(WORK, "cannot make the folder", "experiment", MODEL, "-o", self.path("model.gguf"), "-f", TEXT)
        self.refuse(WORK, "No such file", "inspect", MODEL, "--json", self.path("no/folder/out.json"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["hard.gguf", "link.gguf", "model.gguf"])
        with open(self.path("model.gguf"), "rb") as file:
            self.assertEqual(file.read(), self.model)

    def test_an_unwritable_folder(self):
        # To root no folder is unwritable but those that take no files at all.
        folder = "/proc" if os.getuid() == 0 else self.path("closed")
        if os.getuid() != 0:
            os.mkdir(folder, mode=0o500)
        self.refuse(WORK, f"cannot write {folder}/out.gguf: ", "apply", MODEL, "-o", f"{folder}/out.gguf")
        self.refuse(WORK, f"cannot make the folder {folder}/results: ", "experiment", MODEL, "-o", f"{folder}/results", "-f", TEXT)

    def test_a_full_disk(self):
        # A limit on the size of files stands for it.
        limited = f"ulimit -f 1000; trap '' XFSZ; exec {PROGRAM} apply {MODEL} -o {self.path('out.gguf')}"
        done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (WORK, ""))
        self.assertRegex(done.stderr, r"^fakequant: cannot write .*out.gguf: File too large\n$")
        self.assertEqual(os.listdir(self.folder), [])

    def test_quantized_weights_are_not_rounded_in_place(self):
        self.refuse(USAGE, "unknown format", "apply", MODEL, "-o", self.path("out.gguf"), "--rule", "w:*=q8_0")

    def test_commands_and_options(self):
        self.refuse(USAGE, "unknown command 'evil': the commands are inspect apply compare", "evil")
        self.refuse(USAGE, "fakequant --help")
        self.refuse(USAGE, "MODEL is required: see fakequant eval --help", "eval")
        self.refuse(USAGE, "--file is required", "eval", MODEL)
        self.refuse(USAGE, "--threads", "inspect", MODEL, "--threads", 0)
        self.refuse(USAGE, "--no-such-option", "inspect", MODEL, "--no-such-option")
        self.refuse(USAGE, "is longer than the 256 that", "eval", MODEL, "-f", TEXT, "--ctx-size", 257)
        self.refuse(USAGE, "do not fit the 256", "bench", MODEL, "--prompt-tokens", 250)

    def test_every_command_has_help_with_an_example(self):
        for command in ("inspect", "apply", "compare", "eval", "generate", "bench", "experiment"):
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Example: fakequant {command} ", done.stdout)
            self.assertIn(f"  {command} ", run("--help").stdout)


if __name__ == "__main__":
    unittest.main()
