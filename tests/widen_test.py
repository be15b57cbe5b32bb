"""scripts/widen_model.py: the values of quantized models as F16, and originals with a known distance from them."""

import hashlib
import os
import subprocess
import sys
import unittest

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from program import SOURCE, ProgramTest

# Bytes of a block that hold the codes, and what these are where every value's code is 1 (and 0, where all are 0).
CODES = {Type.Q4_0: (slice(2, 18), 0x11), Type.Q4_1: (slice(4, 20), 0x11), Type.Q5_0: (slice(2, 22), None),
         Type.Q5_1: (slice(4, 24), None), Type.Q8_0: (slice(2, 34), 1), Type.Q4_K: (slice(16, 144), 0x11),
         Type.Q6_K: (slice(0, 192), None)}
ONES = {Type.Q5_0: [0] * 4 + [0x11] * 16, Type.Q5_1: [0] * 4 + [0x11] * 16, Type.Q6_K: [0x11] * 128 + [0] * 64}
ROWS, BLOCKS = 64, 4


def steps(data, kind):
    """The step of each value: how far python3-gguf's values are apart when each code is raised from 0 to 1."""
    codes, one = CODES[kind]
    low, high = data.copy(), data.copy()
    low[..., codes] = 0
    high[..., codes] = ONES[kind] if one is None else one
    return np.abs(gguf.quants.dequantize(high, kind).astype(np.float64) - gguf.quants.dequantize(low, kind))


class WidenTest(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(7)
        self.stored = {}
        writer = gguf.GGUFWriter(self.path("model.gguf"), "llama")
        writer.add_uint32("llama.block_count", 1)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
        writer.add_token_list(["a", "b", "\u00e9"])
        for kind in CODES:
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            blocks = random.integers(0, 256, (ROWS * BLOCKS, size), np.uint8)
            halves = {Type.Q4_1: (0, 2), Type.Q5_1: (0, 2), Type.Q4_K: (0, 2), Type.Q6_K: (208,)}.get(kind, (0,))
            for at in halves:  # sound scales, of both signs
                scales = random.uniform(0.001, 0.01, len(blocks)) * random.choice([-1, 1], len(blocks))
                blocks[:, at:at + 2] = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
            self.stored[kind.name] = (kind, blocks)
            writer.add_tensor(kind.name, blocks.reshape(ROWS, BLOCKS * size), raw_dtype=kind)
        self.norm = random.standard_normal(96).astype(np.float32)
        writer.add_tensor("norm", self.norm)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def widen(self, name, *arguments):
        done = subprocess.run([sys.executable, os.path.join(SOURCE, "scripts", "widen_model.py"), self.path("model.gguf"), self.path(name),
                               *map(str, arguments)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        reader = gguf.GGUFReader(self.path(name))
        return {tensor.name: tensor for tensor in reader.tensors}, reader

    def values(self, name):
        kind, blocks = self.stored[name]
        return gguf.quants.dequantize(blocks, kind).astype(np.float32)

    def test_values_are_the_quantized_ones_in_f16(self):
        wide, reader = self.widen("wide.gguf")
        self.assertEqual(list(wide), [*self.stored, "norm"])
        for name in self.stored:
            self.assertEqual(wide[name].tensor_type, Type.F16)
            self.assertEqual(wide[name].data.tobytes(), self.values(name).astype(np.float16).tobytes(), name)
        self.assertEqual(wide["norm"].data.tobytes(), self.norm.tobytes())
        self.assertEqual(reader.fields["llama.block_count"].contents(), 1)
        self.assertEqual(reader.fields["tokenizer.ggml.tokens"].contents(), ["a", "b", "\u00e9"])
        self.assertEqual(reader.fields["general.file_type"].contents(), int(gguf.LlamaFileType.MOSTLY_F16))
        # And as ggml's own code widens them.
        for tensor in self.measure("compare", self.path("model.gguf"), self.path("wide.gguf"))["tensors"]:
            self.assertLess(tensor["max_rel"] or 0, 2**-10, tensor)

    def test_dithered_values_lie_within_half_a_step_with_a_twelfth_of_its_variance(self):
        dithered, _ = self.widen("dithered.gguf", "--dither", 1)
        for name, (kind, blocks) in self.stored.items():
            exact, step = self.values(name).astype(np.float64), steps(blocks, kind)
            noise = dithered[name].data.astype(np.float64).reshape(exact.shape) - exact
            storage = 2.0**-11 * np.abs(exact) + 2.0**-11 * step + 2.0**-24  # F16's own rounding
            self.assertTrue((np.abs(noise) <= step / 2 + storage).all(), name)
            known = (step > 0) & (step > 32 * storage)
            self.assertGreater(known.mean(), 0.3, name)
            parts = noise[known] / step[known]
            # Of n uniform numbers the mean has the standard error 1/sqrt(12 n), the mean square 1/sqrt(180 n).
            self.assertLess(abs(parts.mean()), 5 / np.sqrt(12 * parts.size), name)
            self.assertLess(abs((parts**2).mean() - 1 / 12), 5 / np.sqrt(180 * parts.size) + 2e-4, name)
        self.assertEqual(dithered["norm"].data.tobytes(), self.norm.tobytes())

    def test_random_numbers_are_those_documented(self):
        dithered, _ = self.widen("dithered.gguf", "--dither", 3)
        key = int.from_bytes(hashlib.sha256(b"3 Q8_0").digest()[:8], "little")
        kind, blocks = self.stored["Q8_0"]
        exact, step = self.values("Q8_0").ravel(), steps(blocks, kind).ravel()
        for i in (0, 1, 33, exact.size - 1):
            mask = 2**64 - 1
            z = (key + (i + 1) * 0x9E3779B97F4A7C15) & mask
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            u = (((z ^ (z >> 31)) >> 40) + 0.5) / 2**24 - 0.5
            expected = np.float16(exact[i] + np.float32(step[i]) * np.float32(u))
            self.assertAlmostEqual(float(dithered["Q8_0"].data.ravel()[i]), float(expected), delta=abs(float(expected)) * 2**-10)

    def test_a_seed_gives_the_same_file_again_and_another_another(self):
        files = []
        for seed in (1, 1, 2):
            tensors, _ = self.widen("out.gguf", "--dither", seed)
            files.append(tensors["Q4_K"].data.tobytes())
        self.assertEqual(files[0], files[1])
        self.assertNotEqual(files[0], files[2])

    def test_refuses_a_type_whose_step_it_does_not_know(self):
        writer = gguf.GGUFWriter(self.path("model.gguf"), "llama")
        writer.add_tensor("odd", np.zeros((1, gguf.GGML_QUANT_SIZES[Type.IQ4_NL][1]), np.uint8), raw_dtype=Type.IQ4_NL)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        done = subprocess.run([sys.executable, os.path.join(SOURCE, "scripts", "widen_model.py"), self.path("model.gguf"), self.path("out.gguf")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^widen_model: odd is IQ4_NL, whose step is not known here.*\n$")
        self.assertFalse(os.path.exists(self.path("out.gguf")))


if __name__ == "__main__":
    unittest.main()
