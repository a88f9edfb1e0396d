"""``awsrun local``: the embedded cloud."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from awsrun.cli.output import emit, json_option

if TYPE_CHECKING:
    from awsrun.local.control import Status


@click.group()
def local() -> None:
    """Start, stop or reset the embedded cloud.

    It starts by itself when a command needs it, listens on this machine only, and keeps what it holds until `reset`.
    """


@local.command()
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on (default: the last one if free, else any).")
def start(port: int | None) -> None:
    """Start it, unless it runs."""
    from awsrun.local import control

    _tell(control.start(control.folder(), port))


@local.command()
def stop() -> None:
    """Stop it; resources and jobs stay, and jobs that ran start again with it."""
    from awsrun.local import control

    control.stop(control.folder())
    click.echo("stopped; what it holds is kept")


@local.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether it runs, and where."""
    from awsrun.local import control

    found = control.status(control.folder())
    if as_json:
        emit(asdict(found))
    else:
        _tell(found)


@local.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop it and forget everything it holds: stacks, runs, files, logs."""
    from awsrun.cli.ask import agreed
    from awsrun.local import control

    question = "Forget every stack, run and file of the embedded cloud?"
    if not agreed(question, yes, "everything in it would be forgotten"):
        raise click.Abort
    control.reset(control.folder())
    click.echo("forgotten: the embedded cloud is empty")


def _tell(found: Status) -> None:
    click.echo(f"running at {found.endpoint} (process {found.pid})" if found.running else "not running")
