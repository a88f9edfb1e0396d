"""The demo's sweep (9 trials of 3 epochs on 5,000 digits) against pure training on the same cores.

Pure training: one process a core, torch imported and the digits loaded before the clock starts, no checkpoints, no
reports, no tool; the sum of the trials' training times over the cores is the least that any tool could take.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.bench import ROOT, stack

CORES = os.cpu_count() or 1
PURE = """
import sys, time, tempfile, torch
sys.path.insert(0, "jobs")
torch.set_num_threads(1)
import mnist

class Alone:  # what train() asks of a trial, doing nothing
    seed, dir = 1, tempfile.mkdtemp()
    range = staticmethod(range)
    def keep(self, **_): pass
    def report(self, **_): pass

mnist.digits("sample")
grid = [(lr, m) for lr in (0.1, 0.01, 0.001) for m in (0.5, 0.1, 0.05)]
spent = 0.0
for lr, momentum in grid[int(sys.argv[1])::int(sys.argv[2])]:
    start = time.perf_counter()
    mnist.train(Alone(), lr=lr, momentum=momentum, epochs=3, data="sample")
    spent += time.perf_counter() - start
print("spent", spent)
"""


def measure() -> list[dict[str, object]]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    commands = [[sys.executable, "-c", PURE, str(core), str(CORES)] for core in range(CORES)]
    running = [subprocess.Popen(c, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) for c in commands]
    pure = sum(float(process.communicate()[0].rsplit(None, 1)[-1]) for process in running) / CORES
    with stack() as cloud:
        start = time.perf_counter()
        grid = ["--grid", "lr=0.1,0.01,0.001", "--grid", "momentum=0.5,0.1,0.05"]
        fixed = ["--set", "epochs=3", "--set", "data=sample", "--workers", str(CORES)]
        cloud.awsrun("submit", "jobs/mnist.py", *grid, *fixed, "--wait")
        wall = time.perf_counter() - start
    return [
        {"what": "pure training, summed over the cores", "s": f"{pure:.1f}", "ratio": "1"},
        {"what": "awsrun submit --wait, from Enter to the prompt", "s": f"{wall:.1f}", "ratio": f"{wall / pure:.2f}"},
    ]
