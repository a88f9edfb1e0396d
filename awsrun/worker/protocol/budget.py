"""When a run has had enough: derived from the clock and the workers' records, never counted.

A worker asks before it takes another trial.  Whoever finds that it is enough cuts the run (see ``store.py``): no trial
starts any more, those under way go on to their end, and the run is done with as many trials as have started.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from awsrun.worker.protocol.records import FINAL, Run, Worker, better
from awsrun.worker.protocol.store import RunStore


def reached(run: Run, value: float | None) -> bool:
    """Whether a trial's value is as good as was asked for."""
    return run.limits.until is not None and (value == run.limits.until or better(run.mode, value, run.limits.until))


class Budget:
    """A run's limits on time and money, as one worker sees them.

    Args:
        slot: of the worker that asks.
        now_ms: milliseconds since the epoch.
    """

    def __init__(
        self, store: RunStore, run: Run, slot: int, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._store, self._run, self._slot, self._now_ms = store, run, slot, now_ms
        self._submitted_ms = datetime.fromisoformat(run.submitted_at).timestamp() * 1000 if run.submitted_at else 0
        self._mine: Worker | None = None
        self._look_again = 0

    def spent(self) -> str:
        """Why no further trial may start, or ``""``."""
        limits, now = self._run.limits, self._now_ms()
        if limits.max_seconds and now - self._submitted_ms >= 1000 * limits.max_seconds:
            return f"{limits.max_seconds:g} s has passed since the submit"
        if limits.max_cost and limits.price and self._costly(now):
            return f"${limits.max_cost:g} is spent"
        return ""

    def _costly(self, now: int) -> bool:
        """As long as this worker has not used up an equal share, it need not look: some worker is the first to."""
        limits = self._run.limits
        self._mine = self._mine or self._store.worker(self._run.run, self._slot)
        if self._mine is None or now < self._look_again:
            return False
        share = limits.max_cost / limits.workers
        if dollars(self._mine, self._run, now) < share:
            return False
        self._look_again = now + int(1000 * limits.beat)
        workers = self._store.workers(self._run.run)
        return sum(dollars(worker, self._run, now) for worker in workers) >= limits.max_cost


def dollars(worker: Worker, run: Run, now_ms: int) -> float:
    """What a worker has cost since its slot first started, by the price in the run's limits."""
    return hours(worker, run, now_ms) * run.limits.price


def hours(worker: Worker, run: Run, now_ms: int) -> float:
    """How long a slot's worker was there, over all its starts; one that is gone, by its heartbeats."""
    gone = worker.dead or run.state in FINAL
    end = worker.started_ms + int(1000 * run.limits.beat * (worker.beat + 1)) if gone else now_ms
    return (worker.past_ms + max(0, min(end, now_ms) - worker.started_ms)) / 3_600_000
