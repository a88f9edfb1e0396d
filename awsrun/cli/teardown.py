"""``awsrun teardown``: delete, and prove that nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import stack_names
from awsrun.cli.output import common, connect, emit, say

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud
    from awsrun.reconcile.teardown import Doomed, TornDown


@click.command()
@click.argument("stack", shell_complete=stack_names, required=False)
@click.option("--all", "every", is_flag=True, help="Every stack of this account and region.")
@click.option("--all-regions", "everywhere", is_flag=True, help="Every stack of this account.")
@click.option("--purge", is_flag=True, help="Delete buckets, tables and repositories with what is in them.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@common
def teardown(
    stack: str | None, every: bool, everywhere: bool, purge: bool, yes: bool, context: str | None, as_json: bool
) -> int:
    """Delete STACK, or all stacks, and look again that nothing is left.

    \b
      awsrun teardown mnist
      awsrun teardown --all --purge

    Needs no spec and no files: what belongs to awsrun is known by its tags, wherever it was applied from.  Live runs
    are cancelled, and the records of all runs are saved on this machine first (`awsrun results` still reads them).
    A bucket, table or repository that holds something goes only where its spec says `purge: true`, or with --purge;
    what its spec protects (`protect: true`) stays, with what that may need.

    Exit code: 0 nothing is left, 1 something was kept or is left, 130 Ctrl-C: the same command goes on.
    """
    from awsrun.aws.regions import elsewhere

    every = every or everywhere
    if (stack is None) != every:
        raise click.UsageError("say which stack, or --all (awsrun status lists them)")
    cloud = connect(context)
    out: Callable[[str], Any] = say if as_json else click.echo
    result, seconds = _delete(cloud, stack, purge, yes, out)
    unseen: Mapping[str, str] = {}
    if every:
        there = elsewhere(cloud)
        unseen = there.unseen if everywhere else {}
        for other, names in there.stacks.items():
            if everywhere:
                more, longer = _delete(other, None, purge, yes, out)
                result, seconds = result + more, seconds + longer
            else:
                out(f"in {other.region} there is more: {', '.join(names)} (awsrun teardown --all-regions)")
        if there.unseen:
            closed = ", ".join(f"{region} ({code})" for region, code in sorted(there.unseen.items()))
            say(f"could not look for stacks in {closed}")
    if as_json:
        emit(result.to_json())
    others = f" and all other regions{' but those' if unseen else ''}" if everywhere else ""
    _tell(result, out, seconds, stack, f"{cloud.context}{others}")
    return 1 if result.kept or result.left else 0


def _delete(
    cloud: Cloud, stack: str | None, purge: bool, yes: bool, out: Callable[[str], Any]
) -> tuple[TornDown, float]:
    """What was done, and the seconds it took after the answer."""
    from awsrun.cli.progress import Progress
    from awsrun.reconcile import api

    begun = time.monotonic()

    def close_runs(name: str) -> None:
        from awsrun.jobs.closing import close

        if saved := close(cloud, name):
            say(f"saved {len(saved)} run{'s' if len(saved) > 1 else ''} of {name} in {saved[0].parent}")

    with Progress() as progress:

        def confirm(doomed: Sequence[Doomed]) -> bool:
            from awsrun.cli.ask import agreed

            nonlocal begun
            with progress.paused():
                _announce(doomed, out)
                _announce_runs(cloud, doomed, out)
                going = [one for one in doomed if not one.why]
                going_on = agreed(f"Delete these {len(going)} for good?", yes, f"{len(going)} would be deleted")
            begun = time.monotonic()
            return going_on

        result = api.teardown(stack, cloud, purge, confirm, [close_runs], progress)
    return result, time.monotonic() - begun


def _announce(doomed: Sequence[Doomed], out: Callable[[str], Any]) -> None:
    width, kinds = max(len(one.name) for one in doomed), max(len(one.kind) for one in doomed)
    last = ""
    for one in doomed:
        if one.stack != last:
            out(f"stack {one.stack}:")
            last = one.stack
        sign, colour = ("keep", "yellow") if one.why else ("   -", "red")
        out(f"{click.style(sign, fg=colour, bold=True)} {one.name:<{width}}  {one.kind:<{kinds}}  {one.why or one.id}")


def _announce_runs(cloud: Cloud, doomed: Sequence[Doomed], out: Callable[[str], Any]) -> None:
    from awsrun.aws.names import runs_table
    from awsrun.jobs.closing import live

    for stack in dict.fromkeys(one.stack for one in doomed if one.name == runs_table(one.stack)):
        if runs := live(cloud, stack):
            out(click.style(f"live runs of {stack}, which will be cancelled: {', '.join(runs)}", fg="yellow"))


def _tell(result: TornDown, out: Callable[[str], Any], seconds: float, stack: str | None, where: str) -> None:
    whose = f"stack {stack}" if stack else "awsrun"
    again = f"awsrun teardown {stack or '--all'}"
    if not (result.deleted or result.kept or result.left):
        out(f"there was nothing to delete: nothing of awsrun is in {where}")
        return
    out(f"{len(result.deleted)} deleted in {seconds:.1f} s")
    for one in result.kept:
        out(f"kept {one.name} ({one.id}): {one.why}")
    for one in result.left:
        say(click.style(f"left {one.name} ({one.id}): {one.why}", fg="red"))
    if any(not one.protected for one in result.kept):
        out(f"to delete what holds data too: {again} --purge")
    if any(one.protected for one in result.kept):
        out(f"to delete what is protected: take `protect` out of its spec; awsrun apply SPEC; {again}")
    if result.left:
        say(f"run the same again: {again}")
    if not (result.kept or result.left):
        out(f"looked again: nothing of {whose} is left in {where}")
