"""``awsrun cancel``, ``retry`` and ``resume``: change a run's course."""

from __future__ import annotations

import click

from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.runs import stack_option


@click.command()
@click.argument("run")
@click.argument("trial", type=int, required=False)
@stack_option
@common
def cancel(run: str, trial: int | None, stack: str | None, context: str | None, as_json: bool) -> int:
    """Stop RUN, or one TRIAL of it.  What is done stays; the rest can be taken up again with retry.

    \b
      awsrun cancel last
      awsrun cancel mnist-1123-1432-k3f 3

    Exit code: 1 if it was over already.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    state = found.cancel(trial)
    if as_json:
        emit({"run": found.id, "trial": trial, "state": state})
    what = found.id if trial is None else f"trial {trial} of {found.id}"
    say(f"{what} is cancelled" if state == "cancelled" else f"{what} was over already: {state}")
    return 0 if state == "cancelled" else 1


@click.command()
@click.argument("run")
@stack_option
@common
def retry(run: str, stack: str | None, context: str | None, as_json: bool) -> None:
    """Run the failed and cancelled trials of RUN again, with the code that was submitted.

    \b
      awsrun retry last

    Workers are started if there are none left.  Changed code needs a new submit.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    back, workers = found.retry()
    if as_json:
        emit({"run": found.id, "retried": back, "workers": workers})
    say(f"{back:,} trial{'s' * (back != 1)} of {found.id} will run again{_started(workers)}")


@click.command()
@click.argument("run")
@stack_option
@common
def resume(run: str, stack: str | None, context: str | None, as_json: bool) -> None:
    """Start workers again for a RUN that is not finished and has none.

    \b
      awsrun resume last

    For a run that shows as `stalled` or `not started`; a cancelled or failed one goes on where it stopped.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    workers = found.resume()
    if as_json:
        emit({"run": found.id, "workers": workers})
    say(f"{found.id} goes on{_started(workers)}; to follow it: awsrun show {found.id} --watch")


def _started(workers: int) -> str:
    return f", {workers:,} worker{'s' * (workers != 1)} started" if workers else ""
