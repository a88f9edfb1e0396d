"""``awsrun cancel``, ``pause``, ``resume`` and ``retry``: change a run's course."""

from __future__ import annotations

import click

from awsrun.cli.complete import run_ids
from awsrun.cli.follow import called_off, missing
from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.runs import stack_option


@click.command()
@click.argument("run", shell_complete=run_ids)
@click.argument("trial", type=int, required=False)
@stack_option
@common
def cancel(run: str, trial: int | None, stack: str | None, context: str | None, as_json: bool) -> int:
    """Stop RUN, or one TRIAL of it, at once.  What is done stays; resume takes up the rest again.

    \b
      awsrun cancel last
      awsrun cancel mnist-1123-1432-k3f 3

    To stop it for a while, with its trials' states kept: awsrun pause RUN.

    Exit code: 1 if it was over already.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    state = found.cancel(trial)
    if as_json:
        emit({"run": found.id, "trial": trial, "state": state})
    what = found.id if trial is None else f"trial {trial} of {found.id}"
    say(f"{what} is cancelled" if state == "cancelled" else f"{what} was over already: {state}")
    if trial is None and state != "cancelled":
        called_off(found.dismiss())
    return 0 if state == "cancelled" else 1


@click.command()
@click.argument("run", shell_complete=run_ids)
@stack_option
@common
def pause(run: str, stack: str | None, context: str | None, as_json: bool) -> None:
    """Stop RUN for a while: trials write a checkpoint and are given back, workers go.  Nothing is billed meanwhile.

    \b
      awsrun pause last
      awsrun resume last            goes on where it stopped

    A trial that keeps nothing (trial.keep, trial.save) starts anew when the run goes on.  No trial counts as failed.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    found.pause()
    if as_json:
        emit({"run": found.id, "state": "paused"})
    say(f"{found.id} is paused, its workers are leaving; to go on: awsrun resume {found.id}")


@click.command()
@click.argument("run", shell_complete=run_ids)
@stack_option
@common
def resume(run: str, stack: str | None, context: str | None, as_json: bool) -> None:
    """Let RUN go on: one that is paused, that was cancelled or failed, or that has no workers left.

    \b
      awsrun pause last
      awsrun resume last            `awsrun continue last` is the same

    Workers are started.  Trials go on from their last checkpoints; failed and cancelled ones of a run that had ended
    are run again.  Also for a run that shows as `stalled` or `not started`.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    workers = found.resume()
    if as_json:
        emit({"run": found.id, "workers": workers})
    missing(found)
    say(f"{found.id} goes on{_started(workers)}; to follow it: awsrun show {found.id} --watch")


@click.command()
@click.argument("run", shell_complete=run_ids)
@click.argument("trials", type=int, nargs=-1, metavar="[TRIAL]...")
@click.option("--fresh", is_flag=True, help="From the beginning, not from their last checkpoints.")
@stack_option
@common
def retry(
    run: str, trials: tuple[int, ...], fresh: bool, stack: str | None, context: str | None, as_json: bool
) -> None:
    """Run the failed trials of RUN again, or those given, with the code that was submitted.

    \b
      awsrun retry last                 all that failed
      awsrun retry last 3 7 12          these, failed or cancelled
      awsrun retry last 3 --fresh       without the checkpoint that trial 3 left

    Workers are started if there are none left.  What is done stays.  Changed code needs a new submit.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    back, workers = found.retry(*trials, fresh=fresh)
    if as_json:
        emit({"run": found.id, "retried": back, "workers": workers})
    missing(found)
    if back:
        say(f"{back:,} trial{'s' * (back != 1)} of {found.id} will run again{_started(workers)}")
    else:
        say(f"no trial of {found.id} had begun; it goes on{_started(workers)}")


def _started(workers: int) -> str:
    return f", {workers:,} worker{'s' * (workers != 1)} started" if workers else ""
