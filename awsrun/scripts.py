"""What scripts call that concerns stacks and runs alike; everything else is of one side and lives there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from awsrun.aws.clients import Cloud, connect
from awsrun.jobs.closing import close
from awsrun.reconcile import api
from awsrun.reconcile.progress import Observer, silent
from awsrun.reconcile.teardown import Doomed, TornDown


def teardown(
    stack: str | None = None,
    context: Cloud | str | None = None,
    purge: bool = False,
    confirm: Callable[[Sequence[Doomed]], bool] = lambda doomed: True,
    observer: Observer = silent,
) -> TornDown:
    """Delete a stack, or everything that awsrun made in this account and region; needs no spec.

    Runs of it that are not over are cancelled; the records of all its runs are kept on this machine, where `awsrun.Run`
    finds them.

    Args:
        stack: None means all of them.
        context: a cloud, or the context to connect to; the current one unless given.
        purge: what holds data goes too; else only where its spec said ``purge: true``.
        confirm: is shown what would go, and says whether to go on.
        observer: is told what happens.

    Raises:
        AwsrunError: there is no such stack, not confirmed, somebody else is changing it, stopped by a signal.

    Example:
        >>> awsrun.teardown("mnist").left
        ()
    """
    cloud = context if isinstance(context, Cloud) else connect(context)
    return api.teardown(stack, cloud, purge, confirm, [lambda name: _close(cloud, name)], observer)


def _close(cloud: Cloud, stack: str) -> None:
    close(cloud, stack)
