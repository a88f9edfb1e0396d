"""Jobs that do what no job should: the worker lives on, and the trial says what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_worker_losses import gone
from worker_bench import Bench, until

HEAD = """
import json, os, subprocess, sys, threading, time
from pathlib import Path
"""
UNFORKABLE = "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
LEAVES = """
def job(trial, x=0):
    if x == 1:
        time.sleep(600)
    with open(Path(__file__).with_name("left"), "w") as pids:
        print(subprocess.Popen(["sleep", "600"]).pid, file=pids)
        print(os.fork() or time.sleep(600), file=pids)
    for _ in range(5_000):
        print("a line of a job that has much to say")
    return {"y": x}
"""


@pytest.fixture
def bench(local_cloud: Any, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(local_cloud, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("head", [HEAD, HEAD + UNFORKABLE], ids=["forked", "fresh"])
def test_a_job_that_talks_starts_processes_and_hangs(bench: Bench, head: str) -> None:
    bench.write(head + LEAVES)
    run = bench.submit("job", total=2, timeout=2.0, keep_going=True)
    worker = bench.start(run)
    first = until("trial 0 ends", lambda: (found := bench.store.trial(run, 0)) and found.settled and found)
    assert (first.state, first.result) == ("done", {"y": 0})
    assert bench.log(0).count("[t0.1] a line of a job that has much to say\n") == 5_000
    pids = [int(pid) for pid in (bench.root / "project" / "jobs" / "left").read_text().split()]
    assert len(pids) == 2
    until("what it started ends with it", lambda: all(map(gone, pids)), 10)
    assert worker.poll() is None, "the worker has not ended"
    assert bench.ended(worker) == 0
    assert (bench.trial(run, 1).error or {})["type"] == "Timeout", "the worker looks at the clock meanwhile"
