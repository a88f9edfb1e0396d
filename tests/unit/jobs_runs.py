"""Runs in memory, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from awsrun.worker.protocol import space
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Run, Shard, TrialRecord, summary
from awsrun.worker.protocol.store import RunStore

GRID = {
    "search": "grid",
    "axes": {"lr": [0.1, 0.01, 0.001], "momentum": [0.5, 0.1]},
    "set": {"epochs": 3},
    "total": 6,
}


def a_run(wanted: Mapping[str, Any] = GRID, **changes: Any) -> Run:
    """A run's record; ``next`` has passed all trials unless given."""
    fields: dict[str, Any] = {
        "run": "job-1123-1432-k3f",
        "job": "jobs/job.py",
        "function": "train",
        "space": wanted,
        "total": wanted["total"],
        "metric": "val_accuracy",
        "submitted_at": "2026-11-23T14:32:00+00:00",
        "next": wanted["total"],
    }
    return Run(**{**fields, **changes})


def trials_of(run: Run, value: Callable[[dict[str, Any]], float], **changes: Any) -> list[TrialRecord]:
    """Every trial of a run, done in two seconds."""
    found = []
    for n in range(run.total):
        params = space.params(run.space, run.seed, n)
        result = {run.metric: value(params)}
        fields: dict[str, Any] = {"state": "done", "attempt": 1, "started_ms": 1000, "ended_ms": 3000}
        found.append(TrialRecord(n=n, params=params, result=result, value=result[run.metric], **{**fields, **changes}))
    return found


def store_with(run: Run, trials: list[TrialRecord], seals: list[int] | None = None) -> RunStore:
    """A store that holds them."""
    store = RunStore(MemoryTable())
    assert store.create(run)
    for trial in trials:
        store.table.put(trial.to_item(run.run))
    for shard in seals or []:
        store.seal(run.run, sealed(run, trials, shard))
    return store


def sealed(run: Run, trials: list[TrialRecord], shard: int) -> Shard:
    return summary(shard, run.generation, [t for t in trials if t.n // 1000 == shard], run.mode)
