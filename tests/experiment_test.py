"""The whole experiment and its report."""

import json
import os
import unittest

from program import MODEL, PROMPTS, TEXT, ProgramTest, run, without_rule_lines

FILES = ["bench.json", "command.txt", "compare.json", "drift-activations.json", "drift-weights.json", "environment.json", "eval.json",
         "generate.json", "inspect.json", "recipe.yaml", "report.md"]


class ExperimentTest(ProgramTest):
    def experiment(self, *arguments, model=MODEL, text=TEXT):
        out = self.path("results")
        return run("experiment", model, "-o", out, "-f", text, "--chunks", 2, "-n", 8, "--repetitions", 6, *arguments)

    def read(self, name):
        with open(os.path.join(self.folder, "results", name), encoding="utf-8") as file:
            return json.load(file) if name.endswith(".json") else file.read()

    def test_makes_a_report_and_all_its_files(self):
        done = self.experiment("--prompt-file", PROMPTS)
        self.assertEqual(done.returncode, 0, done.stderr)
        has_page = "No page: this fakequant was built without" not in done.stdout
        self.assertEqual(sorted(os.listdir(self.path("results"))), sorted(FILES + ["report.html"] * has_page))
        for name in FILES:
            if name.endswith(".json"):
                content = self.read(name)
                self.assertEqual(content["schema"], f"fakequant.{name[:-5].split('-')[0]}/1")
                self.assertEqual(content["model"], MODEL)
                self.assertTrue(content["backends"], name)
                self.assertEqual(content["command"] + "\n", self.read("command.txt"))
        self.assertEqual([v["name"] for v in self.read("eval.json")["variants"]], ["weights", "activations"])
        self.assertEqual(len(self.read("generate.json")["prompts"]), 3)
        report = self.read("report.md")
        self.assertIn(report, done.stdout)
        for heading in ("What was asked", "The precision of the weights before", "What the rounding changed in the weights",
                        "Perplexity and divergence", "Where the error enters, grows and dies", "The prompts side by side", "Speed",
                        "What the numbers mean", "How to repeat it"):
            self.assertIn(f"## {heading}\n", report)
        self.assertIn("None of the 13 tensors stored as F32 is BF16 already", report)
        self.assertIn("1,536 of 1,536 values changed", report)

    def test_no_text_becomes_markup(self):
        with open(self.path("markup.txt"), "w", encoding="utf-8") as file:
            file.write("# heading <b>bold</b> | cell | `code` [link](x) http://x.y \u202e\u009b31m\n" * 40)
        done = self.experiment("-p", "<b>x</b> | # a\n```\n# b", text=self.path("markup.txt"))
        self.assertEqual(done.returncode, 0, done.stderr)
        report, fence, outside = self.read("report.md"), "", []
        for line in report.splitlines():
            ticks = line[: len(line) - len(line.lstrip("`"))]
            if fence:
                fence = "" if line == fence else fence
            elif len(ticks) >= 3:
                fence = ticks
            else:
                outside.append(line)
        self.assertEqual(fence, "")
        self.assertIn("<b>x</b> | # a\n```\n# b\n", report)  # inside a longer fence
        text = "\n".join(outside)
        self.assertNotRegex(text, r"(?<!\\)<")
        self.assertNotRegex(text.replace("[below](", ""), r"(?<!\\)\]\(|(?<!\\)://")
        self.assertEqual([line for line in outside if line.startswith("#") and not line.startswith("# What rounding costs: ")
                          and not line.startswith("## ")], [])
        for line in outside:
            if line.startswith("|"):
                self.assertTrue(line.endswith("|"), line)
        self.assertNotRegex(report, "[\u0080-\u009f\u202a-\u202e]")

    def test_its_recipe_repeats_it(self):
        self.experiment("-p", "What")
        first = self.read("eval.json")
        recipe = self.path("recipe.yaml")
        os.rename(os.path.join(self.folder, "results", "recipe.yaml"), recipe)
        done = self.experiment("-p", "What", "--recipe", recipe)
        self.assertEqual(done.returncode, 0, done.stderr)
        second = self.read("eval.json")
        for result in (first, second):
            del result["command"]
        self.assertEqual(first, second)

    def test_says_plainly_when_the_weights_were_bf16_already(self):
        run("apply", MODEL, "-o", self.path("bf16.gguf"), "--rule", "w:*norm*=bf16")
        done = self.experiment("-p", "What", model=self.path("bf16.gguf"))
        self.assertEqual(done.returncode, 0, done.stderr)
        report = self.read("report.md")
        self.assertIn("All of the 13 tensors stored as F32 are BF16 already", report)
        self.assertIn("**Nothing changed.**", report)
        weights = self.read("eval.json")["variants"][0]
        self.assertEqual((weights["kld"]["max"], weights["ppl_ratio"]), (0, 1))

    def test_exceptions_leave_sites_out_of_its_own_rules(self):
        done = self.experiment("--except", "w:ffn_norm@0", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("w:ffn_norm@except:ffn_norm@0=bf16,round=zero", done.stdout)

    def test_only_activations_need_no_comparison(self):
        self.experiment("-p", "What", "--rule", "a:ffn_norm@2=bf16")
        self.assertNotIn("compare.json", os.listdir(self.path("results")))
        self.assertEqual([s["site"] for s in self.read("eval.json")["sites"]], ["ffn_norm-2"])
        self.assertIn("No rule names weights", self.read("report.md"))

    def test_a_step_that_fails_leaves_the_earlier_ones_and_is_named(self):
        self.experiment("-p", "What")  # whose files must not be left beside the new ones
        with open(self.path("short.txt"), "w", encoding="utf-8") as file:
            file.write("Too short.")
        done = self.experiment(text=self.path("short.txt"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertRegex(without_rule_lines(done.stderr), r"^fakequant: step eval failed: the text .* has \d+ tokens[^\n]*\n$")
        self.assertEqual(sorted(os.listdir(self.path("results"))),
                         ["command.txt", "compare.json", "environment.json", "inspect.json", "recipe.yaml"])


if __name__ == "__main__":
    unittest.main()
