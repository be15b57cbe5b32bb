"""The example in each command's help is run, in the order of the commands, in a folder with the files that it names."""

import os
import re
import shlex
import subprocess
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, run

# What an example must say beside its exit code, 0: the name of what it writes, or some words.
SAYS = {"apply": "rounded.gguf", "eval": "KL divergence", "plan": "recipe.yaml", "sweep": "study.db", "study": "study.db"}


class ExamplesTest(ProgramTest):
    def test_each_does_what_it_says(self):
        commands = re.findall(r"^  ([a-z]+) +[A-Z]", run("--help").stdout.split("Subcommands:")[-1], re.MULTILINE)
        self.assertGreater(len(commands), 14)
        os.symlink(MODEL, self.path("model.gguf"))
        with open(TEXT, encoding="utf-8") as file, open(self.path("text.txt"), "w", encoding="utf-8") as part:
            part.write(file.read(3000))
        with open(self.path("winogrande.csv"), "w", encoding="utf-8") as tasks:
            tasks.write("0,The dog saw the robot and the _ was happy to see it.,dog,cup,1\n")
        os.mkdir(self.path("bin"))
        os.symlink(PROGRAM, self.path("bin/fakequant"))
        for shard in (1, 2):
            self.measure("sweep", MODEL, "-f", self.path("text.txt"), "-c", 64, "--chunks", 1, "--site", "a:ffn_input", "--format", "bf16",
                         "--format", "e4m3", "--shard", f"{shard}/2", "-o", self.path(f"shard{shard}.db"))
        for command in commands:
            shown = run(command, "--help").stdout
            example = re.search(r"^Example: (fakequant .*)$", shown, re.MULTILINE)
            self.assertIsNotNone(example, shown)
            with self.subTest(example[1]):
                self.assertEqual(shlex.split(example[1])[1], command)
                if command == "serve":  # it goes on until it is told to end
                    self.serve(example[1] + " --port 0")
                    continue
                done = subprocess.run(["sh", "-c", example[1]], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
                                      text=True, timeout=600, check=False,
                                      env={**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"]})
                if "was built without the page" in done.stderr:
                    continue
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(SAYS.get(command, ""), done.stdout)
                self.assertNotIn("fakequant: ", done.stderr)

    def serve(self, command):
        with subprocess.Popen([PROGRAM, *shlex.split(command)[1:]], cwd=self.folder, stdout=subprocess.PIPE,
                              text=True) as server:
            self.assertIn(" serves baseline, variant", server.stdout.readline())
            server.terminate()
        self.assertEqual(server.returncode, 0)


if __name__ == "__main__":
    unittest.main()
