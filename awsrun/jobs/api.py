"""``awsrun.submit`` and ``awsrun.run``: sweeps from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from awsrun.aws.clients import Cloud, connect
from awsrun.jobs import submission
from awsrun.jobs.experiment import Experiment, Options
from awsrun.jobs.experiment_file import build
from awsrun.jobs.run import Run
from awsrun.jobs.site import open_site
from awsrun.jobs.status import Status

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
    request = submission.prepare(experiment)
    chosen = cloud or connect(context)
    site = open_site(chosen, experiment.stack)
    return Run(submission.submit(request, site), stack=site.stack, cloud=chosen)


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
