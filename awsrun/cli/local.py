"""``awsrun local``: the embedded cloud."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import emit, json_option

if TYPE_CHECKING:
    from awsrun.local.control import Status


SHARE = click.FloatRange(0, 1)


def _quotas(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, float] | None:
    """Code -> value; None where none is given, so that what was told before stays."""
    try:
        return {code: float(value) for code, _, value in (one.partition("=") for one in given)} if given else None
    except ValueError:
        raise click.BadParameter("write CODE=VALUE, as L-DB2E81BA=64") from None


@click.group()
def local() -> None:
    """Start, stop or reset the embedded cloud.

    \b
      awsrun local status
      awsrun local start --strict                         as hard as AWS
      awsrun local stop; awsrun local start               after an upgrade of awsrun; all that it holds stays

    It starts by itself when a command needs it, listens on this machine only, and keeps what it holds until `reset`.
    """


@local.command()
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on (default: the last one if free, else any).")
@click.option("--strict/--no-strict", default=None, help="As hard as AWS: in-use errors, lag, states, throttles.")
@click.option("--throttle", type=SHARE, metavar="RATE", help="With --strict: share of calls throttled at random (0.1).")
@click.option("--lose", type=SHARE, metavar="RATE", help="With --strict: share of calls whose answer is lost (0.03).")
@click.option("--scarce", type=SHARE, metavar="RATE", help="With --strict: share of ECS tasks that find no room (0.2).")
@click.option(
    "--time-scale",
    type=click.FloatRange(0, min_open=True),
    metavar="F",
    help="With --strict: seconds here for one of AWS (0.01 makes a minute 0.6 s).",
)
@click.option("--iam/--no-iam", default=None, help="Calls need rights: IAM users, roles, jobs only by their role.")
@click.option("--containers/--no-containers", default=None, help="Jobs run in their images, with Docker; without GPUs.")
@click.option(
    "--quota",
    "quotas",
    multiple=True,
    metavar="CODE=VALUE",
    callback=_quotas,
    help="A service quota (repeatable; the rest are those of a new account: L-DB2E81BA=64 allows GPUs).",
)
def start(port: int | None, **changes: Any) -> None:
    """Start it, unless it runs.

    \b
      awsrun local start
      awsrun local start --strict --throttle 0.1 --lose 0.03 --time-scale 0.01
      awsrun local start --iam
      awsrun local start --containers
      awsrun local start --no-strict --no-iam --no-containers

    How it behaves is kept until it is told otherwise; where it runs and is told otherwise, it is started again, and
    what it holds stays.
    """
    from awsrun.local import control

    _tell(control.start(control.folder(), port, changes))


@local.command(short_help="Stop it; what it holds is kept.")
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
    from awsrun.aws.errors import AwsrunError
    from awsrun.cli.ask import agreed
    from awsrun.local import control

    question = "Forget every stack, run and file of the embedded cloud?"
    if not agreed(question, yes, "everything in it would be forgotten"):
        raise AwsrunError("nothing was forgotten", "it was not confirmed")
    control.reset(control.folder())
    click.echo("forgotten: the embedded cloud is empty")


def _tell(found: Status) -> None:
    from awsrun.aws.embedded import outdated
    from awsrun.cli.output import say_outdated

    how = f", {found.options}" if str(found.options) else ""
    click.echo(f"running at {found.endpoint} (process {found.pid}){how}" if found.running else f"not running{how}")
    if found.running:
        say_outdated(outdated())
