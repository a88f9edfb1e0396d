"""Reads what a report tells of a run: a few queries, one for each of the best trials, two for each failed one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.logs import Line
from awsrun.jobs.reading.status import Status
from awsrun.jobs.report import data
from awsrun.jobs.views.table import best_first
from awsrun.worker.protocol.records import Report, TrialRecord
from awsrun.worker.protocol.runs import Run as Record


class Run(Protocol):
    """What is asked of a run; see `awsrun.Run`."""

    @property
    def record(self) -> Record: ...

    @property
    def stack(self) -> str: ...

    def status(self, diagnose: bool = True) -> Status: ...

    def trials(self) -> Iterator[TrialRecord]: ...

    def costs(self, trials: Sequence[TrialRecord]) -> Costs: ...

    def curve(self, trial: TrialRecord) -> Sequence[Report]: ...

    def logs(self, trial: int) -> Iterator[Line]: ...

    def diff(self) -> str: ...


def gather(run: Run) -> data.Material:
    """Everything; of a run whose stack was torn down what its export has: no log lines and no diff."""
    record, status, trials = run.record, run.status(diagnose=False), list(run.trials())
    best = [trial for trial in best_first(record, trials)[: data.CURVES] if trial.state == "done"]
    return data.Material(
        run=record,
        stack=run.stack,
        status=status,
        costs=run.costs(trials),
        trials=trials,
        curves=[(trial, run.curve(trial)) for trial in best] if record.metric else [],
        logs={trial.n: _tail(run, trial.n) for trial in data.failed(trials)},
        diff=_diff(run),
    )


def _tail(run: Run, n: int) -> list[str]:
    try:
        return [line.text for line in deque(run.logs(n), maxlen=data.LOG_LINES)]
    except AwsrunError:  # no logs are kept, or none any more
        return []


def _diff(run: Run) -> str:
    from botocore.exceptions import ClientError

    try:
        return run.diff()
    except (AwsrunError, ClientError):  # torn down, or taken away
        return ""
