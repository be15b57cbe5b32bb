"""Formats with rotations, factors of columns and fitted weights in every command that changes a model: all find what eval finds."""

import os
import unittest

from program import MODEL, TEXT, SharedFolderTest, must
from serve_test import Server

SITE = "w:ffn_down"
INPUT = "a:in(ffn_down)"
FEW = ("-f", TEXT, "--ctx-size", 64, "--chunks", 2, "--threads", 1)


class FittedFormatsTest(SharedFolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hessians, channels = (os.path.join(cls.shared, name) for name in ("hessian.bin", "channels.gguf"))
        must("calibrate", MODEL, *FEW, "--hessian", hessians, "--channels", channels)
        cls.formats = [f"int4,per=block,block=64,{options}" for options in
                       ("rotate=hadamard", f"smooth={channels}:0.5", f"awq={hessians}", f"fit=gptq,hessian={hessians}",
                        f"fit=gptq,order=activation,rotate=random:7,hessian={hessians}")]
        cls.inputs = ["nvfp4,rotate=hadamard", f"int8,smooth={channels}:0.5"]

    def eval(self, *rules):
        return self.measure("eval", MODEL, *FEW, *rules)["variants"][0]["kld"]["mean"]

    def test_sweep_and_plan(self):
        study, recipe = self.path("study.db"), self.path("plan.yaml")
        for site, formats in ((SITE, self.formats), (INPUT, self.inputs)):
            options = [option for form in formats for option in ("--format", form)]
            variants = self.measure("sweep", MODEL, *FEW, "-o", study, "--site", site, *options)["variants"]
            klds = [variant["kld"]["mean"] for variant in variants if variant["site"] == site]
            self.assertEqual(len(set(klds)), len(formats))
            for form, kld in zip(formats, klds, strict=True):
                self.assertEqual(kld, self.eval("--rule", f"{site}={form}"), form)
        found = self.measure("plan", study, "--site", SITE, "--bits", 5, "-o", recipe)["chosen"]
        options = [sorted(form.split(",")) for form in self.formats]  # their order in a study is another
        self.assertIn(sorted(found["assignments"][0]["format"].split(",")), options)
        self.assertEqual(self.eval("--recipe", recipe), found["kld"])

    def test_drift_generate_and_serve(self):
        changed_texts = 0
        for form in self.formats:
            rule, file = ("--rule", f"{SITE}={form}"), self.path("out.gguf")
            must("apply", MODEL, "-o", file, *rule)
            by_rule, by_file = (self.measure("drift", MODEL, *FEW, *options) for options in (rule, ("--against", file)))
            self.assertEqual(by_rule["logits"], by_file["logits"], form)
            self.assertGreater(by_rule["logits"]["changed"], 0)
            writing = ("-p", "Once upon a time", "-n", 32, "--temp", 1.5, "--seed", 3, "--threads", 1)
            by_rule = self.measure("generate", MODEL, *writing, *rule)["prompts"][0]
            by_file = self.measure("generate", file, *writing, "--rule", "w:ffn_up=int4")["prompts"][0]
            self.assertEqual(by_rule["variants"][0]["text"], by_file["baseline"], form)
            changed_texts += not by_rule["variants"][0]["identical"]
            fields = {"prompt": "Once upon a time", "max_tokens": 8, "logprobs": 1}
            answers = []
            for model, options, name in ((MODEL, rule, "variant"), (file, (), "baseline"), (MODEL, (), "baseline")):
                server = Server(*options, model=model)
                try:
                    answers.append(server.complete(model=name, **fields)["choices"][0]["logprobs"]["token_logprobs"])
                finally:
                    server.stop()
            self.assertEqual(answers[0], answers[1], form)
            self.assertNotEqual(answers[0], answers[2], form)
        self.assertGreater(changed_texts, 0)


if __name__ == "__main__":
    unittest.main()
