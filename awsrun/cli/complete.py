"""Completion of names in shells."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud


def stack_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The applied stacks that begin so: for ``shell_complete`` of an argument."""
    return [CompletionItem(name) for name in _applied(ctx.params.get("context")) if name.startswith(incomplete)]


def machine_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The servers of stacks that begin so; with their stack where that is being typed, or tells them apart."""
    found = _asked(ctx.params.get("context"), _machines)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _machines(cloud: Cloud) -> list[str]:
    from collections import Counter

    from awsrun.ssh.machine import machines

    every = machines(cloud)
    count = Counter(one.name for one in every)
    return [one.name for one in every if count[one.name] == 1] + [one.whole_name for one in every]


def _applied(context: str | None) -> list[str]:
    from awsrun.aws import stacks

    return _asked(context, stacks.names)


def _asked(context: str | None, ask: Callable[[Cloud], list[str]]) -> list[str]:
    """What ``ask`` finds in the current context; nothing where asking would start a server or fail."""
    from botocore.exceptions import BotoCoreError, ClientError

    from awsrun.aws.clients import connect
    from awsrun.aws.context import current
    from awsrun.aws.errors import AwsrunError
    from awsrun.aws.paths import data_dir

    try:
        chosen = current(context)
        if chosen.name == "local" and not (data_dir() / "local" / "server.json").exists():
            return []
        return ask(connect(chosen))
    except (AwsrunError, BotoCoreError, ClientError):
        return []
