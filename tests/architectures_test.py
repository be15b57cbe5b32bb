"""Every architecture that llama.cpp knows: the test models of its own generator are read, rounded, compared and run.

The models are made by test-llama-archs, of llama.cpp's tests, before this test: ARCHITECTURES names their folder. Of
ARCHITECTURES_STEP models the test takes one.
"""

import json
import os
import subprocess
import unittest

import gguf
import numpy as np

from program import ProgramTest, llama_tool, run

MODELS = os.environ.get("ARCHITECTURES")
STEP = int(os.environ.get("ARCHITECTURES_STEP", "1"))


def to_bf16(values):
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def loads(model):
    """True if llama.cpp loads the model and computes a token with it."""
    done = subprocess.run([llama_tool("llama-completion"), "-m", model, "-p", "a", "-n", "1", "-no-cnv", "--no-warmup"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    return done.returncode == 0


@unittest.skipUnless(MODELS, "llama.cpp's test-llama-archs is not installed")
class ArchitecturesTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.models = sorted(name for name in os.listdir(MODELS) if name.endswith(".gguf"))
        assert len(cls.models) > 100, cls.models

    @staticmethod
    def model(name):
        return os.path.join(MODELS, name)

    def part(self, first, step):
        """One of `step` models, or of a multiple of that, from `first` on."""
        return self.models[first::step * STEP]

    def test_each_is_read_rounded_compared_and_loaded(self):
        out, loaded, models = self.path("out"), 0, self.part(0, 1)
        for name in models:
            model = self.model(name)
            with self.subTest(name):
                census = self.measure("inspect", model)
                before = gguf.GGUFReader(model).tensors
                self.assertEqual([t["name"] for t in census["tensors"]], [t.name for t in before])
                for found, tensor in zip(census["tensors"], before):
                    self.assertEqual(found["type"], tensor.tensor_type.name)
                    self.assertEqual(found["absmax"], np.abs(tensor.data).max())

                applied = self.measure("apply", model, "-o", out, "--rule", "w:*=bf16")
                after = gguf.GGUFReader(out).tensors
                for old, new in zip(before, after):
                    expected = to_bf16(old.data.astype(np.float32)).astype(old.data.dtype)
                    self.assertEqual(new.data.tobytes(), expected.tobytes(), old.name)

                comparison = self.measure("compare", model, out)
                self.assertEqual([t["changed"] for t in comparison["tensors"]], [t["changed"] for t in applied["tensors"]])
                self.assertEqual(comparison["only_in_a"] + comparison["only_in_b"] + comparison["reshaped"], [])

                loads_before = loads(model)
                self.assertEqual(loads(out), loads_before)
                loaded += loads_before
        self.assertGreater(loaded, 0.75 * len(models))
        print(f"{len(models)} models, of which llama.cpp runs {loaded}")

    def test_sites_lists_activations_of_each_that_predicts_tokens(self):
        residuals = 0
        for name in self.part(2, 1):
            model = self.model(name)
            with self.subTest(name):
                listed = self.measure("sites", model)
                if listed["not_measured"]:
                    self.assertEqual(listed["not_measured"], "a diffusion model, which does not predict the next token")
                    self.assertEqual(listed["activations"], [])
                    self.assertIn(name.split("-")[0], ("dream", "llada", "rnd1"))
                    continue
                # The router also reads its probabilities to choose.
                for entry in listed["activations"]:
                    if entry["site"].startswith("ffn_moe_probs-") and entry["feeds"] == []:
                        self.assertNotEqual(entry["readers"], [], entry["site"])
                # Of the norms that llama.cpp names alike in all layers only the last belongs to no layer.
                self.assertLessEqual(sum(entry["names"][:1] in (["norm"], ["ffn_post_norm"]) or entry["site"].startswith("norm#")
                                         for entry in listed["activations"] if entry["layer"] is None), 1)
                names = [entry["site"] for entry in listed["activations"]]
                self.assertEqual(len(names), len(set(names)))
                self.assertEqual(sum("logits" in entry["roles"] for entry in listed["activations"]), 1)
                weights = {weight["name"] for weight in listed["weights"]}
                # w:matrices is what matrix products read, but for embeddings and outputs.
                products, read = ({weight["name"] for weight in listed["weights"]
                                   if any(reader["operation"].startswith(operation) for reader in weight["readers"])}
                                  for operation in ("MUL_MAT", ""))
                matrices, others = ({weight["name"] for weight in self.measure("sites", model, *selectors)["weights"]}
                                    for selectors in (["w:matrices"], ["w:embedding"]))
                self.assertEqual(matrices & read, {name for name in products if name != "output.weight"} - others)
                for entry in listed["activations"]:
                    self.assertLessEqual(set(entry["feeds"]), weights)
                # A value that is the input of the FFN and is also added to its result lists both readers.
                if any("ffn_input" in entry["roles"] for entry in listed["activations"]):
                    rounded = self.measure("sites", model, "--rule", "a:ffn_input=bf16")["activations"]
                    residuals += any(reader["operation"] == "ADD" for entry in rounded for reader in entry["also_read_by"])
        self.assertGreater(residuals, 0)

    def test_weights_of_diffusion_models_are_listed_and_rounded(self):
        for name in ("dream-dense.gguf", "llada-dense.gguf", "llada-moe-moe.gguf", "rnd1-moe.gguf"):
            model = self.model(name)
            with self.subTest(name):
                listed = self.measure("sites", model, "w:matrices", "--rule", "w:matrices=int8")
                self.assertEqual(listed["not_measured"], "a diffusion model, which does not predict the next token")
                applied = self.measure("apply", model, "-o", self.path("out.gguf"), "--rule", "w:matrices=int8")
                self.assertEqual([weight["name"] for weight in listed["weights"]], [tensor["name"] for tensor in applied["tensors"]])
                self.assertIn("Its activations are not listed: it is a diffusion model", run("sites", model).stdout)
                self.refuse(1, "is a diffusion model, which does not predict the next token", "sites", model, "a:ffn_input")

    def test_drift_follows_an_error_from_where_it_enters(self):
        text = self.path("text.txt")
        with open(text, "w", encoding="utf-8") as file:
            file.write("What is to be read? " * 60)
        arguments = ("-f", text, "--ctx-size", 64, "--chunks", 1, "--threads", 1)
        followed = layers = outputs = parts = 0
        models = self.part(0, 6)
        for name in models:
            with self.subTest(name):
                done = run("drift", self.model(name), *arguments, "--json", "-")
                if done.returncode != 0:
                    self.assertRegex(done.stderr, r"^fakequant: .* does not predict the next token: fakequant measures models "
                                                  r"that do\n$")
                    continue
                itself = json.loads(done.stdout)
                self.assertEqual([node["node"] for node in itself["nodes"] if node["changed"] or node["role"] != "exact"], [])
                drifted = self.measure("drift", self.model(name), *arguments, "--rule", "a:in(*)@1=e4m3")
                for node in drifted["nodes"]:
                    # Every node that differs is rounded or computed from one that differs.
                    self.assertEqual(node["role"] == "entered", node["format"] is not None, node["node"])
                    if node["layer"] == 0:
                        self.assertEqual(node["changed"], 0, node["node"])
                followed += 1
                if name.startswith("hrm"):  # computes its layers several times, so no layer has a single output
                    continue
                layers += len(itself["layers"])
                outputs += sum(layer["output"] is not None for layer in itself["layers"])
                parts += sum(layer[part] is not None for layer in itself["layers"] for part in ("attention", "ffn"))
        self.assertGreater(followed, 0.75 * len(models))
        self.assertEqual(outputs, layers)
        self.assertGreater(parts, 0.7 * 2 * layers)

    def test_a_sweep_says_what_eval_says(self):
        text = self.path("text.txt")
        with open(text, "w", encoding="utf-8") as file:
            file.write("What is to be read? " * 60)
        arguments = ("-f", text, "--ctx-size", 64, "--chunks", 1, "--threads", 1)
        # The graph of hrm-text cannot be entered between two layers.
        models = sorted({*self.part(3, 6), *(name for name in self.models if name.startswith("hrm"))})
        measured = skipped = 0
        whole = set()
        for name in models:
            with self.subTest(name):
                study = self.path(f"{name}.db")
                command = ("sweep", self.model(name), *arguments, "--site", "a:in(*)", "--site", "w:blk.*.weight", "--format",
                           "e4m3", "--layers", "-o", study)
                done = run(*command, "--json", "-")
                if done.returncode != 0:
                    self.assertRegex(done.stderr, r"^fakequant: .* does not predict the next token: fakequant measures models "
                                                  r"that do\n$")
                    self.assertFalse(os.path.exists(study))
                    continue
                measured += 1
                for variant in json.loads(done.stdout)["variants"]:
                    of_eval = self.measure("eval", self.model(name), *arguments, "--rule", variant["recipe"])["variants"][0]
                    for figure in ("mean", "error", "max"):
                        self.assertEqual(variant["kld"][figure], of_eval["kld"][figure], variant["recipe"])
                    self.assertEqual(variant["ppl"], of_eval["ppl"], variant["recipe"])
                    self.assertEqual(variant["first_layer"] > 0, variant["why_whole"] is None, variant["recipe"])
                    # Without a norm, the first input of the second layer may be the first layer's output, which is rounded there.
                    if variant["layer"] == 1 and variant["site"].startswith("w:"):
                        skipped += variant["first_layer"] == 1
                        if variant["first_layer"] == 0:
                            whole.add(name)
        self.assertGreater(measured, 0.75 * len(models))
        self.assertEqual(whole, {name for name in models if name.startswith("hrm")})
        self.assertEqual(skipped, measured - len(whole))

    def test_drift_says_what_another_architecture_does_not_have(self):
        text = self.path("text.txt")
        with open(text, "w", encoding="utf-8") as file:
            file.write("What is to be read? " * 60)
        arguments = ("-f", text, "--ctx-size", 64, "--chunks", 1, "--threads", 1)
        llama, gemma = self.model("llama-dense.gguf"), self.model("gemma2-dense.gguf")
        result = self.measure("drift", llama, *arguments, "--against", gemma)
        compared = {node["node"] for node in result["nodes"]}
        own, others = ({entry["site"] for entry in self.measure("sites", model)["activations"] if "_cache-" not in entry["site"]}
                       for model in (llama, gemma))
        reshaped = {node["node"] for node in result["reshaped"]}
        self.assertEqual(compared | reshaped, own & others)
        self.assertEqual(set(result["only_in_baseline"]), own - others)
        self.assertEqual(set(result["only_in_variant"]), others - own)
        self.assertIn("only in the variant, not compared: ", run("drift", llama, *arguments, "--against", gemma).stdout)

    def test_ranges_go_with_graphs_that_are_others_for_one_token(self):
        model, text, ranges = self.model("minimax-m3-moe.gguf"), self.path("text.txt"), self.path("ranges.json")
        with open(text, "w", encoding="utf-8") as file:
            file.write("What is to be read? " * 60)
        arguments = ("-f", text, "--ctx-size", 64, "--chunks", 1)
        self.assertEqual(run("calibrate", model, *arguments, "-o", ranges).returncode, 0)
        rule = ("--rule", f"a:in(*)=int8,range=static:{ranges}")
        sites = [site["site"] for site in self.measure("eval", model, *arguments, *rule)["sites"]]
        with open(ranges, encoding="utf-8") as file:
            self.assertEqual(sorted(sites), sorted(site["site"] for site in json.load(file)["sites"]))
        # The graph of a single token has a node that the graph of a chunk does not have.
        self.refuse(2, "has no range for msa_fattn-1", "generate", model, "-p", "What", "-n", 4, *rule)


if __name__ == "__main__":
    unittest.main()
