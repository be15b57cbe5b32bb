"""The Python package against the program, and against numpy."""

import concurrent.futures
import doctest
import json
import os
import pickle
import sys
import unittest

import gguf
import numpy as np

from program import MODEL, SOURCE, ProgramTest, run

sys.path.insert(0, os.path.join(SOURCE, "python"))
import fakequant as fq  # noqa: E402  (the library is named in FAKEQUANT_LIBRARY)
from fakequant import _formats  # noqa: E402

RANDOM = np.random.default_rng(1)
X = (RANDOM.standard_normal((16, 96)) * np.exp2(RANDOM.integers(-6, 6, (16, 96)))).astype(np.float32)


class FakeTensor:
    """What the package uses of a torch tensor, so that its way is tried where there is no torch."""

    def __init__(self, array, device="cpu"):
        self.array = array
        self.device = type("Device", (), {"type": device, "__str__": lambda self: self.type})()

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: f"torch.{self.array.dtype}")
    data_ptr = property(lambda self: lambda: self.array.ctypes.data)

    def detach(self): return self
    def float(self): return self if self.array.dtype == np.float32 else FakeTensor(self.array.astype(np.float32))
    def contiguous(self): return self if self.array.flags.c_contiguous else FakeTensor(self.array.copy(order="C"))
    def clone(self): return FakeTensor(self.array.copy())
    def to(self, dtype): return FakeTensor(self.array.astype(dtype.replace("torch.", "")))
    def swapaxes(self, a, b): return FakeTensor(self.array.swapaxes(a, b))
    def copy_(self, other): self.array[...] = other.array


