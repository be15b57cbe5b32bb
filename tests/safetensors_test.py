"""GGUF files compared with the safetensors they were converted from, by a converter written in numpy."""

import json
import os
import resource
import struct
import unittest

import gguf
import numpy as np

from program import ProgramTest, run

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, EXPERTS = 2, 64, 4, 2, 96, 50, 3
WORK, USAGE = 1, 2


def bf16_bits(values):
    """The upper halves of float32 values whose lower halves are zero."""
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def write_safetensors(path, tensors):
    """tensors: name to (dtype, array of the stored elements)."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, array) in tensors.items():
        begin = len(data)
        data += array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def interleave_halves(weights, heads):
    """Reorders the rows of the llama architecture's query and key projections, as llama.cpp's converter does."""
    half = weights.shape[0] // heads // 2
    return weights.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weights.shape)


class SafetensorsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)

        def values(*shape):
            drawn = random.standard_normal(shape, np.float32)
            return (drawn.view(np.uint32) & 0xFFFF0000).view(np.float32)

        self.published = {"model.embed_tokens.weight": values(VOCABULARY, WIDTH), "model.norm.weight": values(WIDTH),
                          "lm_head.weight": values(VOCABULARY, WIDTH)}
        kv_width = WIDTH // HEADS * KV_HEADS
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            self.published |= {
                prefix + "input_layernorm.weight": values(WIDTH),
                prefix + "post_attention_layernorm.weight": values(WIDTH),
                prefix + "self_attn.q_proj.weight": values(WIDTH, WIDTH),
                prefix + "self_attn.q_proj.bias": values(WIDTH),
                prefix + "self_attn.k_proj.weight": values(kv_width, WIDTH),
                prefix + "self_attn.v_proj.weight": values(kv_width, WIDTH),
                prefix + "self_attn.o_proj.weight": values(WIDTH, WIDTH),
                prefix + "mlp.gate_proj.weight": values(FEED_FORWARD, WIDTH),
                prefix + "mlp.up_proj.weight": values(FEED_FORWARD, WIDTH),
                prefix + "mlp.down_proj.weight": values(WIDTH, FEED_FORWARD),
                prefix + "block_sparse_moe.gate.weight": values(EXPERTS, WIDTH),
            }
            for expert in range(EXPERTS):
                for matrix, shape in (("w1", (FEED_FORWARD, WIDTH)), ("w2", (WIDTH, FEED_FORWARD)), ("w3", (FEED_FORWARD, WIDTH))):
                    self.published[prefix + f"block_sparse_moe.experts.{expert}.{matrix}.weight"] = values(*shape)

    def converted(self, interleaves=True):
        """The GGUF tensors by name, as the converter makes them."""
        published = self.published
        q, k = (HEADS, KV_HEADS) if interleaves else (None, None)

        def ordered(weights, heads):
            return weights if heads is None else interleave_halves(weights, heads)

        tensors = {"token_embd.weight": published["model.embed_tokens.weight"],
                   "output_norm.weight": published["model.norm.weight"], "output.weight": published["lm_head.weight"]}
        for layer in range(LAYERS):
            get = lambda name: published[f"model.layers.{layer}.{name}"]
            experts = lambda matrix: np.stack([get(f"block_sparse_moe.experts.{e}.{matrix}.weight") for e in range(EXPERTS)])
            tensors |= {f"blk.{layer}.{name}": array for name, array in {
                "attn_norm.weight": get("input_layernorm.weight"),
                "ffn_norm.weight": get("post_attention_layernorm.weight"),
                "attn_q.weight": ordered(get("self_attn.q_proj.weight"), q),
                "attn_q.bias": ordered(get("self_attn.q_proj.bias"), q),
                "attn_k.weight": ordered(get("self_attn.k_proj.weight"), k),
                "attn_v.weight": get("self_attn.v_proj.weight"),
                "attn_output.weight": get("self_attn.o_proj.weight"),
                "ffn_gate.weight": get("mlp.gate_proj.weight"),
                "ffn_up.weight": get("mlp.up_proj.weight"),
                "ffn_down.weight": get("mlp.down_proj.weight"),
                "ffn_gate_inp.weight": get("block_sparse_moe.gate.weight"),
                "ffn_gate_exps.weight": experts("w1"),
                "ffn_down_exps.weight": experts("w2"),
                "ffn_up_exps.weight": experts("w3"),
            }.items()}
        return tensors

    def write_gguf(self, tensors, architecture="llama", as_bf16=()):
        writer = gguf.GGUFWriter(self.path("model.gguf"), architecture)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        for name, array in tensors.items():
            if name in as_bf16:
                writer.add_tensor(name, bf16_bits(np.ascontiguousarray(array)).view(np.uint8),
                                  raw_dtype=gguf.GGMLQuantizationType.BF16)
            else:
                writer.add_tensor(name, np.ascontiguousarray(array))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return self.path("model.gguf")

    def write_published(self, name="model.safetensors", names=None, dtype="F32"):
        stored = {"F32": lambda a: a, "BF16": bf16_bits, "F16": lambda a: a.astype(np.float16),
                  "F64": lambda a: a.astype(np.float64)}[dtype]
        write_safetensors(self.path(name), {key: (dtype, stored(array)) for key, array in self.published.items()
                                            if names is None or key in names})
        return self.path(name)

    def test_a_correct_conversion_has_the_same_values(self):
        model = self.write_gguf(self.converted(), as_bf16=["blk.0.attn_q.weight", "blk.1.ffn_up_exps.weight"])
        for dtype in ("F32", "BF16", "F64"):
            comparison = self.measure("compare", model, self.write_published(dtype=dtype))
            self.assertEqual(len(comparison["tensors"]), len(self.converted()))
            self.assertEqual({t["changed"] for t in comparison["tensors"]}, {0})
            self.assertEqual(comparison["only_in_a"] + comparison["only_in_b"] + comparison["reshaped"], [])
            same_type = [t for t in comparison["tensors"] if t["type_a"] == t["type_b"]]
            self.assertEqual(comparison["tensors_identical"], len(same_type))
        names = {t["name"]: t["name_b"] for t in comparison["tensors"]}
        self.assertEqual(names["blk.1.attn_k.weight"], "model.layers.1.self_attn.k_proj.weight")
        self.assertEqual(names["blk.0.ffn_up_exps.weight"], "model.layers.0.block_sparse_moe.experts.0.w3.weight and 2 more")

    def test_finds_what_a_converter_did_to_a_norm(self):
        tensors = self.converted()
        before = tensors["blk.1.ffn_norm.weight"]
        after = before.copy()
        after[5] += np.float32(0.25)
        after[9] *= np.float32(1.5)
        tensors["blk.1.ffn_norm.weight"] = after
        comparison = self.measure("compare", self.write_gguf(tensors), self.write_published())
        changed = {t["name"]: t for t in comparison["tensors"] if t["changed"]}
        self.assertEqual(list(changed), ["blk.1.ffn_norm.weight"])
        error = np.abs(after.astype(np.float64) - before)
        self.assertEqual(changed["blk.1.ffn_norm.weight"]["changed"], 2)
        self.assertEqual(changed["blk.1.ffn_norm.weight"]["max_abs"], error.max())
        np.testing.assert_allclose(changed["blk.1.ffn_norm.weight"]["max_rel"], (error / np.abs(after)).max(), rtol=1e-12)
        done = run("compare", self.path("model.gguf"), self.path("model.safetensors"), "--fail-if", "changed>0")
        self.assertEqual(done.returncode, 3)
        self.assertIn("blk.1.ffn_norm.weight", done.stdout)
        self.assertEqual(done.stderr, "fakequant: --fail-if 'changed>0' holds for 1 of 31: the worst is blk.1.ffn_norm.weight, with 2\n")

    def test_finds_rows_in_the_wrong_order(self):
        comparison = self.measure("compare", self.write_gguf(self.converted(interleaves=False)), self.write_published())
        changed = {t["name"].split(".", 2)[2] for t in comparison["tensors"] if t["changed"]}
        self.assertEqual(changed, {"attn_q.weight", "attn_q.bias", "attn_k.weight"})

    def test_other_architectures_have_the_order_that_their_values_show(self):
        for architecture, interleaves in (("qwen2", False), ("granite", True)):
            model = self.write_gguf(self.converted(interleaves), architecture)
            comparison = self.measure("compare", model, self.write_published())
            self.assertEqual(sum(t["changed"] for t in comparison["tensors"]), 0, architecture)
            self.assertEqual(comparison["only_in_a"] + comparison["only_in_b"], [])

    def test_knows_the_four_norms_of_a_layer(self):
        tensors = self.converted(interleaves=False)
        random = np.random.default_rng(9)
        for layer in range(LAYERS):
            for published, name in (("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm"),
                                    ("post_attention_layernorm", "post_attention_norm")):
                array = random.standard_normal(WIDTH, np.float32)
                self.published[f"model.layers.{layer}.{published}.weight"] = tensors[f"blk.{layer}.{name}.weight"] = array
        comparison = self.measure("compare", self.write_gguf(tensors, "gemma2"), self.write_published())
        self.assertEqual(comparison["tensors_identical"], len(tensors))
        self.assertEqual(comparison["only_in_a"] + comparison["only_in_b"], [])

    def test_lists_what_has_no_counterpart_or_another_shape(self):
        tensors = self.converted()
        tensors["rope_freqs.weight"] = np.ones(8, np.float32)
        tensors["output_norm.weight"] = np.ones(WIDTH + 1, np.float32)
        self.published["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(8, np.float32)
        comparison = self.measure("compare", self.write_gguf(tensors), self.write_published())
        self.assertEqual(comparison["only_in_a"], ["rope_freqs.weight"])
        self.assertEqual(comparison["only_in_b"], ["model.layers.0.self_attn.rotary_emb.inv_freq"])
        self.assertEqual(comparison["reshaped"], ["output_norm.weight"])

    def test_reads_models_in_several_files_by_their_index_or_folder(self):
        model = self.write_gguf(self.converted())
        names = list(self.published)
        parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for part, part_names in parts.items():
            self.write_published(part, part_names)
        with open(self.path("model.safetensors.index.json"), "w", encoding="utf-8") as file:
            json.dump({"weight_map": {name: part for part, part_names in parts.items() for name in part_names}}, file)
        for path in (self.path("model.safetensors.index.json"), self.folder):
            comparison = self.measure("compare", model, path)
            self.assertEqual(comparison["tensors_identical"], len(self.converted()))
        os.remove(self.path("model-00002-of-00002.safetensors"))
        self.refuse(WORK, "cannot open .*model-00002-of-00002.safetensors: No such file", "compare", model, self.folder)

    def scaled(self, codes, scale, ending="_scale_inv", dtype="F8_E4M3", scale_dtype="F32", name="mlp.down_proj.weight", more=None):
        """Compares a model with one whose layer 0 has a matrix in 8 bits with a scale beside it; returns that tensor's entry."""
        full = f"model.layers.0.{name}"
        tensors = {key: ("F32", array) for key, array in self.published.items() if key != full}
        tensors |= {full: (dtype, codes), full + ending: (scale_dtype, scale)} | (more or {})
        write_safetensors(self.path("fp8.safetensors"), tensors)
        comparison = self.measure("compare", self.path("model.gguf"), self.path("fp8.safetensors"))
        self.assertEqual(comparison["only_in_b"], [])
        return comparison

    def test_multiplies_codes_of_8_bits_by_their_scales(self):
        random = np.random.default_rng(5)
        # 128 x 128 blocks of which the last are cut, in either dimension
        rows, columns = 300, 200
        name = "model.layers.0.mlp.down_proj.weight"
        codes = random.integers(0, 0x78, (rows, columns), np.uint8)
        e4m3 = np.array([(c & 7) * 2.0**-9 if c < 8 else (8 + (c & 7)) * 2.0 ** ((c >> 3) - 10) for c in range(0x78)], np.float32)
        e5m2 = np.array([(c & 3) * 2.0**-16 if c < 4 else (4 + (c & 3)) * 2.0 ** ((c >> 2) - 17) for c in range(0x78)], np.float32)
        integers = codes.astype(np.int8) - 50

        def power(shape):
            return np.exp2(random.integers(-5, 5, shape)).astype(np.float32) * np.float32(1.25)

        blocks = power((3, 2))
        spread = np.repeat(np.repeat(blocks, 128, 0), 128, 1)[:rows, :columns]
        by_row, by_group = power((rows, 1)), power((rows, 5))
        e8m0 = random.integers(120, 130, (3, 2), np.uint8)
        e8m0_spread = np.repeat(np.repeat(np.exp2(e8m0.astype(np.float32) - 127), 128, 0), 128, 1)[:rows, :columns]
        values = random.standard_normal((rows, columns), np.float32)
        for given, dtype, decoded, scale, spread_scale, ending, scale_dtype in (
                (codes, "F8_E4M3", e4m3[codes], blocks, spread, "_scale_inv", "F32"),
                (codes, "F8_E4M3", e4m3[codes], bf16_bits(blocks), spread, "_scale_inv", "BF16"),
                (codes, "F8_E4M3", e4m3[codes], e8m0, e8m0_spread, "_scale_inv", "F8_E8M0"),
                (codes, "F8_E5M2", e5m2[codes], blocks, spread, "_scale_inv", "F32"),
                (codes, "F8_E4M3", e4m3[codes], np.array(0.375, np.float32), np.float32(0.375), "_scale", "F32"),
                (codes, "F8_E4M3", e4m3[codes], np.array([0.375], np.float32), np.float32(0.375), "_scale_inv", "F32"),
                (codes, "F8_E4M3", e4m3[codes], by_row, by_row, "_scale", "F32"),
                (integers, "I8", integers.astype(np.float32), by_row[:, 0], by_row, "_scale", "F32"),
                (codes, "F8_E4M3", e4m3[codes], by_group, np.repeat(by_group, 40, 1), "_scale", "F32")):
            self.published[name] = values
            tensors = self.converted()
            tensors["blk.0.ffn_down.weight"] = decoded * spread_scale
            self.write_gguf(tensors)
            comparison = self.scaled(given, scale, ending, dtype, scale_dtype)
            entry = next(t for t in comparison["tensors"] if t["name"] == "blk.0.ffn_down.weight")
            self.assertEqual((entry["changed"], entry["scale_b"]), (0, name + ending), (dtype, np.shape(scale), scale_dtype))
            self.assertEqual(comparison["tensors_identical"], len(tensors) - 1)

    def test_scales_follow_the_rows_that_the_converter_moves(self):
        random = np.random.default_rng(6)
        name = "model.layers.0.self_attn.q_proj.weight"
        codes, scale = random.integers(0, 100, (WIDTH, WIDTH), np.int8), random.standard_normal((WIDTH, 1), np.float32)
        self.published[name] = codes.astype(np.float32) * scale
        self.write_gguf(self.converted())
        comparison = self.scaled(codes, scale, "_scale", "I8", name="self_attn.q_proj.weight")
        self.assertEqual({t["changed"] for t in comparison["tensors"]}, {0})

    def test_codes_whose_scale_does_not_fit_are_not_compared(self):
        name = "model.layers.0.mlp.down_proj.weight"
        codes, one = np.ones((WIDTH, FEED_FORWARD), np.uint8), np.ones((1, 1), np.float32)
        self.write_gguf(self.converted())
        for scale, dtype, scale_dtype, more, reason in (
                (np.ones((5, 1), np.float32), "F8_E4M3", "F32", None, r"its scale .*down_proj.weight_scale of shape \[5, 1\] does not fit its shape \[64, 96\]"),
                (np.ones((1, 1, 1), np.float32), "F8_E4M3", "F32", None, None),
                (np.ones((1, 1, 2), np.float32), "F8_E4M3", "F32", None, r"of shape \[1, 1, 2\] does not fit"),
                (np.ones(1, np.int32), "F8_E4M3", "I32", None, "is stored as I32"),
                (one, "I8", "F32", {name + "_zero_point": ("I8", np.ones((WIDTH, 1), np.int8))}, "depend on .*down_proj.weight_zero_point"),
                (one, "U8", "F32", None, "its bytes hold several values")):
            comparison = self.scaled(codes, scale, "_scale", dtype, scale_dtype, more=more)
            if reason is None:
                self.assertEqual(comparison["not_comparable"], [])
                continue
            (entry,) = comparison["not_comparable"]
            self.assertEqual((entry["name"], entry["name_b"]), ("blk.0.ffn_down.weight", name))
            self.assertRegex(entry["reason"], reason)
            self.assertNotIn("blk.0.ffn_down.weight", [t["name"] for t in comparison["tensors"]])
            done = run("compare", self.path("model.gguf"), self.path("fp8.safetensors"), "--fail-if", "not_comparable>0")
            self.assertEqual(done.returncode, 3)
            self.assertIn("Not comparable: blk.0.ffn_down.weight: its ", done.stdout)

    def test_compares_integers_and_doubles_exactly(self):
        large = np.array([2**53 + 1, -(2**62), 7, 0], np.int64)
        doubles = np.array([0.1, 1 / 3, np.nan, 2.0**-1000])
        write_safetensors(self.path("b.safetensors"), {"i": ("I64", large), "j": ("I64", large), "d": ("F64", doubles), "e": ("F64", doubles)})
        writer = gguf.GGUFWriter(self.path("model.gguf"), "llama")
        for name, array in {"i": large, "j": large + np.array([1, 0, -2, 0]), "d": doubles, "e": doubles.astype(np.float32)}.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        found = {t["name"]: t for t in self.measure("compare", self.path("model.gguf"), self.path("b.safetensors"))["tensors"]}
        self.assertEqual({name: t["changed"] for name, t in found.items()}, {"i": 0, "j": 2, "d": 0, "e": 3})
        self.assertEqual((found["j"]["max_abs"], found["i"]["max_abs"]), (2, 0))
        self.assertEqual(found["e"]["max_abs"], np.nanmax(np.abs(doubles - doubles.astype(np.float32))))

    def test_refuses_invalid_files(self):
        model = self.write_gguf(self.converted())
        path = self.write_published()
        self.refuse(USAGE, "the first model must be a GGUF file", "compare", path, model)
        os.mkdir(self.path("empty"))
        self.refuse(WORK, "empty has neither model.safetensors nor its index", "compare", model, self.path("empty"))
        index = self.path("empty/model.safetensors.index.json")
        for weight_map, said in (({}, "its weight_map is empty"), ({"t": ".."}, "it names the file '..'"), ({"t": ""}, "names the file ''"),
                                 ({"t": "/etc/passwd"}, "it names the file '/etc/passwd'"), ({"t": 1}, "names no file for tensor 't'")):
            with open(index, "w", encoding="utf-8") as file:
                json.dump({"weight_map": weight_map}, file)
            self.refuse(WORK, said, "compare", model, index)
        with open(path, "rb") as file:
            whole = file.read()
        (length,) = struct.unpack("<Q", whole[:8])
        header = json.loads(whole[8 : 8 + length])

        def refuse(pattern, content):
            with open(path, "wb") as file:
                file.write(content)
            self.refuse(WORK, pattern, "compare", model, path)

        def changed(**fields):
            text = json.dumps(header | {"model.norm.weight": header["model.norm.weight"] | fields}).encode()
            return struct.pack("<Q", len(text)) + text + whole[8 + length :]

        norm, before = (header[f"model.{name}.weight"]["data_offsets"] for name in ("norm", "embed_tokens"))

        def without(*names, more=b""):
            text = json.dumps({name: entry for name, entry in header.items() if name not in names}).encode()
            return struct.pack("<Q", len(text)) + text + whole[8 + length :] + more

        refuse(f"bytes {norm[0]} to {norm[1]} of its data belong to no tensor", without("model.norm.weight"))
        refuse(f"bytes 0 to {before[1]} of its data belong to no tensor", without("model.embed_tokens.weight"))
        data = len(whole) - 8 - length
        refuse(f"bytes {data} to {data + 5} of its data belong to no tensor", without(more=b"EXTRA"))
        refuse("tensors '[a-z._]+' and '[a-z._]+' overlap at byte 0", changed(data_offsets=[0, norm[1] - norm[0]]))
        text = json.dumps(header).replace("model.norm.weight", "lm_head.weight").encode()
        refuse("'lm_head.weight' occurs twice in its header", struct.pack("<Q", len(text)) + text + whole[8 + length :])
        text = json.dumps(header).replace('"shape"', '"shape": [1], "shape"', 1).encode()
        refuse("'shape' occurs twice in its header", struct.pack("<Q", len(text)) + text + whole[8 + length :])
        refuse("it has 3 bytes", b"abc")
        deep = b"[" * 30_000_000
        refuse("is not a JSON object", struct.pack("<Q", len(deep)) + deep)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 1_000_000)  # kB; once it was 75 bytes for each
        refuse("its header should have 999999999999 bytes", struct.pack("<Q", 999999999999) + b"{}")
        refuse("is not a JSON object", struct.pack("<Q", 4) + b"nope")
        refuse("is not a JSON object", struct.pack("<Q", 2) + b"[]")
        refuse("truncated or damaged", whole[:-8])
        refuse("unknown type 'Q4'", changed(dtype="Q4"))
        refuse("has no dtype, shape and data_offsets", changed(shape=None))
        refuse("not a whole number", changed(shape=[-1]))
        refuse("impossible shape", changed(shape=[2**40, 2**40]))
        refuse("has 63 values of F32 in 256 bytes", changed(shape=[63]))
        refuse("truncated or damaged", changed(data_offsets=[2**63, 2**63 + 256]))


if __name__ == "__main__":
    unittest.main()
