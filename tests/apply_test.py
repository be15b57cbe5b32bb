"""Rounded models: the values that change, all else that must not, and that llama.cpp runs them."""

import hashlib
import os
import unittest

import gguf
import numpy as np

from program import MODEL, TEXT, ProgramTest, run, run_llama

NORMS = [f"blk.{layer}.ffn_norm.weight" for layer in range(6)]


def truncated(values):
    return (values.view(np.uint32) & 0xFFFF0000).view(np.float32)


def to_nearest(values):
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


class ApplyTest(ProgramTest):
    def apply(self, *rules):
        out = self.path("out.gguf")
        return self.measure("apply", MODEL, "-o", out, *rules), gguf.GGUFReader(out)

    def assert_only_changed(self, after, changed, expected):
        """Tensors in `changed` have expected(before); all others, and all metadata except fakequant's, are unchanged."""
        before = gguf.GGUFReader(MODEL)
        self.assertEqual([t.name for t in before.tensors], [t.name for t in after.tensors])
        for old, new in zip(before.tensors, after.tensors):
            self.assertEqual(old.tensor_type, new.tensor_type)
            self.assertEqual(list(old.shape), list(new.shape))
            values = expected(old.data) if old.name in changed else old.data
            self.assertEqual(values.tobytes(), new.data.tobytes(), old.name)
        added = [key for key in after.fields if key not in before.fields]
        self.assertEqual(added, ["fakequant.recipe", "fakequant.version", "fakequant.source"])
        for key, field in before.fields.items():
            if not key.startswith("GGUF."):  # added by the reader for the counts in the header
                self.assertEqual([p.tobytes() for p in field.parts], [p.tobytes() for p in after.fields[key].parts], key)

    def test_without_rules_truncates_the_ffn_norms(self):
        result, after = self.apply()
        self.assert_only_changed(after, NORMS, truncated)
        self.assertEqual([t["name"] for t in result["tensors"]], NORMS)
        census = self.measure("inspect", self.path("out.gguf"))
        for tensor in census["tensors"]:
            if tensor["type"] == "F32":
                self.assertEqual(tensor["low16_zero"] == 1, tensor["name"] in NORMS)

    def test_rounds_to_nearest_even_by_default_where_a_rule_says_so(self):
        _, after = self.apply("--rule", "w:ffn_norm@0-1,4=bf16")
        self.assert_only_changed(after, [NORMS[0], NORMS[1], NORMS[4]], to_nearest)

    def test_reports_what_numpy_finds(self):
        result, after = self.apply()
        before = {t.name: t.data.astype(np.float64) for t in gguf.GGUFReader(MODEL).tensors}
        rounded = {t.name: t.data.astype(np.float64) for t in after.tensors}
        for tensor in result["tensors"]:
            x, error = before[tensor["name"]], rounded[tensor["name"]] - before[tensor["name"]]
            self.assertEqual(tensor["changed"], int((error != 0).sum()))
            self.assertEqual(tensor["max_abs"], np.abs(error).max())
            np.testing.assert_allclose(tensor["mean_abs"], np.abs(error).mean(), rtol=1e-12)
            np.testing.assert_allclose(tensor["max_rel"], (np.abs(error) / np.abs(x)).max(), rtol=1e-6)
            np.testing.assert_allclose(tensor["sqnr_db"], 10 * np.log10((x**2).sum() / (error**2).sum()), rtol=1e-12)

    def test_rounds_f16_tensors_in_place_and_says_what_the_storage_moved(self):
        result, after = self.apply("--rule", "w:attn_q@2=bf16")
        through_float = lambda half: to_nearest(half.astype(np.float32)).astype(np.float16)
        self.assert_only_changed(after, ["blk.2.attn_q.weight"], through_float)
        self.assertEqual(result["tensors"][0]["storage_moved"], 0)

    def test_says_where_the_result_comes_from(self):
        _, after = self.apply("--sha256")
        with open(MODEL, "rb") as file:
            model = file.read()
        data_begin = min(t.data_offset for t in gguf.GGUFReader(MODEL).tensors)
        text = {key: after.fields[key].contents() for key in ("fakequant.recipe", "fakequant.version", "fakequant.source")}
        self.assertEqual(text["fakequant.recipe"], "w:ffn_norm=bf16,round=zero")
        self.assertRegex(text["fakequant.version"], r"^\d+\.\d+\.\d+$")
        header, whole = (hashlib.sha256(part).hexdigest() for part in (model[:data_begin], model))
        self.assertEqual(text["fakequant.source"].rstrip(" "),
                         f"fakequant-demo-4m-f16.gguf, {len(model)} bytes, header sha256 {header}, sha256 {whole}")
        self.assertEqual(min(t.data_offset for t in after.tensors) % 4096, data_begin % 4096)
        self.apply()
        self.assertNotIn(whole, gguf.GGUFReader(self.path("out.gguf")).fields["fakequant.source"].contents())

    def test_without_provenance_only_the_values_change(self):
        self.apply("--no-provenance", "--rule", "w:blk.3.ffn_norm.weight=bf16,round=zero")
        with open(MODEL, "rb") as before, open(self.path("out.gguf"), "rb") as after:
            old, new = before.read(), after.read()
        norm = next(t for t in gguf.GGUFReader(MODEL).tensors if t.name == NORMS[3])
        begin, end = norm.data_offset, norm.data_offset + norm.n_bytes
        self.assertEqual(new[:begin] + new[end:], old[:begin] + old[end:])
        self.assertEqual(new[begin:end], truncated(norm.data).tobytes())

    def test_stores_quantized_tensors_wider_when_asked_to(self):
        quantized = self.path("q4.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_0")
        before = {t.name: t for t in gguf.GGUFReader(quantized).tensors}
        for name, kind, encode in (("f32", "F32", lambda x: x), ("f16", "F16", lambda x: x.astype(np.float16)),
                                   ("bf16", "BF16", lambda x: (to_nearest(x).view(np.uint32) >> 16).astype(np.uint16))):
            out = self.path(f"{name}.gguf")
            result = self.measure("apply", quantized, "-o", out, "--rule", "w:ffn_up=mantissa10", "--rule", "w:ffn_norm=bf16",
                                  "--promote", name)
            self.assertEqual({t["stored_as"] for t in result["tensors"] if "ffn_up" in t["name"]}, {kind})
            self.assertEqual({t["stored_as"] for t in result["tensors"] if "ffn_norm" in t["name"]}, {"F32"})
            for tensor in gguf.GGUFReader(out).tensors:
                old = before[tensor.name]
                if "ffn_up" in tensor.name:
                    values = gguf.quants.dequantize(old.data, old.tensor_type).astype(np.float32)
                    bits = values.view(np.uint32)
                    rounded = ((bits + 0xFFF + ((bits >> 13) & 1)) & 0xFFFFE000).view(np.float32)
                    self.assertEqual(tensor.data.tobytes(), encode(rounded).tobytes(), tensor.name)
                elif "ffn_norm" not in tensor.name:
                    self.assertEqual(tensor.data.tobytes(), old.data.tobytes(), tensor.name)
            said = run_llama("llama-perplexity", "-m", out, "-f", TEXT, "-c", 256, "--chunks", 2, until="Final estimate")
            self.assertIn("Final estimate: PPL", said)

    def test_quantizes_again_as_llama_quantize_does(self):
        """A rule that changes nothing, then ggml's quantizer on dequantized values: the same as llama-quantize on these values."""
        quantized = self.path("q4.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_0")
        result = self.measure("apply", quantized, "-o", self.path("again.gguf"), "--rule", "w:ffn_up=mantissa23", "--requantize")
        self.measure("apply", quantized, "-o", self.path("wide.gguf"), "--rule", "w:ffn_up=mantissa23", "--promote", "f32")
        run_llama("llama-quantize", self.path("wide.gguf"), self.path("theirs.gguf"), "Q4_0")
        again, theirs = ({t.name: t for t in gguf.GGUFReader(self.path(f"{name}.gguf")).tensors} for name in ("again", "theirs"))
        for tensor in result["tensors"]:
            self.assertEqual((tensor["type"], tensor["stored_as"], tensor["changed"]), ("Q4_0", "Q4_0", 0))
            self.assertEqual(again[tensor["name"]].data.tobytes(), theirs[tensor["name"]].data.tobytes())
        moved = self.measure("compare", quantized, self.path("again.gguf"))["tensors"]
        moved = {t["name"]: (t["changed"], t["max_abs"]) for t in moved}
        for tensor in result["tensors"]:
            self.assertLessEqual(tensor["storage_moved"], moved[tensor["name"]][0])  # which counts -0 as well
            self.assertEqual(tensor["storage_max_abs"], moved[tensor["name"]][1])

    def test_promotes_without_rules_and_does_nothing_else(self):
        quantized = self.path("q4.gguf")
        run_llama("llama-quantize", MODEL, quantized, "Q4_0")
        done = run("apply", quantized, "-o", self.path("out.gguf"), "--promote", "bf16")
        self.assertEqual(done.returncode, 0, done.stderr)
        before, after = gguf.GGUFReader(quantized), gguf.GGUFReader(self.path("out.gguf"))
        moved = values = 0
        for old, new in zip(before.tensors, after.tensors):
            if old.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
                self.assertEqual((new.tensor_type, new.data.tobytes()), (old.tensor_type, old.data.tobytes()), old.name)
                continue
            dequantized = gguf.quants.dequantize(old.data, old.tensor_type).astype(np.float32)
            stored = to_nearest(dequantized)
            self.assertEqual(new.tensor_type.name, "BF16", old.name)
            self.assertEqual(new.data.tobytes(), (stored.view(np.uint32) >> 16).astype(np.uint16).tobytes(), old.name)
            moved += int((stored != dequantized).sum())
            values += stored.size
        self.assertGreater(moved, 0)
        self.assertIn(f"\nStoring changed {moved:,} of {values:,} values (", done.stdout)
        self.assertNotIn("Nothing changed", done.stdout)
        self.assertEqual(before.fields["general.file_type"].contents(), 2)
        self.assertEqual(after.fields["general.file_type"].contents(), 32)  # mostly BF16
        self.measure("apply", quantized, "-o", self.path("out.gguf"), "--promote", "f16", "--rule", "w:output_norm=bf16")
        self.assertEqual(gguf.GGUFReader(self.path("out.gguf")).fields["general.file_type"].contents(), 2)
        done = run("apply", quantized, "-o", self.path("out.gguf"), "--promote", "bf16", "--rule", "w:ffn_up=mantissa23")
        self.assertIn("Rounding leaves every value as it was.\nStoring changed ", done.stdout)

    def test_stores_every_tensor_in_one_type(self):
        before = {t.name: t for t in gguf.GGUFReader(MODEL).tensors}
        for name, kind, number in (("f32", "F32", 0), ("bf16", "BF16", 32)):
            out = self.path(f"{name}.gguf")
            result = self.measure("apply", MODEL, "-o", out, "--store", name)
            self.assertEqual({t["format"] for t in result["tensors"]}, {""})
            reader = gguf.GGUFReader(out)
            self.assertEqual(reader.fields["general.file_type"].contents(), number)
            for tensor in reader.tensors:
                old = before[tensor.name]
                self.assertEqual(tensor.tensor_type.name, "F32" if len(tensor.shape) < 2 else kind, tensor.name)
                if len(tensor.shape) < 2 or kind == "F32":
                    self.assertTrue(np.array_equal(tensor.data, old.data.astype(np.float32)), tensor.name)
            said = run_llama("llama-perplexity", "-m", out, "-f", TEXT, "-c", 256, "--chunks", 2, until="Final estimate")
            self.assertIn("Final estimate: PPL", said)
        result = self.measure("apply", self.path("f32.gguf"), "-o", self.path("again.gguf"), "--store", "f16", "--rule", "w:ffn_up=int8")
        self.assertEqual({t["stored_as"] for t in result["tensors"] if "ffn_up" in t["name"]}, {"F16"})
        self.refuse(2, "--store says how all tensors are stored", "apply", MODEL, "-o", self.path("x.gguf"), "--store", "f16",
                    "--promote", "f16")
        self.refuse(2, "--store: 'f17' is not a float type", "apply", MODEL, "-o", self.path("x.gguf"), "--store", "f17")

    def test_says_when_a_value_becomes_infinite_in_its_storage(self):
        model = bytearray(open(MODEL, "rb").read())
        tensor = next(t for t in gguf.GGUFReader(MODEL).tensors if t.name == "blk.2.attn_q.weight")
        model[tensor.data_offset : tensor.data_offset + 2] = np.float16(65504).tobytes()
        with open(self.path("large.gguf"), "wb") as file:
            file.write(model)
        done = run("apply", self.path("large.gguf"), "-o", self.path("out.gguf"), "--rule", "w:attn_q=bf16")
        self.assertIn("Beware: 1 value of blk.2.attn_q.weight became infinite, because F16 cannot hold what it rounded to.",
                      done.stdout)
        result = self.measure("apply", self.path("large.gguf"), "-o", self.path("out.gguf"), "--rule", "w:attn_q=bf16")
        moved = {t["name"]: (t["storage_moved"], t["storage_overflow"], t["storage_max_abs"]) for t in result["tensors"]}
        self.assertEqual(moved["blk.2.attn_q.weight"], (1, 1, 0))
        self.assertEqual(moved["blk.3.attn_q.weight"], (0, 0, 0))

    def test_applied_twice_changes_nothing_more(self):
        self.apply()
        done = self.measure("apply", self.path("out.gguf"), "-o", self.path("twice.gguf"))
        self.assertEqual([t["changed"] for t in done["tensors"]], [0] * 6)
        comparison = self.measure("compare", self.path("out.gguf"), self.path("twice.gguf"))
        self.assertEqual(comparison["metadata_differs"], ["fakequant.source"])
        self.assertEqual(comparison["tensors_identical"], 56)

    def test_a_recipe_file_does_what_its_rules_do(self):
        with open(self.path("recipe.yaml"), "w", encoding="utf-8") as file:
            file.write("rules:\n  - weights: ffn_norm\n    format: bf16\n  - weights: ffn_norm\n    layers: last:1\n"
                       "    format: bf16\n    round: zero\n")
        by_file, _ = self.apply("--recipe", self.path("recipe.yaml"))
        by_rules, _ = self.apply("--rule", "w:ffn_norm=bf16", "--rule", "w:ffn_norm@last:1=bf16,round=zero")
        self.assertEqual(by_file["tensors"], by_rules["tensors"])
        self.assertEqual([t["format"] for t in by_file["tensors"]], ["bf16"] * 5 + ["bf16,round=zero"])

    def test_does_not_depend_on_threads(self):
        files = []
        for threads in (1, 2):
            run("apply", MODEL, "-o", self.path("out.gguf"), "--rule", "w:*=bf16", "--threads", threads)
            with open(self.path("out.gguf"), "rb") as file:
                files.append(file.read())
        self.assertEqual(files[0], files[1])

    def test_llama_cpp_runs_the_result(self):
        self.apply()
        out = self.path("out.gguf")
        said = run_llama("llama-perplexity", "-m", out, "-f", TEXT, "-c", 256, "--chunks", 4, until="Final estimate")
        self.assertIn("Final estimate: PPL", said)
        said = run_llama("llama-cli", "-m", out, "-p", "What is 2+2?", "-n", 8, "--single-turn", "--simple-io")
        self.assertNotIn("failed", said)

    def test_replaces_a_file_whole_wherever_it_is_and_keeps_its_mode(self):
        out = self.path("out.gguf")
        self.apply()
        with open(out, "rb") as file:
            expected = file.read()
        folders = [self.folder] + ["/dev/shm"] * os.access("/dev/shm", os.W_OK)
        for folder in folders:
            target = os.path.join(folder, f"fakequant-test-{os.getpid()}.gguf")
            self.addCleanup(lambda path=target: os.path.exists(path) and os.remove(path))
            with open(target, "wb") as file:
                file.write(bytes(2 * len(expected)))
            os.chmod(target, 0o600)
            self.measure("apply", MODEL, "-o", target)
            with open(target, "rb") as file:
                self.assertEqual(file.read(), expected)
            self.assertEqual(os.stat(target).st_mode & 0o777, 0o600)

    def test_says_when_the_format_ends_below_a_value(self):
        writer = gguf.GGUFWriter(self.path("huge.gguf"), "llama")
        writer.add_tensor("huge", np.array([3.4e38, -3.4e38, np.inf, 2], np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        apply = ["apply", self.path("huge.gguf"), "-o", self.path("out.gguf"), "--rule", "w:huge=f16"]
        self.assertEqual(self.measure(*apply)["tensors"][0]["became_infinite"], 2)
        self.assertIn("Beware: 2 values of huge became infinite, because f16 ends below them.", run(*apply).stdout)
        self.assertEqual(self.measure(*apply[:-1], "w:huge=f16,overflow=saturate")["tensors"][0]["became_infinite"], 0)

    def test_the_result_is_whole_and_the_model_untouched(self):
        before = os.stat(MODEL)
        self.apply()
        self.assertEqual(os.listdir(self.folder), ["out.gguf"])
        self.assertEqual(os.stat(MODEL).st_mtime_ns, before.st_mtime_ns)


if __name__ == "__main__":
    unittest.main()
