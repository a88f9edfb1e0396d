"""What a user says of pruning: refused where there is nothing to compare, and put in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.signature import Signature
from awsrun.worker.protocol.rungs import Halving
from awsrun.worker.protocol.samplers import SAMPLERS

MOST = 10_000
"""Trials of a run that is pruned: before each one, a worker reads where those before it stood."""


class Prune(BaseModel):
    """Asynchronous successive halving: at which steps trials are compared, and which of them go on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    eta: int = Field(default=3, ge=2, description="Of the trials that came so far, one in so many goes on.")
    min: int = Field(default=1, ge=1, description="Reports that each trial makes before the first comparison.")


def limits(known: Signature, space: Mapping[str, Any], asked: Prune | None) -> dict[str, Any]:
    """What a run's limits say of it.

    Raises:
        AwsrunError: its trials cannot be compared.
    """
    if asked is None:
        return {}
    if space["search"] == "inputs":
        raise AwsrunError("inputs cannot be pruned", "each line is work of its own, and no worse than another")
    if not known.metric:
        raise AwsrunError(
            "--prune needs to know which number tells good trials from bad ones",
            "the job names no metric",
            'awsrun.main(train, metric="val_accuracy", mode="max") at the end of the job file',
        )
    if known.objectives:
        why = f"trials that are after {' and '.join(known.objectives)} are not simply better or worse"
        raise AwsrunError("--prune is for one metric", why, f"--metric {known.metric}:{known.mode}")
    if space["search"] in SAMPLERS and not SAMPLERS[space["search"]].pruned:
        why = "it learns from trials that came to their end, and pruning lets few do that"
        called = SAMPLERS[space["search"]].called
        raise AwsrunError(f"--prune does not go with a {called} search", why, "--search bayes")
    if space["total"] > MOST:
        raise AwsrunError(f"{space['total']:,} trials are not possible with --prune", f"at most {MOST:,} are")
    return {"eta": asked.eta, "least": asked.min}


def told(known: Signature, eta: int, least: int) -> Iterator[str]:
    """What will happen, and what the job lacks for it."""
    steps = ", ".join(str(Halving(eta, least).steps(rung)) for rung in range(3))
    yield f"compared by {known.metric} after {steps}, ... reports: one in {eta} goes on, the others wait or are stopped"
    if "report" not in known.calls:
        yield f"{known.path.name} itself never calls trial.report: trials that report nothing are not compared"
    elif not known.calls & {"keep", "save"}:
        yield f"{known.path.name} keeps nothing (trial.keep): a trial that waited and goes on starts anew"
