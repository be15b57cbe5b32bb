"""Interrupted writes: killed at any moment, out of space, or stopped by the user. No file looks complete."""

import json
import os
import pty
import random
import signal
import subprocess
import time
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest, without_rule_lines

WORK = 1


class InterruptionTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.path("out.gguf")
        self.command = [PROGRAM, "apply", MODEL, "-o", self.out, "--rule", "w:*=mxfp4", "--json", self.path("out.json")]
        begin = time.perf_counter()
        subprocess.run(self.command, check=True, stdout=subprocess.DEVNULL)
        self.seconds = time.perf_counter() - begin
        self.whole = self.read()
        os.remove(self.out)
        os.remove(self.path("out.json"))

    def read(self):
        with open(self.out, "rb") as file:
            return file.read()

    def break_off(self, kind, times):
        """Returns how often the target was absent and how often complete afterwards."""
        absent = whole = 0
        draw = random.Random(7)
        for _ in range(times):
            process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0, 1.3 * self.seconds))
            process.send_signal(kind)
            process.wait()
            if os.path.exists(self.out):
                self.assertEqual(self.read(), self.whole)
                os.remove(self.out)
                whole += 1
            else:
                absent += 1
            left = [name for name in os.listdir(self.folder) if not name.startswith(".") and name != "out.json"]
            self.assertEqual(left, [])
        return absent, whole

    def test_killed_at_any_moment_the_target_is_absent_or_whole(self):
        absent, whole = self.break_off(signal.SIGKILL, 50)
        self.assertGreater(absent, 0)
        self.assertGreater(whole, 0)

    def test_stopped_by_the_user_likewise(self):
        self.break_off(signal.SIGINT, 10)

    def test_killed_while_it_replaces_a_file_the_old_or_the_new_one_is_there(self):
        for _ in range(10):
            with open(self.out, "wb") as file:
                file.write(b"old")
            process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 1.3 * self.seconds))
            process.kill()
            process.wait()
            self.assertIn(self.read(), (b"old", self.whole))

    def test_a_full_disk_is_one_clear_error_and_leaves_nothing(self):
        disk = self.path("disk")
        os.mkdir(disk)
        inside = f'mount -t tmpfs -o size=2m none "{disk}" && "$0" "$@"; status=$?; ls -A "{disk}"; exit $status'
        can_mount = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", disk], capture_output=True, check=False)
        if can_mount.returncode != 0:
            self.skipTest("this machine lets no user mount a file system of their own")
        done = subprocess.run(["unshare", "-rm", "sh", "-c", inside, PROGRAM, "apply", MODEL, "-o",
                               os.path.join(disk, "out.gguf")], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, WORK)
        self.assertRegex(without_rule_lines(done.stderr), r"^fakequant: cannot write .*out.gguf: No space left on device\n$")
        self.assertEqual(done.stdout, "")  # ls shows nothing


class InterruptedMeasurementTest(ProgramTest):
    def interrupt(self, after, presses=1):
        """Presses Ctrl-C after `after` chunks, as counted by the progress on the terminal."""
        terminal, inner = pty.openpty()
        command = [PROGRAM, "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=int4", "--json", self.path("out.json")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=inner, stdin=subprocess.DEVNULL,
                                   env={**os.environ, "TERM": "xterm"})
        os.close(inner)
        said = b""
        while f"[{after}".encode() not in said and process.poll() is None:
            said += os.read(terminal, 4096)
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
        stdout = process.stdout.read().decode()
        process.stdout.close()
        code = process.wait()
        os.close(terminal)
        return code, stdout, said.decode()

    def test_ctrl_c_ends_with_what_was_measured_so_far_and_says_so(self):
        code, stdout, said = self.interrupt("")
        self.assertRegex(said, r"eval: [0-9]+ %, [0-9]+ s left; \[[0-9]*")
        self.assertEqual(code, -signal.SIGINT)
        self.assertIn("INTERRUPTED; measured so far", stdout)
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertTrue(result["interrupted"])
        chunks = result["chunks"]
        self.assertTrue(0 < chunks < 172)
        # The result is the same as if only these chunks had been requested.
        asked = self.measure("eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=int4", "--chunks", chunks)
        self.assertFalse(asked["interrupted"])
        for field in ("baseline", "variants", "sites", "chunks", "tokens_scored", "texts"):
            self.assertEqual(result[field], asked[field], field)

    def test_a_second_ctrl_c_ends_at_once(self):
        code, stdout, _ = self.interrupt("", presses=2)
        self.assertEqual(code, -signal.SIGINT)
        self.assertFalse(os.path.exists(self.path("out.json")) and not stdout)


if __name__ == "__main__":
    unittest.main()
