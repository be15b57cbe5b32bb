"""A sweep as a job array of a real Slurm: two nodes on this machine, one of which is killed in the middle."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

from program import MODEL, PROGRAM, SOURCE, TEXT, ProgramTest, run
from study_contents import contents

SHARES = 40
QUESTION = ("sweep", MODEL, "-f", TEXT, "--chunks", "12", "--ctx-size", "64", "--threads", "1",
            *(word for site in ("a:ffn_norm", "a:attn_norm", "a:ffn_input", "w:ffn_up", "w:attn_q") for word in ("--site", site)),
            *(word for name in ("bf16", "e4m3", "e5m2", "int8", "int4", "mxfp4", "mxfp8", "nvfp4") for word in ("--format", name)))
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdTimeout=10
BatchStartTimeout=10
ReturnToService=2
JobRequeue=1
KillOnBadExit=0
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=1
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=1
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def parent_of(process):
    return int(re.search(r"^PPid:\s+(\d+)$", (process / "status").read_text(), re.MULTILINE).group(1))


def processes_of(node):
    """The jobs that a node started, after Slurm's own processes that wait for them and would say how they ended."""
    steps, jobs = [], []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"SLURMD_NODENAME={node}".encode() in (process / "environ").read_bytes().split(b"\0"):
                jobs.append(int(process.name))
                step = parent_of(process)
                if pathlib.Path(f"/proc/{step}/comm").read_text().strip() == "slurmstepd":
                    steps.append(step)
        except OSError:
            pass  # it has ended
    return steps + jobs


class SlurmTest(ProgramTest):
    """Slurm's daemons run as root, with a configuration, a key and ports of their own."""

    def setUp(self):
        super().setUp()
        for daemon in ("munged", "slurmctld", "slurmd", "sbatch"):
            if shutil.which(daemon, path=os.environ["PATH"] + ":/usr/sbin") is None:
                self.skipTest(f"{daemon} is not installed: scripts/install-deps slurm installs it")
        if os.getuid() != 0:
            self.skipTest("Slurm's daemons need root")
        port, port1, port2 = free_ports(3)
        configuration = self.path("slurm.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder, host=socket.gethostname().split(".")[0], port=port, port1=port1, port2=port2))
        os.makedirs(self.path("state"))
        os.chmod(self.folder, 0o755)
        with open(self.path("munge.key"), "wb") as key:
            os.chmod(self.path("munge.key"), 0o600)
            key.write(os.urandom(1024))
        self.environment = {**os.environ, "SLURM_CONF": configuration, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.start("munged", "--foreground", "--force", f"--key-file={self.path('munge.key')}", f"--socket={self.path('munge.socket')}",
                   f"--pid-file={self.path('munged.pid')}", f"--log-file={self.path('munged.log')}", f"--seed-file={self.path('munge.seed')}")
        self.wait_for(lambda: os.path.exists(self.path("munge.socket")), 20)
        self.start("slurmctld", "-D", "-f", configuration)
        self.nodes = {node: self.start("slurmd", "-D", "-N", node, "-f", configuration) for node in ("node1", "node2")}
        self.wait_for(lambda: self.slurm("sinfo", "--noheader", "--format=%t %D") == "idle 2", 40)

    def start(self, *command):
        daemon = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def stop():
            daemon.kill()
            daemon.wait()
        self.addCleanup(stop)
        return daemon

    def slurm(self, *command):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def wait_for(self, is_reached, seconds):
        end = time.monotonic() + seconds
        while not is_reached():
            self.assertLess(time.monotonic(), end, self.slurm("squeue"))
            time.sleep(0.2)

    def submit(self, *options):
        done = subprocess.run([os.path.join(SOURCE, "scripts", "slurm-sweep"), self.path("shares"), "--program", PROGRAM, *options, "--",
                               *QUESTION[1:]], env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def status(self):
        return self.measure("study", "status", self.path("shares"))

    def test_a_sweep_over_nodes_of_which_one_dies_is_that_of_one_process(self):
        self.assertIn(f"40 variants in {SHARES} shares", self.submit("--tasks", str(SHARES)))
        self.wait_for(lambda: len(list(pathlib.Path(self.path("shares")).glob("share-*.db"))) >= 4 and processes_of("node2"), 60)
        # The node, and all that runs on it, at once.
        self.nodes["node2"].kill()
        for process in processes_of("node2"):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.nodes["node2"].wait()
        self.assertLess(self.status()["progress"], 1)
        self.nodes["node2"] = self.start("slurmd", "-D", "-N", "node2", "-f", self.path("slurm.conf"))
        merged = self.path("shares/study.db")

        def is_merged():
            # Slurm lets two minutes pass before it runs a task again.
            for line in self.slurm("squeue", "--array", "--noheader", "--format=%i %r").splitlines():
                job, reason = line.split(maxsplit=1)
                if reason == "BeginTime":
                    self.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
            return os.path.exists(merged) and not self.slurm("squeue", "--noheader")
        self.wait_for(is_merged, 240)
        status = self.status()
        self.assertEqual(status["progress"], 1)
        self.assertEqual([share["shard"] for share in status["shares"]], list(range(1, SHARES + 1)))
        self.assertEqual({share["state"] for share in status["shares"]}, {"complete"})
        whole = self.path("whole.db")
        done = run(*QUESTION, "-o", whole)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(contents(merged), contents(whole))
        # Submitted again, nothing is left to measure: the array writes no further score.
        self.assertIn(f"in {SHARES} shares", self.submit())
        self.slurm("scancel", "--name=fakequant-sweep")
        self.slurm("scancel", "--name=fakequant-merge")


if __name__ == "__main__":
    unittest.main()
