"""What a terminal shows while the program works: a line of progress that fits it, and a note where other programs are in the way."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest

# Long names make a long line of progress.
RECIPE = "rules:\n  - activations: ffn_norm\n    format: bf16\n"
SHOWN = re.compile(r"\r\x1b\[K(eval: [^\r\n]*)")


class TerminalTest(ProgramTest):
    def setUp(self):
        super().setUp()
        with open(self.path("recipe.yaml"), "w", encoding="utf-8") as file:
            file.write(RECIPE)
        self.variants = [argument for name in ("a-variant-with-a-long-name", "einer-mit-\N{LATIN SMALL LETTER U WITH DIAERESIS}mlaut",
                                               "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 20, "control\x1b[31m")
                         for argument in ("--variant", f"{name}={self.path('recipe.yaml')}")]

    def watch(self, is_enough, columns=60, resized_to=None, threads=1, **environment):
        """What eval writes to a terminal until is_enough(text); then it is killed."""
        terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {key: value for key, value in (os.environ | {"TERM": "xterm"} | environment).items() if value is not None}
        process = subprocess.Popen([PROGRAM, "eval", MODEL, "-f", TEXT, *self.variants, "--threads", str(threads)],
                                   stdout=subprocess.DEVNULL, stderr=inside, env=env)
        said = b""
        try:
            while not is_enough(said.decode(errors="replace")):
                said += os.read(terminal, 4096)
                if resized_to and SHOWN.search(said.decode(errors="replace")):
                    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, resized_to, 0, 0))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            os.close(inside)
            os.close(terminal)
        return said.decode(errors="replace")

    def test_progress_fits_the_terminal_also_after_a_resize(self):
        said = self.watch(lambda text: len(SHOWN.findall(text)) >= 5, columns=200)
        self.assertIn("a-variant-with-a-long-name", said)
        self.assertNotIn("\x1b[31m", said)
        widths = [len(line) for line in SHOWN.findall(said)[:-1]]
        self.assertGreater(max(widths), 60)
        self.assertLess(max(widths), 200)
        lines = SHOWN.findall(self.watch(lambda text: len(SHOWN.findall(text)) >= 6, columns=50, resized_to=30))[:-1]
        self.assertEqual(len(lines[0]), 49)
        self.assertEqual(len(lines[-1]), 29)

    def test_wide_characters_count_as_two_columns(self):
        lines = SHOWN.findall(self.watch(lambda text: len(SHOWN.findall(text)) >= 3, columns=130))[:-1]
        self.assertTrue(any("\N{CJK UNIFIED IDEOGRAPH-4E2D}" in line for line in lines))
        for line in lines:
            self.assertLess(len(line) + line.count("\N{CJK UNIFIED IDEOGRAPH-4E2D}"), 130)

    def test_says_that_other_programs_are_in_the_way(self):
        processors = len(os.sched_getaffinity(0))
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * processors)]
        try:
            said = self.watch(lambda text: "\n" in text, threads=max(2, processors))
        finally:
            for process in busy:
                process.kill()
                process.wait()
        self.assertRegex(said, r"^fakequant: other programs keep \d+\.\d of \d+ processors? busy, which slows \d+ threads down: .*\n")

    def test_a_terminal_without_escapes_gets_plain_lines(self):
        for kind in ("dumb",):
            said = self.watch(lambda text: "eval:" in text and text.endswith("\n"), TERM=kind)
            self.assertRegex(said, r"eval: \d+ %, \d+ s left; ")
            self.assertNotIn("\x1b", said)
            self.assertTrue(said.endswith("\r\n"), said)  # the terminal makes \r\n of \n


if __name__ == "__main__":
    unittest.main()
