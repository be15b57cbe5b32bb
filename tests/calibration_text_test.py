"""Commands say where they evaluate a text that the files were calibrated on which their rules name."""

import json
import os
import re
import unittest

import gguf

from program import MODEL, TEXT, SharedFolderTest, must, run, without_rule_lines

EVALUATED = ("--ctx-size", 64, "--chunks", 4, "--threads", 1)
OPTIONS = {"hessian.bin": "w:attn_q=int4,fit=gptq,hessian={}", "channels.gguf": "w:attn_k=int4,smooth={}:0.5", "awq.bin": "w:attn_v=int4,awq={}",
           "imatrix.gguf": "w:ffn_down=q4_k,imatrix={}", "ranges.json": "a:ffn_norm=int8,range=static:{}"}


class CalibrationTextTest(SharedFolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(TEXT, encoding="utf-8") as file:
            words = file.read()
        cls.texts = []
        for part in range(2):
            cls.texts.append(os.path.join(cls.shared, f"{part}.txt"))
            with open(cls.texts[part], "w", encoding="utf-8") as file:
                file.write(words[part * len(words) // 2:(part + 1) * len(words) // 2])
        cls.files = {name: os.path.join(cls.shared, name) for name in OPTIONS}
        must("calibrate", MODEL, "-f", cls.texts[0], "--ctx-size", 100, "--chunks", 8, "--hessian", cls.files["hessian.bin"], "--channels",
             cls.files["channels.gguf"], "--imatrix", cls.files["imatrix.gguf"], "-o", cls.files["ranges.json"])
        must("calibrate", MODEL, "-f", cls.texts[0], "--ctx-size", 100, "--chunks", 8, "--hessian", cls.files["awq.bin"], "--sequential",
             "--rule", f"w:attn_v=int4,awq={cls.files['awq.bin']}")
        cls.rules = [word for name, rule in OPTIONS.items() for word in ("--rule", rule.format(cls.files[name]))]

    def overlaps(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["calibration_overlaps"], without_rule_lines(done.stderr)

    def test_eval_says_so_of_every_kind_of_file(self):
        """Of other chunks than those of calibration, so that the windows at their ends are not all there."""
        overlaps, said = self.overlaps(run("eval", MODEL, "-f", self.texts[0], "-f", self.texts[1], *EVALUATED, *self.rules, "--json", "-"))
        self.assertEqual({(overlap["file"], overlap["text"]) for overlap in overlaps}, {(file, text) for file in self.files.values() for text in self.texts})
        for overlap in overlaps:
            if overlap["text"] == self.texts[0]:
                self.assertGreater(overlap["share"], 0.6)
            else:
                self.assertLess(overlap["share"], 0.01)
        self.assertRegex(said, r"^fakequant: \d+ % of \S+0\.txt is in the text that \S+ was calibrated on \(and 4 pairs like it\): [^\n]*\n$")
        quiet = run("eval", MODEL, "-f", self.texts[0], *EVALUATED, *self.rules[:2], "-q")
        self.assertEqual((quiet.returncode, quiet.stderr), (0, ""))

    def test_drift_and_sweep_say_so_too(self):
        drift = self.overlaps(run("drift", MODEL, "-f", self.texts[0], *EVALUATED, *self.rules[:2], "--json", "-"))
        site, form = OPTIONS["hessian.bin"].format(self.files["hessian.bin"]).split("=", 1)
        sweep = self.overlaps(run("sweep", MODEL, "-f", self.texts[0], *EVALUATED, "--site", site, "--format", form, "-o", self.path("s.db"), "--json", "-"))
        for overlaps, said in (drift, sweep):
            self.assertEqual([overlap["file"] for overlap in overlaps], [self.files["hessian.bin"]])
            self.assertGreater(overlaps[0]["share"], 0.6)
            self.assertRegex(said, "hessian.bin was calibrated on: ")

    def test_nothing_is_said_of_another_text_or_an_older_file(self):
        overlaps, said = self.overlaps(run("eval", MODEL, "-f", self.texts[1], *EVALUATED, *self.rules, "--json", "-"))
        self.assertEqual((len(overlaps), said), (5, ""))
        older = self.path("older.bin")
        with open(self.files["hessian.bin"], "rb") as file, open(older, "wb") as out:
            out.write(file.read().replace(b"hessian.text_sample", b"hessian.text_simple"))
        with open(self.files["ranges.json"], encoding="utf-8") as file, open(self.path("older.json"), "w", encoding="utf-8") as out:
            ranges = json.load(file)
            del ranges["text_sample"]
            json.dump(ranges, out)
        rules = ["--rule", OPTIONS["hessian.bin"].format(older), "--rule", OPTIONS["ranges.json"].format(self.path("older.json"))]
        self.assertEqual(self.overlaps(run("eval", MODEL, "-f", self.texts[0], *EVALUATED, *rules, "--json", "-")), ([], ""))

    def test_the_sample_is_the_same_in_all_files(self):
        """And smaller than the text: at most 2,048 hashes."""
        samples = set()
        for name, path in self.files.items():
            if name.endswith(".json"):
                with open(path, encoding="utf-8") as file:
                    samples.add(json.load(file)["text_sample"])
            else:
                fields = gguf.GGUFReader(path).fields
                samples.add(next(field.contents() for key, field in fields.items() if key.endswith(".text_sample")))
        self.assertEqual(len(samples), 1)
        hashes = re.findall("[0-9a-f]{8}", samples.pop())
        self.assertEqual(len(hashes), len(set(hashes)))
        self.assertLessEqual(len(hashes), 8 * (100 - 32))
        self.assertGreater(len(hashes), 0.9 * 8 * (100 - 32))


if __name__ == "__main__":
    unittest.main()
