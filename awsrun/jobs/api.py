"""``awsrun.submit`` and ``awsrun.run``: sweeps from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from awsrun.aws.clients import Cloud, connect
from awsrun.jobs import submission
from awsrun.jobs.run import Run
from awsrun.jobs.site import open_site
from awsrun.jobs.status import Status


def submit(
    job: str | Path,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    range: Mapping[str, Sequence[Any]] | None = None,
    set: Mapping[str, Any] | None = None,
    inputs: str | Path | None = None,
    search: str | None = None,
    trials: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    retries: int = 0,
    timeout: float = 0.0,
    keep_going: bool = False,
    requirements: str | Path | None = None,
    until: Mapping[str, float] | None = None,
    max_time: float = 0.0,
    max_cost: float = 0.0,
    stack: str | None = None,
    context: str | None = None,
    cloud: Cloud | None = None,
) -> Run:
    """Run a Python file once per set of parameters; returns as soon as the workers are asked for.

    Args:
        job: the file; its entry function's signature says which parameters there are.
        grid: name -> values; every combination is a trial, the first name turns slowest.
        range: name -> (low, high) or (low, high, "log"); drawn at random, needs ``trials``.
        set: name -> value, the same for every trial.
        inputs: a JSON, JSONL or CSV file; every line is a trial (times the grid).
        search: "grid", "random" or "bayes" (needs optuna in the workers' image); random if there is a range.
        trials: how many; random and Bayesian search only.
        seed: of the draws and of each trial's own randomness.
        workers: at most so many; as many as trials and vCPUs allow unless given (one for each 5 trials of a Bayesian
            search).
        retries: how often a trial that raised is run again.
        timeout: seconds per attempt of a trial; 0 means none.
        keep_going: do not end the run when all trials fail alike.
        requirements: a requirements file below the project root, installed once per worker.
        until: the job's metric -> a value; no further trial starts once one is as good.
        max_time: seconds after which no further trial starts; 0 means no limit.
        max_cost: US dollars, by list price of the workers, at which no further trial starts; 0 means no limit.
        stack: needed only where several stacks can run jobs.
        context, cloud: which cloud; the current context unless given.

    Raises:
        AwsrunError: something does not fit; nothing was called then, or AWS refuses.
    """
    request = submission.prepare(
        job,
        grid,
        range,
        set,
        inputs,
        search,
        trials,
        seed,
        workers,
        retries,
        timeout,
        keep_going,
        requirements,
        until,
        max_time,
        max_cost,
    )
    chosen = cloud or connect(context)
    site = open_site(chosen, stack)
    return Run(submission.submit(request, site), stack=site.stack, cloud=chosen)


def run(
    job: str | Path, *, wait: float | None = None, progress: Callable[[Status], object] | None = None, **options: Any
) -> Run:
    """`submit`, then wait until the run is over.

    Args:
        wait: seconds to wait at most.
        progress: called with each `Status`.
        options: as for `submit`.
    """
    submitted = submit(job, **options)
    submitted.wait(timeout=wait, progress=progress)
    return submitted
