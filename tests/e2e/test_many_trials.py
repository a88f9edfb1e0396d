"""Many short trials while workers are killed at random, calls throttled and answers lost: each has exactly one result.

`make chaos` takes 10,000 trials, `make test` 120.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_bench import Bench

from tests.conftest import PATIENT, LocalCloud

TRIALS = 10_000 if os.environ.get("AWSRUN_CHAOS") == "all" else 120
WORKERS = 3
TINY = """
import time
import awsrun

def tiny(trial, x=0):
    time.sleep(0.05)
    return {"y": x / 3, "by": trial.attempt}
"""


@pytest.fixture
def hard_cloud(fresh_cloud: LocalCloud) -> LocalCloud:
    """A fifth of all calls is throttled, and of three in a hundred the answer is lost."""
    fresh_cloud.stop()
    fresh_cloud.retries = PATIENT
    fresh_cloud.start(strict=True, time_scale=0.01, throttle=0.2, lose=0.03)
    return fresh_cloud


@pytest.fixture
def bench(hard_cloud: LocalCloud, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(hard_cloud, tmp_path)
    made.write(TINY)
    yield made
    made.close()


@pytest.mark.timeout(3600)
def test_each_trial_has_exactly_one_result(bench: Bench) -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    run = bench.submit("tiny", TRIALS)
    slots = {slot: bench.start(run, slot) for slot in range(WORKERS)}
    starts, kills = Counter(slots.keys()), Counter[int]()
    quiet = time.monotonic() + 3
    while not all(worker.poll() == 0 for worker in slots.values()):
        time.sleep(0.2)
        if time.monotonic() > quiet:
            quiet = time.monotonic() + rng.uniform(2, 10)
            victim = rng.choice([worker for worker in slots.values() if worker.poll() is None] or [None])
            if victim is not None:
                how = rng.choice([signal.SIGKILL, signal.SIGTERM])
                victim.send_signal(how)
                kills[how] += 1
        for slot, worker in slots.items():
            if worker.poll() not in (None, 0):  # as Batch does: the same slot, the next attempt
                starts[slot] += 1
                slots[slot] = bench.start(run, slot, attempt=starts[slot])
    told = f"seed {seed}, {kills[signal.SIGKILL]} killed, {kills[signal.SIGTERM]} told to go"
    found = bench.store.run(run)
    assert found is not None and found.state == "done", told
    trials = [trial for shard in range(-(-TRIALS // 1000)) for trial in bench.store.trials(run, shard)]
    assert [trial.n for trial in trials] == list(range(TRIALS)), told
    assert Counter(trial.state for trial in trials) == {"done": TRIALS}, told
    assert all(trial.result == {"y": trial.n / 3, "by": trial.attempt} for trial in trials), told
    assert kills.total() > 1, "it was no quiet run"
    print(f"{told}: {sum(trial.attempt for trial in trials)} attempts, {sum(len(t.losses) for t in trials)} lost")
