"""`cmake --install` puts a program into a prefix that needs neither the build folder nor the checkout, and what belongs to it."""

import os
import subprocess
import tempfile
import unittest

from program import MODEL, PROGRAM, SOURCE

BUILD = os.path.dirname(PROGRAM)


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # As packagers do: below another root, from where it is moved to its place.
        root, cls.prefix = os.path.join(folder.name, "root"), os.path.join(folder.name, "prefix")
        done = subprocess.run([os.environ["CMAKE"], "--install", BUILD, "--prefix", cls.prefix], env={**os.environ, "DESTDIR": root},
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.outside = os.path.exists(cls.prefix)
        os.rename(root + cls.prefix, cls.prefix)

    def path(self, name):
        return os.path.join(self.prefix, name)

    def test_everything_is_below_the_root(self):
        self.assertFalse(self.outside)

    def test_what_belongs_to_the_program_is_there(self):
        for name in ("bin/fakequant", "share/man/man1/fakequant.1", "share/man/man1/fakequant-eval.1", "share/doc/fakequant/LICENSE",
                     "share/doc/fakequant/docs/reference/schemas/eval.schema.json", "share/fakequant/recipes/vllm/fp8-dynamic.yaml",
                     "share/bash-completion/completions/fakequant", "share/fish/vendor_completions.d/fakequant.fish"):
            self.assertTrue(os.path.isfile(self.path(name)), name)
        if os.path.exists(os.path.join(BUILD, "libfakequant_formats.so")):
            self.assertTrue(os.path.isfile(self.path("include/fakequant/fakequant.h")))
            self.assertTrue(any("libfakequant_formats.so" in files for _, _, files in os.walk(self.prefix)))

    def test_it_runs_without_the_checkout(self):
        arguments = [self.path("bin/fakequant"), "generate", MODEL, "-p", "Once", "-n", "4", "--threads", "1", "--json", "-"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAKEQUANT")}
        done = subprocess.run(arguments, env={**environment, "LD_DEBUG": "libs"}, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        expected = subprocess.run([PROGRAM, *arguments[1:]], capture_output=True, text=True, check=True).stdout
        self.assertEqual(done.stdout, expected)
        loaded = [line.split()[-1] for line in done.stderr.splitlines() if "calling init: " in line]
        self.assertTrue(any("libggml-cpu" in library for library in loaded), loaded)
        self.assertEqual([library for library in loaded if library.startswith((BUILD, SOURCE))], [])


if __name__ == "__main__":
    unittest.main()
