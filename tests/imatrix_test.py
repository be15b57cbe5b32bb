"""calibrate --imatrix: the importance matrix that llama-imatrix collects."""

import json
import os
import unittest

import gguf
import numpy as np

import tiny_model
from program import MODEL, NATIVE, TEXT, ProgramTest, run_llama

MEASURED = ("--ctx-size", 64, "--chunks", 6)


def read(path):
    """The tensors of an importance matrix but llama-imatrix's statistics, and its keys."""
    reader = gguf.GGUFReader(path)
    tensors = {t.name: (tuple(t.shape), np.array(t.data, np.float64).ravel()) for t in reader.tensors if not t.name.endswith(".stats")}
    keys = {key: (field.types, field.contents()) for key, field in reader.fields.items()
            if key.startswith(("general.", "imatrix.")) and key not in ("imatrix.stats_schema", "imatrix.text_sample")}
    return tensors, keys


class ImatrixTest(ProgramTest):
    def collect(self, *options, model=MODEL, text=TEXT, measured=MEASURED, output="ours.gguf"):
        path = self.path(output)
        self.result = self.measure("calibrate", model, "-f", text, *measured, "--imatrix", path, "--threads", 1, *options)
        return path

    def llama_imatrix(self, model=MODEL, text=TEXT, *options):
        path = self.path("theirs.gguf")
        run_llama("llama-imatrix", "-m", model, "-f", text, "-c", 64, "--chunks", 6, "--no-ppl", "-o", path, *options)
        return path

    def assert_alike(self, ours, theirs, precision):
        (found, keys), (expected, expected_keys) = read(ours), read(theirs)
        self.assertEqual(keys, expected_keys)
        self.assertEqual(set(found), set(expected))
        for name, (shape, values) in expected.items():
            self.assertEqual(found[name][0], shape, name)
            if name.endswith(".counts"):
                np.testing.assert_array_equal(found[name][1], values, name)
            elif name.endswith(".in_sum2"):
                np.testing.assert_allclose(found[name][1], values, rtol=precision, err_msg=name)
            else:  # values of both signs cancel out
                squares = expected[name.removesuffix("in_sum") + "in_sum2"][1]
                np.testing.assert_array_less(np.abs(found[name][1] - values), 10 * precision * np.sqrt(squares * 384) + 1e-12, name)

    def test_sums_are_those_of_llama_imatrix(self):
        theirs = self.llama_imatrix()
        self.assert_alike(self.collect(*NATIVE), theirs, 2e-6)
        self.assertEqual(self.result["importance"], {"weights": 42, "chunks": 6})
        self.assertEqual(self.result["sites"], [])
        # Its kernels round the inputs of products, those of f32 arithmetic do not.
        self.assert_alike(self.collect(), theirs, 5e-3)

    def test_experts_are_counted_by_themselves(self):
        model = tiny_model.write(self.path("experts.gguf"), experts=4)
        text = tiny_model.write_text(self.path("text.txt"))
        theirs = self.llama_imatrix(model, text)
        self.assert_alike(self.collect(*NATIVE, model=model, text=text), theirs, 5e-6)
        self.assert_alike(self.collect(model=model, text=text), theirs, 5e-3)
        counts = read(self.path("ours.gguf"))[0]["blk.0.ffn_up_exps.weight.counts"]
        self.assertEqual((counts[0], counts[1].sum()), ((1, 4), 2 * 6 * 64))
        self.assertGreater(len(set(counts[1])), 1)

    def test_quantizers_take_either(self):
        """llama-quantize and quantize make the same of ours; and theirs is read."""
        ours = self.collect()
        self.measure("quantize", MODEL, "-o", self.path("a.gguf"), "--type", "q4_k_s", "--imatrix", ours)
        run_llama("llama-quantize", "--imatrix", ours, MODEL, self.path("b.gguf"), "q4_k_s", 1)
        plain = self.path("c.gguf")
        self.measure("quantize", MODEL, "-o", plain, "--type", "q4_k_s")
        first, second, third = ({t.name: bytes(t.data) for t in gguf.GGUFReader(self.path(name)).tensors} for name in ("a.gguf", "b.gguf", "c.gguf"))
        self.assertEqual(first, second)
        self.assertNotEqual(first, third)
        self.measure("quantize", MODEL, "-o", self.path("d.gguf"), "--rule", "w:attn_q=q4_k", "--imatrix", self.llama_imatrix())

    def test_beside_ranges_it_is_the_same(self):
        alone = read(self.collect())
        both = read(self.collect("-o", self.path("ranges.json"), output="both.gguf"))
        self.assertEqual(alone[1], both[1])
        for name, (_, values) in alone[0].items():
            np.testing.assert_array_equal(values, both[0][name][1])
        self.assertGreater(len(self.result["sites"]), 0)
        self.measure("calibrate", MODEL, "-f", TEXT, *MEASURED, "-o", self.path("again.json"), "--threads", 1)
        sites = [json.load(open(self.path(name), encoding="utf-8"))["sites"] for name in ("ranges.json", "again.json")]
        self.assertEqual(*sites)

    def test_errors(self):
        self.refuse(2, "nothing is to be written", "calibrate", MODEL, "-f", TEXT)
        out = self.path("out.gguf")
        self.refuse(2, "MODEL|input|only read|reads", "calibrate", MODEL, "-f", TEXT, "--imatrix", MODEL)
        self.refuse(1, "too short|at least|tokens", "calibrate", MODEL, "-f", self.short_text(), "--imatrix", out)
        self.assertFalse(os.path.exists(out))

    def short_text(self):
        path = self.path("short.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("One line.")
        return path


if __name__ == "__main__":
    unittest.main()
