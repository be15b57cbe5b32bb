"""Shared by the whole-program tests: the program, llama.cpp's tools, the demo model, and a folder for each test.

The paths come from the environment, where CMake puts them: FAKEQUANT is the program, LLAMA_TOOLS the folder of
llama.cpp's tools (empty: they are on the PATH), SOURCE the root of the checkout.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["FAKEQUANT"]
SOURCE = os.environ["SOURCE"]
MODEL = os.path.join(SOURCE, "demo", "fakequant-demo-4m-f16.gguf")
TEXT = os.path.join(SOURCE, "demo", "heldout.txt")
# llama.cpp's own kernels, where figures are to be those of its tools.
NATIVE = ("--arithmetic", "native")
PROMPTS = os.path.join(SOURCE, "demo", "prompts.txt")


def without_rule_lines(stderr):
    """What was said on stderr beside the lines that say what rules take: "w:matrices=int4: 42 matrices"."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not re.match(r"([^:]+: )?w:\S+=\S+: ", line))


def llama_tool(name):
    """The path of one of llama.cpp's tools."""
    path = shutil.which(name, path=os.environ["LLAMA_TOOLS"] or None)
    if path is None:
        raise unittest.SkipTest(f"{name} is not installed")
    return path


def run(*arguments, **options):
    """Runs the program; returns the finished process with stdout and stderr as text."""
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False,
                          **options)


def must(*arguments):
    """Runs a command that must succeed; returns what it printed."""
    done = run(*arguments)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stderr}")
    return done.stdout


def run_llama(name, *arguments, until=""):
    """Runs a tool of llama.cpp; returns stdout and stderr together. It must succeed.

    On a busy machine the tools' logger may lose their last lines: a tool runs again until it has said `until`.
    """
    for _ in range(30):
        done = subprocess.run([llama_tool(name), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=600, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{name} left with {done.returncode}:\n{done.stdout[-2000:]}")
        if until in done.stdout:
            break
    return done.stdout


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fakequant-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def measure(self, *arguments, **options):
        """Runs a command that must succeed; returns its JSON."""
        done = run(*arguments, "--json", "-", **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refuse(self, code, pattern, *arguments, **options):
        """Runs a command that must fail with this code, one line that matches, and nothing on stdout."""
        done = run(*arguments, **options)
        said = f"fakequant {' '.join(map(str, arguments))}: {done.returncode} {done.stderr!r}"
        self.assertEqual(done.returncode, code, said)
        self.assertEqual(done.stdout, "", said)
        complaint = without_rule_lines(done.stderr)
        self.assertTrue(complaint.startswith("fakequant: ") and complaint.count("\n") == 1, said)
        self.assertRegex(complaint, pattern)


class SharedFolderTest(ProgramTest):
    """A test whose class has a folder as well, `shared`, which is removed with all that a browser leaves there."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="fakequant-test-")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