class RoundTest(ProgramTest):
    def assert_same(self, a, b):
        self.assertEqual(a.dtype, b.dtype)
        self.assertEqual(a.shape, b.shape)
        self.assertEqual(a.tobytes(), b.tobytes())

    def by_program(self, text, values):
        done = run("formats", text, *(f"--round={value!r}" for value in values), "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return np.array([float(value["rounded"]) for value in json.loads(done.stdout)["examples"]], np.float32)

    def test_equals_the_program(self):
        row = X[0, :32]
        for text in ("e4m3", "bf16,round=zero", "int4", "int4,per=block,block=8,mode=asym", "mxfp4", "mxfp6,scale=ceil", "nvfp4",
                     "nvfp4,rotate=hadamard", "e4m3,per=row", "nf4", "int8,range=mse", "e4m3,round=stochastic,seed=3",
                     "mxint8,round=stochastic", "int8,range=2.5"):
            self.assert_same(fq.round(row, text), self.by_program(text, map(float, row)))

    def test_equals_the_weights_that_the_program_rounds(self):
        def tensors(path):
            return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}
        before, name = tensors(MODEL), "blk.1.ffn_up.weight"
        self.assertEqual(before[name].dtype, np.float16)
        for i, text in enumerate(("nvfp4,rotate=hadamard", "int4,per=tensor,range=percentile:99", "e4m3,tile=32x32",
                                  "mxfp4,round=stochastic,seed=7")):
            rounded = self.path(f"{i}.gguf")
            self.measure("apply", MODEL, "-o", rounded, "--rule", f"w:{name}={text}")
            self.assert_same(fq.round(before[name], text, site=name), tensors(rounded)[name])

    def test_equals_numpy(self):
        values = np.arange(0, 1 << 32, 65521, dtype=np.uint32).view(np.float32)
        values = values[np.isfinite(values)]
        with np.errstate(over="ignore"):
            self.assert_same(fq.round(values, "f16"), values.astype(np.float16).astype(np.float32))
        bits = values.view(np.uint32)
        bf16 = ((bits + 0x7fff + ((bits >> 16) & 1)) & np.uint32(0xffff0000)).view(np.float32)
        self.assert_same(fq.round(values, "bf16"), bf16)
        self.assert_same(fq.round(values, "bf16,round=zero"), (bits & np.uint32(0xffff0000)).view(np.float32))
        scale = np.abs(X).max(axis=1, keepdims=True) / np.float32(127)
        self.assert_same(fq.round(X, "int8"), np.rint(X / scale) * scale + np.float32(0))

    def test_weights_and_activations(self):
        self.assert_same(fq.round(X, "nvfp4", activation=True), np.stack([fq.round(row, "nvfp4") for row in X]))
        self.assertGreater(np.count_nonzero(fq.round(X, "nvfp4") != fq.round(X, "nvfp4", activation=True)), 0)
        heads = X.reshape(4, 4, 96)
        self.assert_same(fq.round(heads, "int8", activation=True, token_rows=4),
                         fq.round(X.reshape(4, 384), "int8").reshape(4, 4, 96))
        for text, activation in (("int8,per=token", False), ("e4m3,tile=4x4", True), ("int8,per=tensor", True)):
            with self.assertRaisesRegex(ValueError, "is for (weights|activations)"):
                fq.round(X, text, activation=activation)
        with self.assertRaisesRegex(ValueError, "16 rows are not tokens of 3 rows"):
            fq.round(X, "int8", activation=True, token_rows=3)
        with self.assertRaisesRegex(ValueError, "only activations have tokens"):
            fq.round(X, "int8", token_rows=4)

    def test_memory(self):
        expected = fq.round(X, "nvfp4,rotate=hadamard")
        before = X.copy()
        self.assert_same(X, before)
        own = X.copy()
        address = own.ctypes.data
        self.assertIs(fq.round(own, "nvfp4,rotate=hadamard", out=own), own)
        self.assertEqual(own.ctypes.data, address)
        self.assert_same(own, expected)
        other = np.empty((16, 192), np.float32)[:, ::2]
        fq.round(X, "nvfp4,rotate=hadamard", out=other)
        self.assert_same(np.ascontiguousarray(other), expected)
        self.assert_same(fq.round(np.asfortranarray(X), "nvfp4,rotate=hadamard"), expected)
        self.assert_same(fq.round(X.T.copy(), "nvfp4,rotate=hadamard", axis=0), expected.T.copy())
        self.assert_same(fq.round(X.astype(">f4"), "nvfp4,rotate=hadamard").astype(np.float32), expected)
        self.assert_same(fq.round(np.zeros((0, 16), np.float32), "int8"), np.zeros((0, 16), np.float32))
        self.assertEqual(fq.round(np.float32(0.3), "e4m3"), np.float32(0.3125))
        frozen = X.copy()
        frozen.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            fq.round(frozen, "int8", out=frozen)
        with self.assertRaisesRegex(ValueError, r"out has the shape \(3,\)"):
            fq.round(X, "int8", out=np.zeros(3, np.float32))
        with self.assertRaisesRegex(ValueError, "axis=2: x has 2 axes"):
            fq.round(X, "int8", axis=2)

    def test_types(self):
        for dtype in (np.float16, np.float64):
            x = X.astype(dtype)
            self.assert_same(fq.round(x, "int4"), fq.round(x.astype(np.float32), "int4").astype(dtype))
            self.assert_same(fq.round(x, "int4", out=np.empty_like(X)), fq.round(x.astype(np.float32), "int4"))
            fq.round(x, "e2m1", out=x)
            self.assert_same(x, fq.round(X.astype(dtype).astype(np.float32), "e2m1").astype(dtype))
        for dtype in (np.int32, np.complex64, np.bool_):
            with self.assertRaisesRegex(TypeError, "are not rounded: give float32"):
                fq.round(np.zeros(4, dtype), "e4m3")

    def test_tensors(self):
        expected = fq.round(X, "nvfp4")
        tensor = FakeTensor(X.copy())
        self.assert_same(fq.round(tensor, "nvfp4").array, expected)
        self.assert_same(tensor.array, X)
        self.assert_same(fq.round(FakeTensor(np.asfortranarray(X)), "nvfp4").array, expected)
        self.assert_same(fq.round(FakeTensor(X.T.copy()), "nvfp4", axis=0).array, expected.T.copy())
        half = FakeTensor(X.astype(np.float16))
        self.assert_same(fq.round(half, "int4").array, fq.round(half.array, "int4"))
        for target in (np.empty_like(X), np.empty((96, 16), np.float32).T, X.astype(np.float64)):
            result = FakeTensor(target)
            self.assertIs(fq.round(tensor, "nvfp4", out=result), result)
            self.assert_same(np.ascontiguousarray(target, np.float32), expected)
        self.assert_same(tensor.array, X)
        self.assertIs(fq.round(tensor, "nvfp4", out=tensor), tensor)
        self.assert_same(tensor.array, expected)
        with self.assertRaisesRegex(ValueError, "x is on cuda: move it to the CPU"):
            fq.round(FakeTensor(X, "cuda"), "e4m3")
        with self.assertRaisesRegex(TypeError, "out is no torch tensor"):
            fq.round(tensor, "e4m3", out=X)

    def test_stochastic_rounding_can_be_repeated(self):
        def rounded(seed, **place):
            return fq.round(X, f"e4m3,round=stochastic,seed={seed}", **place)
        self.assert_same(rounded(1), rounded(1))
        for other in (rounded(2), rounded(1, site="blk.0.ffn_up.weight"), rounded(1, activation=True)):
            self.assertGreater(np.count_nonzero(rounded(1) != other), 0)
        tokens = rounded(1, activation=True, site="ffn_norm-5")
        self.assert_same(fq.round(X[7:9], "e4m3,round=stochastic,seed=1", activation=True, site="ffn_norm-5", position=7),
                         tokens[7:9])

    def test_formats(self):
        self.assertIn("mxfp4", fq.formats())
        listed = json.loads(run("formats", "--json", "-").stdout)["formats"]
        for facts in listed:
            if not facts["name"].startswith("ggml:") and facts["largest"] is not None:
                ours = fq.Format(facts["name"])
                self.assertEqual((ours.bits, ours.largest, ours.steps), (facts["bits"], facts["largest"], facts["steps"]))
        e4m3 = fq.Format("e4m3")
        codes = e4m3.codes()
        self.assertEqual((codes.size, np.isnan(codes).sum(), np.nanmax(codes)), (256, 2, 448))
        self.assert_same(e4m3.round(codes.astype(np.float32))[~np.isnan(codes)], codes[~np.isnan(codes)].astype(np.float32))
        self.assertEqual(fq.Format("int4").codes().tolist(), list(range(-7, 8)))
        self.assertEqual(fq.Format("mxint8").codes()[[1, 127, 129]].tolist(), [1 / 64, 127 / 64, -127 / 64])
        self.assertEqual(fq.Format("f16").codes()[:0x7c00].tolist(),
                         np.arange(0x7c00, dtype=np.uint16).view(np.float16).astype(np.float64).tolist())
        self.assertEqual(pickle.loads(pickle.dumps(e4m3)), e4m3)
        self.assertEqual(len({e4m3, fq.Format("e4m3")}), 1)
        with self.assertRaisesRegex(ValueError, "too large"):
            fq.Format("mantissa23").codes()

    def test_refusals(self):
        for text, why in (("e4m", "unknown format 'e4m'"), ("q4_k", "q4_k is a type of ggml"), ("int4,size=1", "no option 'size'"),
                          ("e4m3,range=static:x.json", "no model here"), ("e4m3\0", "NUL")):
            with self.assertRaisesRegex(ValueError, why) as caught:
                fq.round(X, text)
            self.assertNotIn("\n", str(caught.exception))
        with self.assertRaisesRegex(ValueError, "97"):
            fq.round(np.zeros((2, 97), np.float32), "int4,rotate=hadamard")

    def test_a_codebook_that_changed_is_read_again(self):
        path = self.path("levels.txt")
        for level in ("0.25", "0.75"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"0\n{level}\n")
            self.assertEqual(fq.round(np.float32(0.6), f"lookup:{path}"), np.float32(level))

    def test_threads(self):
        expected = fq.round(X, "nvfp4,rotate=hadamard")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for result in pool.map(lambda _: fq.round(X, fq.Format("nvfp4,rotate=hadamard")), range(400)):
                self.assert_same(result, expected)

    def test_examples(self):
        with open(os.path.join(SOURCE, "docs", "python.md"), encoding="utf-8") as file:
            text = file.read().replace("```", "")  # what ends an example, and is no output of it
        guide = doctest.DocTestParser().get_doctest(text, {}, "python.md", "docs/python.md", 0)
        self.assertEqual(doctest.DocTestRunner().run(guide).failed, 0)
        for module in (fq, _formats):
            failed, tried = doctest.testmod(module)
            self.assertEqual(failed, 0)
            self.assertGreater(tried, 0)


if __name__ == "__main__":
    unittest.main()
