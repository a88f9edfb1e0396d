"""Completion of names in shells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud

T = TypeVar("T")
_LISTED = 100  # runs that are offered


def stack_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The applied stacks that begin so: for ``shell_complete`` of an argument."""
    return [CompletionItem(name) for name in _applied(ctx.params.get("context")) if name.startswith(incomplete)]


def run_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``last`` and the runs that begin so, newest first; zsh and fish show beside each what ran and how it stands."""

    def ask(cloud: Cloud) -> list[CompletionItem]:
        from awsrun.jobs.site import entries

        found = entries(cloud, ctx.params.get("stack"), _LISTED)
        return [CompletionItem(entry.run, help=f"{entry.job}, {entry.state}") for _, entry in found]

    every = [CompletionItem("last", help="the newest"), *_asked(ctx.params.get("context"), ask)]
    return [item for item in every if item.value.startswith(incomplete)]


def machine_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The servers of stacks that begin so; with their stack where that is being typed, or tells them apart."""

    def ask(cloud: Cloud) -> list[tuple[str, str]]:
        from awsrun.ssh.machine import machines

        return [(one.stack, one.name) for one in machines(cloud)]

    return _named(ctx, incomplete, ask)


def function_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The functions of stacks that begin so, in the same way."""

    def ask(cloud: Cloud) -> list[tuple[str, str]]:
        from awsrun.invoke.function import functions

        return [(one.stack, one.name) for one in functions(cloud)]

    return _named(ctx, incomplete, ask)


def _named(ctx: click.Context, incomplete: str, ask: Callable[[Cloud], list[tuple[str, str]]]) -> list[CompletionItem]:
    """``NAME`` where it is the only one of that name, and ``STACK/NAME``, of those that ``ask`` finds."""
    every = _asked(ctx.params.get("context"), ask)
    count = Counter(name for _, name in every)
    found = [name for _, name in every if count[name] == 1] + [f"{stack}/{name}" for stack, name in every]
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _applied(context: str | None) -> list[str]:
    from awsrun.aws import stacks

    return _asked(context, stacks.names)


def _asked(context: str | None, ask: Callable[[Cloud], list[T]]) -> list[T]:
    """What ``ask`` finds in the current context; nothing where asking would start a server or fail."""
    from botocore.exceptions import BotoCoreError, ClientError

    from awsrun.aws.clients import connect
    from awsrun.aws.context import current
    from awsrun.aws.errors import AwsrunError
    from awsrun.aws.paths import data_dir
    from awsrun.worker.protocol.table import Unanswered

    try:
        chosen = current(context)
        if chosen.name == "local" and not (data_dir() / "local" / "server.json").exists():
            return []
        return ask(connect(chosen))
    except (AwsrunError, BotoCoreError, ClientError, Unanswered):
        return []
