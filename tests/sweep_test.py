"""Sweeps on the demo model: the figures equal eval's, and a study survives interruption and damage."""

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import time
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, run
from study_contents import contents

CHUNKS, CONTEXT = 3, 64
WORK, USAGE = 1, 2
QUESTION = ("--site", "a:ffn_input", "--site", "a:attn_output_input", "--site", "w:ffn_down", "--format", "e4m3", "--format",
            "int4,per=block,block=32", "--layers")


class SweepTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.study = self.path("study.db")

    def arguments(self, *more, study=None, chunks=CHUNKS, threads=1, ctx_size=CONTEXT):
        return ("sweep", MODEL, "-f", TEXT, "--chunks", chunks, "--threads", threads, "--ctx-size", ctx_size, "-o",
                study or self.study, *more)

    def sweep(self, *more, **options):
        return self.measure(*self.arguments(*more, **options))

    def assert_is_what_eval_says(self, variant, texts=(TEXT,), chunks=CHUNKS, ctx_size=CONTEXT):
        files = [argument for text in texts for argument in ("-f", text)]
        result = self.measure("eval", MODEL, *files, "--chunks", chunks, "--ctx-size", ctx_size, "--threads", 1, "--rule",
                              variant["recipe"])
        of_eval = result["variants"][0]
        for field in ("ppl", "ppl_error", "ppl_ratio", "ppl_ratio_error", "top1_agreement", "top5_overlap", "top10_overlap"):
            self.assertEqual(variant[field], of_eval[field], (variant["recipe"], field))
        for group in ("kld", "reverse_kld", "delta_p"):
            for field, value in variant[group].items():
                self.assertEqual(value, of_eval[group][field], (variant["recipe"], group, field))
        return result

    def test_the_figures_are_those_of_eval_to_the_bit(self):
        result = self.sweep(*QUESTION, "--site", "a:logits")
        variants = {variant["recipe"]: variant for variant in result["variants"]}
        self.assertEqual(len(variants), 3 * 2 * 6 + 2)
        self.assertEqual(result["measured"], len(variants) * CHUNKS)
        for recipe, first in (("a:ffn_input@4=e4m3", 4), ("a:ffn_input@0=int4,per=block", 0), ("a:attn_output_input@2=e4m3", 2),
                              ("w:ffn_down@3=int4,per=block", 3), ("w:ffn_down@0=e4m3", 0), ("a:logits=e4m3", 6)):
            variant = variants[recipe]
            of_eval = self.assert_is_what_eval_says(variant)
            self.assertEqual(variant["first_layer"], first)
            self.assertEqual(variant["why_whole"] is None, first > 0)
            self.assertEqual(result["baseline"]["ppl"], of_eval["baseline"]["ppl"])
            self.assertEqual(variant["chunks"], CHUNKS)
        self.assertIn("a:logits belongs to no layer, and is measured as one.", result["notes"])

    def test_all_layers_together_and_stochastic_rounding(self):
        result = self.sweep("--site", "a:ffn_norm", "--site", "a:in(*)@2-4@tokens:1-", "--site", "w:output_norm",
                            "--format", "int4,round=stochastic,seed=5", ctx_size=256)
        self.assertEqual([variant["layer"] for variant in result["variants"]], [None] * 3)
        for variant in result["variants"]:
            self.assert_is_what_eval_says(variant, ctx_size=256)
        self.assertEqual([variant["first_layer"] for variant in result["variants"]], [0, 2, 0])
        self.assertEqual(result["variants"][2]["why_whole"], "it changes weights outside the layers")

    def test_a_study_grows_by_chunks_texts_and_formats(self):
        with open(TEXT, encoding="utf-8") as file:
            content = file.read()
        texts = [self.path("a.txt"), self.path("b.txt")]
        for path, part in zip(texts, (content[:9000], content[40000:49000])):
            with open(path, "w", encoding="utf-8") as file:
                file.write(part)
        site = ("--site", "a:ffn_input@3-4", "--layers", "--threads", 1, "--ctx-size", CONTEXT)
        first = ("sweep", MODEL, "-f", texts[0], "-o", self.study, *site)
        self.assertEqual(self.measure(*first, "--chunks", 1, "--format", "e4m3")["measured"], 2)
        self.assertEqual(self.measure(*first, "--chunks", 1, "--format", "e4m3")["measured"], 0)
        self.assertEqual(self.measure(*first, "--chunks", 3, "--format", "e4m3")["measured"], 4)
        self.assertEqual(self.measure(*first, "--chunks", 3, "--format", "e4m3", "--format", "e5m2")["measured"], 6)
        both = ("sweep", MODEL, "-f", texts[0], "-f", texts[1], "-o", self.study, *site, "--chunks", 3, "--format", "e4m3")
        grown = self.measure(*both)
        self.assertEqual(grown["measured"], 6)
        self.assert_is_what_eval_says(grown["variants"][1], texts=texts)
        # The result covers the variants of this command only, whatever else the study has.
        less = self.measure(*first, "--chunks", 2, "--format", "e4m3")
        self.assertEqual((less["measured"], less["variants"][0]["chunks"], less["variants"][0]["chunks_found"]), (0, 2, 2))
        self.assert_is_what_eval_says(less["variants"][0], texts=texts[:1], chunks=2)
        dry = self.measure(*both, "--format", "bf16", "--dry-run")
        self.assertEqual([variant["chunks"] for variant in dry["variants"]], [6, 6, 0, 0])
        self.assertIsNone(dry["variants"][2]["kld"]["mean"])

    def test_killed_at_any_moment_it_goes_on_to_what_it_would_have_been(self):
        question = (*QUESTION[:2], *QUESTION[4:6], *QUESTION[6:8], "--layers")
        begin = time.perf_counter()
        self.sweep(*question, study=self.path("whole.db"))
        seconds = time.perf_counter() - begin
        whole = contents(self.path("whole.db"))
        command = [PROGRAM, *map(str, self.arguments(*question))]
        draw = random.Random(3)
        kills = 0
        while kills < 20:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0, 0.3 * seconds))
            kills += process.poll() is None
            process.kill()
            process.wait()
            if process.returncode == 0:  # it had finished
                self.assertEqual(contents(self.study), whole)
                for name in ("study.db", "study.db-wal", "study.db-shm"):
                    if os.path.exists(self.path(name)):
                        os.remove(self.path(name))
        self.sweep(*question)
        self.assertEqual(contents(self.study), whole)

    def has_scores(self):
        try:
            return bool(contents(self.study)["scores"])
        except sqlite3.OperationalError:  # it has not started
            return False

    def test_ctrl_c_ends_after_the_chunk_and_says_what_there_is(self):
        command = [PROGRAM, *map(str, self.arguments(*QUESTION, chunks=100)), "--json", self.path("out.json")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not self.has_scores():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertIn("INTERRUPTED; ", stdout)
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertTrue(result["interrupted"])
        self.assertEqual(result["measured"], len(contents(self.study)["scores"]))

    def test_shards_are_merged_to_the_undivided_study(self):
        question = (*QUESTION[:2], "--site", "w:ffn_down@3-5", *QUESTION[6:])
        self.sweep(*question, study=self.path("whole.db"))
        shards = [self.path("1.db"), self.path("2.db")]
        counts = [len(self.sweep(*question, "--shard", f"{i}/2", study=path)["variants"]) for i, path in enumerate(shards, 1)]
        self.assertEqual(counts, [9, 9])
        merged = self.measure("study", "merge", self.study, *shards)
        self.assertEqual((merged["variants"], merged["scores"]), (18, 18 * CHUNKS))
        self.assertEqual(contents(self.study), contents(self.path("whole.db")))
        self.assertEqual(self.sweep(*question)["measured"], 0)
        self.assertEqual(run("study", "merge", self.study, *shards).returncode, 0)  # again changes nothing
        self.assertEqual(contents(self.study), contents(self.path("whole.db")))
        self.refuse(USAGE, "unknown action 'split'", "study", "split", self.study, *shards)
        for share in ("3/2", "0/2", "1", ""):
            self.refuse(USAGE, f"--shard {share} is invalid", *self.arguments(*question, "--shard", share))

    def test_racing_ends_a_variant_that_is_known_well_enough(self):
        question = ("--site", "a:ffn_input@2-5", "--site", "w:ffn_down@5", "--format", "int4", "--format", "e4m3", "--layers")
        rough = self.sweep(*question, "--precision", "20%", chunks=12)
        whole = self.sweep(*question, study=self.path("whole.db"), chunks=12)
        ended = [variant for variant in rough["variants"] if variant["precise"]]
        self.assertTrue(ended)
        for variant in ended:
            self.assertLess(variant["kld"]["error"], 0.2 * variant["kld"]["mean"])
        self.assertTrue(any(variant["chunks"] < 12 for variant in ended))
        for variant in rough["variants"]:
            self.assertTrue(variant["precise"] or variant["chunks"] == 12)
        self.assert_is_what_eval_says(ended[0], chunks=ended[0]["chunks"])
        self.assertEqual(self.sweep(*question, "--precision", "0.2", chunks=12)["measured"], 0)
        finer = self.sweep(*question, "--precision", "15%", chunks=12)
        self.assertGreater(finer["measured"], 0)
        self.sweep(*question, chunks=12)
        self.assertEqual(contents(self.study), contents(self.path("whole.db")))
        for text in ("5", "0%", "-1%", "much"):
            self.refuse(USAGE, "--precision .* is invalid", *self.arguments(*question, "--precision", text))
        self.assertEqual(len(whole["variants"]), 10)

    def test_another_model_or_text_is_refused(self):
        question = ("--site", "a:ffn_input@5", "--format", "bf16")
        self.sweep(*question)
        before = contents(self.study)
        other_model, other_text = self.path("other.gguf"), self.path("other.txt")
        self.assertEqual(run("apply", MODEL, "-o", other_model).returncode, 0)
        with open(TEXT, encoding="utf-8") as file, open(other_text, "w", encoding="utf-8") as part:
            part.write(file.read()[5000:40000])
        common = ("-o", self.study, "--chunks", CHUNKS, "--threads", 1, "--ctx-size", CONTEXT, *question)
        self.refuse(USAGE, "study.db is a study of the model .*demo-4m-f16.gguf .* and .*other.gguf is another", "sweep", other_model, "-f",
                    TEXT, *common)
        self.refuse(USAGE, "study.db is a study on the text .*heldout.txt .* and .*other.txt is another", "sweep", MODEL, "-f", other_text,
                    *common)
        self.refuse(USAGE, "chunks of 64 tokens, and not 128", *self.arguments(*question, ctx_size=128))
        self.refuse(USAGE, "is another", "sweep", MODEL, "-f", other_text, *common, "--dry-run")
        self.refuse(USAGE, "is given twice", "sweep", MODEL, "-f", TEXT, "-f", TEXT, *common)
        self.refuse(USAGE, "matches no activation of this model: the nearest are", *self.arguments("--site", "a:fn_input", "--format", "bf16"))
        self.refuse(USAGE, "is also an input", *self.arguments(*question, study=MODEL))
        self.assertEqual(contents(self.study), before)
        other = self.path("other.db")
        self.assertEqual(run("sweep", other_model, "-f", TEXT, "-o", other, *common[2:]).returncode, 0)
        self.refuse(USAGE, "is a study of the model", "study", "merge", self.study, other)
        self.assertEqual(contents(self.study), before)

    def test_a_damaged_study_is_one_clear_error_and_stays_as_it_is(self):
        question = ("--site", "a:ffn_input", "--site", "a:attn_input", "--format", "bf16", "--format", "e4m3", "--layers")
        self.sweep(*question)
        with open(self.study, "rb") as file:
            sound = file.read()
        for damaged in (b"no database\n" * 400, sound[: len(sound) // 2], sound[:8192] + b"\x5a" * 4096 + sound[12288:]):
            with open(self.study, "wb") as file:
                file.write(damaged)
            self.refuse(WORK, "study.db is .*damaged", *self.arguments(*question))
            with open(self.study, "rb") as file:
                self.assertEqual(file.read(), damaged)
        os.remove(self.study)
        with sqlite3.connect(self.study) as other:
            other.execute("CREATE TABLE things (name TEXT)")
        other.close()
        self.refuse(WORK, "is a database, but not a study", *self.arguments(*question))
        self.refuse(WORK, "cannot open", *self.arguments(*question, study=self.path("none/study.db")))
        self.refuse(WORK, "cannot open", "study", "merge", self.path("out.db"), self.path("none.db"))

    def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(self):
        whole = self.path("whole.db")
        self.sweep(*QUESTION, study=whole)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        activations = (*QUESTION[:4], *QUESTION[6:])  # a rounded copy of the model would not fit either
        self.refuse(WORK, "cannot write .*study.db, the disk may be full: .*; what was measured before is kept",
                    *self.arguments(*activations), preexec_fn=limit)
        kept = contents(self.study)["scores"]
        self.assertGreater(len(kept), 0)
        known = contents(whole)["scores"]
        for score in kept:
            self.assertIn(score, known)
        self.sweep(*QUESTION)
        self.assertEqual(contents(self.study), contents(whole))

    def test_a_full_file_system_likewise(self):
        disk = self.path("disk")
        os.mkdir(disk)
        if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", disk], capture_output=True, check=False).returncode != 0:
            self.skipTest("this machine lets no user mount a file system of their own")
        inside = f'mount -t tmpfs -o size=128k none "{disk}" && "$0" "$@"; status=$?; cp "{disk}"/* "{self.folder}"; exit $status'
        study = os.path.join(disk, "study.db")
        activations = (*QUESTION[:4], *QUESTION[6:])
        done = subprocess.run(["unshare", "-rm", "sh", "-c", inside, PROGRAM, *map(str, self.arguments(*activations, study=study))],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, WORK, done.stderr)
        self.assertRegex(done.stderr, r"^fakequant: cannot write .*study.db, the disk may be full: .*\n$")
        self.assertGreater(len(contents(self.study)["scores"]), 0)
        self.sweep(*activations)
        self.sweep(*activations, study=self.path("whole.db"))
        self.assertEqual(contents(self.study), contents(self.path("whole.db")))

    def test_does_not_depend_on_threads(self):
        question = ("--site", "a:ffn_input", "--site", "w:ffn_down@2", "--format", "int8", "--layers")
        self.sweep(*question)
        self.sweep(*question, study=self.path("two.db"), threads=2)
        self.assertEqual(contents(self.study), contents(self.path("two.db")))


if __name__ == "__main__":
    unittest.main()
