"""What commands share: the options ``--context`` and ``--json``, and where text goes.

With ``--json`` there is one JSON document on stdout; everything said to a person goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from awsrun.aws.clients import Cloud

F = TypeVar("F", bound=Callable[..., Any])
_FILE = 10_000  # characters in a line of a file: no table is as wide


def context_option(command: F) -> F:
    """``--context``: passed as ``context``, None for the current one."""
    return click.option(
        "--context",
        type=click.Choice(["local", "aws"]),
        help="The cloud to talk to, for this command alone (default: what `awsrun use` says).",
    )(command)


def json_option(command: F) -> F:
    """``--json``: passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def common(command: F) -> F:
    """Both: for every command that talks to a cloud and reports."""
    return context_option(json_option(command))


def connect(context: str | None, services: Iterable[str] = ()) -> Cloud:
    """The cloud of a command, named on stderr so that nobody is surprised where things happen."""
    from awsrun.aws.clients import connect as connected
    from awsrun.aws.context import current

    chosen = current(context)
    if chosen.name == "local":
        from awsrun.aws import embedded

        say(click.style("context: local (embedded cloud)", dim=True))
        if sys.stderr.isatty() and not embedded.about():
            say(click.style("starting it, which takes a few seconds", dim=True))
        cloud = connected(chosen, services)
        say_outdated(embedded.outdated())
        return cloud
    cloud = connected(chosen, services)
    say(click.style(f"context: {cloud.context}", dim=True))
    return cloud


def say_outdated(why: str) -> None:
    """Tell why the embedded cloud is not of this version, if it is not (`awsrun.aws.embedded.outdated`)."""
    if why:
        say(click.style(f"{why}: awsrun local stop; awsrun local start", fg="yellow"))


def console() -> Console:
    """Where tables are printed: as wide as the terminal, and elsewhere as wide as they are, with nothing cut short."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=_FILE)


def emit(data: Any) -> None:
    """Print the command's JSON document."""
    click.echo(json.dumps(data, indent=2, default=str))


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    click.echo(text, err=True)
