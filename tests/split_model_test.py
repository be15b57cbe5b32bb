"""Models in several files: read, rounded, compared and run as one model."""

import fcntl
import hashlib
import os
import subprocess
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, run, run_llama

WORK, USAGE = 1, 2


def contents(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class SplitModelTest(ProgramTest):
    def setUp(self):
        super().setUp()
        run_llama("llama-gguf-split", "--split", "--split-max-tensors", 20, MODEL, self.path("part"))
        self.parts = sorted(name for name in os.listdir(self.folder) if name.endswith(".gguf"))
        self.assertEqual(self.parts, [f"part-0000{i}-of-00003.gguf" for i in (1, 2, 3)])
        self.model = self.path(self.parts[0])

    def test_inspect_sees_the_whole_model_through_any_part(self):
        expected = self.measure("inspect", MODEL)
        for part in self.parts:
            census = self.measure("inspect", self.path(part))
            self.assertEqual(census["tensors"], expected["tensors"])
            self.assertEqual(census["layers"], expected["layers"])

    def test_compare_finds_no_tensor_changed(self):
        comparison = self.measure("compare", MODEL, self.model)
        self.assertEqual(comparison["tensors_identical"], 56)
        self.assertFalse(comparison["identical"])
        self.assertEqual(comparison["metadata_differs"], ["split.no", "split.tensors.count", "split.count"])
        self.assertTrue(self.measure("compare", self.model, self.path(self.parts[2]))["identical"])

    def test_apply_writes_as_many_parts_and_llama_cpp_joins_them(self):
        rules = ["--rule", "w:*=bf16"]
        result = self.measure("apply", self.model, "-o", self.path("out.gguf"), *rules)
        outputs = [self.path(f"out-0000{i}-of-00003.gguf") for i in (1, 2, 3)]
        self.assertEqual(result["outputs"], outputs)
        self.assertEqual(result["output_size"], sum(map(os.path.getsize, outputs)))
        self.measure("apply", MODEL, "-o", self.path("whole.gguf"), *rules)
        comparison = self.measure("compare", self.path("whole.gguf"), outputs[0])
        self.assertEqual(comparison["tensors_identical"], 56)
        run_llama("llama-gguf-split", "--merge", outputs[0], self.path("merged.gguf"))
        comparison = self.measure("compare", self.path("whole.gguf"), self.path("merged.gguf"))
        self.assertEqual(comparison["tensors_identical"], 56)

    def test_two_that_write_to_one_target_do_not_mix_their_parts(self):
        targets = [self.path(f"out-0000{i}-of-00003.gguf") for i in (1, 2, 3)]
        whole = []
        for form in ("bf16", "e4m3"):
            self.measure("apply", self.model, "-o", self.path("out.gguf"), "--rule", f"w:*={form}")
            whole.append(list(map(contents, targets)))
        said = []
        for _ in range(5):
            both = [subprocess.Popen([PROGRAM, "apply", "-q", self.model, "-o", self.path("out.gguf"), "--rule", f"w:*={form}"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for form in ("bf16", "e4m3")]
            for process in both:
                error = process.communicate()[1]
                self.assertEqual(process.returncode, WORK if error else 0, error)
                said += [error] if error else []
            self.assertIn(list(map(contents, targets)), whole)
        for error in said:
            self.assertRegex(error, "another program is writing .*out-00001-of-00003.gguf: wait until it is done")
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith(".")], [])

    def test_a_second_one_says_that_a_first_writes(self):
        self.measure("apply", self.model, "-o", self.path("out.gguf"))
        before = sorted(os.listdir(self.folder))
        name = hashlib.sha256(b"out-00001-of-00003.gguf").hexdigest()[:16]
        with open(self.path(f".fakequant.{name}.lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refuse(WORK, "another program is writing", "apply", self.model, "-o", self.path("out.gguf"))
        self.measure("apply", self.model, "-o", self.path("out.gguf"))  # the file without its program locks nothing
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_eval_measures_it_as_the_whole_model(self):
        arguments = ["-f", TEXT, "--chunks", 2, "--rule", "w:ffn_norm=bf16", "--rule", "a:ffn_norm=bf16"]
        whole, split = (self.measure("eval", model, *arguments) for model in (MODEL, self.path(self.parts[1])))
        self.assertEqual(whole["baseline"], split["baseline"])
        self.assertEqual(whole["variants"], split["variants"])

    def test_refuses_to_write_over_a_part(self):
        for output in ("part.gguf", "part-00002-of-00003.gguf"):
            self.refuse(USAGE, "also an input|the model itself", "apply", self.model, "-o", self.path(output))
        self.refuse(USAGE, "also an input", "inspect", self.model, "--json", self.path(self.parts[2]))

    def test_says_which_part_is_missing(self):
        os.remove(self.path(self.parts[1]))
        for command in (["inspect"], ["eval", "-f", TEXT], ["apply", "-o", self.path("out.gguf")]):
            self.refuse(WORK, "cannot open .*part-00002-of-00003.gguf: No such file", *command, self.model)


if __name__ == "__main__":
    unittest.main()
