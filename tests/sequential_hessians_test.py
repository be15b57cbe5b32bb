"""calibrate --hessian --sequential: Hessians of each layer's inputs as the rounded layers before give them. They are those that an ordinary
calibration finds in the file that `apply` makes of the layers before."""

import os
import unittest

import numpy as np

import tiny_model
from input_file import InputFile
from program import MODEL, TEXT, SharedFolderTest, run

FEW = ("--ctx-size", 64, "--chunks", 6, "--threads", 1)
INT3 = "int3,per=block,block=64"


class SequentialHessiansTest(SharedFolderTest):
    def calibrate(self, model, output, *more, text=TEXT, few=FEW):
        path = self.path(output)
        self.result = self.measure("calibrate", model, "-f", text, *few, "--hessian", path, *more)
        return InputFile(path)

    def sequential(self, output, rules, *more, model=MODEL, **how):
        options = [word for rule in rules for word in ("--rule", rule.replace("FILE", self.path(output)))]
        return self.calibrate(model, output, "--sequential", *options, *more, **how)

    def rounded(self, rules, *more, model=MODEL, of="seq.bin"):
        path = self.path("rounded.gguf")
        self.measure("apply", model, "-o", path, *[word for rule in rules for word in ("--rule", rule.replace("FILE", self.path(of)))], *more)
        return path

    def expect_same(self, found, expected, part):
        names = [name for name in found.tensors if name.startswith(part)]
        self.assertGreater(len(names), 1, part)
        for name in names:
            np.testing.assert_array_equal(found.tensors[name], expected.tensors[name], name)

    def expect_others(self, found, expected, part):
        for name in found.tensors:
            if name.startswith(part) and name.endswith(".hessian"):
                self.assertFalse(np.array_equal(found.tensors[name], expected.tensors[name]), name)

    def test_are_those_of_the_rounded_layers_before(self):
        for native in ((), ("--arithmetic", "native")):
            rule = f"{INT3},fit=gptq,order=activation,hessian=FILE"
            found, plain = self.sequential("seq.bin", [f"w:matrices={rule}"], *native), self.calibrate(MODEL, "plain.bin", *native)
            self.assertEqual(list(found.tensors), list(plain.tensors))
            self.assertEqual(found.input_of, plain.input_of)
            self.expect_same(found, plain, "blk.0.")
            for layer in (1, 4) if not native else (3,):
                before = self.calibrate(self.rounded([f"w:matrices@0-{layer - 1}={rule}"]), "before.bin", *native)
                self.expect_same(found, before, f"blk.{layer}.")
                self.expect_others(found, plain, f"blk.{layer}.")
            all_layers = self.calibrate(self.rounded([f"w:matrices={rule}"]), "before.bin", *native)
            self.expect_same(found, all_layers, "token_embd.")

    def test_go_with_all_that_takes_hessians(self):
        """Rules that take none of them hold from the beginning."""
        always = ["w:norms=bf16", "w:attn_v@0-4=int4"]
        rules = [f"w:attn_q@0-1={INT3},awq=FILE", f"w:ffn_up@0-1={INT3},range=output,hessian=FILE", "w:ffn_down@3=int3,fit=gptq,hessian=FILE"]
        found = self.sequential("seq.bin", always + rules)
        for layer, before in ((1, [rule.replace("@0-1", "@0") for rule in rules[:2]]), (3, rules[:2]), (4, rules)):
            self.expect_same(found, self.calibrate(self.rounded(always + before), "before.bin"), f"blk.{layer}.")

    def test_the_file_says_what_rounded_the_layers(self):
        found = self.sequential("seq.bin", [f"w:attn_q@0-1={INT3},fit=gptq,hessian=FILE"])
        self.assertIn(f"w:attn_q@0-1={INT3}", found.recipe)
        self.assertEqual(self.result["hessians"]["recipe"], found.recipe)
        self.assertIsNone(self.calibrate(MODEL, "plain.bin").recipe)
        self.assertIsNone(self.result["hessians"]["recipe"])

    def test_of_experts(self):
        model, text = tiny_model.write(self.path("experts.gguf"), experts=4), tiny_model.write_text(self.path("text.txt"))
        how = {"text": text, "few": ("--ctx-size", 64, "--chunks", 4, "--threads", 1)}
        rule = "int3,fit=gptq,hessian=FILE"
        behind_layers = "token_embd."
        found = self.sequential("seq.bin", [f"w:matrices={rule}", f"w:blk.*_exps.weight={rule}"], model=model, **how)
        before = self.rounded([f"w:matrices={rule}", f"w:blk.*_exps.weight={rule}"], model=model)
        self.expect_same(found, self.calibrate(before, "before.bin", **how), behind_layers)
        self.expect_others(found, self.calibrate(model, "plain.bin", **how), behind_layers)

    def test_threads_do_not_change_a_bit(self):
        contents = []
        for threads in (1, 3):
            self.sequential("seq.bin", [f"w:matrices@0-2={INT3},fit=gptq,hessian=FILE"], "--threads", threads, few=FEW[:4])
            with open(self.path("seq.bin"), "rb") as file:
                contents.append(file.read())
        self.assertEqual(*contents)

    def test_recipes_name_the_file(self):
        done = run("calibrate", os.path.abspath(MODEL), "-f", os.path.abspath(TEXT), *FEW, "--hessian", "hessian.bin", "--sequential",
                   "--recipe", "@mr-gptq/nvfp4", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("The layers before each were rounded by w:matrices", done.stdout)

    def test_bad_options_are_refused_in_one_line(self):
        out = self.path("out.bin")
        rule = f"w:matrices=int4,fit=gptq,hessian={out}"
        refuse = lambda pattern, *words: self.refuse(2, pattern, "calibrate", MODEL, "-f", TEXT, *FEW, "--sequential", *words)
        refuse("add --hessian FILE", "--rule", rule)
        refuse("Hessians alone", "--hessian", out, "--rule", rule, "-o", self.path("ranges.json"))
        refuse("no rule takes its Hessians from", "--hessian", out)
        refuse("no rule takes its Hessians from", "--hessian", self.path("other.bin"), "--rule", rule)
        refuse("only inputs of matrix products have Hessians", "--hessian", out, "--rule", rule.replace("matrices", "norms"))
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    unittest.main()
