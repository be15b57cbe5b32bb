"""Selectors of classes of weights, exceptions, and the lines that say what rules take."""

import os
import unittest

import gguf

from program import MODEL, TEXT, ProgramTest, run

TEXT_ARGUMENTS = ("-f", TEXT, "--chunks", 2, "--ctx-size", 64, "--threads", 1)
USAGE = 2


def names_of(*endings):
    return [t.name for t in gguf.GGUFReader(MODEL).tensors if t.name.endswith(endings)]


MATRICES = names_of("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "ffn_up.weight", "ffn_gate.weight",
                    "ffn_down.weight")
NORMS = names_of("norm.weight")


class SelectorsTest(ProgramTest):
    def rounded(self, *arguments):
        """The tensors that apply rounds."""
        applied = self.measure("apply", MODEL, "-o", self.path("out.gguf"), *arguments)
        return [tensor["name"] for tensor in applied["tensors"]]

    def test_classes_of_weights(self):
        self.assertEqual(len(MATRICES), 42)
        self.assertEqual(self.rounded("--rule", "w:matrices=bf16"), MATRICES)
        self.assertEqual(self.rounded("--rule", "w:norms=bf16"), NORMS)
        self.assertEqual(self.rounded("--rule", "w:embedding=bf16"), ["token_embd.weight"])
        self.refuse(USAGE, "its embedding is its output: write w:embedding", "apply", MODEL, "-o", self.path("x"), "--rule",
                    "w:output=bf16")

    def test_inputs_of_matrices(self):
        def inputs(selector):
            return {entry["site"] for entry in self.measure("sites", MODEL, selector)["activations"]}
        self.assertEqual(inputs("a:in(*)") - inputs("a:in(matrices)"), inputs("a:in(embedding)"))
        self.assertEqual(inputs("a:in(embedding)"), {"result_norm"})

    def test_exceptions_leave_sites_out_of_every_rule(self):
        kept = [name for name in MATRICES if name != "blk.0.ffn_down.weight" and "attn_q" not in name]
        exceptions = ("--except", "w:ffn_down@0", "--except", "w:attn_q")
        self.assertEqual(self.rounded("--rule", "w:matrices=bf16", *exceptions), kept)
        self.assertEqual(self.rounded("--rule", "w:matrices=bf16", "--rule", "w:*.ffn_*.weight=int8", *exceptions[:2]),
                         [t.name for t in gguf.GGUFReader(MODEL).tensors if t.name != "blk.0.ffn_down.weight" and
                          (t.name in MATRICES or ".ffn_" in t.name)])
        # Also of the rule that apply has without rules.
        self.assertEqual(self.rounded("--except", "w:ffn_norm@0-4"), ["blk.5.ffn_norm.weight"])
        self.refuse(USAGE, "^fakequant: --except: there is nothing from which to except a:ffn_input", "apply", MODEL, "-o",
                    self.path("x"), "--except", "a:ffn_input")
        self.refuse(USAGE, "the exception 'w:fnn_up' of rule .* the nearest are ffn_up", "apply", MODEL, "-o", self.path("x"),
                    "--rule", "w:matrices=bf16", "--except", "w:fnn_up")

    def test_every_command_that_takes_rules_takes_exceptions(self):
        rules = ("--rule", "w:matrices=int4", "--except", "w:ffn_down", "--rule", "a:in(*)=int8", "--except", "a:in(ffn_down)")
        listed = self.measure("sites", MODEL, *rules)
        weights = [weight["name"] for weight in listed["weights"] if weight["format"]]
        activations = [entry["site"] for entry in listed["activations"] if entry["format"]]
        self.assertEqual(weights, [name for name in MATRICES if "ffn_down" not in name])
        self.assertFalse([site for site in activations if "swiglu" in site])
        prompt = ("-p", "The", "-n", 2, "--threads", 1)
        evaluated = self.measure("eval", MODEL, *TEXT_ARGUMENTS, *rules)
        self.assertEqual([site["site"] for site in evaluated["sites"]], activations)
        recipe = "w:matrices@except:ffn_down=int4 a:in(*)@except:in(ffn_down)=int8"
        self.assertEqual(evaluated["variants"][0]["recipe"], recipe)
        self.measure("generate", MODEL, *prompt, *rules)
        self.measure("bench", MODEL, "--prompt-tokens", 8, "--decode-tokens", 2, "--repetitions", 6, *rules)
        drifted = self.measure("drift", MODEL, *TEXT_ARGUMENTS, *rules)
        self.assertEqual([node["node"] for node in drifted["nodes"] if node["format"]], activations)
        self.measure("calibrate", MODEL, *TEXT_ARGUMENTS, "-o", self.path("ranges.json"), "--except", "a:in(ffn_down)")
        folder = self.path("results")
        self.measure("experiment", MODEL, *TEXT_ARGUMENTS, *prompt[:4], "-o", folder, "--repetitions", 6, *rules)
        # The recipe that is written reads back, and gives the same figures.
        again = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--recipe", os.path.join(folder, "recipe.yaml"))
        self.assertEqual(again["variants"][0]["recipe"], recipe)
        self.assertEqual(again["variants"][0]["kld"], evaluated["variants"][0]["kld"])

    def test_exceptions_reach_the_variants_that_have_such_rules(self):
        for name, rule in (("w", "weights: matrices"), ("a", "activations: ffn_input")):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(f"rules:\n  - {rule}\n    format: int8\n")
        variants = ("--variant", f"w={self.path('w')}", "--variant", f"a={self.path('a')}")
        found = self.measure("eval", MODEL, *TEXT_ARGUMENTS, *variants, "--except", "w:ffn_up")["variants"]
        self.assertEqual([variant["recipe"] for variant in found], ["w:matrices@except:ffn_up=int8", "a:ffn_input=int8"])

    def test_a_sweep_and_its_plan_keep_exceptions(self):
        study, recipe = self.path("study.db"), self.path("plan.yaml")
        command = ("sweep", MODEL, *TEXT_ARGUMENTS, "--site", "w:matrices", "--except", "w:ffn_down", "--except", "w:attn_q@1-3",
                   "--format", "int4", "--layers", "-o", study)
        swept = self.measure(*command)["variants"]
        self.assertEqual({variant["site"] for variant in swept}, {"w:matrices@except:ffn_down@except:attn_q@1-3"})
        by_layer = {variant["layer"]: variant for variant in swept}
        other = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "w:matrices@1=int4", "--except", "w:ffn_down", "--except",
                             "w:attn_q@1")["variants"][0]
        self.assertEqual(by_layer[1]["kld"]["mean"], other["kld"]["mean"])
        # The study knows its sites again: nothing is measured twice.
        self.assertEqual({variant["chunks_found"] for variant in self.measure(*command)["variants"]}, {2})
        done = run("plan", study, "--bits", 10, "-o", recipe)
        self.assertEqual(done.returncode, 0, done.stderr)
        planned = self.measure("sites", MODEL, "--recipe", recipe)
        rounded = [weight["name"] for weight in planned["weights"] if weight["format"]]
        self.assertTrue(rounded)
        self.assertFalse([name for name in rounded if "ffn_down" in name or name == "blk.1.attn_q.weight"])

    def test_sites_lists_what_several_selectors_name(self):
        listed = self.measure("sites", MODEL, "w:norms", "a:ffn_input@0-1", "--except", "w:ffn_norm")
        self.assertEqual([weight["name"] for weight in listed["weights"]], [name for name in NORMS if "ffn_norm" not in name])
        self.assertEqual([entry["site"] for entry in listed["activations"]], ["ffn_norm-0", "ffn_norm-1"])
        self.refuse(USAGE, "^fakequant: site 'w:fnn_up' matches no weight of this model: the nearest are ffn_up", "sites", MODEL,
                    "w:fnn_up")

    def test_rules_say_what_they_take_before_the_work(self):
        rules = ("--rule", "w:blk.*.attn_*.weight=int4", "--rule", "w:embedding=int8", "--rule", "w:ffn_up=bf16", "--rule",
                 "w:ffn_up=int8")
        said = ("w:blk.*.attn_*.weight=int4: 24 matrices, 6 norms\n"
                "w:embedding=int8: 1 embedding; the embedding is also the output\n"
                "w:ffn_up=bf16: nothing, later rules take it all\n"
                "w:ffn_up=int8: 6 matrices\n")
        apply = ("apply", MODEL, "-o", self.path("out.gguf"), *rules)
        evaluate = ("eval", MODEL, *TEXT_ARGUMENTS, *rules)
        for command in (apply, evaluate, ("generate", MODEL, "-p", "The", "-n", 1, *rules)):
            self.assertEqual(run(*command).stderr, said)
            self.assertEqual(run(*command, "--json", self.path("out.json")).stderr, said)
            self.assertEqual(run(*command, "-q").stderr, "")
            self.assertEqual(run(*command, "--json", "-").stderr, "")
        with open(self.path("w4"), "w", encoding="utf-8") as file:
            file.write("rules:\n  - weights: matrices\n    format: int4\n")
        two = run("eval", MODEL, *TEXT_ARGUMENTS, "--rule", "w:norms=bf16", "--variant", f"w4={self.path('w4')}")
        self.assertEqual(two.stderr, "variant: w:norms=bf16: 13 norms\nw4: w:matrices=int4: 42 matrices\n")


if __name__ == "__main__":
    unittest.main()
