"""Plans on the demo model: the choice beats one format for all and random choices, and agrees with eval."""

import json
import os
import random
import sqlite3
import unittest

from program import MODEL, TEXT, ProgramTest, run

CHUNKS, CONTEXT = 3, 64
WORK, USAGE = 1, 2
SITES = ("a:attn_input", "a:attn_output_input", "a:ffn_input", "a:ffn_down_input")
FORMATS = ("int3", "int4", "int5", "int6", "int8")
BUDGET = 5.0


class PlanTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.study = self.path("study.db")

    def sweep(self, sites=SITES, formats=FORMATS, chunks=CHUNKS, more=("--layers",)):
        question = [word for site in sites for word in ("--site", site)] + [word for name in formats for word in ("--format", name)]
        return self.measure("sweep", MODEL, "-f", TEXT, "--chunks", chunks, "--ctx-size", CONTEXT, "--threads", 1, "-o", self.study,
                            *question, *more)

    def plan(self, *more):
        return self.measure("plan", self.study, "--threads", 1, *more)

    def measured(self, variants):
        """The divergence of recipes, given by name as rules, in one run of eval on the study's chunks."""
        arguments = []
        for name, rules in variants.items():
            path = self.path(f"{name}.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("rules:\n")
                for site, layer, form in rules:
                    file.write(f"  - activations: {site[2:]}\n    layers: {layer}\n    format: {form}\n")
            arguments += ["--variant", f"{name}={path}"]
        result = self.measure("eval", MODEL, "-f", TEXT, "--chunks", CHUNKS, "--ctx-size", CONTEXT, "--threads", 1, *arguments)
        return {variant["name"]: variant["kld"]["mean"] for variant in result["variants"]}

    def random_plans(self, count):
        """Random mixes within the budget, none of whose parts could take more bits."""
        with sqlite3.connect(f"file:{self.study}?mode=ro", uri=True) as study:
            rows = study.execute("SELECT site, layer, format, sum(rows * row_length) FROM variants JOIN variant_sites ON variant = id"
                                 " GROUP BY id").fetchall()
        study.close()
        values = {(site, layer): size for site, layer, _, size in rows}

        def bits(part, form):
            return values[part] * 32 if form is None else values[part] * int(form[3:]) + 32

        most = BUDGET * sum(values.values())
        draw = random.Random(5)
        plans = []
        while len(plans) < count:
            plan = {part: draw.choice(FORMATS) for part in values}
            order = list(values) * 3
            draw.shuffle(order)
            for part in order:  # fewer bits until it fits, then more as long as it does
                total = sum(bits(other, form) for other, form in plan.items())
                better = [form for form in (*FORMATS, None) if bits(part, form) > bits(part, plan[part])
                          and total - bits(part, plan[part]) + bits(part, form) <= most]
                worse = [form for form in FORMATS if bits(part, form) < bits(part, plan[part])]
                if total > most and worse:
                    plan[part] = draw.choice(worse)
                elif better:
                    plan[part] = draw.choice(better)
            total = sum(bits(other, form) for other, form in plan.items())
            if 0.97 * most < total <= most:
                plans.append([(site, layer, form) for (site, layer), form in plan.items() if form])
        return plans

    def test_a_plan_beats_one_format_for_all_and_60_random_plans(self):
        self.sweep()
        recipe = self.path("recipe.yaml")
        result = self.plan("--bits", BUDGET, "--verify", "-o", recipe)
        chosen, verify = result["chosen"], result["verify"]
        self.assertLessEqual(chosen["bits"], BUDGET)
        self.assertGreater(chosen["bits"], 0.97 * BUDGET)
        self.assertAlmostEqual(sum(part["kld"] for part in chosen["assignments"]), chosen["kld"], delta=1e-12)
        # The verified figures are eval's for the recipe.
        of_eval = self.measure("eval", MODEL, "-f", TEXT, "--chunks", CHUNKS, "--ctx-size", CONTEXT, "--threads", 1, "--recipe", recipe)
        self.assertEqual(of_eval["variants"][0]["kld"]["mean"], verify["measured_kld"])
        self.assertEqual(of_eval["variants"][0]["recipe"], chosen["recipe"])
        self.assertEqual(verify["predicted_kld"], chosen["kld"])
        self.assertLess(abs(verify["measured_kld"] / chosen["kld"] - 1), 0.5)
        # One format for all.
        uniform = {plan["format"]: plan for plan in result["uniform"]}
        self.assertEqual(sorted(uniform), sorted(FORMATS))
        smaller = [plan for plan in uniform.values() if plan["bits"] <= chosen["bits"]]
        self.assertEqual({plan["format"] for plan in smaller}, {"int3", "int4"})
        for plan in smaller:
            self.assertGreater(plan["measured_kld"], verify["measured_kld"])
        of_five = self.plan("--bits", uniform["int5"]["bits"], "--verify")
        five = next(plan for plan in of_five["uniform"] if plan["format"] == "int5")
        self.assertEqual(five["bits"], uniform["int5"]["bits"])
        self.assertLess(of_five["verify"]["measured_kld"], five["measured_kld"])
        # Random mixes.
        plans = self.random_plans(60)
        klds = self.measured({f"r{i}": plan for i, plan in enumerate(plans)})
        self.assertEqual(len(klds), 60)
        self.assertLess(verify["measured_kld"], min(klds.values()))

    def test_budgets_of_bits_and_of_divergence_meet(self):
        self.sweep(sites=SITES[:2], formats=("int4", "int8"), chunks=2)
        result = self.plan("--bits", 7)
        front = result["pareto"]
        self.assertTrue(result["kinds"][0]["pareto_whole"])
        self.assertEqual([point["bits"] for point in front], sorted(point["bits"] for point in front))
        self.assertEqual([point["kld"] for point in front], sorted((point["kld"] for point in front), reverse=True))
        self.assertEqual([point["kld"] for point in front if point["chosen"]], [result["chosen"]["kld"]])
        back = self.plan("--max-kld", result["chosen"]["kld"])
        self.assertEqual(back["chosen"], result["chosen"])
        # A single variant costs as much as the sweep measured.
        sweep = {(v["site"], v["layer"], v["format"]): v["kld"]["mean"]
                 for v in self.sweep(sites=SITES[:2], formats=("int4", "int8"), chunks=2)["variants"]}
        for part in result["chosen"]["assignments"]:
            self.assertEqual(part["kld"], sweep[part["site"], part["layer"], part["format"]] if part["format"] else 0)
        kept = self.plan("--bits", 12, "--keep", "a:attn_input@0-1=none", "--keep", "a:attn_input@5=int4")
        formats = {(part["site"], part["layer"]): part["format"] for part in kept["chosen"]["assignments"]}
        self.assertEqual([formats["a:attn_input", layer] for layer in (0, 1, 5)], [None, None, "int4"])
        self.assertGreaterEqual(kept["chosen"]["kld"], self.plan("--bits", 12)["chosen"]["kld"])
        text = run("plan", self.study, "--bits", 7).stdout
        self.assertIn("mixed <- the plan", text)
        self.assertIn("all in int4", text)

    def test_weights_and_activations_have_budgets_of_their_own(self):
        self.sweep(sites=("a:ffn_input@3-5", "w:ffn_down@3-5"), formats=("int4", "int8"), chunks=2)
        recipe = self.path("recipe.yaml")
        result = self.plan("--bits", "w:6", "--bits", "a:7", "--verify", "-o", recipe)
        self.assertEqual([kind["kind"] for kind in result["kinds"]], ["weights", "activations"])
        self.assertLessEqual(result["chosen"]["weight_bits"], 6)
        self.assertLessEqual(result["chosen"]["activation_bits"], 7)
        pair = result["uniform_pair"]
        self.assertEqual(pair["format"], "w:int4 a:int4")
        self.assertLess(result["verify"]["measured_kld"], pair["measured_kld"])
        of_eval = self.measure("eval", MODEL, "-f", TEXT, "--chunks", 2, "--ctx-size", CONTEXT, "--threads", 1, "--recipe", recipe)
        self.assertEqual(of_eval["variants"][0]["kld"]["mean"], result["verify"]["measured_kld"])
        self.refuse(USAGE, "activations have no budget", "plan", self.study, "--bits", "w:6")
        self.assertEqual(run("apply", MODEL, "-o", self.path("out.gguf"), "--recipe", recipe).returncode, USAGE)  # a: rules
        only = self.plan("--site", "w:ffn_down", "--bits", 6, "-o", recipe)
        self.assertEqual(only["chosen"]["bits"], result["chosen"]["weight_bits"])
        self.assertEqual(run("apply", MODEL, "-o", self.path("out.gguf"), "--recipe", recipe).returncode, 0)

    def test_what_costs_nothing_is_suggested(self):
        # llama.cpp's kernels for weights that are not repacked round inputs of products with F16 weights to F16, so f16 changes nothing.
        self.sweep(sites=("a:ffn_input", "a:ffn_down_input"), formats=("f16", "int4"), chunks=2, more=("--layers", "--arithmetic", "native", "--no-repack"))
        result = self.plan("--no-loss", 0)
        self.assertIsNone(result["chosen"])
        free = [found for found in result["suggestions"] if found["what"] == "no_loss" and found["format"] == "f16"]
        self.assertEqual({place["site"]: place["layers"] for found in free for place in found["places"]},
                         {"a:ffn_input": list(range(6)), "a:ffn_down_input": list(range(6))})
        self.assertEqual([found["kld"] for found in free], [0, 0])
        self.assertIn("a:ffn_input in layers 0-5 can go from 32 to 16 bits in f16 at a loss that counts as none", run("plan", self.study, "--no-loss", 0).stdout)
        # With a higher threshold, int4 counts as no loss everywhere.
        for found in self.plan("--no-loss", 1)["suggestions"]:
            self.assertEqual((found["what"], found["format"]), ("no_loss", "int4"))

    def test_what_cannot_be_planned_is_one_clear_error(self):
        self.sweep(sites=SITES[:1], formats=("int8", "bf16"), chunks=2)
        for pattern, *arguments in (
                ("no plan holds the activations in 3 bits: the fewest are 8", "--bits", "3.0"),
                ("no plan holds .* the fewest with the formats that are kept are 16", "--bits", 9, "--keep", "a:attn_input=bf16"),
                ("no plan keeps the divergence under 1e-12 nats: the least", "--max-kld", "1e-12", "--keep", "a:attn_input=int8"),
                ("nothing at a:atn_input: the nearest are a:attn_input", "--bits", 9, "--keep", "a:atn_input=bf16"),
                ("nothing at w:ffn_up: the nearest are", "--site", "w:ffn_up"),
                ("in none, int8, bf16, and not in e4m3", "--bits", 9, "--keep", "a:attn_input=e4m3"),
                ("--keep a:attn_input is invalid: write SITE=FORMAT", "--bits", 9, "--keep", "a:attn_input"),
                ("--bits five is invalid", "--bits", "five"),
                ("--max-kld -1 is invalid", "--max-kld=-1"),
                ("for the same values: give one of them", "--bits", 9, "--max-kld", 1),
                ("add --bits, --size or --max-kld", "-o", self.path("r.yaml")),
                ("no recipe to write", "--bits", 32, "-o", self.path("r.yaml")),
                ("add one of them", "--bits", 9, "--model", MODEL),
                ("is also an input", "--bits", 9, "-o", self.study)):
            self.refuse(USAGE, pattern, "plan", self.study, *arguments)
        self.assertFalse(os.path.exists(self.path("r.yaml")))
        self.refuse(WORK, "cannot open", "plan", self.path("none.db"), "--bits", 9)
        self.refuse(WORK, "is not a study", "plan", TEXT, "--bits", 9)
        other = self.path("other.txt")
        with open(TEXT, encoding="utf-8") as file, open(other, "w", encoding="utf-8") as part:
            part.write(file.read()[5000:40000])
        verify = ("plan", self.study, "--bits", 9, "--verify", "--threads", 1)
        self.refuse(USAGE, "is another .*: name the study's own model and texts", *verify, "-f", other)
        self.assertEqual(run("apply", MODEL, "-o", self.path("other.gguf")).returncode, 0)
        self.refuse(USAGE, "is another .*: name the study's own", *verify, "--model", self.path("other.gguf"))
        # The texts and the model may have moved.
        copy = self.path("copy.txt")
        with open(TEXT, "rb") as file, open(copy, "wb") as whole:
            whole.write(file.read())
        self.assertEqual(run(*verify, "-f", copy).returncode, 0)

    def test_an_older_study_says_how_it_gets_what_is_missing(self):
        self.sweep(sites=SITES[:1], formats=("int8",), chunks=1)
        with sqlite3.connect(self.study) as study:
            study.execute("DELETE FROM variant_sites")  # which the first studies did not have
        study.close()
        self.refuse(WORK, "type its sweep's command once more", "plan", self.study)
        self.assertEqual(self.sweep(sites=SITES[:1], formats=("int8",), chunks=1)["measured"], 0)
        self.assertEqual(len(self.plan()["pareto"]), 7)

    def test_its_json_is_a_file_that_others_can_read(self):
        self.sweep(sites=SITES[:1], formats=("int8",), chunks=1)
        done = run("plan", self.study, "--json", self.path("plan.json"), "--bits", 20)
        self.assertIn("The plan: activations in", done.stdout)
        with open(self.path("plan.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(result["schema"], "fakequant.plan/1")
        self.assertEqual(result["study"], self.study)


if __name__ == "__main__":
    unittest.main()
