"""Models on RPC servers: the same results as on this machine, and one clear line for each error."""

import glob
import os
import shutil
import socket
import subprocess
import time
import unittest

from program import MODEL, PROGRAM, TEXT, ProgramTest

CHUNKS = 2
LAYERS = 6
ARGUMENTS = ("eval", MODEL, "-f", TEXT, "--chunks", CHUNKS)
# Formats that depend on single values, on the token, and on the token's position; sites on several devices, and one that
# is always on this machine's CPU (embd).
RULES = ("--rule", "a:ffn_norm=int8", "--rule", "w:ffn_up=bf16", "--rule", "a:ffn_out=mxfp4,round=stochastic",
         "--rule", "a:embd=e4m3", "--rule", "a:result_norm=nvfp4", "--rule", "a:attn_input=int4",
         "--rule", "a:in(ffn_down)=mxfp8", "--rule", "a:attn_output_input@2@tokens:3-=int8")


def server_command():
    """The command that starts ggml-rpc-server, and its working folder; SkipTest if there is no server."""
    tools = os.environ["LLAMA_TOOLS"]
    if not tools:
        folders = os.pathsep.join([os.environ["PATH"], *glob.glob("/usr/libexec/*/llama/bin")])
        installed = shutil.which("ggml-rpc-server", path=folders)
        if installed is None:
            raise unittest.SkipTest("ggml-rpc-server is not installed")
        return [installed], None
    root = os.path.dirname(tools)
    servers = glob.glob(f"{root}/libexec/**/ggml-rpc-server", recursive=True)
    loaders = glob.glob(f"{root}/lib*/**/ld-linux*.so.*", recursive=True)
    backends = glob.glob(f"{root}/lib/*/ggml/backends*")
    if not (servers and loaders and backends):
        raise unittest.SkipTest("ggml-rpc-server was not fetched")
    # The fetched server needs the fetched C library, and finds its back ends in its working folder.
    libraries = os.path.dirname(os.path.dirname(backends[0]))
    return [loaders[0], "--library-path", libraries, servers[0]], backends[0]


