"""Number formats in a model's weights: against numpy, python3-gguf and llama.cpp's own quantizer."""

import json
import os
import struct
import unittest

import gguf
import numpy as np

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama

MATRIX = "blk.2.ffn_down.weight"


def float32_model(path):
    """The demo model with every tensor in F32, so that storing rounded values is exact."""
    run_llama("llama-quantize", MODEL, path, "F32")
    return path


def tensor_of(path, name):
    """A tensor's values as float32, rows first."""
    tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == name)
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return np.array(values, np.float32).reshape(tuple(reversed([int(n) for n in tensor.shape])))


class FormatsTest(ProgramTest):
    def test_lists_what_each_format_holds(self):
        formats = {entry["name"]: entry for entry in self.measure("formats")["formats"]}
        self.assertEqual((formats["e4m3"]["largest"], formats["e4m3"]["steps"]), (448, 8))
        self.assertEqual(formats["f16"]["largest"], float(np.finfo(np.float16).max))
        self.assertEqual(formats["f16"]["smallest_normal"], float(np.finfo(np.float16).tiny))
        self.assertEqual(formats["f16"]["smallest_subnormal"], float(np.finfo(np.float16).smallest_subnormal))
        self.assertEqual((formats["mxfp4"]["bits"], formats["nvfp4"]["bits"], formats["q4_k"]["bits"]), (4.25, 4.5, 4.5))
        for name, quantized in gguf.GGML_QUANT_SIZES.items():
            block, size = quantized
            entry = formats.get(name.name.lower())
            # Of Q8_1 python3-gguf has the scale and the sum in float32, as ggml had before it took F16.
            if entry and name.name.startswith(("Q", "IQ", "TQ")) and name.name != "Q8_1":
                self.assertEqual(entry["bits"], 8 * size / block, name)
        self.assertEqual(run("formats").returncode, 0)

    def test_shows_what_a_format_makes_of_a_value(self):
        result = self.measure("formats", "e4m3", "--round", "0.3", "--round", "449", "--round", "-0.3")
        examples = result["examples"]
        self.assertEqual([e["rounded"] for e in examples], [0.3125, 448, -0.3125])
        self.assertEqual([e["code"] for e in examples], [0x2A, 0x7E, 0xAA])
        self.assertEqual([(e["below"], e["above"]) for e in examples], [(0.28125, 0.3125), (448, 448), (-0.3125, -0.28125)])
        self.assertAlmostEqual(examples[0]["error"], 0.3125 - float(np.float32(0.3)), places=12)
        integers = self.measure("formats", "int8,mode=asym", "--round", "-1", "--round", "0", "--round", "2")["examples"]
        self.assertEqual([e["code"] for e in integers], [0, 85, 255])
        clipped = self.measure("formats", "int4,range=mse", *[a for x in (0.1, 0.23, 0.37, 0.52, -0.66, 3)
                                                              for a in ("--round", str(x))])["examples"]
        for example in clipped:
            self.assertLessEqual(example["below"], example["above"])
            self.assertIn(example["rounded"], (example["below"], example["above"]))
        block = self.measure("formats", "mxfp8", "--round", "inf", "--round", "1")["examples"]
        self.assertEqual((block[0]["code"], block[0]["scale"]), (0x7E, 2.0 ** 127))
        nothing = self.measure("formats", "nvfp4", "--round", "0", "--round", "-0", "--round", "nan")["examples"]
        self.assertEqual([e["code"] for e in nothing], [0, 8, None])
        self.assertIn("0x2a", run("formats", "e4m3", "--round", "0.3").stdout)

    def test_says_where_a_value_is_another_float32(self):
        # Beyond the middle of 1 and 1.125, which it is in float32.
        given = ("1.0625000001", "1.0625", "0.3", "1e-60", "nan")
        examples = self.measure("formats", "e4m3", *[a for x in given for a in ("--round", x)])["examples"]
        self.assertEqual([e["rounded_as_float32"] for e in examples], [True, False, False, True, False])
        self.assertEqual((examples[0]["given"], examples[0]["value"], examples[0]["rounded"]), (1.0625000001, 1.0625, 1))
        printed = run("formats", "e4m3", *[a for x in given for a in ("--round", x)]).stdout
        self.assertIn("1.0625000001 is first a float32, 1.0625,", printed)
        self.assertEqual(printed.count("is first a float32"), 2)

    def test_says_what_is_allowed(self):
        for format_text, pattern in {
                "bf17": "the formats are f16 bf16",
                "e9m1": "2 to 8 exponent bits",
                "int17": "2 to 16 bits",
                "int8,per=block,block=0": "a whole number from 1",
                "int8,range=percentile:120": "at most 100",
                "e4m3,mode=asym": "no option 'mode': it takes per=, tile=, block=,",
                "e4m3,scale=bf16": "add per=",
                "mxfp4,per=row": "it takes block=, scale="}.items():
            self.refuse(2, pattern, "formats", format_text)
            self.refuse(2, pattern, "apply", MODEL, "-o", self.path("out.gguf"), "--rule", f"w:ffn_up={format_text}")
        self.refuse(2, "not a number", "formats", "e4m3", "--round", "much")
        self.refuse(2, "not a number", "formats", "e4m3", "--round", "1e39")
        self.refuse(2, "only with an importance matrix", "formats", "iq2_xs", "--round", "1")
        self.refuse(2, "is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=iq2_xs")
        self.refuse(2, "names? it", "formats", "--round", "1")
        self.refuse(2, "per=token is for activations", "apply", MODEL, "-o", self.path("out.gguf"), "--rule",
                    "w:ffn_up=int8,per=token")
        self.refuse(2, "per=tensor is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=int8,per=tensor")
        self.refuse(2, "imatrix= is for weights", "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=q8_0,imatrix=x")
        self.assertFalse(os.path.exists(self.path("out.gguf")))


class WeightFormatsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = float32_model(self.path("f32.gguf"))
        self.before = tensor_of(self.model, MATRIX)

    def rounded(self, format_text, *options):
        out = self.path("out.gguf")
        if os.path.exists(out):
            os.remove(out)
        self.result = self.measure("apply", self.model, "-o", out, "--rule", f"w:{MATRIX}={format_text}", *options)
        return tensor_of(out, MATRIX)

    def assert_same(self, rounded, expected):
        self.assertEqual(rounded.dtype, expected.dtype)
        self.assertEqual(np.count_nonzero(rounded.view(np.uint32) != expected.view(np.uint32)), 0)

    def test_f16_is_numpys(self):
        wide = self.before * np.float32(3e5)  # past the largest value too
        self.assert_same(self.rounded("f16"), self.before.astype(np.float16).astype(np.float32))
        examples = self.measure("formats", "f16", *[a for x in wide[0, :50] for a in ("--round", repr(float(x)))])
        with np.errstate(over="ignore"):
            expected = wide[0, :50].astype(np.float16).astype(np.float64)
        for example, value in zip(examples["examples"], expected):
            self.assertEqual(example["rounded"], None if np.isinf(value) else value)

    def test_rotations_are_numpys(self):
        n = 128
        matrix = np.array([[1.0]])
        while len(matrix) < n:
            matrix = np.block([[matrix, matrix], [matrix, -matrix]])
        matrix /= np.sqrt(n)
        shape = self.before.shape
        x = self.before.astype(np.float64).reshape(-1, n) @ matrix
        groups = x.reshape(-1, 32)
        scale = np.abs(groups).max(axis=1, keepdims=True) / 7
        expected = ((np.rint(groups / scale) * scale).reshape(x.shape) @ matrix).reshape(shape)
        rounded = self.rounded(f"int4,per=block,rotate=hadamard:{n}")
        # A value near a tie may go the other way in float32, and with it its block.
        self.assertLess(np.count_nonzero(np.abs(rounded - expected) > 1e-5), 0.01 * expected.size)
        undone = self.rounded("mantissa23,rotate=random:3")
        self.assertLess(np.abs(undone - self.before).max(), 1e-6 * np.abs(self.before).max())
        # A matrix with outliers loses less at 4 bits where they are spread.
        q4, rotated = self.rounded("q4_0"), self.rounded("q4_0,rotate=hadamard")
        self.assertNotEqual(np.abs(q4 - rotated).max(), 0)
        self.refuse(2, "cannot be rotated in blocks of 1024, which does not divide them", "apply", self.model, "-o",
                    self.path("no.gguf"), "--rule", f"w:{MATRIX}=e4m3,rotate=hadamard:1024")
        self.refuse(2, "ranges of values that are not rotated", "formats", "int8,range=static:x,rotate=hadamard")

    def test_codebooks_are_numpys(self):
        levels = [-3, -1.5, -1, -0.5, 0, 0.25, 0.75, 2]
        path = self.path("levels.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# a chip\n" + "\n".join(map(str, reversed(levels))) + "\n")
        levels = np.array(levels, np.float32)
        groups = self.before.reshape(-1, 32)
        scale = np.abs(groups).max(axis=1, keepdims=True) / np.float32(3)
        index = np.searchsorted((levels[1:] + levels[:-1]) / np.float32(2), groups * (np.float32(1) / scale), side="left")
        expected = (levels[index] * scale).reshape(self.before.shape)
        self.assert_same(self.rounded(f"lookup:{path},per=block") + 0, expected + 0)
        self.assertEqual(self.measure("formats", f"lookup:{path},per=block")["formats"][0]["bits"], 4)
        recipe = self.path("recipe.yaml")  # beside the file
        with open(recipe, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - weights: {MATRIX}\n    format: lookup:levels.txt\n    per: block\n")
        out = self.path("by_recipe.gguf")
        self.assertEqual(run("apply", self.model, "-o", out, "--recipe", recipe).returncode, 0)
        self.assert_same(tensor_of(out, MATRIX) + 0, expected + 0)
        self.refuse(2, "cannot read it", "formats", "lookup:" + self.path("none.txt"))
        self.assertEqual(self.measure("formats", "nf4")["formats"][0]["bits"], 4.5)

    def test_tiles_are_numpys(self):
        x, (rows, columns) = self.before, (48, 100)
        expected = np.empty_like(x)
        for r in range(0, x.shape[0], rows):
            for c in range(0, x.shape[1], columns):
                tile = x[r:r + rows, c:c + columns]
                scale = np.abs(tile).max() / np.float32(127)
                expected[r:r + rows, c:c + columns] = np.rint(tile / scale).clip(-127, 127) * scale
        self.assert_same(self.rounded(f"int8,tile={rows}x{columns}") + 0, expected + 0)
        self.refuse(2, "tile= is for weights", "eval", self.model, "-f", TEXT, "--rule", "a:ffn_norm=e4m3,tile=8x8")
        # In memory, streamed or not, as in a file.
        rules = ("--rule", "w:ffn_down=e4m3,tile=48x100", "--rule", "w:attn_q=int4,tile=128x128,scale=f16")
        text = ("-f", TEXT, "--chunks", 1, "--ctx-size", 64, "--threads", 1)
        out = self.path("tiled.gguf")
        self.assertEqual(run("apply", self.model, "-o", out, *rules).returncode, 0)
        copied = self.measure("eval", self.model, *text, "--against", out)["variants"][0]
        for arguments in ((), NATIVE):
            placed = self.measure("eval", self.model, *text, *arguments, *rules)["variants"][0]
            if arguments:
                copied = self.measure("eval", self.model, *text, *NATIVE, "--against", out)["variants"][0]
            self.assertEqual((placed["ppl"], placed["kld"]), (copied["ppl"], copied["kld"]))

    def test_a_rotation_is_the_same_however_weights_are_held(self):
        rules = ("--rule", "w:ffn_down=nvfp4,rotate=random:1", "--rule", "w:attn_q=e4m3,rotate=hadamard:64")
        text = ("-f", TEXT, "--chunks", 1, "--ctx-size", 64, "--threads", 1)
        out = self.path("rotated.gguf")
        self.assertEqual(run("apply", self.model, "-o", out, *rules).returncode, 0)
        placed = self.measure("eval", self.model, *text, *rules)["variants"][0]
        copied = self.measure("eval", self.model, *text, "--against", out)["variants"][0]
        self.assertEqual((placed["ppl"], placed["kld"]), (copied["ppl"], copied["kld"]))
        activations = ("--rule", "a:in(matrices)=int4,rotate=hadamard", "--rule", "a:Kcur=q4_0,rotate=hadamard:32")
        one = self.measure("eval", self.model, *text, *activations)
        other = self.measure("eval", self.model, *text[:-1], 2, "--batch-size", 7, *activations)
        self.assertEqual(one["variants"], other["variants"])
        self.assertTrue(all(site["errors"]["changed"] > 0 for site in one["sites"] if "errors" in site))
        study = self.path("study.db")
        swept = self.measure("sweep", self.model, *text, "-o", study, "--site", "w:ffn_down", "--format", "int4", "--format",
                             "int4,rotate=hadamard")["variants"]
        self.assertIn("int4,rotate=hadamard", {variant["format"] for variant in swept})
        self.assertEqual(run("plan", study, "--bits", "8").returncode, 0)

    def test_integers_are_numpys(self):
        x = self.before
        for groups, options in {"row": "", "tensor": ",per=tensor", "block": ",per=block,block=100"}.items():
            for bits in (4, 8):
                largest = np.float32(2 ** (bits - 1) - 1)
                expected = np.empty_like(x)
                pieces = {"row": [np.s_[:, :]], "tensor": [np.s_[:, :]],
                          "block": [np.s_[:, b:b + 100] for b in range(0, x.shape[1], 100)]}[groups]
                for piece in pieces:
                    axis = None if groups == "tensor" else 1
                    scale = np.abs(x[piece]).max(axis=axis, keepdims=True) / largest
                    expected[piece] = np.rint(x[piece] / scale).clip(-largest, largest) * scale + np.float32(0)
                self.assert_same(self.rounded(f"int{bits}{options}"), expected)

    def test_asymmetric_integers_are_numpys(self):
        x = self.before
        low = np.minimum(x.min(axis=1, keepdims=True), 0)
        high = np.maximum(x.max(axis=1, keepdims=True), 0)
        scale = (high - low) / np.float32(15)
        zero = np.rint(-low / scale)
        expected = ((np.rint(x / scale) + zero).clip(0, 15) - zero) * scale + np.float32(0)
        self.assert_same(self.rounded("int4,mode=asym"), expected)

    def test_percentiles_are_numpys(self):
        x = self.before
        for options, axis in (("", 1), (",per=tensor", None)):
            clip = np.percentile(np.abs(x.astype(np.float64)), 99, axis=axis, keepdims=True).astype(np.float32)
            scale = clip / np.float32(7)
            expected = np.rint(x / scale).clip(-7, 7) * scale + np.float32(0)
            self.assert_same(self.rounded(f"int4,range=percentile:99{options}"), expected)
            self.assertGreater(self.result["tensors"][0]["saturated"], 0)

    def test_searched_ranges_lose_least(self):
        def error(options):
            self.rounded(f"int4{options}")
            return self.result["tensors"][0]["rmse"]
        for per in ("", ",per=tensor", ",per=block,block=64"):
            searched = error(f"{per},range=mse")
            self.assertLess(searched, error(per))
            self.assertLess(searched, error(f"{per},range=percentile:99"))

    def test_mx_and_nvfp4_are_their_definitions(self):
        levels = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
        middles = (levels[1:] + levels[:-1]) / 2

        def to_e2m1(values):
            magnitude = np.abs(values).astype(np.float64)
            above = np.searchsorted(middles, magnitude, side="right")  # a tie goes up here ...
            below = np.searchsorted(middles, magnitude, side="left")
            index = np.where(above == below, above, np.where(below % 2 == 0, below, above))  # ... and to even here
            return np.copysign(levels[index], values)

        blocks = self.before.reshape(-1, 32).astype(np.float64)
        shared = np.exp2(np.floor(np.log2(np.abs(blocks).max(axis=1, keepdims=True))) - 2)
        expected = (to_e2m1(blocks / shared) * shared).astype(np.float32).reshape(self.before.shape)
        self.assert_same(self.rounded("mxfp4"), expected)

        outer = np.abs(self.before).max() / np.float32(6 * 448)
        blocks = self.before.reshape(-1, 16)
        codes = np.array(sorted({m * 2.0 ** (e - 7) / 8 for e in range(1, 16) for m in range(8, 16)} |
                                {m * 2.0 ** -9 for m in range(8)}))
        codes = codes[codes <= 448]
        wanted = (np.abs(blocks).max(axis=1, keepdims=True) / np.float32(6) / outer).astype(np.float64)
        distance = np.abs(codes[None, :] - wanted)
        nearest = distance.argmin(axis=1)
        tied = distance[np.arange(len(nearest)), np.minimum(nearest + 1, len(codes) - 1)] == distance.min(axis=1)
        nearest = np.where(tied & (nearest % 2 == 1) & (nearest + 1 < len(codes)), nearest + 1, nearest)
        scale = codes[nearest][:, None].astype(np.float32) * outer
        expected = (to_e2m1(blocks / scale).astype(np.float32) * scale).reshape(self.before.shape)
        self.assert_same(self.rounded("nvfp4"), expected)

    def test_ggml_types_are_those_of_llama_quantize(self):
        for name, quantized in (("q8_0", "Q8_0"), ("q4_0", "Q4_0"), ("ggml:mxfp4", None), ("q6_k", "Q6_K")):
            rounded = self.rounded(name)
            if quantized is None:
                kind = gguf.GGMLQuantizationType.MXFP4
                expected = gguf.quants.dequantize(gguf.quants.quantize(self.before, kind), kind)
                self.assert_same(rounded, expected.astype(np.float32).reshape(self.before.shape))
                continue
            other = self.path(f"{name}.gguf")
            run_llama("llama-quantize", "--pure", self.model, other, quantized)
            self.assert_same(rounded, tensor_of(other, MATRIX))

    def test_importance_matrices_count_as_in_llama_quantize(self):
        importance = self.path("importance.gguf")
        run_llama("llama-imatrix", "-m", self.model, "-f", TEXT, "-o", importance, "-c", "256", "--chunks", "4")
        for name, quantized in (("q4_k", "Q4_K_S"), ("iq4_xs", "IQ4_XS"), ("q3_k", "Q3_K_S")):
            other = self.path(f"{name}.gguf")
            run_llama("llama-quantize", "--pure", "--imatrix", importance, self.model, other, quantized)
            rounded = self.rounded(f"{name},imatrix={importance}")
            self.assert_same(rounded, tensor_of(other, MATRIX))
        self.assertGreater(np.count_nonzero(rounded != self.rounded("q3_k")), 0)
        self.rounded(f"iq2_xs,imatrix={importance}")
        self.assertLess(self.result["tensors"][0]["sqnr_db"], 15)
        self.refuse(2, "only with an importance matrix: add imatrix=FILE", "apply", self.model, "-o", self.path("x.gguf"),
                    "--rule", "w:ffn_up=iq2_xs")
        self.refuse(1, "not an importance matrix", "apply", self.model, "-o", self.path("x.gguf"), "--rule",
                    f"w:ffn_up=q4_k,imatrix={self.model}")
        reader, lacking = gguf.GGUFReader(importance), self.path("lacking.gguf")
        writer = gguf.GGUFWriter(lacking, "")
        for tensor in reader.tensors:
            if not tensor.name.startswith("blk.0.ffn_up"):
                writer.add_tensor(tensor.name, tensor.data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        done = run("apply", self.model, "-o", self.path("x.gguf"), "--rule", f"w:ffn_up=q3_k,imatrix={lacking}")
        self.assertIn("The importance matrix lacks 1 tensor, quantized without it, as llama-quantize does: blk.*.ffn_up.weight.\n",
                      done.stdout)
        self.refuse(2, "lacking.gguf lacks a tensor that the rule 'w:ffn_up=iq2_xs,.*only with an importance matrix.*: blk.*.ffn_up.weight:",
                    "apply", self.model, "-o", self.path("x.gguf"), "--rule", f"w:ffn_up=iq2_xs,imatrix={lacking}")
        with open(self.path("old.dat"), "wb") as file:
            file.write(struct.pack("<ii19sii256f", 1, 19, b"blk.0.ffn_up.weight", 1, 256, *[1.0] * 256))
        self.refuse(1, r"old.dat is an importance matrix in llama-imatrix's old format: .*llama-imatrix -m MODEL --in-file \S*old.dat -o NEW.gguf",
                    "apply", self.model, "-o", self.path("x.gguf"), "--rule", f"w:ffn_up=q3_k,imatrix={self.path('old.dat')}")
        run_llama("llama-imatrix", "-m", self.model, "--in-file", self.path("old.dat"), "-o", self.path("new.gguf"))
        self.measure("apply", self.model, "-o", self.path("x.gguf"), "--rule", f"w:blk.0.ffn_up.weight=q3_k,imatrix={self.path('new.gguf')}")
        self.refuse(1, "cannot|No such", "apply", self.model, "-o", self.path("x.gguf"), "--rule",
                    "w:ffn_up=q4_k,imatrix=/nowhere.gguf")

    def test_damaged_importance_matrices_are_refused(self):
        for value in (np.nan, np.inf, -1):
            path = self.path("damaged.gguf")
            writer = gguf.GGUFWriter(path, "llama")
            writer.add_tensor(f"{MATRIX}.in_sum2", np.full((1, self.before.shape[1]), value, np.float32))
            writer.add_tensor(f"{MATRIX}.counts", np.ones((1, 1), np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            self.refuse(1, "has the invalid value (nan|inf|-1) for column 0", "apply", self.model, "-o", self.path("x.gguf"), "--rule",
                        f"w:{MATRIX}=q4_k,imatrix={path}")

    def test_rows_that_ggml_cannot_hold_are_named(self):
        odd = self.path("odd.gguf")
        writer = gguf.GGUFWriter(odd, "llama")
        writer.add_block_count(1)
        writer.add_tensor("blk.0.ffn_up.weight", np.ones((3, 100), np.float32))
        writer.add_tensor("blk.0.ffn_down.weight", np.full((2, 256), np.nan, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        out = self.path("x.gguf")
        self.refuse(2, "blk.0.ffn_up.weight: rows of 100 values.*multiple of 256", "apply", odd, "-o", out, "--rule",
                    "w:ffn_up=q4_k")
        for name, fallback in (("q4_k", "q5_0"), ("q5_k", "q5_1"), ("q6_k", "q8_0"), ("q3_k", "q4_0"), ("iq3_s", "iq4_nl")):
            self.refuse(2, rf"rule 'w:\*={name}': .*multiple of 256; 1 of 2 do not fit: blk.\*.ffn_up.weight: leave them out, "
                        f"or give them {fallback}, as llama-quantize does", "apply", odd, "-o", out, "--rule", f"w:*={name}")
        self.assertFalse(os.path.exists(out))
        self.measure("apply", odd, "-o", out, "--rule", "w:ffn_down=q4_k")  # NaN stays NaN, as in every format
        down = next(tensor for tensor in gguf.GGUFReader(out).tensors if "down" in tensor.name)
        self.assertTrue(np.isnan(down.data).all())

    def test_threads_do_not_change_a_bit(self):
        for name in ("int4,per=tensor,range=mse", "nvfp4", "bf16,round=stochastic,seed=5", "mxfp4,round=stochastic", "q4_k"):
            one = self.rounded(name, "--threads", "1")
            first = self.result["tensors"]
            two = self.rounded(name, "--threads", "2")
            self.assert_same(one, two)
            self.assertEqual(first, self.result["tensors"])
        self.assertGreater(np.count_nonzero(self.rounded("e4m3,round=stochastic,seed=1") !=
                                            self.rounded("e4m3,round=stochastic,seed=2")), 0)

    def test_stochastic_rounding_has_no_bias(self):
        error = self.rounded("e3m2,round=stochastic").astype(np.float64) - self.before
        step = np.exp2(np.maximum(np.floor(np.log2(np.abs(self.before.astype(np.float64)))), -2) - 2)
        self.assertLess(abs((error / step).mean()), 5 * 0.5 / np.sqrt(error.size))
        self.assertLessEqual(np.abs(error / step).max(), 1)

    def test_recipes_take_the_options(self):
        recipe = self.path("recipe.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - weights: {MATRIX}\n    format: int4\n    per: block\n    block: 64\n    mode: asym\n")
        by_recipe = self.path("recipe.gguf")
        result = self.measure("apply", self.model, "-o", by_recipe, "--recipe", recipe)
        self.assertEqual(result["tensors"][0]["format"], "int4,per=block,block=64,mode=asym")
        self.assert_same(tensor_of(by_recipe, MATRIX), self.rounded("int4,per=block,block=64,mode=asym"))


class ActivationFormatsTest(ProgramTest):
    def eval(self, *arguments):
        return self.measure("eval", MODEL, "-f", TEXT, "--chunks", "2", *arguments)

    def test_every_family_rounds_activations_once(self):
        for name in ("e4m3", "e4m3,per=token", "e4m3,per=block,block=128,scale=e8m0:rceil", "int8,codes=full", "int8", "int8,per=row", "int4,per=block,block=64", "mxfp8", "nvfp4", "q8_0", "q8_k",
                     "e5m2,round=stochastic"):
            result = self.eval("--rule", f"a:ffn_norm={name}")
            self.assertEqual(len(result["sites"]), 6)
            for site in result["sites"]:
                self.assertEqual(site["elements"], site["rows"] * site["columns"])
                self.assertGreater(site["changed"], 0)
            self.assertGreater(result["variants"][0]["kld"]["mean"], 0)

    def test_threads_do_not_change_a_bit(self):
        for rule in ("a:*=int8", "a:*=e4m3,round=stochastic,seed=3", "a:ffn_norm=nvfp4"):
            one, two = (self.eval("--rule", rule, "--threads", threads)["variants"] for threads in ("1", "2"))
            self.assertEqual(json.dumps(one), json.dumps(two), rule)

    def test_results_do_not_depend_on_what_is_evaluated_together(self):
        """A prompt is evaluated together, the generated text token by token: given its own text as prompt, the model must agree."""
        for rule in ("a:ffn_norm=int4", "a:Qcur=e2m1,round=stochastic,seed=4", "a:Kcur=int4", "a:ffn_norm=nvfp4"):
            greedy = ("--temp", "0", "--rule", rule)
            first = self.measure("generate", MODEL, "-p", "Once upon a time", "--predict", "24", *greedy)
            text = first["prompts"][0]["variants"][0]["text"]
            self.assertTrue(text)
            cut = text.rfind(" ", 0, len(text) // 2)
            again = self.measure("generate", MODEL, "-p", "Once upon a time" + text[:cut], "--predict", "8", *greedy)
            continued = again["prompts"][0]["variants"][0]["text"]
            self.assertTrue(text[cut:].startswith(continued[:12]), (rule, text, continued))


if __name__ == "__main__":
    unittest.main()
