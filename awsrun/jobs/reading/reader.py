"""A run as its table has it.  Whatever cannot change any more is read once, so that watching a run stays cheap."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from awsrun.aws.errors import AwsrunError
from awsrun.worker.protocol import records
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import SHARD, Run
from awsrun.worker.protocol.store import RunStore

_RECENT = 5
_Counted = tuple[records.Shard, list[TrialRecord], list[TrialRecord]]  # the latest to end, the first that failed


@dataclass(frozen=True)
class Best:
    """The best trial by the run's metric."""

    n: int
    value: float
    params: dict[str, object]


@dataclass(frozen=True)
class Tally:
    """A run's trials, counted.

    Attributes:
        counts: trial state -> how many, of those that have started.
        seconds: what they took, over all attempts.
        lost: how many of the seconds ended with a lost worker.
        recent: a few of those that ended last, the latest first, as far as they were read one by one.
        failed: a few that failed, by number, likewise.
        reused: how many were taken from earlier runs.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    lost: float = 0.0
    best: Best | None = None
    recent: list[TrialRecord] = field(default_factory=list)
    failed: list[TrialRecord] = field(default_factory=list)
    reused: int = 0


class Reader:
    """Reads one run.

    Attributes:
        calls: how many queries it has made, for whoever wants to go easy on the table.
    """

    def __init__(self, store: RunStore, run: str) -> None:
        self.store = store
        self.id = run
        self.calls = 0
        self._sealed: dict[int, records.Shard] = {}
        self._settled: dict[int, _Counted] = {}
        self._generation = 0

    def run(self) -> Run:
        """The run's record.

        Raises:
            AwsrunError: there is none.
        """
        self.calls += 1
        found = self.store.run(self.id)
        if found is None:
            raise AwsrunError(f"there is no run {self.id}", hint="awsrun runs")
        return found

    def tally(self, run: Run) -> Tally:
        """The trials counted: sealed shards by their summary, the others one by one."""
        if run.generation != self._generation:  # failed trials were put back: what was final is no longer
            self._sealed.clear()
            self._settled.clear()
            self._generation = run.generation
        if 1 < started(run) > len(self._sealed):  # a single shard's trials cost the one query that its seal would
            self.calls += 1
            self._sealed = self.store.shards(self.id, run.generation)
        counts: Counter[str] = Counter()
        best, recent, failed = None, list[TrialRecord](), list[TrialRecord]()
        seconds, lost, reused = 0.0, 0.0, 0
        for shard in range(started(run)):
            found, ended, bad = self._count(run, shard)
            recent += ended
            failed += bad
            reused += found.reused
            counts.update(found.counts)
            seconds += found.seconds
            lost += found.lost
            if found.best and records.better(run.mode, found.best["value"], best.value if best else None):
                best = Best(int(found.best["n"]), found.best["value"], dict(found.best["params"]))
        return Tally(counts, seconds, lost, best, _latest(recent), failed[:_RECENT], reused)

    def trials(self, run: Run) -> Iterator[TrialRecord]:
        """The trials that have started, by number, a shard at a time."""
        for shard in range(started(run)):
            self.calls += 1
            yield from (trial for trial in self.store.trials(self.id, shard) if trial.n < run.total)

    def workers(self) -> list[records.Worker]:
        """Every worker that ever registered, by slot."""
        self.calls += 1
        return self.store.workers(self.id)

    def _count(self, run: Run, shard: int) -> _Counted:
        if sealed := self._sealed.get(shard):
            return sealed, [], []
        if shard in self._settled:
            return self._settled[shard]
        self.calls += 1
        trials = [trial for trial in self.store.trials(self.id, shard) if trial.n < run.total]
        failed = [trial for trial in trials if trial.state == "failed"]
        failed = sorted(failed, key=lambda trial: (trial.last is trial, trial.n))[:_RECENT]
        counted = records.summary(shard, run.generation, trials, run.mode), _latest(trials), failed
        if len(trials) == min(SHARD, run.total - shard * SHARD) and all(trial.settled for trial in trials):
            self._settled[shard] = counted
        return counted


def absent(run: Run, n: int) -> AwsrunError:
    """That a run has no trial ``n``."""
    why = f"its trials are 0 to {run.total - 1}" if run.total > 1 else "its only trial is 0"
    return AwsrunError(f"{run.run} has no trial {n}", why)


def _latest(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    return heapq.nlargest(_RECENT, (trial for trial in trials if trial.settled), key=lambda trial: trial.ended_ms)


def started(run: Run) -> int:
    """Shards that may hold trials: ``next`` may have run past the total."""
    return -(-min(run.next, run.total) // SHARD)
