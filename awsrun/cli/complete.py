"""Completion of stack names in shells."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def stack_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The applied stacks that begin so: for ``shell_complete`` of an argument."""
    return [CompletionItem(name) for name in _applied(ctx.params.get("context")) if name.startswith(incomplete)]


def _applied(context: str | None) -> list[str]:
    """The stacks of the current context; none where asking would start a server or fail."""
    from botocore.exceptions import BotoCoreError, ClientError

    from awsrun.aws import stacks
    from awsrun.aws.clients import connect
    from awsrun.aws.context import current
    from awsrun.aws.errors import AwsrunError
    from awsrun.aws.paths import data_dir

    try:
        chosen = current(context)
        if chosen.name == "local" and not (data_dir() / "local" / "server.json").exists():
            return []
        return stacks.names(connect(chosen))
    except (AwsrunError, BotoCoreError, ClientError):
        return []
