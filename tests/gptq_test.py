"""calibrate --hessian and fit=gptq: weights that make up for each other's errors, against GPTQ in numpy."""

import json
import os
import unittest

import gguf
import numpy as np

import tiny_model
from gptq_figures import Hessians, output_error
from input_file import tensors_of
from program import MODEL, SOURCE, TEXT, SharedFolderTest, must, run

MEASURED = ("--ctx-size", 64, "--chunks", 16)
FEW = ("--ctx-size", 64, "--chunks", 4)


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def int4(values, scale):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scale == 0, np.float32(0), scale * np.clip(np.rint(values / scale), -7, 7)).astype(np.float32)


def scale_of(values):
    return (np.abs(values).max(axis=1) / np.float32(7)).astype(np.float32)


def gptq(weights, hessian, block=0, by_activation=False, damping=0.01):
    """Column by column, in float64; the rounding itself in float32. `block`: 0 for a scale of the whole row."""
    columns = weights.shape[1]
    hessian = hessian.copy()
    mean = np.diag(hessian).mean()
    dead = np.diag(hessian) == 0
    order = np.argsort(-np.diag(hessian), kind="stable") if by_activation else np.arange(columns)
    hessian[dead, dead] = 1
    hessian[np.diag_indices(columns)] += damping * mean
    upper = np.linalg.cholesky(np.linalg.inv(hessian[order][:, order])).T
    left = weights[:, order].astype(np.float64)
    rounded = np.zeros_like(weights)
    block = block or columns
    scales = [scale_of(weights[:, b:b + block]) for b in range(0, columns, block)]
    for j, column in enumerate(order):
        if not by_activation and block < columns and column % block == 0:
            scales[column // block] = scale_of(left[:, j:j + block].astype(np.float32))
        rounded[:, column] = int4(left[:, j].astype(np.float32), scales[column // block])
        error = (left[:, j] - rounded[:, column]) / upper[j, j]
        left[:, j + 1:] -= np.outer(error, upper[j, j + 1:])
    return rounded


class GptqTest(SharedFolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hessian_file = os.path.join(cls.shared, "hessian.bin")
        cls.importance_file = os.path.join(cls.shared, "importance.gguf")
        cls.said = must("calibrate", MODEL, "-f", TEXT, *MEASURED, "--threads", 1, "--hessian", cls.hessian_file,
                        "--imatrix", cls.importance_file)
        cls.hessians = Hessians(cls.hessian_file)
        cls.weights = tensors_of(MODEL)

    def apply(self, site, options, *more, model=MODEL, output="out.gguf"):
        out = self.path(output)
        self.result = self.measure("apply", model, "-o", out, "--rule", f"{site}={options}", "--store", "f32", *more)
        return tensors_of(out)

    def rule(self, options):
        return f"{options},fit=gptq,hessian={self.hessian_file}"

    def test_hessians_are_those_of_the_inputs(self):
        self.assertEqual(self.hessians.type, "hessian")
        self.assertIn("Hessians of 25 inputs, which 43 weights read", self.said)
        names = self.hessians.input_of
        self.assertEqual({names[f"blk.2.attn_{n}.weight"] for n in "qkv"}, {"blk.2.attn_q.weight"})
        self.assertEqual(len({names[f"blk.0.ffn_{n}.weight"] for n in ("gate", "up")}), 1)
        importance = tensors_of(self.importance_file)
        for weight in ("blk.0.attn_k.weight", "blk.1.ffn_down.weight", "blk.2.attn_output.weight", "blk.5.ffn_up.weight"):
            matrix, count = self.hessians.matrix(weight), self.hessians.counts(weight)
            self.assertEqual(count, 16 * 64)
            np.testing.assert_allclose(np.diag(matrix) * count, importance[weight + ".in_sum2"].ravel(), rtol=1e-6)
            self.assertGreater(np.linalg.eigvalsh(matrix).min(), -1e-5 * np.trace(matrix))
            self.assertGreater(np.abs(matrix - np.diag(np.diag(matrix))).max(), 0)

    def test_weights_are_those_of_the_reference(self):
        for weight, options, reference in (
                ("blk.0.attn_q", "int4,per=block,block=64", {"block": 64}),
                ("blk.3.ffn_down", "int4,per=block,block=128", {"block": 128}),
                ("blk.2.attn_v", "int4,per=block,block=64,order=activation", {"block": 64, "by_activation": True}),
                ("blk.4.ffn_down", "int4,order=activation,damping=0.1", {"by_activation": True, "damping": 0.1})):
            name = weight + ".weight"
            original, hessian = self.weights[name], self.hessians.matrix(name)
            found = self.apply(f"w:{name}", self.rule(options))[name]
            expected = gptq(original, hessian, **reference)
            self.assertGreaterEqual(np.mean(np.abs(found - expected) <= 1e-6 * np.abs(expected)), 0.999, weight)
            ours, theirs = (output_error(original, rounded, hessian) for rounded in (found, expected))
            self.assertLess(abs(ours / theirs - 1), 1e-3, weight)

    def test_errors_are_those_of_llm_compressor(self):
        with open(os.path.join(SOURCE, "tests", "golden", "gptq_llmcompressor.json")) as file:
            kept = json.load(file)["errors"]
        for options in sorted({options for errors in kept.values() for options in errors}):
            nearest = options.replace(",order=activation", "")
            found = {"gptq": self.apply("w:matrices", self.rule(options)), "nearest": self.apply("w:matrices", nearest, output="nearest.gguf")}
            for name, errors in kept.items():
                if options not in errors:
                    continue
                for fit, allowed in (("gptq", 0.02), ("nearest", 0.005)):
                    ours = output_error(self.weights[name], found[fit][name], self.hessians.matrix(name))
                    self.assertLess(abs(ours / errors[options][fit] - 1), allowed, (name, options, fit))
                self.assertLess(errors[options]["gptq"], errors[options]["nearest"])

    def test_rotated_weights_are_those_of_rotated_inputs(self):
        name, block = "blk.2.ffn_up.weight", 64
        matrix = np.ones((1, 1))
        while len(matrix) < block:
            matrix = np.block([[matrix, matrix], [matrix, -matrix]])
        rotation = np.kron(np.eye(self.weights[name].shape[1] // block), matrix / np.sqrt(block))
        hessian = self.hessians.matrix(name)
        rotated = (self.weights[name].astype(np.float64) @ rotation.T).astype(np.float32)
        expected = gptq(rotated, rotation @ hessian @ rotation.T, by_activation=True) @ rotation
        found = self.apply(f"w:{name}", self.rule(f"int4,rotate=hadamard:{block},order=activation"))[name]
        self.assertGreater(np.mean(np.isclose(found, expected, rtol=0, atol=1e-6)), 0.99)
        ours, theirs = (output_error(self.weights[name], values, hessian) for values in (found, expected))
        self.assertLess(abs(ours / theirs - 1), 1e-3)

    def test_never_loses_more_than_the_nearest(self):
        for options in ("int3,per=block,block=32,mode=asym", "nvfp4", "mxfp4", "nf4", "mantissa2"):
            found = self.apply("w:matrices@1-2", self.rule(options))
            nearest = self.apply("w:matrices@1-2", options, output="nearest.gguf")
            for name in self.hessians.input_of:
                if not name.startswith(("blk.1.", "blk.2.")):
                    continue
                hessian = self.hessians.matrix(name)
                errors = [output_error(self.weights[name], rounded[name], hessian) for rounded in (found, nearest)]
                self.assertLess(errors[0], errors[1], (options, name))

    def test_threads_do_not_change_a_bit(self):
        for threads in (1, 3):
            self.measure("calibrate", MODEL, "-f", TEXT, *FEW, "--threads", threads, "--hessian", self.path(f"{threads}.bin"))
            self.apply("w:matrices@0-1", self.rule("int4,per=block,block=128"), "--threads", threads, output=f"{threads}.gguf")
        for kind in ("bin", "gguf"):
            self.assertEqual(*(content_of(self.path(f"{threads}.{kind}")) for threads in (1, 3)))

    def test_models_are_measured_with_it(self):
        """eval's variant is the file that apply writes; and it diverges less than rounding to the nearest."""
        options = "int3,per=block,block=64"
        rule, plain = f"w:matrices={self.rule(options)}", f"w:matrices={options}"
        self.measure("apply", MODEL, "-o", self.path("out.gguf"), "--rule", rule)
        by_file = self.measure("eval", MODEL, "-f", TEXT, *FEW, "--threads", 1, "--against", self.path("out.gguf"))
        figures = [self.measure("eval", MODEL, "-f", TEXT, *FEW, "--threads", 1, "--rule", r) for r in (rule, plain)]
        means = [result["variants"][0]["kld"]["mean"] for result in (by_file, *figures)]
        self.assertEqual(means[0], means[1])
        self.assertLess(means[1], 0.7 * means[2])

    def test_experts_have_their_own(self):
        model = tiny_model.write(self.path("experts.gguf"), experts=4)
        text = tiny_model.write_text(self.path("text.txt"))
        file = self.path("experts.bin")
        self.measure("calibrate", model, "-f", text, "--ctx-size", 64, "--chunks", 6, "--threads", 1, "--hessian", file)
        hessians, weights = Hessians(file), tensors_of(model)
        up, down = "blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"
        self.assertEqual(hessians.input_of[up], hessians.input_of["blk.0.ffn_gate_exps.weight"])
        self.assertEqual(hessians.counts(up).sum(), 2 * 6 * 64)
        found = self.apply("w:blk.*_exps.weight", f"int4,fit=gptq,hessian={file}", model=model)
        for name in (up, down):
            for expert in range(4):
                expected = gptq(weights[name][expert], hessians.matrix(name, expert))
                self.assertGreaterEqual(np.mean(np.abs(found[name][expert] - expected) <= 1e-6), 0.995, (name, expert))

    def test_the_recipe_finds_the_file(self):
        rules = self.measure("apply", MODEL, "-o", self.path("a.gguf"), "--rule",
                             "w:matrices=" + self.rule("int4,codes=full,per=block,block=128,scale=f16,order=activation"))
        done = run("apply", os.path.abspath(MODEL), "-o", self.path("b.gguf"), "--recipe", "@gptq/w4a16-g128", cwd=self.shared)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(len(rules["tensors"]), 40)
        first, second = (tensors_of(self.path(name)) for name in ("a.gguf", "b.gguf"))
        for name, values in first.items():
            np.testing.assert_array_equal(values, second[name], name)

    def test_ranges_that_change_the_output_least(self):
        """range=output against a search in float64, and the same for any number of threads."""
        name, block = "blk.1.attn_k.weight", 32
        weights, hessian = self.weights[name], self.hessians.matrix(name)
        groups = weights.reshape(len(weights), -1, block)
        blocks = np.stack([hessian[b:b + block, b:b + block] for b in range(0, weights.shape[1], block)])
        tries = []
        for percent in range(1, 101):
            absmax = (np.abs(groups).max(axis=2).astype(np.float64) * percent / 100).astype(np.float32)
            tries.append(int4(groups, (absmax / np.float32(7)).astype(np.float32)[..., None]))
        errors = np.array([np.einsum("rgi,gij,rgj->rg", groups - t, blocks, groups - t, dtype=np.float64) for t in tries])
        best = len(tries) - 1 - np.argmin(errors[::-1], axis=0)
        expected = np.take_along_axis(np.stack(tries), best[None, ..., None], axis=0)[0]
        rule = f"int4,per=block,block={block},range=output,hessian={self.hessian_file}"
        found = self.apply("w:attn_k@1", rule, "--threads", 1)[name]
        same = np.isclose(found.reshape(groups.shape), expected, rtol=1e-5, atol=1e-9).all(axis=2)
        self.assertGreater(np.mean(same), 0.999)
        self.assertGreater(np.mean(best < 99), 0.5)
        np.testing.assert_array_equal(found, self.apply("w:attn_k@1", rule, "--threads", 3)[name])
        nearest = self.apply("w:attn_k@1", f"int4,per=block,block={block}")[name]
        self.assertLess(output_error(weights, found, hessian), output_error(weights, nearest, hessian))

    def test_ranges_go_with_scales_of_rows_and_tensors_and_rotations(self):
        """Where one scale holds for whole rows, the output's error is all of it: it is never more than without a search."""
        name = "blk.1.attn_v.weight"
        for options in ("int4", "int4,mode=asym,per=tensor", "e2m1,per=tensor", "int4,rotate=hadamard:16", "nf4,per=row"):
            search = f"{options},range=output,hessian={self.hessian_file}"
            found, other = (self.apply("w:attn_v@1", search, "--threads", threads)[name] for threads in (1, 3))
            np.testing.assert_array_equal(found, other, options)
            for words in (options, f"{options},range=mse"):
                error = output_error(self.weights[name], self.apply("w:attn_v@1", words)[name], self.hessians.matrix(name))
                self.assertLess(output_error(self.weights[name], found, self.hessians.matrix(name)), error * (1 + 1e-6), words)

    def test_models_are_measured_with_ranges_by_the_output(self):
        """Also experts, each by the Hessian of its own inputs."""
        model = tiny_model.write(self.path("experts.gguf"), experts=4)
        text, file = tiny_model.write_text(self.path("text.txt")), self.path("experts.bin")
        few = ("--ctx-size", 64, "--chunks", 4, "--threads", 1)
        self.measure("calibrate", model, "-f", text, *few, "--hessian", file)
        hessians, weights = Hessians(file), tensors_of(model)
        found = self.apply("w:blk.*_exps.weight", f"int3,range=output,hessian={file}", model=model)
        mse = self.apply("w:blk.*_exps.weight", "int3,range=mse", model=model, output="mse.gguf")
        name = "blk.0.ffn_down_exps.weight"
        for expert in range(4):
            errors = [output_error(weights[name][expert], of[name][expert], hessians.matrix(name, expert)) for of in (found, mse)]
            self.assertLessEqual(errors[0], errors[1] * (1 + 1e-6), expert)
        rule = f"w:blk.*_exps.weight=int2,range=output,hessian={file}"
        self.measure("apply", model, "-o", self.path("rounded.gguf"), "--rule", rule)
        figures = [self.measure("eval", model, "-f", text, *few, *words)["variants"][0]["kld"]["mean"]
                   for words in (("--against", self.path("rounded.gguf")), ("--rule", rule))]
        self.assertEqual(*figures)

    def test_bad_files_and_rules_are_refused_in_one_line(self):
        def refuse_file(code, pattern, path, model=MODEL):
            out = self.path("refused.gguf")
            self.refuse(code, pattern, "apply", model, "-o", out, "--rule", f"w:matrices=int4,fit=gptq,hessian={path}")
            self.assertFalse(os.path.exists(out))

        whole = content_of(self.hessian_file)
        for name, content, pattern in (("short.bin", whole[:len(whole) // 2], "short|beyond|end"), ("text.bin", b"no file", "GGUF"),
                                       ("empty.bin", b"", "GGUF|short"), ("swapped.bin", whole.replace(b"hessian.inputs", b"hessian.Inputs"), "damaged")):
            with open(self.path(name), "wb") as file:
                file.write(content)
            refuse_file(1, pattern, self.path(name))
        refuse_file(1, "there is no such file", self.path("none.bin"))
        refuse_file(1, "has no Hessians", MODEL)
        refuse_file(1, "another model", self.hessian_file, tiny_model.write(self.path("tiny.gguf")))
        values = np.frombuffer(whole, np.uint8).copy()
        begin = next(t for t in gguf.GGUFReader(self.hessian_file).tensors if t.name == "blk.0.attn_q.weight.hessian").data_offset
        values[begin + 3] ^= 0x80  # the first of the diagonal becomes negative
        values.tofile(self.path("negative.bin"))
        refuse_file(1, "negative.bin is damaged: the Hessian of blk.0.attn_q.weight", self.path("negative.bin"))
        gptq_rule = f"=int4,fit=gptq,hessian={self.hessian_file}"
        self.refuse(2, "lacks the Hessians of 13 tensors", "apply", MODEL, "-o", self.path("a.gguf"), "--rule", "w:norms" + gptq_rule)
        self.refuse(2, "is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm" + gptq_rule)
        self.refuse(2, "add hessian=FILE", "apply", MODEL, "-o", self.path("a.gguf"), "--rule", "w:matrices=int4,fit=gptq")
        self.refuse(2, "not for packed types", "quantize", MODEL, "-o", self.path("a.gguf"), "--rule", "w:ffn_up" + gptq_rule)
        clip_rule = f"=int4,range=output,hessian={self.hessian_file}"
        self.refuse(2, "lacks the Hessians of 13 tensors", "apply", MODEL, "-o", self.path("a.gguf"), "--rule", "w:norms" + clip_rule)
        self.refuse(2, "range=output is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm" + clip_rule)
        self.refuse(2, "range=output is not for packed types", "quantize", MODEL, "-o", self.path("a.gguf"), "--rule", "w:ffn_up" + clip_rule)
        self.refuse(2, "there is none here", "formats", clip_rule[1:])
        self.refuse(1, "has no Hessians", "apply", MODEL, "-o", self.path("a.gguf"), "--rule", f"w:matrices=int4,range=output,hessian={MODEL}")
        self.refuse(2, "there is no matrix here", "formats", gptq_rule[1:])
        self.refuse(2, "only read", "calibrate", MODEL, "-f", TEXT, "--hessian", MODEL)


if __name__ == "__main__":
    unittest.main()
