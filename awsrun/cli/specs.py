"""The options of the commands that read a spec: ``--var``, ``--only`` and ``--refresh``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def variables_option(command: F) -> F:
    """``--var NAME=VALUE``: passed as ``variables``, a mapping; the last value of a name counts."""
    return click.option(
        "--var",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_read,
        help="A value for a variable of SPEC (repeatable; else AWSRUN_VAR_NAME, else its default).",
    )(command)


def only_option(command: F) -> F:
    """``--only NAME``: passed as ``only``, names of resources."""
    return click.option(
        "--only",
        metavar="NAME",
        multiple=True,
        help="This resource and what it needs (repeatable); all else is left as it is.",
    )(command)


def refresh_option(command: F) -> F:
    """``--refresh NAME``: passed as ``refresh``, names of resources."""
    return click.option(
        "--refresh",
        metavar="NAME",
        multiple=True,
        help="Find out anew what this resource's selectors stand for, such as the newest image (repeatable).",
    )(command)


def _read(ctx: click.Context, param: click.Parameter, written: tuple[str, ...]) -> Mapping[str, str]:
    found = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        found[name.strip()] = value
    return found
