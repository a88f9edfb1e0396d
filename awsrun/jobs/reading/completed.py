"""The trials of a run as they finish, each once, however many there are and however long it takes.

A look reads the run and what is open of it: never a shard whose trials are all through, and of the others only from
the first trial on that is not.  So the cost of following a run follows from its time, not from its trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from awsrun.jobs.reading.reader import Reader, started
from awsrun.jobs.reading.status import trial_state
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import FINAL, SHARD, Run


class Completed:
    """What has finished since the last look.

    Args:
        reader: of the run.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._generation = -1
        self._attempts: dict[int, int] = {}  # trial -> its attempt that was given out
        self._open: dict[int, int] = {}  # shard -> its first trial that may still change

    def look(self, run: Run) -> Iterator[TrialRecord]:
        """The trials that have finished since, in the order in which they did.

        A trial that was put back by a retry comes again once it has finished again.  Of a run that was ended, those
        that were under way come as cancelled.
        """
        if run.generation != self._generation:
            self._generation = run.generation
            self._open = {}
        found = [trial for shard in range(started(run)) for trial in self._fresh(run, shard)]
        for trial in sorted(found, key=lambda trial: (trial.ended_ms, trial.n)):
            self._attempts[trial.n] = trial.attempt
            yield trial

    def _fresh(self, run: Run, shard: int) -> list[TrialRecord]:
        end = min((shard + 1) * SHARD, run.total)
        first = self._open.get(shard, shard * SHARD)
        if first >= end:
            return []
        self._reader.calls += 1
        trials = [trial for trial in self._reader.store.trials(self._reader.id, shard, first) if trial.n < end]
        for trial in trials:
            if trial.n != first or not trial.settled:
                break
            first += 1
        self._open[shard] = first
        over = run.state in FINAL
        return [
            replace(trial, state=trial_state(run, trial))
            for trial in trials
            if (trial.settled or over) and self._attempts.get(trial.n) != trial.attempt
        ]
