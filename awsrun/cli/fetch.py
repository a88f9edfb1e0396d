"""``awsrun fetch``: download what a trial left."""

from __future__ import annotations

from pathlib import Path

import click

from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.runs import run_argument, stack_option


@click.command()
@run_argument
@click.argument("trial", type=int, required=False)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder (default: awsrun-out/RUN/TRIAL)."
)
@click.option("--only", type=click.Choice(["files", "best", "last"]), help="Only its files, or one checkpoint.")
@stack_option
@common
def fetch(
    run: str,
    trial: int | None,
    output: Path | None,
    only: str | None,
    stack: str | None,
    context: str | None,
    as_json: bool,
) -> None:
    """Download what TRIAL of RUN left: the files in its `trial.dir`, and its checkpoints.

    \b
      awsrun fetch last                     of the best trial
      awsrun fetch last 3 -o trial-3
      awsrun fetch last 3 --only best       awsrun-best.ckpt alone

    `awsrun-best.ckpt` is what the trial kept (trial.keep) when its metric was best, `awsrun-last.ckpt` how it ended, or
    where it stopped.  In Python: model.load_state_dict(awsrun.load_states("awsrun-best.ckpt")["model"]).
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    n, paths = found.fetch(trial, output, only)
    if as_json:
        emit({"run": found.id, "trial": n, "files": [str(path) for path in paths]})
        return
    for path in paths:
        click.echo(path)
    if not paths:
        say(f"trial {n} of {found.id} left nothing: no file in trial.dir, nothing kept with trial.keep")
