"""`cmake --install` puts a program into a prefix that needs neither the build folder nor the checkout, and what belongs to it:
the libraries, which projects outside of the tree find by CMake and by pkg-config."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from program import MODEL, PROGRAM, SOURCE, TEXT, must

BUILD = os.path.dirname(PROGRAM)
HAS_LIBRARIES = all(os.path.exists(os.path.join(BUILD, name)) for name in ("libfakequant.so", "libfakequant_formats.so"))
# Two evaluations of one session whose weights are rounded copies of the model, and the formats for C.
SECOND_PROGRAM = """
#include <cstdio>
#include <fakequant/fakequant.h>
#include <fakequant/fakequant.hpp>
int main(int, char** argv) {
  fakequant::Session session(argv[1], {.threads = 1});
  for (const char* rule : {"w:ffn_down=int3", "w:ffn_up=int3"}) {
    fakequant::EvalOptions options{.ctx_size = 64, .chunks = 2, .storage = {.requantize = true}};
    const auto result = session.evaluate({{"v", {rule}}}, {{argv[2]}}, options);
    std::printf("%.17g\\n", result.variants[0].figures.kld.value);
  }
  std::printf("%s\\n", fakequant_version());
}
"""


def document_block(language):
    """The first block of that language in docs/cpp.md."""
    with open(os.path.join(SOURCE, "docs/cpp.md"), encoding="utf-8") as file:
        return re.search(f"```{language}\n(.*?)```", file.read(), re.DOTALL)[1]


def succeed(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


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
        if HAS_LIBRARIES:
            installed = {name for _, _, files in os.walk(self.prefix) for name in files}
            self.assertLessEqual({"libfakequant_formats.so", "libfakequant.so", "fakequantConfig.cmake", "fakequant.pc"}, installed)
            headers = {name for name in os.listdir(os.path.join(SOURCE, "include/fakequant"))}
            self.assertEqual(set(os.listdir(self.path("include/fakequant"))), headers)

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

    def project_file(self, name, content):
        """A file of a project outside of the tree; returns the project's folder."""
        folder = os.path.join(os.path.dirname(self.prefix), "outside")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)
        return folder

    @unittest.skipUnless(HAS_LIBRARIES, "the libraries were not built")
    def test_a_project_outside_finds_the_library_by_cmake(self):
        program = document_block("cpp")
        self.assertLessEqual(len(program.splitlines()), 30)
        self.project_file("two_variants.cc", program)
        folder = self.project_file("CMakeLists.txt", document_block("cmake"))
        build = os.path.join(folder, "build")
        succeed(os.environ["CMAKE"], "-G", "Ninja", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        succeed(os.environ["CMAKE"], "--build", build)
        done = subprocess.run([os.path.join(build, "two_variants"), MODEL, TEXT], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "25 %\n50 %\n75 %\n100 %\n")  # and nothing that llama.cpp says

        variants = dict(re.findall(r'{"(\w+)", {"(.*?)"}}', program))
        arguments = []
        for name, rule in variants.items():
            self.project_file(name + ".yaml", f"rules: ['{rule}']\n")
            arguments += ["--variant", f"{name}={os.path.join(folder, name)}.yaml"]
        result = json.loads(must("eval", MODEL, "-f", TEXT, "-c", 64, "--chunks", 4, "-t", 1, *arguments, "--json", "-"))
        lines = done.stdout.splitlines()
        figures = [[float(number) for number in re.findall(r"[-+.e\d]*\d", line.split(":")[1])] for line in lines]
        self.assertEqual(figures[0], [result["baseline"]["ppl"]])
        self.assertEqual([line.split(":")[0] for line in lines[1:]], list(variants))
        for shown, variant in zip(figures[1:], result["variants"]):
            self.assertEqual(shown, [variant["ppl"], variant["kld"]["mean"], variant["kld"]["error"], variant["top1_agreement"]])
            self.assertGreater(shown[1], 0)

        refused = subprocess.run([os.path.join(build, "two_variants"), TEXT, TEXT], capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(refused.stderr.count("\n"), 1, refused.stderr)
        self.assertIn(TEXT, refused.stderr)

    @unittest.skipUnless(HAS_LIBRARIES, "the libraries were not built")
    def test_a_project_outside_finds_both_libraries_by_pkg_config(self):
        folder = self.project_file("second.cc", SECOND_PROGRAM)
        (pkgconfig,) = [path for path, _, files in os.walk(self.prefix) if "fakequant.pc" in files]
        flags = succeed("pkg-config", "--cflags", "--libs", "fakequant", "fakequant_formats",
                        env={**os.environ, "PKG_CONFIG_PATH": pkgconfig}).split()
        second = os.path.join(folder, "second")
        succeed(os.environ["CXX"], *os.environ["CXXFLAGS"].split(), "-std=c++20", "-Wall", "-Wextra", "-Werror",
                os.path.join(folder, "second.cc"), "-o", second, *flags)
        model = os.path.join(folder, "q8_0.gguf")
        must("quantize", MODEL, "-o", model, "--type", "q8_0")
        shown = succeed(second, model, TEXT).splitlines()
        for line, rule in zip(shown, ("w:ffn_down=int3", "w:ffn_up=int3")):
            result = json.loads(must("eval", model, "-f", TEXT, "-c", 64, "--chunks", 2, "-t", 1, "--requantize", "--rule", rule,
                                     "--json", "-"))
            self.assertEqual(float(line), result["variants"][0]["kld"]["mean"])
        self.assertEqual(shown[2], must("--version").split()[1])


if __name__ == "__main__":
    unittest.main()
