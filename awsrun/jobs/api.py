"""``awsrun.submit`` and ``awsrun.run``: sweeps from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from awsrun.aws.clients import Cloud, connect
from awsrun.jobs.reading.status import Status
from awsrun.jobs.run import Run
from awsrun.jobs.site import entries, open_site
from awsrun.jobs.submit import submission
from awsrun.jobs.submit.experiment import Experiment, Options
from awsrun.jobs.submit.experiment_file import build
from awsrun.jobs.submit.request import Request, prepare
from awsrun.worker.protocol.runs import RunEntry

if TYPE_CHECKING:
    from typing_extensions import Unpack


def submit(
    job: str | Path | Experiment, *, context: str | None = None, cloud: Cloud | None = None, **options: Unpack[Options]
) -> Run:
    """Run a Python file once per set of parameters; returns as soon as the workers are asked for.

    Args:
        job: the Python file, an experiment, or the YAML file of one.
        context, cloud: which cloud; the current context unless given.
        options: the fields of `Experiment`; of an experiment, they replace its own.

    Raises:
        AwsrunError: something does not fit; nothing was called then, or AWS refuses.

    Example:
        >>> run = awsrun.submit("jobs/mnist.py", grid={"lr": [0.1, 0.01]}, timeout="30m")
    """
    experiment = build(job, options)
    request = prepare(experiment)
    chosen = cloud or connect(context)
    site = open_site(chosen, experiment.stack)
    return Run(submission.submit(request, site), stack=site.stack, cloud=chosen)


def check(job: str | Path | Experiment, **options: Unpack[Options]) -> Request:
    """What `submit` would send, with no call made: the trials, their parameters, the files.

    Args:
        job, options: as of `submit`.

    Raises:
        AwsrunError: something does not fit.

    Example:
        >>> request = awsrun.check("jobs/mnist.py", range={"lr": "1e-4..1e-1:log"}, trials=20)
        >>> request.total, request.params(0)
        (20, {'lr': 0.0170383982})
    """
    return prepare(build(job, options))


def runs(
    stack: str | None = None, *, limit: int | None = 20, context: str | None = None, cloud: Cloud | None = None
) -> list[RunEntry]:
    """The runs, newest first, those of stacks that were torn down too: run, job, total, state, submitted_at.

    Args:
        stack: only its runs.
        limit: how many, None for all.
        context, cloud: which cloud; the current context unless given.

    Example:
        >>> run = awsrun.Run(awsrun.runs(limit=1)[0].run)
    """
    return [entry for _, entry in entries(cloud or connect(context), stack, limit)]


def run(
    job: str | Path | Experiment,
    *,
    wait: float | None = None,
    progress: Callable[[Status], object] | None = None,
    context: str | None = None,
    cloud: Cloud | None = None,
    **options: Unpack[Options],
) -> Run:
    """`submit`, then wait until the run is over.

    Args:
        wait: seconds to wait at most.
        progress: called with each `Status`.
    """
    submitted = submit(job, context=context, cloud=cloud, **options)
    submitted.wait(timeout=wait, progress=progress)
    return submitted
