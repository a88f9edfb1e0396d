"""Jobs that do what no job should: the worker lives on, and the trial says what was wrong."""

from __future__ import annotations

import math
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


ODD = """
class Silent(Exception):
    def __str__(self): raise KeyError

def job(trial, x=0):
    if x == 0: return {"y": 1, "text": "a" * 500_000}
    if x == 1: trial.report(y=1.0, text="a" * 500_000)
    if x == 2:
        for i in range(700): (trial.dir / f"{i:06d}-{'x' * 200}").touch()
    if x == 3: raise FileNotFoundError("caf\\udce9.txt")
    if x == 4: raise Silent
    if x == 5:
        trial.report(y=10**400)
        return {"y": -(10**400)}
    if x == 6: (trial.dir / "caf\\udce9.txt").write_text("x")
    if x == 7:
        sys.stdout.close()
        threading.Thread(target=time.sleep, args=(600,)).start()
    if x == 8: sys.exit(3)
    if x == 9: os._exit(0)
    if x == 10: raise BaseException("a bare one")
    if x == 11:
        def go():
            for i in range(8): trial.report(y=i, text="b" * 9000)
        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    return {"y": 1}
"""
SAID = {
    0: ("ValueError", "job() returned 500,017 bytes, and a result holds 300,000: leave it in a file"),
    1: ("ValueError", "report() takes 100,000 bytes"),
    2: ("ValueError", "its files cannot be stored: there are too many of them (700): pack them into one"),
    3: ("FileNotFoundError", "caf\\udce9.txt"),
    4: ("Silent", "it cannot say what it is: KeyError"),
    6: ("UnicodeEncodeError", "its files cannot be stored: "),
    8: ("SystemExit", "3"),
    9: ("ProcessExited", "the trial's process ended with code 0"),
    10: ("BaseException", "a bare one"),
}


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


def test_one_worker_outlives_every_odd_trial(bench: Bench) -> None:
    bench.write(HEAD + ODD)
    run = bench.submit("job", total=12, timeout=30.0, keep_going=True)
    assert bench.ended(bench.start(run)) == 0
    trials = bench.store.trials(run, 0)
    assert {trial.attempt for trial in trials} == {1}, "no worker was lost"
    for trial in trials:
        error = trial.error or {}
        kind, message = SAID.get(trial.n, ("", ""))
        assert (trial.state, error.get("type", "")) == ("failed" if kind else "done", kind), (trial.n, error)
        assert error.get("message", "").startswith(message), trial.n
    assert trials[5].value == -math.inf, "an integer that no float holds"
    assert len(bench.store.reports(run, 11)) > 0
    assert "FileNotFoundError: caf\\udce9.txt" in bench.log(0)


def test_a_job_whose_import_hangs_costs_no_more_than_the_run_may(bench: Bench) -> None:
    bench.write(HEAD + "time.sleep(600)\ndef job(trial, x=0): pass\n")
    run = bench.submit("job", total=2, max_seconds=1.0)
    assert bench.ended(bench.start(run)) == 0
    found = bench.store.run(run)
    assert found is not None and (found.state, found.cut, found.total) == ("done", 0, 0)
    assert found.cut_why == "1 s has passed since the submit"
