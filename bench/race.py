"""Commands that do the same, timed in turn.

This module imports little: a process begins with its parent's peak memory, so who races must stay small.
"""

import os
import statistics
import subprocess
import time


def run(command):
    """Seconds and peak memory in MB of a command that must succeed."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    if status != 0:
        raise RuntimeError(f"{command} failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def race(title, runs, repetitions, outputs=()):
    """Runs the commands of each contestant in turn; prints medians, the medians of the rounds' ratios to the first with the
    range of all of them, and peak memory. Returns the medians in seconds, by name."""
    seconds, memory = {name: [] for name in runs}, dict.fromkeys(runs, 0)
    for repetition in range(repetitions + 1):
        for name, commands in runs.items():
            is_slow = name.startswith("python")  # takes too long for more than once
            if is_slow and repetition > 0:
                continue
            for output in outputs:
                if os.path.exists(output):
                    os.remove(output)
            os.sync()
            done = [run(command) for command in commands]
            memory[name] = max([memory[name]] + [peak for _, peak in done])
            if repetition > 0 or is_slow:  # the first fills the caches
                seconds[name].append(sum(each for each, _ in done))
    first = next(iter(seconds.values()))
    ratios = {name: sorted(each / of_first for each, of_first in zip(times, first)) for name, times in seconds.items()}
    print(title)
    for name, times in seconds.items():
        if len(times) == len(first):
            ratio, spread = statistics.median(ratios[name]), f"({ratios[name][0]:.2f} to {ratios[name][-1]:.2f})"
        else:
            ratio, spread = statistics.median(times) / statistics.median(first), ""
        print(f"  {name:36} {statistics.median(times):8.3f} s {ratio:8.2f} x {spread:16} {memory[name]:8.0f} MB")
    print(flush=True)
    return {name: statistics.median(times) for name, times in seconds.items()}
