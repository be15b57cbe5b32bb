"""calibrate --channels and smooth=: difficulty taken from inputs to weights, against SmoothQuant's formula in numpy."""

import json
import os
import shutil
import unittest

import gguf
import numpy as np

import tiny_model
from input_file import InputFile, tensors_of
from program import MODEL, TEXT, SharedFolderTest, must

FEW = ("--ctx-size", 64, "--chunks", 4, "--threads", 1)
OUTLIERS, HOW_FAR = [3, 40, 77], 64


class Channels(InputFile):
    def scales(self, weight, alpha):
        name = self.input_of[weight]
        inputs, weights = (self.tensors[name + end].astype(np.float64) for end in (".absmax", ".weight_absmax"))
        return np.maximum(inputs ** alpha / np.maximum(weights, 1e-5) ** (1 - alpha), 1e-5).astype(np.float32)


def with_outliers(path):
    """The demo model, some of whose norms' channels are larger and the columns that read them as much smaller."""
    shutil.copyfile(MODEL, path)
    content = np.memmap(path, np.uint8, "r+")
    for tensor in gguf.GGUFReader(MODEL).tensors:
        kind = tensor.name.split(".")[2] if tensor.name.startswith("blk.") else ""
        if kind not in ("attn_norm", "attn_q", "attn_k", "attn_v", "ffn_norm", "ffn_gate", "ffn_up"):
            continue
        begin = int(tensor.data_offset)
        values = content[begin:begin + tensor.n_bytes].view(tensor.data.dtype)
        columns = values.reshape(tensor.shape[::-1])
        if kind.endswith("_norm"):
            columns[OUTLIERS] *= HOW_FAR
        else:
            columns[:, OUTLIERS] /= HOW_FAR
    content.flush()
    return path


