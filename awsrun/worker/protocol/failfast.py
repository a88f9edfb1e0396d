"""Failing a run at once whose trials all fail alike: the evidence lies in the table, and each worker weighs it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

from awsrun.worker.protocol.records import Run, TrialRecord
from awsrun.worker.protocol.store import RunStore

FAIL_FAST = 3
"""So many failures alike, and no success, fail a run (more where more workers run)."""
_CHECKS = 30  # about so many workers read the evidence of failures, however many there are


def weigh(store: RunStore, run: Run, trial: TrialRecord, rng: random.Random, now_ms: int) -> None:
    """Leave evidence of a failed trial; fail the run if no trial succeeded and enough have failed like this one."""
    threshold = max(FAIL_FAST, run.limits.workers)
    status = store.status(run.run)
    mark = signature(trial.error or {})
    store.note_failure(run.run, status.generation, trial.n, mark)
    if rng.random() * threshold >= _CHECKS:
        return
    if store.failing(run.run, status.generation, mark, threshold):
        error = {**(trial.error or {}), "trial": trial.n, "alike": threshold}
        store.finish(run.run, status.generation, "failed", error, now_ms)


def signature(error: Mapping[str, Any]) -> str:
    """The same for failures alike: exception type, file and line, or signal."""
    parts = [str(error.get(name, "")) for name in ("type", "file", "line", "signal")]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()
