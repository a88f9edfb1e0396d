"""What a run is after: the numbers that tell good trials from bad ones, and in which direction each is better."""

from __future__ import annotations

import math

from awsrun.worker.protocol.records import TrialRecord, number
from awsrun.worker.protocol.runs import Run


def reached(run: Run, trial: TrialRecord) -> tuple[float, ...] | None:
    """A trial's values of all that the run is after, in that order; None unless it is done and has them all.

    The first is the trial's value; the others are those of its result.
    """
    if trial.state != "done":
        return None
    result = trial.result if isinstance(trial.result, dict) else {}
    found = [number(trial.value), *(number(result.get(name)) for name in [*run.goals][1:])]
    values = [one for one in found if one is not None]
    return tuple(values) if len(values) == len(run.goals) and all(map(math.isfinite, values)) else None
