"""Perplexity and divergence compared with llama-perplexity's on two architectures: equal digits by its method, and the error of that method.

llama-perplexity --kl-divergence stores the baseline's log-probabilities in 16 bits, cut off. The program stored_divergence
puts our logits through a model of that storage; every figure that llama-perplexity prints must come out. The second
architecture is made here: the demo model's tensors as those of a qwen2, which turns positions another way and adds biases.
"""

import json
import os
import re
import subprocess
import unittest

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama

CTX_SIZE, CHUNKS = 256, 8


def write_qwen2(path):
    """The demo model as a qwen2."""
    reader = GGUFReader(MODEL)
    writer = GGUFWriter(path, "qwen2")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "llama.rope.dimension_count"):
            continue
        kind, element = field.types[0], field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name.replace("llama.", "qwen2."), field.contents(), kind, sub_type=element)
    random = np.random.default_rng(5)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
        if re.search(r"attn_[qkv]\.weight", tensor.name):
            bias = 0.1 * random.standard_normal(tensor.data.shape[0])
            writer.add_tensor(tensor.name.replace("weight", "bias"), bias.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def estimate(pair, digits, factor=1):
    return [f"{factor * value:.{digits}f}" for value in pair]


class DivergenceTest(ProgramTest):
    def llama_perplexity(self, model, *arguments, until):
        """One chunk at a time, as eval does: several at once change the last digits on some processors."""
        return run_llama("llama-perplexity", "-m", model, "-f", TEXT, "-c", CTX_SIZE, "-b", CTX_SIZE, "--chunks", CHUNKS, *arguments,
                         until=until)

    def assert_plain_perplexity_is_the_same(self, model):
        ours = self.measure("eval", model, "-f", TEXT, "--ctx-size", CTX_SIZE, "--chunks", CHUNKS, *NATIVE)["baseline"]
        said = self.llama_perplexity(model, until="Final estimate")
        printed = re.search(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)", said)
        self.assertEqual(list(printed.groups()), [f"{ours['ppl']:.4f}", f"{ours['ppl_error']:.5f}"])
        return ours["ppl"]

    def assert_says_what_llama_perplexity_prints(self, model, other):
        stored = self.path("logits")
        self.llama_perplexity(model, "--kl-divergence-base", stored, until="Final estimate")
        said = self.llama_perplexity(other, "--kl-divergence-base", stored, "--kl-divergence", until="Same top p:")
        command = [os.environ["STORED_DIVERGENCE"], model, other, TEXT, str(CTX_SIZE), str(CHUNKS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        ours = json.loads(done.stdout)["variants"][0]
        kld, delta_p = ours["kld"], ours["delta_p"]
        self.assertGreater(kld["mean"], 1e-5)
        expected = {
            "Mean PPL(Q)": estimate((ours["ppl"], ours["ppl_error"]), 6),
            "Cor(ln(PPL(Q)), ln(PPL(base)))": estimate([ours["correlation"]], 2, 100),
            "Mean ln(PPL(Q)/PPL(base))": estimate((ours["log_ppl_ratio"], ours["log_ppl_ratio_error"]), 6),
            "Mean PPL(Q)/PPL(base)": estimate((ours["ppl_ratio"], ours["ppl_ratio_error"]), 6),
            "Mean PPL(Q)-PPL(base)": estimate((ours["ppl_difference"], ours["ppl_difference_error"]), 6),
            "Mean KLD": estimate((kld["mean"], kld["error"]), 6),
            "Mean Δp": estimate((delta_p["mean"], delta_p["error"]), 3, 100),
            "RMS Δp": estimate((delta_p["rms"], delta_p["rms_error"]), 3, 100),
            "Same top p": estimate((ours["top1_agreement"], ours["top1_agreement_error"]), 3, 100),
        }
        quantiles = {"Maximum": "max", "99.9%": "p999", "99.0%": "p99", "95.0%": "p95", "90.0%": "p90", "75.0%": "p75",
                     "Median": "median", "25.0%": "p25", "10.0%": "p10", "5.0%": "p5", "1.0%": "p1", "0.1%": "p01", "Minimum": "min"}
        for name, field in quantiles.items():
            expected[f"{name} KLD"] = estimate([kld[field]], 6)
            expected[f"{name} Δp"] = estimate([delta_p[field]], 3, 100)
        # A line has a name, a colon, and one or two numbers.
        printed = {}
        for line in said[said.index("Perplexity statistics"):].splitlines():
            match = re.fullmatch(r"\s*(\S.*?)\s*:\s*(-?[0-9.]+)\s*%?(?:\s*±\s*([0-9.]+))?\s*%?\s*", line)
            if match:
                printed[re.sub(r"\s+", " ", match[1])] = [number for number in match.groups()[1:] if number]
        base = printed.pop("Mean PPL(base)")
        self.assertGreaterEqual(len(printed), 9 + 11 + 13)  # the means, and the quantiles of both
        self.assertEqual(printed, {name: expected[name] for name in printed})
        self.assertEqual(base[0], f"{ours['ppl'] / ours['ppl_ratio']:.6f}")
        return float(base[0]), ours

    def log_probabilities(self, model):
        """Those that llama-perplexity stores, of the scored predictions: a row for each."""
        stored = self.path("logits")
        self.llama_perplexity(model, "--kl-divergence-base", stored, until="Final estimate")
        with open(stored, "rb") as file:
            data = file.read()
        self.assertEqual(data[:8], b"_logits_")
        context, vocabulary, chunks = np.frombuffer(data, np.int32, 3, 8)
        self.assertEqual((context, chunks), (CTX_SIZE, CHUNKS))
        width = 2 * ((vocabulary + 1) // 2) + 4  # scale and minimum, as floats, then a number for each token
        rows = np.frombuffer(data, np.uint16, offset=20 + 4 * context * chunks).reshape(-1, width)
        self.assertEqual(len(rows), CHUNKS * (CTX_SIZE // 2 - 1))
        scale, least = rows[:, :4].copy().view(np.float32).astype(np.float64).T
        return scale[:, None] * rows[:, 4:4 + vocabulary] + least[:, None]

    def test_both_directions_are_what_numpy_computes(self):
        other = self.path("q4.gguf")
        run_llama("llama-quantize", MODEL, other, "Q4_0")
        log_p, log_q = self.log_probabilities(MODEL), self.log_probabilities(other)
        forward = np.sum(np.exp(log_p) * (log_p - log_q), axis=1)
        reverse = np.sum(np.exp(log_q) * (log_q - log_p), axis=1)
        arguments = ("-f", TEXT, "--ctx-size", CTX_SIZE, "--chunks", CHUNKS, *NATIVE)
        ours = self.measure("eval", MODEL, "--against", other, *arguments)["variants"][0]
        for name, divergences in (("kld", forward), ("reverse_kld", reverse)):
            # The stored values are rounded, as docs/measuring.md says.
            self.assertGreater(ours[name]["mean"], 1e-4)
            self.assertAlmostEqual(ours[name]["mean"] / divergences.mean(), 1, delta=0.01, msg=name)
            self.assertAlmostEqual(ours[name]["error"] / (divergences.std() / np.sqrt(len(divergences) - 1)), 1, delta=0.01, msg=name)
            self.assertAlmostEqual(ours[name]["max"] / divergences.max(), 1, delta=0.01, msg=name)
            self.assertGreater(ours[name]["min"], 0)
        self.assertNotAlmostEqual(ours["kld"]["mean"] / ours["reverse_kld"]["mean"], 1, delta=0.001)
        # The other way round they change places, to the bit.
        turned = self.measure("eval", other, "--against", MODEL, *arguments)["variants"][0]
        self.assertEqual((turned["kld"], turned["reverse_kld"]), (ours["reverse_kld"], ours["kld"]))

    def test_the_demo_model_and_its_truncation(self):
        other = self.path("rounded.gguf")
        run("apply", MODEL, "-o", other, "--rule", "w:*=e4m3")
        self.assert_plain_perplexity_is_the_same(MODEL)
        self.assert_says_what_llama_perplexity_prints(MODEL, other)

    def test_another_architecture_and_its_quantization(self):
        model, other = self.path("qwen2.gguf"), self.path("q4.gguf")
        write_qwen2(model)
        run_llama("llama-quantize", model, other, "Q4_0")
        self.assert_plain_perplexity_is_the_same(model)
        self.assert_says_what_llama_perplexity_prints(model, other)


if __name__ == "__main__":
    unittest.main()
