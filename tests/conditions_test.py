"""Conditions of commands that no other test asks, several variants in one dry run, and an experiment with variants."""

import os
import unittest

from program import MODEL, TEXT, ProgramTest, run, without_rule_lines

TEXT_ARGUMENTS = ("-f", TEXT, "--chunks", 2, "-c", 64, "-t", 1)
USAGE, CONDITION = 2, 3


class ConditionsTest(ProgramTest):
    def recipe(self, name, site, number_format):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"rules:\n  - {site}\n    format: {number_format}\n")
        return f"{name}={path}"

    def conditions(self, command, codes):
        for condition, code in codes:
            done = run(*command, "--fail-if", condition)
            self.assertEqual(done.returncode, code, (condition, done.stderr))
            self.assertNotEqual(done.stdout, "")  # the result is written all the same
            said = without_rule_lines(done.stderr)
            self.assertTrue(said.startswith(f"fakequant: --fail-if '{condition}'") if code else said == "", said)

    def test_sweep_and_plan(self):
        study = self.path("study.db")
        sweep = ("sweep", MODEL, *TEXT_ARGUMENTS, "--site", "a:ffn_input", "--format", "int4", "--format", "int8", "--layers", "-o", study)
        self.conditions(sweep, (("kld.mean>0", CONDITION), ("a:ffn_input@1=int4: kld.mean>0", CONDITION), ("kld.mean>1", 0)))
        self.assertEqual(run(*sweep, "--dry-run", "--fail-if", "kld.mean>0").returncode, 0)
        self.conditions(("plan", study, "--bits", 6), (("chosen.kld>0", CONDITION), ("chosen.bits>6", 0), ("chosen.bits<6.1", CONDITION)))
        self.refuse(USAGE, "add --bits, --size or --max-kld", "plan", study, "--fail-if", "chosen.kld>0")

    def test_a_dry_run_lists_several_variants(self):
        variants = ("--variant", self.recipe("w8", "weights: matrices", "int8"), "--rule", "a:ffn_input@0=bf16")
        done = run("eval", MODEL, *TEXT_ARGUMENTS, *variants, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?s)^variant: .*: 0 weights and 1 activation to round\n.*\nw8: .*: 42 weights and 0 activations to round\n")
        listed = self.measure("eval", MODEL, *TEXT_ARGUMENTS, *variants, "--dry-run")["variants"]
        self.assertEqual([(entry["name"], len(entry["weights"]), len(entry["activations"])) for entry in listed],
                         [("variant", 0, 1), ("w8", 42, 0)])

    def test_an_experiment_measures_further_variants(self):
        folder = self.path("results")
        variants = ("--variant", self.recipe("w4", "weights: matrices", "int4"), "--variant", self.recipe("a8", "activations: ffn_input", "int8"))
        command = ("experiment", MODEL, *TEXT_ARGUMENTS, "-p", "The", "-n", 2, "--repetitions", 6, "-o", folder, *variants)
        done = run(*command, "--fail-if", "w4: kld.mean>0", "--json", self.path("all.json"))
        self.assertEqual(done.returncode, CONDITION, done.stderr)
        self.assertIn("--fail-if 'w4: kld.mean>0' holds for 1 of 1", done.stderr)
        files = set(os.listdir(folder))
        self.assertLessEqual({"recipe-w4.yaml", "recipe-a8.yaml", "drift-w4.json", "drift-a8.json"}, files)
        self.assertFalse(files & {"recipe.yaml", "drift-weights.json"})
        evaluated = self.measure("eval", MODEL, *TEXT_ARGUMENTS, "--recipe", os.path.join(folder, "recipe-w4.yaml"))["variants"][0]
        with open(os.path.join(folder, "report.md"), encoding="utf-8") as file:
            report = file.read()
        self.assertIn("- **w4**: all rules of its recipe together: `w:matrices=int4`.", report)
        self.assertGreater(evaluated["kld"]["mean"], 0)
        self.refuse(USAGE, "a variant cannot be called", *command[:-4], "--variant", "../x=" + self.path("w4"))
        self.refuse(USAGE, "nothing is called w5: take one of w4, a8", *command, "--fail-if", "w5: kld.mean>0")


if __name__ == "__main__":
    unittest.main()
