"""quantize: tensors that equal llama-quantize's byte for byte, and values that equal those of `apply`."""

import json
import os
import sqlite3
import unittest

import gguf
import numpy as np

from program import MODEL, NATIVE, TEXT, ProgramTest, run, run_llama

# llama-quantize's names, except those that need an importance matrix, and q1_0, which it does not make of narrow rows.
MIXES = ("q2_0", "q4_0", "q5_1", "q8_0", "q2_k", "q3_k_s", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "tq2_0", "mxfp4_moe", "f16", "bf16", "f32")
IMPORTANCE_MIXES = ("q2_k_s", "q3_k_l", "q4_k_m")
# The types of ggml that weights are stored in, and those that llama-quantize makes only with an importance matrix.
TYPES = ("q1_0", "q2_0", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq3_s", "iq4_nl", "iq4_xs",
         "tq1_0", "tq2_0", "ggml:mxfp4", "ggml:nvfp4", "bf16")
IMPORTANCE_TYPES = ("iq3_xxs",)
if os.environ.get("EXHAUSTIVE"):
    # Some are slow, and for some ggml computes tables in each process, for up to ten seconds.
    MIXES += ("q4_1", "q5_0", "q3_k_l", "q4_k_s", "q5_k_s", "iq3_s", "iq3_m", "iq4_nl", "iq4_xs", "tq1_0")
    IMPORTANCE_MIXES += ("iq3_xxs", "iq3_xs", "iq4_xs", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m")
    IMPORTANCE_TYPES += ("iq2_xxs", "iq2_xs", "iq2_s", "iq1_s", "iq1_m")
NARROW = 32  # columns that no block of 256 divides


class QuantizeTest(ProgramTest):
    def write_layers(self, layers=4, columns=256):
        """A model that llama-quantize takes and nothing can run: few rows, of 256 columns except for attn_output."""
        path = self.path(f"layers-{columns}.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        for add, value in ((writer.add_context_length, 64), (writer.add_embedding_length, columns), (writer.add_block_count, layers),
                           (writer.add_feed_forward_length, columns), (writer.add_head_count, 4), (writer.add_head_count_kv, 1),
                           (writer.add_key_length, 8), (writer.add_value_length, 8), (writer.add_layer_norm_rms_eps, 1e-5),
                           (writer.add_file_type, 1), (writer.add_vocab_size, 32)):
            add(value)
        random = np.random.default_rng(3)

        def add_matrix(name, rows, row):
            writer.add_tensor(name, (0.1 * random.standard_normal((rows, row))).astype(np.float16))

        add_matrix("token_embd.weight", 32, columns)
        add_matrix("output.weight", 32, columns)
        writer.add_tensor("output_norm.weight", np.ones(columns, np.float32))
        for layer in range(layers):
            for name, rows, row in (("attn_q", 32, columns), ("attn_k", 8, columns), ("attn_v", 8, columns), ("attn_output", columns, NARROW),
                                    ("ffn_gate", columns, columns), ("ffn_up", columns, columns), ("ffn_down", columns, columns)):
                add_matrix(f"blk.{layer}.{name}.weight", rows, row)
            for name in ("attn_norm", "ffn_norm"):
                writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(columns, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def write_importance(self, model):
        """An importance matrix, as llama-imatrix writes it, of all matrices of a model but the embedding."""
        path = self.path("importance.gguf")
        writer = gguf.GGUFWriter(path, "", use_temp_file=False)
        writer.add_type("imatrix")
        writer.add_array("imatrix.datasets", ["a text.txt"])
        writer.add_uint32("imatrix.chunk_count", 3)
        writer.add_uint32("imatrix.chunk_size", 64)
        random = np.random.default_rng(4)
        for tensor in gguf.GGUFReader(model).tensors:
            if len(tensor.shape) > 1 and tensor.name.startswith(("blk", "output")):
                writer.add_tensor(tensor.name + ".in_sum2", random.random((1, int(tensor.shape[0])), np.float32) * 500)
                writer.add_tensor(tensor.name + ".counts", np.full((1, 1), 192, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def quantize(self, *arguments, model=MODEL, output="ours.gguf"):
        return self.measure("quantize", model, "-o", self.path(output), "--threads", 1, *arguments)

    def llama_quantize(self, kind, *options, model=MODEL):
        run_llama("llama-quantize", *options, model, self.path("theirs.gguf"), kind, 1)
        return self.path("theirs.gguf")

    def assert_same_tensors(self, ours, theirs, message):
        ours, theirs = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
        found = {t.name: (t.tensor_type, bytes(t.data)) for t in ours.tensors}
        expected = {t.name: (t.tensor_type, bytes(t.data)) for t in theirs.tensors}
        self.assertEqual(found.keys(), expected.keys())
        for name, (kind, data) in expected.items():
            self.assertEqual(found[name][0], kind, f"{message}: {name}")
            self.assertTrue(found[name][1] == data, f"{message}: {name} has other bytes")

    def assert_same_keys(self, ours, theirs, message):
        keys = [{key: (field.types, field.contents()) for key, field in gguf.GGUFReader(path).fields.items()} for path in (ours, theirs)]
        self.assertEqual(*keys, message)

    def test_mixes_are_those_of_llama_quantize(self):
        model = self.write_layers()
        matrix = self.write_importance(model)
        for mix, options in [*((mix, ()) for mix in MIXES), *((mix, ("--imatrix", matrix)) for mix in IMPORTANCE_MIXES)]:
            result = self.quantize("--type", mix, "--no-provenance", *options, model=model)
            ours, theirs = self.path("ours.gguf"), self.llama_quantize(mix, *options, model=model)
            self.assert_same_tensors(ours, theirs, mix)
            self.assert_same_keys(ours, theirs, mix)
            self.assertEqual(result["output_size"], os.path.getsize(ours))
            self.assertEqual(result["output_size"], os.path.getsize(theirs), mix)

    def test_types_of_rules_are_those_of_llama_quantize_and_values_those_of_apply(self):
        matrix = self.path("importance.gguf")
        run_llama("llama-imatrix", "-m", MODEL, "-f", TEXT, "-c", 64, "--chunks", 4, "--no-ppl", "-o", matrix)
        matrices = [f"blk.{layer}.{name}.weight" for name in ("attn_k", "attn_v", "attn_q", "attn_output", "ffn_up") for layer in range(6)]
        for types, options in ((TYPES, ()), ((*TYPES, *IMPORTANCE_TYPES), ("--imatrix", matrix))):
            named = dict(zip(matrices, types))
            rules = [part for name, kind in named.items() for part in ("--rule", f"w:{name}={kind}")]
            self.quantize("--type", "q4_0", *rules, *options)
            overrides = [part for name, kind in named.items()
                         for part in ("--tensor-type", f"^{name}$={kind.removeprefix('ggml:')}".replace(".", r"\."))]
            theirs = self.llama_quantize("q4_0", *options, *overrides)
            self.assert_same_tensors(self.path("ours.gguf"), theirs, options)
            stored = {t.name: t.tensor_type.name.lower() for t in gguf.GGUFReader(theirs).tensors}
            self.assertEqual({name: stored[name] for name in named}, {name: kind.removeprefix("ggml:") for name, kind in named.items()})
            wide = [f"{rule},imatrix={matrix}" if options and rule.startswith("w:") and not rule.endswith("bf16") else rule for rule in rules]
            self.measure("apply", MODEL, "-o", self.path("fake.gguf"), *wide, "--store", "f32")
            changed = {t["name"]: t["changed"] for t in self.measure("compare", self.path("fake.gguf"), self.path("ours.gguf"))["tensors"]}
            self.assertEqual({changed[name] for name in named}, {0}, changed)
            self.assertGreater(changed["blk.0.ffn_down.weight"], 0)

    def test_the_file_measures_as_the_variant_to_all_digits(self):
        rules = ("--rule", "w:matrices=q4_k", "--rule", "w:ffn_down@1-2=q3_k")
        # Of an F32 model, as which the variant holds its weights without rounding them again.
        self.quantize("--type", "f32", output="wide.gguf")
        self.quantize(*rules, model=self.path("wide.gguf"), output="mix.gguf")
        measured = ("-f", TEXT, "--ctx-size", 64, "--chunks", 3, "--threads", 1)
        result = self.measure("eval", self.path("wide.gguf"), *measured, *rules, "--against", self.path("mix.gguf"))
        variant, file = result["variants"]
        self.assertGreater(variant["kld"]["mean"], 0)
        self.assertEqual(variant["kld"], file["kld"])
        self.assertEqual(variant["ppl"], file["ppl"])

    def test_llama_runs_the_file(self):
        self.quantize("--type", "iq4_xs", output="mix.gguf")
        log = run_llama("llama-perplexity", "-m", self.path("mix.gguf"), "-f", TEXT, "-c", 64, "--chunks", 4, until="Final estimate")
        theirs = float(log.split("Final estimate: PPL = ")[1].split()[0])
        ours = self.measure("eval", self.path("mix.gguf"), *NATIVE, "-f", TEXT, "--ctx-size", 64, "--chunks", 4)["baseline"]["ppl"]
        self.assertAlmostEqual(ours, theirs, delta=2e-4)

    def test_a_dry_run_foretells_the_size_and_writes_nothing(self):
        for options in (("--type", "q4_k_m"), ("--rule", "w:matrices=q5_0"), ("--rule", "w:ffn_up=q8_0", "--no-provenance")):
            foretold = self.quantize(*options, "--dry-run", output="none.gguf")
            self.assertFalse(foretold["written"])
            self.assertFalse(os.path.exists(self.path("none.gguf")))
            written = self.quantize(*options)
            self.assertTrue(written["written"])
            self.assertEqual(foretold["output_size"], os.path.getsize(self.path("ours.gguf")))
            self.assertEqual(foretold["tensors"], written["tensors"])
            self.assertEqual(foretold["types"], written["types"])
            total = sum(t["bytes"] for t in written["tensors"])
            self.assertEqual(total, sum(t["bytes"] for t in written["types"]))
            self.assertAlmostEqual(written["bits_per_weight"], 8 * total / sum(t["elements"] for t in written["tensors"]))

    def test_rules_come_after_the_mix_and_name_their_own_types(self):
        result = self.quantize("--type", "q4_0", "--rule", "w:ffn_down@0=q8_0", "--rule", "w:attn_q=bf16", "--except", "w:attn_q@1")
        kinds = {t["name"]: t["stored_as"] for t in result["tensors"]}
        self.assertEqual(kinds["blk.0.ffn_down.weight"], "Q8_0")
        self.assertEqual(kinds["blk.1.ffn_down.weight"], "Q4_0")
        self.assertEqual(kinds["blk.0.attn_q.weight"], "BF16")
        self.assertEqual(kinds["blk.1.attn_q.weight"], "Q4_0")
        self.assertEqual(kinds["blk.0.attn_norm.weight"], "F32")

    def test_recipes_and_plans(self):
        study, plan, recipe = self.path("study.db"), self.path("plan.json"), self.path("plan.yaml")
        sweep = run("sweep", MODEL, "-f", TEXT, "--ctx-size", 32, "--chunks", 2, "--layers", "--threads", 1, "-o", study,
                    "--site", "w:ffn_down", "--format", "q4_k", "--format", "q8_0")
        self.assertEqual(sweep.returncode, 0, sweep.stderr)
        planned = run("plan", study, "--bits", 6, "--json", plan, "-o", recipe)
        self.assertEqual(planned.returncode, 0, planned.stderr)
        by_plan = self.quantize("--plan", plan)["tensors"]
        by_recipe = self.quantize("--recipe", recipe)["tensors"]
        self.assertEqual(by_plan, by_recipe)
        self.assertEqual({t["stored_as"] for t in by_plan if "ffn_down" in t["name"]}, {"Q4_K", "Q8_0"})
        self.assertEqual(run("plan", study, "--json", plan).returncode, 0)
        self.refuse(2, "a plan without a budget", "quantize", MODEL, "-o", self.path("no.gguf"), "--plan", plan)
        for text, why in (("[]", "not a JSON object"), ('{"schema": "fakequant.eval/1"}', "schema"), ("{", "not a JSON object"),
                          ('{"schema": "fakequant.plan/1", "chosen": {}}', "no list 'rules'")):
            with open(plan, "w", encoding="utf-8") as file:
                file.write(text)
            self.refuse(1, f"is not a plan: .*{why}", "quantize", MODEL, "-o", self.path("no.gguf"), "--plan", plan)

    def test_plans_for_a_size_are_met_and_never_exceeded(self):
        study, plan = self.path("study.db"), self.path("plan.json")
        sweep = run("sweep", MODEL, "-f", TEXT, "--ctx-size", 32, "--chunks", 2, "--layers", "--threads", 1, "-o", study,
                    "--site", "w:ffn_down", "--site", "w:ffn_up", "--format", "q2_k", "--format", "q4_k", "--format", "q6_k", "--format", "int4")
        self.assertEqual(sweep.returncode, 0, sweep.stderr)
        options = ("--rule", "w:ffn_down=q2_k", "--rule", "w:ffn_up=q2_k")
        smallest = self.quantize(*options, "--dry-run")
        largest = os.path.getsize(MODEL) + 1024
        divergences = []
        for share in (0.02, 0.1, 0.37, 0.61, 0.93, 1):
            for option, field, low, high in (("--size", "file_size", smallest["output_size"] + 500, largest),
                                             ("--bpw", "bits_per_weight", smallest["bits_per_weight"], 16.1)):
                budget = low + share * (high - low)
                budget = int(budget) if option == "--size" else round(budget, 3)
                planned = self.measure("plan", study, option, budget)
                with open(plan, "w", encoding="utf-8") as file:
                    json.dump(planned, file)
                written = self.quantize("--plan", plan)
                self.assertEqual(planned["chosen"]["file_size"], os.path.getsize(self.path("ours.gguf")))
                self.assertEqual(written["output_size"], os.path.getsize(self.path("ours.gguf")))
                self.assertAlmostEqual(planned["chosen"]["bits_per_weight"], written["bits_per_weight"])
                self.assertLessEqual(planned["chosen"][field], budget)
                # The parts are of equal sizes, so the finest step is the difference of two formats in one of them.
                step = 131072 * (16 - 6.5625) / 8 if option == "--size" else 131072 * (16 - 6.5625) / 3804416
                self.assertGreater(planned["chosen"][field], budget - step - 2048 if share < 0.93 else 0)
                if option == "--size":
                    divergences.append(planned["chosen"]["kld"])
                self.assertNotIn("int4", planned["chosen"]["recipe"])
        self.assertEqual(divergences, sorted(divergences, reverse=True))
        self.assertIn("12 variants are in formats that no file can store", run("plan", study, "--size", "6MB").stdout)
        self.refuse(2, "no plan makes a file of 1000000 bytes: the smallest takes [0-9]+", "plan", study, "--size", "1MB")
        self.refuse(2, "no plan makes a file of 2 bits per weight: the fewest are", "plan", study, "--bpw", 2)
        self.refuse(2, "--size 3 elephants is invalid", "plan", study, "--size", "3 elephants")
        self.refuse(2, "give one of them", "plan", study, "--size", "3MB", "--bpw", 4)
        self.refuse(2, "two budgets", "plan", study, "--size", "3MB", "--bits", 4)
        self.refuse(1, "is not the model of the study", "plan", study, "--size", "3MB", "--model", self.path("ours.gguf"))

    def test_rows_that_do_not_fit_fall_back_as_in_llama_quantize(self):
        model = self.write_layers(layers=1, columns=NARROW)
        for kind, fallback in (("q4_k_s", "Q5_0"), ("q6_k", "Q8_0"), ("q5_k_s", "Q5_1"), ("iq4_xs", "IQ4_NL"), ("q2_k", "Q4_0"), ("tq2_0", "Q4_0")):
            result = self.quantize("--type", kind, model=model)
            self.assert_same_tensors(self.path("ours.gguf"), self.llama_quantize(kind, model=model), kind)
            by_type = {t["name"]: t for t in result["tensors"]}["blk.0.attn_q.weight"]
            self.assertEqual((by_type["stored_as"], by_type["fallback"]), (fallback, True), kind)
            name = kind.removesuffix("_s")
            by_rule = {t["name"]: t for t in self.quantize("--rule", f"w:attn_q={name}", model=model)["tensors"]}["blk.0.attn_q.weight"]
            self.assertEqual((by_rule["stored_as"], by_rule["fallback"], by_rule["format"]), (fallback, True, name))
        said = run("quantize", model, "-o", self.path("ours.gguf"), "--type", "q4_k_s").stdout
        self.assertRegex(said, r"no multiple of q4_k's block, so they took Q5_0, as in llama-quantize: .*blk\.\*\.attn_q\.weight")

    def test_formats_that_are_no_types_are_refused_or_kept_wide(self):
        out = self.path("out.gguf")
        for kind, advice in (("mxfp4", "take ggml:mxfp4"), ("nvfp4", "take ggml:nvfp4"), ("int4", "such as q4_k"), ("e4m3", "such as q4_k"),
                             ("bf16,round=zero", "such as q4_k"), ("q8_k", "such as q4_k")):
            self.refuse(2, f"no file can store .*{advice}", "quantize", MODEL, "-o", out, "--rule", f"w:ffn_up={kind}")
        self.refuse(2, "in F32 only", "quantize", MODEL, "-o", out, "--rule", "w:norms=q8_0")
        self.assertFalse(os.path.exists(out))
        rules = ("--rule", "w:ffn_up=int4", "--rule", "w:norms=bf16", "--rule", "w:ffn_down=q4_0")
        result = self.quantize(*rules, "--allow-fake")
        stored = {t["name"]: (t["stored_as"], t["fake"]) for t in result["tensors"]}
        self.assertEqual(stored["blk.0.ffn_up.weight"], ("F16", True))
        self.assertEqual(stored["blk.0.attn_norm.weight"], ("F32", True))
        self.assertEqual(stored["blk.0.ffn_down.weight"], ("Q4_0", False))
        self.measure("apply", MODEL, "-o", self.path("fake.gguf"), *rules[:4])
        comparison = {t["name"]: t["changed"] for t in self.measure("compare", self.path("ours.gguf"), self.path("fake.gguf"))["tensors"]}
        self.assertEqual({changed for name, changed in comparison.items() if "ffn_down" not in name}, {0})

    def test_namesakes_have_other_values(self):
        """Why mxfp4 and nvfp4 are refused: ggml's types of these names round the same values otherwise."""
        for kind in ("mxfp4", "nvfp4"):
            for name, text in (("ours.gguf", kind), ("theirs.gguf", f"ggml:{kind}")):
                self.measure("apply", MODEL, "-o", self.path(name), "--rule", f"w:ffn_up@0={text}", "--store", "f32")
            comparison = self.measure("compare", self.path("ours.gguf"), self.path("theirs.gguf"))["tensors"]
            self.assertGreater({t["name"]: t["changed"] for t in comparison}["blk.0.ffn_up.weight"], 0, kind)

    def test_errors_leave_no_file(self):
        out = self.path("out.gguf")
        refused = ("quantize", MODEL, "-o", out)
        self.refuse(2, "nothing says which types", *refused)
        self.refuse(2, "none of llama-quantize's types: take q1_0", *refused, "--type", "q4_x")
        self.refuse(2, "names activations", *refused, "--rule", "a:ffn_norm=bf16")
        self.refuse(2, "only with an importance matrix", *refused, "--type", "iq2_xxs")
        self.refuse(2, "only with an importance matrix", *refused, "--rule", "w:ffn_up=iq2_xxs")
        self.refuse(2, "matches nothing|no weight|nearest", *refused, "--rule", "w:no_such=q4_k")
        self.refuse(1, "cannot open .*none.gguf", *refused, "--type", "q4_0", "--imatrix", self.path("none.gguf"))
        self.refuse(2, "is the model|only read|input", "quantize", MODEL, "-o", MODEL, "--type", "q4_0")
        before = os.path.getsize(MODEL)
        self.quantize("--type", "q4_0", output="q4.gguf")
        self.refuse(2, "is quantized already", "quantize", self.path("q4.gguf"), "-o", out, "--type", "q8_0")
        again = self.quantize("--type", "q8_0", "--allow-requantize", model=self.path("q4.gguf"))
        self.assert_same_tensors(self.path("ours.gguf"), self.llama_quantize("q8_0", "--allow-requantize", model=self.path("q4.gguf")), "again")
        self.assertIn("Q8_0", {t["stored_as"] for t in again["tensors"]})
        self.assertFalse(os.path.exists(out))
        self.assertEqual(os.path.getsize(MODEL), before)

    def test_values_that_no_type_holds_are_refused(self):
        for value, why in ((np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (1e30, "cannot hold")):
            model = self.path("bad.gguf")
            writer = gguf.GGUFWriter(model, "llama")
            values = np.ones((4, 256), np.float32)
            values[2, 7] = value
            writer.add_tensor("blk.0.ffn_up.weight", values)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            for kind in ("q4_k", "f16", "q8_0"):
                self.refuse(1, f"blk.0.ffn_up.weight: .*{why}", "quantize", model, "-o", self.path("out.gguf"), "--rule", f"w:ffn_up={kind}")
            self.assertFalse(os.path.exists(self.path("out.gguf")))

    def test_split_models_stay_split(self):
        run_llama("llama-gguf-split", "--split", "--split-max-tensors", 20, MODEL, self.path("part"))
        first = self.path("part-00001-of-00003.gguf")
        result = self.quantize("--type", "q4_k_m", "--no-provenance", model=first)
        self.assertEqual(len(result["outputs"]), 3)
        self.assertEqual(result["output_size"], sum(os.path.getsize(path) for path in result["outputs"]))
        self.quantize("--type", "q4_k_m", output="whole.gguf")
        compared = self.measure("compare", result["outputs"][0], self.path("whole.gguf"))
        self.assertEqual({t["changed"] for t in compared["tensors"]}, {0})
        self.assertEqual({(t["type_a"] == t["type_b"]) for t in compared["tensors"]}, {True})

    def test_types_for_a_size_in_one_command(self):
        text = self.path("text.txt")
        with open(TEXT, encoding="utf-8") as file, open(text, "w", encoding="utf-8") as part:
            part.write(file.read(4000))
        command = ("quantize", MODEL, "-f", text, "-c", 64, "--chunks", 2, "--types", "q4_0,q8_0", "--work", self.path("work"))
        measured = []
        for size, out in ((3200000, "a.gguf"), (4000000, "b.gguf")):
            result = self.measure(*command, "-o", self.path(out), "--size", size)
            self.assertEqual(os.path.getsize(self.path(out)), result["output_size"])
            self.assertLessEqual(result["output_size"], size)
            self.assertGreater(result["output_size"], 0.97 * size)
            self.assertLessEqual({"Q4_0", "Q8_0", "F32"}, {tensor["stored_as"] for tensor in result["tensors"]})
            with sqlite3.connect(f"file:{self.path('work/study.db')}?mode=ro", uri=True) as study:
                measured.append(study.execute("SELECT count(*) FROM scores").fetchone())
            study.close()
        self.assertEqual(*measured)
        # The second run measured nothing anew, and the importance matrix is that of calibrate.
        self.measure("calibrate", MODEL, "-f", text, "-c", 64, "--imatrix", self.path("im.gguf"))
        compared = self.measure("compare", self.path("im.gguf"), self.path("work/imatrix.gguf"))
        self.assertTrue(compared["tensors_identical"])
        of = self.measure("eval", MODEL, "-f", TEXT, "-c", 64, "--chunks", 2, "--against", self.path("a.gguf"), "--against", self.path("b.gguf"))
        small, large = (variant["kld"]["mean"] for variant in of["variants"])
        self.assertGreater(small, large)
        # The smallest file within a divergence: as large as a plan of the same study says, and larger the less it may lose.
        sizes = []
        for kld in (1e-3, 1e-4):
            result = self.measure(*command, "-o", self.path("kld.gguf"), "--max-kld", kld)
            planned = self.measure("plan", self.path("work/study.db"), "--size", result["output_size"])
            self.assertLessEqual(planned["chosen"]["kld"], kld)
            smaller = run("plan", self.path("work/study.db"), "--size", result["output_size"] - 4096, "--json", "-")
            self.assertTrue(smaller.returncode == 2 or json.loads(smaller.stdout)["chosen"]["kld"] > kld, smaller.stderr)
            sizes.append(result["output_size"])
        self.assertLess(*sizes)
        self.refuse(2, "a.gguf is quantized already", "quantize", self.path("a.gguf"), *command[2:], "-o", self.path("c.gguf"), "--max-kld", 1)
        self.refuse(2, "--max-kld -1 is invalid", *command, "-o", self.path("c.gguf"), "--max-kld", "-1")
        self.refuse(2, "give one of them", *command, "-o", self.path("c.gguf"), "--max-kld", 1, "--size", "4MB")
        self.refuse(2, "add -f TEXT", "quantize", MODEL, "-o", self.path("c.gguf"), "--size", "4MB")
        self.refuse(2, "leave out --type", *command, "-o", self.path("c.gguf"), "--size", "4MB", "--type", "q4_k_m")
        self.refuse(2, "add --size, --bpw or --max-kld", "quantize", MODEL, "-o", self.path("c.gguf"), "-f", TEXT, "--type", "q8_0")
        self.refuse(2, "the smallest", *command, "-o", self.path("c.gguf"), "--size", "1MB")
        self.refuse(1, "No such file or directory", *command, "-o", self.path("none/c.gguf"), "--size", "4MB")
        self.assertFalse(os.path.exists(self.path("none")))
        self.assertFalse(os.path.exists(self.path("c.gguf")))


if __name__ == "__main__":
    unittest.main()
