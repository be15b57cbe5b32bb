"""awq=: factors of a weight's columns, searched by the product's output, against AWQ's search in numpy."""

import os
import unittest

import numpy as np

import tiny_model
from gptq_test import Hessians, output_error
from input_file import tensors_of
from program import MODEL, TEXT, SharedFolderTest, must

FEW = ("--ctx-size", 64, "--chunks", 4, "--threads", 1)


def int3(values, block):
    """Symmetric, a scale for each block of a row."""
    groups = values.reshape(len(values), -1, block)
    scales = np.abs(groups).max(axis=2, keepdims=True) / np.float32(3)
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.where(scales == 0, np.float32(0), np.clip(np.rint(groups / scales), -3, 3))
    return (codes * scales).reshape(values.shape)


def awq(weights, hessian, block):
    """The rounded weights of each of the exponents, and the change of the output under each."""
    magnitudes = np.sqrt(np.diag(hessian))
    results = []
    for step in range(20):
        powers = np.maximum(magnitudes ** (step / 20), 1e-4)
        scales = (powers / np.sqrt(powers.max() * powers.min())).astype(np.float32)
        results.append(int3(weights * scales, block) / scales)
    return results, [output_error(weights, rounded, hessian) for rounded in results]


class AwqTest(SharedFolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hessian_file = os.path.join(cls.shared, "hessian.bin")
        must("calibrate", MODEL, "-f", TEXT, *FEW, "--hessian", cls.hessian_file)
        cls.hessians = Hessians(cls.hessian_file)
        cls.weights = tensors_of(MODEL)

    def apply(self, rule, *more, model=MODEL, output="out.gguf"):
        self.measure("apply", model, "-o", self.path(output), "--rule", rule, "--store", "f32", *more)
        return tensors_of(self.path(output))

    def test_takes_the_factors_that_change_the_output_least(self):
        exponents = set()
        found = self.apply(f"w:attn_k@0-1=int3,per=block,block=32,awq={self.hessian_file}")
        for name in (f"blk.{layer}.attn_k.weight" for layer in range(2)):
            hessian = self.hessians.matrix(name)
            rounded, errors = awq(self.weights[name], hessian, 32)
            best = int(np.argmin(errors))
            exponents.add(best)
            self.assertGreater(np.mean(np.isclose(found[name], rounded[best], rtol=1e-5, atol=1e-9)), 0.999, name)
            self.assertLess(abs(output_error(self.weights[name], found[name], hessian) / errors[best] - 1), 1e-3, name)
        self.assertNotEqual(exponents, {0})

    def test_clips_what_the_factors_give(self):
        """range=output beside it: the factors are those without it, and the ranges of the multiplied weight those that a search in numpy finds."""
        name, block = "blk.1.attn_k.weight", 32
        weights, hessian = self.weights[name], self.hessians.matrix(name)
        results, errors = awq(weights, hessian, block)
        powers = np.maximum(np.sqrt(np.diag(hessian)) ** (int(np.argmin(errors)) / 20), 1e-4)
        scales = (powers / np.sqrt(powers.max() * powers.min())).astype(np.float32)
        self.assertNotEqual(int(np.argmin(errors)), 0)
        divided = hessian / np.outer(scales, scales)
        groups = (weights * scales).reshape(len(weights), -1, block)
        blocks = np.stack([divided[b:b + block, b:b + block] for b in range(0, weights.shape[1], block)])
        tries = []
        for percent in range(1, 101):
            absmax = (np.abs(groups).max(axis=2, keepdims=True).astype(np.float64) * percent / 100).astype(np.float32)
            step = absmax / np.float32(3)
            with np.errstate(divide="ignore", invalid="ignore"):
                tries.append(np.where(step == 0, np.float32(0), np.clip(np.rint(groups / step), -3, 3)) * step)
        changes = np.array([np.einsum("rgi,gij,rgj->rg", groups - t, blocks, groups - t, dtype=np.float64) for t in tries])
        best = len(tries) - 1 - np.argmin(changes[::-1], axis=0)
        expected = np.take_along_axis(np.stack(tries), best[None, ..., None], axis=0)[0].reshape(weights.shape) / scales
        rule = f"w:attn_k@1=int3,per=block,block={block},awq={self.hessian_file},range=output,hessian={self.hessian_file}"
        found, other = (self.apply(rule, "--threads", threads)[name] for threads in (1, 3))
        np.testing.assert_array_equal(found, other)
        same = np.isclose(found, expected, rtol=1e-5, atol=1e-9).reshape(groups.shape).all(axis=2)
        self.assertGreater(np.mean(same), 0.999)
        self.assertLess(output_error(weights, found, hessian), 0.9 * min(errors))

    def test_never_loses_more_by_clipping(self):
        """Where one scale holds for whole rows, the output's error is all of it."""
        name = "blk.1.attn_v.weight"
        channels = self.path("channels.gguf")
        must("calibrate", MODEL, "-f", TEXT, *FEW, "--channels", channels)
        for options in ("int4", "int4,mode=asym,per=tensor", "int3,rotate=hadamard:16", f"int4,smooth={channels}:0.5"):
            factors = "" if "smooth" in options else f",awq={self.hessian_file}"
            search = f"w:attn_v@1={options}{factors},range=output,hessian={self.hessian_file}"
            found, wide = self.apply(search), self.apply(f"w:attn_v@1={options}{factors}", output="wide.gguf")
            errors = [output_error(self.weights[name], rounded[name], self.hessians.matrix(name)) for rounded in (found, wide)]
            self.assertLess(errors[0], errors[1] * (1 + 1e-6), options)

    def test_goes_with_scales_of_tensors_and_rotations(self):
        for options in ("nvfp4", "int4,per=tensor", "int4,rotate=hadamard:16", "e4m3,tile=32x32"):
            rule = f"w:attn_v@1={options}"
            found, nearest = self.apply(f"{rule},awq={self.hessian_file}"), self.apply(rule, output="nearest.gguf")
            name = "blk.1.attn_v.weight"
            errors = [output_error(self.weights[name], rounded[name], self.hessians.matrix(name)) for rounded in (found, nearest)]
            self.assertLessEqual(errors[0], errors[1], options)

    def test_threads_do_not_change_a_bit(self):
        """Nor what the threads divide among them: one scale of the whole tensor, tiles, rows."""
        for options in ("int4,per=block", "nvfp4", "int4,per=tensor", "e4m3,tile=32x32", "int3,per=block,rotate=hadamard:16"):
            rule = f"w:attn_q@0={options},awq={self.hessian_file}"
            first, second = (self.apply(rule, "--threads", threads, output=f"{threads}.gguf") for threads in (1, 3))
            for name, values in first.items():
                np.testing.assert_array_equal(values, second[name], f"{options}: {name}")

    def test_models_are_measured_with_it(self):
        """eval's variant is the file that apply writes, also of matrices that are rounded whenever they are read."""
        plain = "w:attn_q@0-1=int2,per=block,block=64"
        rule = f"{plain},awq={self.hessian_file}"
        self.measure("apply", MODEL, "-o", self.path("out.gguf"), "--rule", rule)
        figures = [self.measure("eval", MODEL, "-f", TEXT, *FEW, *words)["variants"][0]["kld"]["mean"]
                   for words in (("--against", self.path("out.gguf")), ("--rule", rule), ("--rule", plain))]
        self.assertEqual(figures[0], figures[1])
        self.assertNotEqual(figures[1], figures[2])

    def test_experts_have_factors_of_their_own(self):
        model = tiny_model.write(self.path("experts.gguf"), experts=4)
        text, file = tiny_model.write_text(self.path("text.txt")), self.path("experts.bin")
        self.measure("calibrate", model, "-f", text, "--ctx-size", 64, "--chunks", 6, "--threads", 1, "--hessian", file)
        hessians, weights = Hessians(file), tensors_of(model)
        rule = f"w:blk.*_exps.weight=int3,per=block,block=16,awq={file}"
        found, clipped = self.apply(rule, model=model), self.apply(f"{rule},range=output,hessian={file}", model=model, output="clipped.gguf")
        chosen = set()
        for name in ("blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"):
            for expert in range(4):
                rounded, errors = awq(weights[name][expert], hessians.matrix(name, expert), 16)
                best = int(np.argmin(errors))
                chosen.add(best)
                self.assertLess(output_error(weights[name][expert], clipped[name][expert], hessians.matrix(name, expert)), errors[best])
                self.assertGreater(np.mean(np.isclose(found[name][expert], rounded[best], rtol=1e-5, atol=1e-9)), 0.999, (name, expert))
        self.assertGreater(len(chosen), 1)

    def test_bad_rules_are_refused_in_one_line(self):
        out, awq_file = self.path("refused.gguf"), f"=int4,awq={self.hessian_file}"
        self.refuse(1, "has no Hessians", "apply", MODEL, "-o", out, "--rule", f"w:matrices=int4,awq={MODEL}")
        self.refuse(1, "another model", "apply", tiny_model.write(self.path("tiny.gguf")), "-o", out, "--rule", "w:attn_q" + awq_file)
        self.refuse(2, "hessian.bin lacks the Hessians of 13 tensors", "apply", MODEL, "-o", out, "--rule", "w:norms" + awq_file)
        self.assertFalse(os.path.exists(out))
        self.refuse(2, "awq= is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm" + awq_file)
        self.refuse(2, "awq= is not for packed types", "quantize", MODEL, "-o", out, "--rule", "w:ffn_up" + awq_file)
        self.refuse(2, "there is none here", "formats", awq_file[1:])


if __name__ == "__main__":
    unittest.main()
