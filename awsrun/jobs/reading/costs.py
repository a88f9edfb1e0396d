"""What a run costs, from its workers' records and the list price at its submit; nothing is counted while it runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from awsrun.jobs.style import scale_of
from awsrun.worker.protocol.budget import hours
from awsrun.worker.protocol.records import TrialRecord, Worker, better
from awsrun.worker.protocol.runs import FINAL, Run


@dataclass(frozen=True)
class Costs:
    """A run's costs in US dollars, by AWS's list price on demand.

    Attributes:
        billed: False on the embedded cloud, where all is free.
        hourly: list price of a worker's hour on AWS; None if it was not known at the submit.
        hours: that all workers were there, together.
        working: hours of these in which they ran trials, over all attempts; None as long as the run goes on.
        trials: how many have ended.
        points: by how much the best trial is better than the median one: of a share in percent, else in the metric's
            own unit; None where that is not known, or nothing.
        unit: of a point: ``% of validation accuracy``.
    """

    billed: bool
    hourly: float | None
    hours: float
    trials: int = 0
    points: float | None = None
    unit: str = ""
    working: float | None = None

    @property
    def idle(self) -> float | None:
        """Hours in which workers started, waited, or did what was lost with them; None as long as the run goes on."""
        return None if self.working is None else max(0.0, self.hours - self.working)

    @property
    def of_idle(self) -> float | None:
        """The part of the total that no trial has: with the trials' own costs it makes up the total."""
        return None if self.total is None or self.idle is None else self.total * self.idle / (self.hours or 1)

    @property
    def on_aws(self) -> float | None:
        """What the same hours of workers come to on AWS."""
        return None if self.hourly is None else self.hourly * self.hours

    @property
    def total(self) -> float | None:
        return self.on_aws if self.billed else 0.0

    @property
    def per_trial(self) -> float | None:
        """The total over the trials that have ended."""
        return None if self.total is None or not self.trials else self.total / self.trials

    @property
    def per_point(self) -> float | None:
        """The total over the points that the search has gained on its median trial."""
        return None if self.total is None or not self.points else self.total / self.points

    def trial(self, trial: TrialRecord) -> float | None:
        """Of a trial's time, over all its attempts; the workers' starts and waits are in the total alone."""
        if not self.billed:
            return 0.0
        return None if self.hourly is None else self.hourly * trial.seconds / 3600

    def record(self) -> dict[str, Any]:
        """As ``show --json`` prints it."""
        return {
            "total": self.total,
            "on_aws": self.on_aws,
            "hourly": self.hourly,
            "hours": round(self.hours, 4),
            "idle_hours": None if self.idle is None else round(self.idle, 4),
            "idle": self.of_idle,
            "per_trial": self.per_trial,
            "per_point": self.per_point,
            "unit": self.unit,
        }


def costs(
    run: Run,
    workers: Iterable[Worker],
    now_ms: int,
    trials: Sequence[TrialRecord] = (),
    seconds: float | None = None,
) -> Costs:
    """A run's costs so far.

    Args:
        now_ms: milliseconds since the epoch.
        trials: for what a trial and a point cost.
        seconds: what the trials took; the sum over ``trials`` unless given.
    """
    listed = run.provenance.get("hourly", run.limits.price or None)  # older runs know their price only with a limit
    points, unit = _gained(run, trials)
    took = sum(trial.seconds for trial in trials) if seconds is None else seconds
    return Costs(
        billed=run.provenance.get("context", "aws") != "local",
        hourly=None if listed is None else float(listed),
        hours=sum(hours(worker, run, now_ms) for worker in workers),
        trials=sum(trial.settled for trial in trials),
        points=points,
        unit=unit,
        working=took / 3600 if run.state in FINAL and (trials or seconds is not None) else None,
    )


def _gained(run: Run, trials: Sequence[TrialRecord]) -> tuple[float | None, str]:
    values = [t.value for t in trials if t.state == "done" and t.value is not None and better(run.mode, t.value, None)]
    if not run.metric or len(values) < 2:
        return None, ""
    scale = scale_of(run.metric, values)
    best = max(values) if run.mode == "max" else min(values)
    gained = abs(best - statistics.median(values)) * scale.factor
    return gained or None, f"{scale.unit} of {scale.name}" if scale.unit else f"point of {scale.name}"
