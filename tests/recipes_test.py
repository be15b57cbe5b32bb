"""The recipes that come with the program."""

import json
import os
import unittest

import yaml

from program import MODEL, SOURCE, TEXT, ProgramTest, run

FOLDER = os.path.join(SOURCE, "recipes")
# Their formats have rows of 256 values, which the demo model's down projections do not have.
UNSUITED = {"llama.cpp/kernels-q8_k"}


class RecipesTest(ProgramTest):
    def names(self):
        found = {os.path.relpath(os.path.join(folder, name), FOLDER)[:-len(".yaml")]
                 for folder, _, files in os.walk(FOLDER) for name in files if name.endswith(".yaml")}
        self.assertGreater(len(found), 20)
        return sorted(found)

    def test_lists_each_file_of_the_folder(self):
        listed = self.measure("recipes")["recipes"]
        self.assertEqual(sorted(recipe["recipe"] for recipe in listed), self.names())
        for recipe in listed:
            with open(os.path.join(FOLDER, recipe["recipe"] + ".yaml"), encoding="utf-8") as file:
                text = file.read()
            written = yaml.safe_load(text)
            self.assertEqual((recipe["name"], recipe["source"], recipe["notes"]), (written["name"], written["source"], written["notes"]))
            self.assertTrue(recipe["rules"] or recipe["cache_type_k"], recipe["recipe"])
            self.assertEqual(run("recipes", recipe["recipe"]).stdout, text)
            self.assertEqual(run("recipes", "@" + recipe["recipe"]).stdout, text)

    def test_each_can_be_measured(self):
        """Static ranges are those of ranges.json in the folder, Hessians those of hessian.bin, and channels those of channels.gguf."""
        calibrate = ("calibrate", MODEL, "-f", TEXT, "-c", 64, "--chunks", 1, "--rule", "a:in(matrices)=int8", "--rule", "a:k_cache=e4m3",
                     "--rule", "a:v_cache=e4m3", "-o", self.path("ranges.json"), "--hessian", self.path("hessian.bin"),
                     "--channels", self.path("channels.gguf"))
        self.assertEqual(run(*calibrate).returncode, 0)
        names = [name for name in self.names() if name not in UNSUITED]
        variants = [word for index, name in enumerate(names) for word in ("--variant", f"v{index}=@{name}")]
        done = run("eval", MODEL, "-f", TEXT, "-c", 64, "--chunks", 2, *variants, "--json", self.path("out.json"), cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.json"), encoding="utf-8") as file:
            of = {names[int(variant["name"][1:])]: variant["kld"]["mean"] for variant in json.load(file)["variants"]}
        for name, kld in of.items():
            self.assertTrue(0 < kld < 0.2, (name, kld))
        # Fewer bits lose more; what rounds weights alone loses less.
        self.assertLess(of["modelopt/int8-weight-only"], of["modelopt/int4-blockwise-weight-only"])
        self.assertLess(of["modelopt/nvfp4-w4a16"], of["modelopt/nvfp4"])
        self.assertLess(of["llama.cpp/kv-q8_0"], of["llama.cpp/kv-q4_0"])

    def test_an_unknown_name_is_one_line(self):
        self.refuse(2, "there is no recipe @modelopt/nvfp5: the nearest are .*modelopt/nvfp4", "eval", MODEL, "-f", TEXT, "--recipe", "@modelopt/nvfp5")
        self.refuse(2, "there is no recipe @nothing", "recipes", "nothing")

    def test_routers_may_be_none(self):
        self.refuse(2, "the exception 'w:ffn_gate_inp'.*matches no weight", "sites", MODEL, "--rule", "w:matrices@except:ffn_gate_inp=bf16")
        self.assertTrue(self.measure("sites", MODEL, "--rule", "w:matrices@except:routers=bf16")["weights"])
        self.refuse(2, "matches no weight", "sites", MODEL, "--rule", "w:routers=bf16")


if __name__ == "__main__":
    unittest.main()
