"""docs/reference/command-line.md is what the program's help says now, and so are the manual pages and completions."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from program import PROGRAM, SOURCE

SCRIPT = os.path.join(SOURCE, "scripts", "command-reference")


class CommandLineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        subprocess.run([SCRIPT, PROGRAM, cls.folder], check=True)
        with open(os.path.join(SOURCE, "docs", "reference", "command-line.md"), encoding="utf-8") as file:
            cls.document = file.read()

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_the_document_is_current(self):
        with open(self.path("command-line.md"), encoding="utf-8") as made:
            self.assertEqual(self.document, made.read(), "`make reference` writes it anew")

    def test_it_has_every_option_of_the_help(self):
        sections = re.split(r"^## ", self.document, flags=re.MULTILINE)[1:]
        self.assertGreater(len(sections), 14)
        for section in sections:
            name = section.split("\n")[0]
            shown = subprocess.run([PROGRAM, name, "--help"], capture_output=True, text=True, check=True).stdout
            listed = re.findall(r"^  (-\S+)", shown, re.MULTILINE)
            flags = {flag for flags in listed for flag in flags.split(",")}
            self.assertEqual(set(re.findall(r"`(--?[a-z][a-z0-9-]*)`", section)), flags, name)

    def test_the_manual_pages_are_without_faults(self):
        groff = shutil.which("groff")
        pages = sorted(os.listdir(self.path("man/man1")))
        self.assertIn("fakequant.1", pages)
        self.assertIn("fakequant-eval.1", pages)
        if groff is None:
            self.skipTest("groff is not installed")
        for page in pages:
            done = subprocess.run([groff, "-ww", "-man", "-Tutf8", self.path(f"man/man1/{page}")], capture_output=True, check=True)
            self.assertEqual(done.stderr, b"", page)
            shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout.decode())
            self.assertIn("fakequant eval [OPTIONS] MODEL" if page == "fakequant-eval.1" else page.removesuffix(".1"), shown)

    def completions(self, *words):
        """What bash offers for the last of the words."""
        script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fakequant; printf "%s\\n" "${COMPREPLY[@]}"'
        return subprocess.run(["bash", "-c", script, self.path("bash-completion/fakequant"), *words], stdout=subprocess.PIPE,
                              text=True, check=True).stdout.split()

    def test_bash_completes_commands_and_options(self):
        self.assertEqual(self.completions("fakequant", "ev"), ["eval"])
        self.assertEqual(self.completions("fakequant", "eval", "m.gguf", "--ju"), [])
        self.assertEqual(self.completions("fakequant", "eval", "m.gguf", "--arit"), ["--arithmetic"])
        self.assertIn("--winogrande", self.completions("fakequant", "tasks", "-"))
        self.assertEqual(self.completions("fakequant", "tasks", "m"), [])  # files, which bash offers itself


if __name__ == "__main__":
    unittest.main()
