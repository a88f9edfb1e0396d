"""What the benchmarks share: a throw-away embedded cloud, the awsrun command, and clocks for whole processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AWSRUN = str(Path(sys.executable).parent / "awsrun")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stack:
    """An embedded cloud of its own with ``specs/batch.yaml`` applied."""

    env: dict[str, str]

    def awsrun(self, *args: str) -> str:
        """Standard output of one command; its error output is shown if it fails."""
        done = subprocess.run([AWSRUN, *args], env=self.env, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"awsrun {' '.join(args)} failed:\n{done.stderr}")
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.awsrun(*args, "--json"))

    def server_seconds(self) -> float:
        """CPU time that the server process has used so far."""
        pid = self.json("local", "status")["pid"]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def stack() -> Iterator[Stack]:
    """A fresh stack, gone afterwards with its server and all its files."""
    with tempfile.TemporaryDirectory(prefix="awsrun-bench-") as home:
        made = Stack({**os.environ, "AWSRUN_HOME": home, "AWSRUN_CONTEXT": "local"})
        try:
            made.awsrun("apply", "specs/batch.yaml", "--yes")
            yield made
        finally:
            subprocess.run([AWSRUN, "local", "stop"], env=made.env, capture_output=True)


def timed(command: list[str], **options: Any) -> tuple[float, float]:
    """(wall seconds, CPU seconds of the process and what it waited for) of one command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return wall, used


def alternately(a: list[str], b: list[str], runs: int = 11) -> tuple[float, float, float]:
    """Median wall seconds of ``a`` and ``b``, run in turn, and the median of the pairs' ratios a/b."""
    timed(a), timed(b)  # warm the disk cache
    pairs = [(timed(a)[0], timed(b)[0]) for _ in range(runs)]
    return median(x for x, _ in pairs), median(y for _, y in pairs), median(x / y for x, y in pairs)
