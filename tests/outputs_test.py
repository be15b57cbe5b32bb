"""Where results go and texts come from: no input is overwritten, no result is lost at the end, and pipes, devices and read-only
places are read as well as they can be."""

import json
import os
import subprocess
import threading
import unittest

import numpy as np

from program import MODEL, PROGRAM, TEXT, ProgramTest, run

WORK, USAGE = 1, 2
FEW = ("--chunks", 2, "--ctx-size", 64, "--threads", 1)
QUESTION = ("--site", "a:ffn_norm", "--format", "e4m3")
IS_INPUT = "is also an input"


def in_own_mounts(script, *arguments, env=None):
    """Runs a shell script in which a user may mount; the arguments are $1 and so on."""
    allowed = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if allowed.returncode != 0:
        raise unittest.SkipTest("this machine lets no user mount a file system of their own")
    return subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *map(str, arguments)], capture_output=True, text=True,
                          check=False, env=env)


class OutputsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        with open(TEXT, encoding="utf-8") as file:
            self.words = file.read(20000)
        self.text = self.write("text.txt", self.words)
        os.mkdir(self.path("tmp"))
        self.env = {**os.environ, "TMPDIR": self.path("tmp")}

    def write(self, name, content):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def kept(self):
        """The one file that was kept in the folder for temporary files."""
        names = os.listdir(self.path("tmp"))
        self.assertEqual(len(names), 1, names)
        return os.path.join(self.path("tmp"), names[0])

    def pipe(self, content):
        """A FIFO with this content, written once."""
        path = self.path("pipe")
        if not os.path.exists(path):
            os.mkfifo(path)

        def feed():
            with open(path, "w", encoding="utf-8") as pipe:
                pipe.write(content)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        return path

    def sweep(self, *more, study="study.db"):
        return self.measure("sweep", MODEL, *FEW, *QUESTION, "-o", self.path(study), *more)

    # What is an input

    def test_json_is_none_of_the_files_that_rules_and_variants_read(self):
        recipe = self.write("recipe.yaml", "rules:\n  - activations: ffn_norm\n    format: bf16\n")
        ranges = self.path("ranges.json")
        self.measure("calibrate", MODEL, "-f", self.text, "-o", ranges, "--rule", "a:ffn_norm=int8", *FEW)
        before = self.read("ranges.json")
        os.symlink(recipe, self.path("link.yaml"))
        os.link(recipe, self.path("hard.yaml"))
        rule = f"a:ffn_norm=int8,range=static:{ranges}"
        for output in (recipe, self.path("link.yaml"), self.path("hard.yaml"), self.path("./recipe.yaml")):
            self.refuse(USAGE, IS_INPUT, "eval", MODEL, "-f", self.text, "--variant", f"v={recipe}", "--json", output)
            self.refuse(USAGE, IS_INPUT, "sites", MODEL, "--recipe", recipe, "--json", output)
        for command in (("eval", MODEL, "-f", self.text, "--rule", rule), ("bench", MODEL, "--rule", rule)):
            self.refuse(USAGE, IS_INPUT, *command, "--json", ranges)
        self.refuse(USAGE, IS_INPUT, "sweep", MODEL, "-f", self.text, "--site", "a:ffn_norm", "--format",
                    f"int8,range=static:{ranges}", "-o", self.path("study.db"), "--json", ranges)
        self.assertEqual(self.read("ranges.json"), before)
        self.assertIn("rules:", self.read("recipe.yaml"))

    def test_json_is_no_prompt_file_text_or_other_model(self):
        prompts = self.write("prompts.txt", "What?\n")
        self.refuse(USAGE, IS_INPUT, "generate", MODEL, "--prompt-file", prompts, "--rule", "a:ffn_norm=bf16", "--json", prompts)
        with open(prompts, encoding="utf-8") as file:
            self.refuse(USAGE, IS_INPUT, "generate", MODEL, "--prompt-file", "-", "--rule", "a:ffn_norm=bf16", "--json", prompts,
                        stdin=file)
        with open(self.text, encoding="utf-8") as file:
            self.refuse(USAGE, IS_INPUT, "eval", MODEL, "-f", "/dev/stdin", "--json", self.text, stdin=file)
        other = self.path("other.gguf")
        os.symlink(MODEL, other)
        for command in (("eval", MODEL, "-f", self.text), ("drift", MODEL, "-f", self.text)):
            self.refuse(USAGE, IS_INPUT, *command, "--against", other, "--json", other)
        self.refuse(USAGE, IS_INPUT, "compare", MODEL, other, "--json", other)
        self.assertEqual(self.read("prompts.txt"), "What?\n")

    def test_json_is_no_safetensors_index(self):
        folder = self.path("hf")
        os.mkdir(folder)
        data = np.zeros(4, np.float32).tobytes()
        header = json.dumps({"model.norm.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
        with open(os.path.join(folder, "a.safetensors"), "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header + data)
        index = self.write("hf/model.safetensors.index.json", json.dumps({"weight_map": {"model.norm.weight": "a.safetensors"}}))
        for given in (folder, index):
            for output in (index, os.path.join(folder, "a.safetensors")):
                self.refuse(USAGE, IS_INPUT, "compare", MODEL, given, "--json", output)

    def test_outputs_are_none_of_a_studys_files(self):
        self.sweep("-f", self.text)
        study = self.path("study.db")
        before = os.stat(study).st_size
        for end in ("", "-wal", "-shm"):
            self.refuse(USAGE, IS_INPUT, "report", study, "-o", study + end)
            self.refuse(USAGE, IS_INPUT, "plan", study, "--json", study + end)
            self.refuse(USAGE, IS_INPUT, "plan", study, "--bits", "a:9", "-o", study + end)
            self.refuse(USAGE, IS_INPUT, "study", "merge", self.path("all.db"), study, "--json", study + end)
            self.refuse(USAGE, "name two files", "sweep", MODEL, "-f", self.text, *QUESTION, "-o", study, "--json", study + end)
        self.refuse(USAGE, "name two files", "plan", study, "--bits", "a:9", "-o", self.path("x"), "--json", self.path("./x"))
        self.refuse(USAGE, "name two files", "calibrate", MODEL, "-f", self.text, "-o", self.path("x"), "--json", self.path("x"))
        self.assertEqual(os.stat(study).st_size, before)
        self.assertEqual(sorted(os.listdir(self.folder)), ["study.db", "text.txt", "tmp"])

    def test_a_file_that_is_mounted_twice_is_one_file(self):
        self.write("twin.txt", "")
        done = in_own_mounts('mount --bind "$1" "$2" && exec "$3" eval "$4" -f "$1" --json "$2"', self.text, self.path("twin.txt"),
                             PROGRAM, MODEL)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertRegex(done.stderr, IS_INPUT)
        self.assertEqual(self.read("text.txt"), self.words)

    # Results that cannot be written

    def test_names_of_any_length(self):
        for length in (247, 248, 255):
            name = self.path("n" * length)
            self.measure_to(name)
            os.remove(name)
        self.refuse(WORK, "cannot write n*.*: File name too long", "inspect", MODEL, "--json", self.path("n" * 256))
        self.refuse(WORK, "cannot write .*: Not a directory", "inspect", MODEL, "--json", os.path.join(self.text, "out.json"))

    def measure_to(self, path, **options):
        done = run("inspect", MODEL, "--json", path, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["schema"], "fakequant.inspect/1")

    def test_a_file_that_is_mounted_by_itself_is_written_to(self):
        real, mounted = self.write("real.json", "old " * 100000), self.write("mounted.json", "")
        done = in_own_mounts('mount --bind "$1" "$2" && exec "$3" inspect "$4" --json "$2"', real, mounted, PROGRAM, MODEL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.read("real.json"))["schema"], "fakequant.inspect/1")
        self.assertEqual(sorted(os.listdir(self.folder)), ["mounted.json", "real.json", "text.txt", "tmp"])
        # One that may only be read is found before the work.
        done = in_own_mounts('mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && exec "$3" inspect "$4" --json "$2"', real,
                             mounted, PROGRAM, MODEL)
        self.assertEqual((done.returncode, done.stdout), (WORK, ""))
        self.assertRegex(done.stderr, "cannot write .*mounted.json: Read-only file system\n$")

    def test_a_full_disk_is_found_before_the_work(self):
        os.mkdir(self.path("disk"))
        done = in_own_mounts('mount -t tmpfs -o size=16k none "$1" && cat /dev/zero 2>/dev/null >"$1/zeros"; '
                             '"$2" eval "$3" -f "$4" --json "$1/out.json"; status=$?; ls -A "$1"; exit $status',
                             self.path("disk"), PROGRAM, MODEL, self.text)
        self.assertEqual(done.returncode, WORK)
        self.assertRegex(done.stderr, "cannot write .*out.json: No space left on device\n$")
        self.assertEqual(done.stdout, "zeros\n")

    def test_a_result_that_cannot_be_written_is_kept_elsewhere(self):
        for arguments in (("--json", "/dev/full"), ("--json", "-"), ()):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([PROGRAM, "inspect", MODEL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                                      check=False, env=self.env)
            self.assertEqual(done.returncode, WORK)
            kept = self.kept()
            self.assertRegex(done.stderr, rf"^fakequant: cannot write .*: No space left on device; the result is kept in {kept}\n$")
            with open(kept, encoding="utf-8") as file:
                if arguments:
                    self.assertEqual(json.load(file)["schema"], "fakequant.inspect/1")
                else:
                    self.assertEqual(file.read(), run("inspect", MODEL).stdout)
            os.remove(kept)

    def test_a_disk_that_is_too_small_for_the_result(self):
        # tmpfs gives the space that is reserved for a usual result; this one is longer.
        os.mkdir(self.path("disk"))
        done = in_own_mounts('mount -t tmpfs -o size=72k none "$1" && "$2" sites "$3" --all --json "$1/out.json" >/dev/null; '
                             'status=$?; ls -A "$1"; exit $status', self.path("disk"), PROGRAM, MODEL, env=self.env)
        self.assertEqual(done.returncode, WORK, done.stderr)
        self.assertRegex(done.stderr, rf"out.json: No space left on device; the result is kept in {self.kept()}\n$")
        with open(self.kept(), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["schema"], "fakequant.sites/1")
        self.assertEqual(done.stdout, "")

    # The names of studies

    def test_a_studys_name_is_a_files_name(self):
        self.refuse(USAGE, "the study has no name", "sweep", MODEL, "-f", self.text, *QUESTION, "-o", "")
        for name in (":memory:", "file:z?mode=memory", "a%20b#c.db"):
            done = run("sweep", MODEL, "-f", self.text, *FEW, *QUESTION, "-o", name, cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("a:ffn_norm", run("plan", name, cwd=self.folder).stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), [":memory:", "a%20b#c.db", "file:z?mode=memory", "text.txt", "tmp"])

    # Texts from pipes

    def test_a_pipe_is_read_once(self):
        expected = self.measure("eval", MODEL, "-f", self.text, *FEW)["baseline"]
        rule = ("--rule", "a:ffn_norm=bf16")
        for command in ("eval", "drift"):
            result = self.measure(command, MODEL, "-f", self.pipe(self.words), *FEW, *rule)
            self.assertEqual(result["chunks"], 2)
        self.assertEqual(self.measure("eval", MODEL, "-f", self.pipe(self.words), *FEW)["baseline"], expected)
        done = run("eval", MODEL, "-f", "/dev/stdin", *FEW, "--json", "-", input=self.words)
        self.assertEqual(json.loads(done.stdout)["baseline"], expected)
        done = run("experiment", MODEL, "-f", self.pipe(self.words), *FEW, "-o", self.path("results"), "-p", "What", "-n", 2,
                   "--repetitions", 6)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_study_knows_the_content_of_a_pipe(self):
        first = self.sweep("-f", self.pipe(self.words))
        self.assertEqual(self.sweep("-f", self.text)["measured"], 0)  # the same text
        self.refuse(USAGE, "is a study on the text .*pipe", "sweep", MODEL, "-f", self.pipe(self.words[5000:]), *FEW, *QUESTION, "-o",
                    self.path("study.db"))
        verified = self.measure("plan", self.path("study.db"), "--verify", "-f", self.pipe(self.words), "--bits", "a:9", "--threads", 1)
        self.assertEqual(verified["verify"]["chunks"], first["texts"][0]["chunks"])

    def test_what_is_no_text(self):
        import socket
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("socket"))
            for command in ("eval", "drift", "sweep", "calibrate"):
                more = {"sweep": (*QUESTION, "-o", self.path("study.db")), "calibrate": ("-o", self.path("out"))}.get(command, ())
                self.refuse(WORK, "cannot read .*socket: ", command, MODEL, "-f", self.path("socket"), *more)
                self.refuse(WORK, "cannot read .*: Is a directory", command, MODEL, "-f", self.folder, *more)
        self.refuse(WORK, "is empty", "eval", MODEL, "-f", "/dev/null")

    def test_pipes_that_would_have_to_be_read_twice(self):
        os.mkfifo(self.path("fifo"))
        for name in ("range=static", "imatrix"):
            rule = f"a:ffn_norm=int8,range=static:{self.path('fifo')}" if name != "imatrix" else f"w:ffn_up=q3_k,imatrix={self.path('fifo')}"
            self.refuse(WORK, "it is a pipe|not a regular file", "eval", MODEL, "-f", self.text, "--rule", rule)
        self.refuse(WORK, "fifo", "plan", self.path("fifo"))
        self.refuse(WORK, "fifo", "report", self.path("fifo"), "-o", self.path("page.html"))

    def test_recipes_and_prompts_may_be_pipes(self):
        recipe = "rules:\n  - activations: ffn_norm\n    format: bf16\n"
        result = self.measure("eval", MODEL, "-f", self.text, *FEW, "--recipe", self.pipe(recipe))
        self.assertEqual(result["variants"][0]["recipe"], "a:ffn_norm=bf16")
        result = self.measure("generate", MODEL, "--prompt-file", self.pipe("What?\n"), "-n", 2, "--threads", 1)
        self.assertEqual(result["prompts"][0]["prompt"], "What?")

    def test_a_recipe_may_name_files_that_lie_beside_it(self):
        os.mkdir(self.path("recipes"))
        self.measure("calibrate", MODEL, "-f", self.text, "-o", self.path("recipes/ranges.json"), "--rule", "a:ffn_norm=int8", *FEW)
        rules = "rules:\n  - activations: ffn_norm\n    format: int8\n    range: static:ranges.json\n"
        recipe = self.write("recipes/recipe.yaml", rules)
        beside = self.measure("eval", MODEL, "-f", self.text, *FEW, "--recipe", recipe)
        named = self.measure("eval", MODEL, "-f", self.text, *FEW, "--rule",
                             f"a:ffn_norm=int8,range=static:{self.path('recipes/ranges.json')}")
        self.assertEqual(beside["variants"][0]["kld"], named["variants"][0]["kld"])
        variant = self.measure("eval", MODEL, "-f", self.text, *FEW, "--variant", f"v={recipe}")
        self.assertEqual(variant["variants"][0]["kld"], named["variants"][0]["kld"])
        self.refuse(USAGE, IS_INPUT, "eval", MODEL, "-f", self.text, "--recipe", recipe, "--json", self.path("recipes/ranges.json"))
        # A file of that name in the working directory comes first.
        self.write("ranges.json", "{}")
        self.refuse(WORK, "ranges.json is not a valid ranges file", "eval", MODEL, "-f", self.text, "--recipe", recipe, cwd=self.folder)

    # Studies that may only be read

    def test_a_study_on_a_read_only_mount(self):
        os.mkdir(self.path("kept"))
        self.sweep("-f", self.text, study="kept/study.db")
        before = self.bytes_of("kept/study.db")
        for command in ('plan "$2/study.db"', 'report "$2/study.db" -o "$3/page.html"', 'study merge "$3/all.db" "$2/study.db"'):
            done = in_own_mounts(f'mount --bind "$2" "$2" && mount -o remount,ro,bind "$2" && "$1" {command}', PROGRAM,
                                 self.path("kept"), self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(os.listdir(self.path("kept")), ["study.db"])
        self.assertEqual(self.bytes_of("kept/study.db"), before)

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_reading_a_study_leaves_nothing_beside_it(self):
        self.sweep("-f", self.text)
        before = self.bytes_of("study.db")
        self.measure("plan", self.path("study.db"))
        self.measure("study", "merge", self.path("all.db"), self.path("study.db"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["all.db", "study.db", "text.txt", "tmp"])
        self.assertEqual(self.bytes_of("study.db"), before)

    def test_a_study_with_a_log(self):
        # A program that is killed leaves its log: here another one, which holds the database open.
        os.mkdir(self.path("kept"))
        self.sweep("-f", self.text, study="kept/study.db")
        script = ("import sqlite3, os, sys; s = sqlite3.connect(sys.argv[1]); s.execute('UPDATE study SET model = ?', ('renamed',)); "
                  "s.commit(); os.kill(os.getpid(), 9)")
        subprocess.run(["/usr/bin/python3", "-c", script, self.path("kept/study.db")], check=False)
        self.assertIn("study.db-wal", os.listdir(self.path("kept")))
        os.remove(self.path("kept/study.db-shm"))
        done = in_own_mounts('mount --bind "$2" "$2" && mount -o remount,ro,bind "$2" && "$1" plan "$2/study.db"', PROGRAM,
                             self.path("kept"))
        self.assertEqual(done.returncode, WORK)
        self.assertRegex(done.stderr, "has a log beside it, .*study.db-wal, .*needs permission to write in the folder: copy both")
        log = self.bytes_of("kept/study.db-wal")
        self.assertEqual(self.measure("plan", self.path("kept/study.db"))["model"], "renamed")
        self.assertEqual(self.bytes_of("kept/study.db-wal"), log)

    # Texts that are not UTF-8

    def test_bytes_that_are_not_utf8_are_read_and_shown_replaced(self):
        bad = self.words.encode() * 120 + b" caf\xe9 \xed\xa0\x80 " + self.words.encode()
        self.assertGreater(len(bad), 2 << 20)
        for content, chunks in ((b" \xff caf\xe9 " * 5 + self.words.encode(), 2), (bad, 1)):
            with open(self.path("bad.txt"), "wb") as file:
                file.write(content)
            result = self.measure("eval", MODEL, "-f", self.path("bad.txt"), "--chunks", chunks, "--ctx-size", 64, "--threads", 1,
                                  "--rule", "a:ffn_norm=int4")
            self.assertEqual(result["chunks"], chunks)
        result = self.measure("generate", MODEL, "-p", os.fsdecode(b"caf\xe9"), "-n", 2, "--threads", 1)
        self.assertEqual(result["prompts"][0]["prompt"], "caf\N{REPLACEMENT CHARACTER}")


if __name__ == "__main__":
    unittest.main()
