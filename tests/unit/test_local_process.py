"""A job that is told to go in its first moments hears of it, though the shell before it may not pass it on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from awsrun.local.work import process
from awsrun.local.work.process import JobProcess

COUNT = """
import os, signal, sys, time
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
open(sys.argv[1], "w").close()
while len(told) < 2 and not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
sys.exit(len(told))
"""


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[JobProcess]:
    """A process that counts how often it is told to go: it ends at the second time, or once ``gate`` is there."""
    ready, gate = tmp_path / "ready", tmp_path / "gate"
    found = JobProcess.start(tmp_path / "job", [sys.executable, "-c", COUNT, str(ready), str(gate)], dict(os.environ))
    while not ready.exists():
        time.sleep(0.01)
    yield found
    found.signal(signal.SIGKILL)
    found.remove()


def ended(job: JobProcess) -> int:
    end = time.monotonic() + 30
    while (code := job.poll()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return code


def test_who_is_told_in_its_first_moments_is_told_again(counting: JobProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN", 0.05)
    counting._young_until = time.monotonic() + 60
    counting.signal(signal.SIGTERM)
    assert ended(counting) == 2


def test_who_is_told_later_is_told_once(counting: JobProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN", 0.0)
    counting._young_until = time.monotonic()
    counting.signal(signal.SIGTERM)
    for _ in range(5):
        assert counting.poll() is None
    (tmp_path / "gate").touch()
    assert ended(counting) == 1


def test_nobody_misses_it_however_early_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN", 0.05)
    jobs = [JobProcess.start(tmp_path / f"{n}", ["sleep", "60"], dict(os.environ)) for n in range(20)]
    for n, job in enumerate(jobs):
        time.sleep(n / 10_000)
        job.signal(signal.SIGTERM)
    try:
        assert {ended(job) for job in jobs} <= {128 + signal.SIGTERM}
    finally:
        for job in jobs:
            job.signal(signal.SIGKILL)
            job.remove()
