"""Pruning without a driver: each worker compares its trial with those on the table, and lets the best of them past.

A trial that is not among the best at a rung is settled ``paused``, behind its checkpoint.  Before a worker starts a new
trial it looks for a paused one that is among the best by now, and takes it over.  When nothing else is left to do, the
paused become ``stopped``: what they reported last is their result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from awsrun.worker.protocol.records import Run, Standing, TrialRecord
from awsrun.worker.protocol.rungs import ahead, ranking
from awsrun.worker.protocol.store import RunStore

_FIXED = frozenset({"done", "stopped"})


class Pruning:
    """Decides on a run's trials for one worker."""

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run = store, run
        self._past: set[tuple[int, int]] = set()  # (rung, trial): it will never wait there again

    def goes_on(self, standing: Standing) -> bool:
        """Put down where a trial stands; whether it is among the best that have come so far.

        One that has come further before, and started anew after a loss, goes on.
        """
        run, rung, n = self._run.run, standing.rung, standing.n
        self._store.stand(run, standing)
        if n in ahead(self._store.standings(run, rung), self._run.mode, self._run.limits.eta):
            return True
        return standing.attempt > 1 and self._store.stood(run, rung + 1, n)

    def promotable(self) -> Iterator[TrialRecord]:
        """Paused trials that are among the best of their rung by now: of the highest rung first, the best first."""
        for rung, there in self._rungs():
            for n in ahead(there, self._run.mode, self._run.limits.eta):
                if (rung, n) in self._past:
                    continue
                trial = self._store.trial(self._run.run, n)
                if trial is None or trial.rung > rung or trial.state in _FIXED:
                    self._past.add((rung, n))
                elif trial.state == "paused" and trial.rung == rung:
                    yield trial

    def first(self, paused: Iterable[TrialRecord]) -> TrialRecord | None:
        """The best of the highest rung, for a run of which no trial would ever be done; None if all are NaN."""
        rungs: dict[int, dict[int, TrialRecord]] = defaultdict(dict)
        for trial in paused:
            if trial.value is not None and trial.value == trial.value:
                rungs[trial.rung][trial.n] = trial
        if not rungs:
            return None
        there = rungs[max(rungs)]
        standings = [Standing(t.rung, t.n, t.attempt, t.value) for t in there.values() if t.value is not None]
        return there[ranking(standings, self._run.mode)[0].n]

    def _rungs(self) -> list[tuple[int, list[Standing]]]:
        """What stands at each rung, the highest rung first; those that have come further are passed over."""
        rungs: dict[int, list[Standing]] = defaultdict(list)
        for standing in self._store.standings(self._run.run):
            rungs[standing.rung].append(standing)
            if standing.rung:
                self._past.add((standing.rung - 1, standing.n))
        return sorted(rungs.items(), reverse=True)