class Server:
    """A ggml-rpc-server on a free port of this machine."""

    def __init__(self, log, threads):
        command, folder = server_command()
        self.log = log
        for _ in range(5):  # another program may take the port first
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.address = f"127.0.0.1:{port}"
            with open(log, "wb") as output:
                self.process = subprocess.Popen(
                    [*command, "-H", "127.0.0.1", "-p", str(port), "-t", str(threads), "-d", "CPU"], cwd=folder,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "GGML_RPC_DEBUG": "1"})
            if self.listens(port):
                return
            self.stop()
        with open(log, encoding="utf-8", errors="replace") as said:
            raise AssertionError(f"{command} does not listen:\n{said.read()}")

    def listens(self, port):
        for _ in range(600):
            if self.process.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                return True
            except ConnectionRefusedError:
                time.sleep(0.1)
        return False

    def count(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as said:
            return said.read().count(text)

    def stop(self):
        self.process.kill()
        self.process.wait()


class RemoteTest(ProgramTest):
    def server(self, threads=1):
        server = Server(self.path(f"server-{len(os.listdir(self.folder))}.log"), threads)
        self.addCleanup(server.stop)
        return server

    def evaluate(self, *arguments):
        """An evaluation's figures, and the back ends that made them."""
        result = self.measure(*ARGUMENTS, *RULES, "--threads", 2, "--arithmetic", "native", "--no-repack", *arguments)  # servers do not repack
        del result["command"], result["memory"]  # devices hold other memory than this machine
        for variant in result["variants"]:
            del variant["noise_floor"]  # not measured where it is unknown what the kernels round to
        for site in result["sites"]:
            del site["kernels_round_to"]  # unknown for other devices
            for reader in site["also_read_by"]:
                del reader["rounds_to"]
        return result, [name.split()[0] for name in result.pop("backends")]

    def test_equals_what_this_machine_computes_to_the_last_bit(self):
        expected, backends = self.evaluate()
        self.assertEqual(backends, ["CPU"])
        self.assertEqual(len(expected["sites"]), 4 * LAYERS + 3)
        self.assertGreater(expected["variants"][0]["kld"]["mean"], 0)
        first, second = self.server(threads=1), self.server(threads=2)
        both = f"{first.address},{second.address}"
        for arguments, on in (
                (("--rpc", first.address), ["CPU", "RPC0"]),
                (("--rpc", first.address, "--gpu-layers", 3), ["CPU", "RPC0"]),
                (("--rpc", first.address, "--gpu-layers", "all"), ["CPU", "RPC0"]),
                (("--rpc", first.address, "-ngl", 0), ["CPU"]),
                (("--rpc", both), ["CPU", "RPC0", "RPC1"]),
                (("--rpc", first.address, "--rpc", second.address, "--device", "RPC1"), ["CPU", "RPC1"]),
                (("--rpc", first.address, "--device", "none"), ["CPU"]),
                (("--device", "none"), ["CPU"]),
        ):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.evaluate(*arguments), (expected, on))

    def test_finds_the_same_activations(self):
        server = self.server()
        fields = ("site", "names", "layer", "shape", "roles", "feeds")
        here, there, divided = ([[entry[field] for field in fields] for entry in self.measure("sites", MODEL, "--arithmetic", "native", *more)["activations"]]
                                for more in ((), ("--rpc", server.address), ("--rpc", server.address, "-ngl", 3)))
        self.assertEqual(there, here)
        self.assertEqual(divided, here)

    def test_the_sites_lie_on_the_server(self):
        server = self.server()
        result = self.measure(*ARGUMENTS, "--rule", "a:ffn_norm=int8", "--rpc", server.address)
        self.assertIn(f"RPC0 ({server.address})", result["backends"])
        # The graph is sent to the server in parts that end at sites; without sites it would be sent in one part.
        self.assertGreaterEqual(server.count("[graph_compute]") + server.count("[graph_recompute]"), CHUNKS * LAYERS)

    def test_writes_the_same_text(self):
        server = self.server()
        arguments = ("generate", MODEL, "-p", "What is 2+2?", "-n", 12,
                     "--rule", "a:ffn_norm=int4", "--rule", "w:ffn_up=bf16")
        here, there = (self.measure(*arguments, *more) for more in ((), ("--rpc", server.address)))
        self.assertEqual(there["backends"], here["backends"] + [f"RPC0 ({server.address})"])
        for result in (here, there):
            del result["command"], result["backends"]
        self.assertEqual(here, there)

    def test_a_server_that_goes_away_is_one_line(self):
        server = self.server()
        with subprocess.Popen([PROGRAM, "eval", MODEL, "-f", TEXT, "--rule", "a:ffn_norm=bf16", "--rpc", server.address],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            while server.count("[graph_compute]") < 20 and program.poll() is None:
                time.sleep(0.01)
            server.stop()
            said, complaint = program.communicate(timeout=600)
        self.assertEqual((program.returncode, said), (1, ""), complaint)
        self.assertRegex(complaint, r"^fakequant: .*RPC server.*\n$")
        self.refuse(1, "cannot be reached .*: start ggml-rpc-server there", *ARGUMENTS, "--rpc", server.address)

    def test_refuses_what_is_no_server(self):
        for text in ("127.0.0.1", ":50052", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:0", "127.0.0.1:65536", "a:1:2"):
            self.refuse(2, f"'{text}' names no RPC server: write HOST:PORT", *ARGUMENTS, "--rpc", text)
        self.refuse(2, "the RPC server 127.0.0.1:1 is named twice", *ARGUMENTS, "--rpc", "127.0.0.1:1,127.0.0.1:1")
        self.refuse(1, "nowhere.invalid:50052 cannot be found", *ARGUMENTS, "--rpc", "nowhere.invalid:50052")

    def test_refuses_devices_that_there_are_not(self):
        server = self.server()
        remote = ("--rpc", server.address)
        self.refuse(2, "unknown device 'Other': give .*RPC0, or 'none' alone", *ARGUMENTS, *remote, "--device", "Other")
        self.refuse(2, "unknown device 'CPU'", *ARGUMENTS, *remote, "--device", "RPC0,CPU")
        self.refuse(2, "the device RPC0 is named twice", *ARGUMENTS, *remote, "-dev", "RPC0,RPC0")
        self.refuse(2, "unknown device 'RPC0'", *ARGUMENTS, "--device", "RPC0")
        self.refuse(2, "there is none", *ARGUMENTS, *remote, "--device", "none", "--gpu-layers", 3)
        self.refuse(2, "--gpu-layers", *ARGUMENTS, *remote, "--gpu-layers", "some")
        self.refuse(2, "--gpu-layers", *ARGUMENTS, *remote, "--gpu-layers", -2)

    def test_an_experiment_looks_for_its_servers_before_it_writes(self):
        self.refuse(1, "cannot be found", "experiment", MODEL, "-f", TEXT, "-o", self.path("results"),
                    "--rpc", "nowhere.invalid:1")
        self.assertFalse(os.path.exists(self.path("results")))


if __name__ == "__main__":
    unittest.main()