class SmoothTest(SharedFolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = with_outliers(os.path.join(cls.shared, "outliers.gguf"))
        cls.channel_file, cls.range_file = (os.path.join(cls.shared, name) for name in ("channels.gguf", "ranges.json"))
        cls.said = must("calibrate", cls.model, "-f", TEXT, *FEW, "--channels", cls.channel_file, "-o", cls.range_file)
        cls.channels = Channels(cls.channel_file)
        cls.weights = tensors_of(cls.model)

    def smooth(self, alpha=0.5):
        return f"smooth={self.channel_file}:{alpha}"

    def kld(self, *rules, model=None):
        words = [word for rule in rules for word in ("--rule", rule)]
        return self.measure("eval", model or self.model, "-f", TEXT, *FEW, *words)["variants"][0]["kld"]["mean"]

    def test_channels_are_those_of_the_inputs(self):
        self.assertEqual(self.channels.type, "channels")
        self.assertIn("Channels of 25 inputs, which 43 weights read", self.said)
        names = self.channels.input_of
        self.assertEqual({names[f"blk.2.attn_{n}.weight"] for n in "qkv"}, {"blk.2.attn_q.weight"})
        with open(self.range_file, encoding="utf-8") as file:
            sites = {site["site"]: site["channels"]["absmax"] for site in json.load(file)["sites"]}
        for site, weights in (("attn_norm-2", ["attn_q", "attn_k", "attn_v"]), ("ffn_norm-1", ["ffn_gate", "ffn_up"])):
            readers = [f"blk.{site[-1]}.{weight}.weight" for weight in weights]
            np.testing.assert_array_equal(self.channels.tensors[names[readers[0]] + ".absmax"], np.float32(sites[site]))
            largest = np.max([np.abs(self.weights[reader]).max(axis=0) for reader in readers], axis=0)
            np.testing.assert_array_equal(self.channels.tensors[names[readers[0]] + ".weight_absmax"], largest)

    def test_weights_are_those_of_the_formula(self):
        for weight, alpha in (("blk.0.attn_k.weight", 0.5), ("blk.3.ffn_down.weight", 0.85)):
            out = self.path("out.gguf")
            self.measure("apply", self.model, "-o", out, "--rule", f"w:{weight}=int8,{self.smooth(alpha)}", "--store", "f32")
            scales = self.channels.scales(weight, alpha)
            values = self.weights[weight] * scales
            steps = np.abs(values).max(axis=1, keepdims=True) / np.float32(127)
            expected = steps * np.rint(values / steps) / scales
            found = tensors_of(out)[weight]
            self.assertGreater(np.mean(np.isclose(found, expected, rtol=1e-5, atol=0)), 0.999, weight)

    def test_inputs_keep_their_values_but_for_the_rounding(self):
        self.assertLess(self.kld(f"a:in(*)=mantissa23,{self.smooth()}"), 1e-9)
        result = self.measure("eval", self.model, "-f", TEXT, *FEW, "--rule", f"a:in(*)=int8,range=static,{self.smooth()}")
        self.assertEqual(len(result["sites"]), 25)
        # The text is that of the calibration: its ranges hold all values, but for those that moved by what was rounded before.
        self.assertEqual(result["sites"][0]["saturated"], 0)
        self.assertLess(sum(site["saturated"] for site in result["sites"]), 100)

    def test_outliers_cost_less(self):
        plain = self.kld("w:matrices=int8", f"a:in(matrices)=int8,range=static:{self.range_file}")
        smoothed = self.kld(f"w:matrices=int8,{self.smooth()}", f"a:in(matrices)=int8,range=static,{self.smooth()}")
        self.assertLess(smoothed, 0.2 * plain)
        self.assertLess(self.kld(f"a:in(matrices)=nvfp4,range=static,{self.smooth(0.8)}"), self.kld("a:in(matrices)=nvfp4"))

    def test_experts_and_their_router_share_an_input(self):
        model = tiny_model.write(self.path("experts.gguf"), experts=4)
        text, file = tiny_model.write_text(self.path("text.txt")), self.path("channels.gguf")
        self.measure("calibrate", model, "-f", text, "--ctx-size", 64, "--chunks", 2, "--threads", 1, "--channels", file)
        channels = Channels(file)
        of_experts = {channels.input_of[f"blk.0.ffn_{name}.weight"] for name in ("gate_inp", "up_exps", "gate_exps")}
        self.assertEqual(len(of_experts), 1)
        self.assertEqual(channels.tensors["blk.0.ffn_down_exps.weight.absmax"].shape, (tiny_model.WIDTH,))
        smooth = f"smooth={file}:0.5"
        result = self.measure("eval", model, "-f", text, "--ctx-size", 64, "--chunks", 2, "--threads", 1,
                              "--rule", f"w:matrices=int8,{smooth}", "--rule", f"a:in(matrices)=int8,range=static,{smooth}")
        self.assertLess(result["variants"][0]["kld"]["mean"], 0.01)
        # Its file does not fit another model, nor does another's fit this one.
        for rule in ("w:ffn_down_exps", "a:in(ffn_down_exps)"):
            self.refuse(2, "lacks the channels of", "eval", model, "-f", text, *FEW, "--rule", f"{rule}=int8,{self.smooth()}")
        for code, rule in ((1, "w:attn_q"), (2, "a:in(attn_q)")):
            self.refuse(code, "it was made for another model", "eval", model, "-f", text, *FEW, "--rule", f"{rule}=int8,{self.smooth()}")

    def test_studies_take_it(self):
        study = self.path("study.db")
        self.measure("sweep", self.model, "-f", TEXT, "--ctx-size", 32, "--chunks", 1, "--threads", 1, "--layers",
                     "--site", "w:ffn_down@0-1", "--site", "a:in(ffn_down)@0-1",
                     "--format", f"int8,{self.smooth()}", "--format", f"int4,{self.smooth()}", "-o", study)
        planned = self.measure("plan", study, "--bits", "w:6", "--bits", "a:6")
        self.assertIn(self.smooth(), str(planned))

    def test_bad_files_and_rules_are_refused_in_one_line(self):
        out = self.path("refused.gguf")
        with open(self.channel_file, "rb") as file:
            whole = file.read()
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(self.channel_file).tensors}
        begin = tensors["blk.0.attn_q.weight.absmax"].data_offset
        negative = bytearray(whole)
        negative[begin + 3] ^= 0x80
        for name, content, pattern in (("short", whole[:len(whole) // 2], "short|beyond|end"), ("text", b"no file", "GGUF"),
                                       ("swapped", whole.replace(b"channels.inputs", b"channels.Inputs"), "damaged"),
                                       ("negative", bytes(negative), "negative.gguf is damaged: blk.0.attn_q.weight.absmax")):
            path = self.path(name + ".gguf")
            with open(path, "wb") as file:
                file.write(content)
            self.refuse(1, pattern, "apply", self.model, "-o", out, "--rule", f"w:matrices=int8,smooth={path}:0.5")
        self.refuse(1, "has no channels of inputs", "apply", self.model, "-o", out,
                    "--rule", f"w:matrices=int8,smooth={MODEL}:0.5")
        missing = self.path("none.gguf")
        self.refuse(1, "no such file; calibrate makes a file of channels", "apply", self.model, "-o", out,
                    "--rule", f"w:matrices=int8,smooth={missing}:0.5")
        self.assertFalse(os.path.exists(out))
        smooth = "=int8," + self.smooth()
        self.refuse(2, "lacks the channels of 13 tensors", "apply", self.model, "-o", out, "--rule", "w:norms" + smooth)
        for site in ("a:q", "a:k_cache", "a:out(ffn_up)", "a:attn_probs"):
            self.refuse(2, "is for the inputs of products with weights|depend on", "eval", self.model, "-f", TEXT, *FEW, "--rule", site + smooth)
        self.refuse(2, "a weight's own range is always known", "apply", self.model, "-o", out,
                    "--rule", f"w:matrices=int8,range=static,{self.smooth()}")
        self.refuse(2, "names no file", "eval", self.model, "-f", TEXT, "--rule", "a:in(*)=int8,range=static")
        self.refuse(2, "smooth= is not for packed types", "quantize", self.model, "-o", out, "--rule", f"w:ffn_up=q8_0,{self.smooth()}")
        self.refuse(2, "there is none here", "formats", "int8," + self.smooth())
        self.refuse(2, "only read", "calibrate", self.model, "-f", TEXT, "--channels", self.model)


if __name__ == "__main__":
    unittest.main()
