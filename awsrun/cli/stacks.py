"""``awsrun status``, ``outputs`` and ``drift``: what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import stack_names
from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.specs import variables_option

if TYPE_CHECKING:
    from awsrun.reconcile.status import Status

_COLOURS = {"ready": "green", "pending": "yellow", "deleting": "yellow", "broken": "red"}


@click.command()
@click.argument("stack", shell_complete=stack_names, required=False)
@common
def status(stack: str | None, context: str | None, as_json: bool) -> None:
    """Show all stacks, or the resources of one and the phase of each.

    \b
      awsrun status
      awsrun status mnist
      awsrun status mnist --json
    """
    from awsrun.reconcile import api

    found = api.status(stack, connect(context))
    if as_json:
        emit(found[0].to_json() if stack else [one.to_json() for one in found])
    elif stack:
        _show_resources(found[0])
    elif not found:
        say("no stack is applied here; begin with: awsrun apply specs/batch.yaml")
    else:
        for one in found:
            ready = sum(resource.seen.phase == "ready" for resource in one.resources)
            click.echo(f"{one.stack:<24}  {ready}/{len(one.resources)} ready  {_applied(one)}")


def _show_resources(stack: Status) -> None:
    click.echo(f"stack {stack.stack}: {_applied(stack)}")
    width = max((len(resource.name) for resource in stack.resources), default=0)
    kinds = max((len(resource.kind) for resource in stack.resources), default=0)
    for resource in stack.resources:
        phase = click.style(f"{resource.seen.phase:<8}", fg=_COLOURS.get(resource.seen.phase))
        said = filter(None, ("protected" if resource.protected else "", resource.seen.why))
        why = "".join(f"  {one}" for one in said)
        click.echo(f"  {phase}  {resource.name:<{width}}  {resource.kind:<{kinds}}  {resource.id}{why}")
    if stack.bill:
        from awsrun.cli.changes import show_cost

        show_cost(stack.bill, click.echo)
        if stack.bill.billed and stack.since and stack.bill.idle:
            cost = stack.bill.idle * stack.age
            click.echo(f"it is there for {_span(stack.age)}: about ${cost:,.2f} so far, had all of it been idle")


def _applied(stack: Status) -> str:
    if not stack.applied_at:
        return "no apply got to its end: run it again, or awsrun teardown " + stack.stack
    age = f", there for {_span(stack.age)}" if stack.since else ""
    return f"applied {stack.applied_at}{age}" + ("" if stack.complete else ", not completely: run awsrun apply again")


def _span(hours: float) -> str:
    """``3 days``, ``5 hours``, ``12 minutes``, ``less than a minute``."""
    for size, word in ((24.0, "day"), (1.0, "hour")):
        if hours >= 2 * size:
            return f"{hours / size:.0f} {word}s"
    minutes = int(hours * 60)
    return f"{minutes} minute{'s' * (minutes > 1)}" if minutes else "less than a minute"


@click.command()
@click.argument("stack", shell_complete=stack_names)
@click.argument("key", metavar="[NAME[.KEY]]", required=False)
@common
def outputs(stack: str, key: str | None, context: str | None, as_json: bool) -> None:
    """Print what STACK's resources put out: names, ARNs, addresses.

    \b
      awsrun outputs mnist
      awsrun outputs mnist results.name         one value, for scripts
      awsrun outputs mnist --json
    """
    from awsrun.reconcile import api

    found: Any = api.outputs(stack, connect(context))
    if key:
        found = _chosen(stack, found, key)
    if as_json:
        emit(found)
    elif not isinstance(found, dict):
        click.echo(_line(found))
    else:
        for name, value in _flat(found):
            click.echo(f"{name} = {_line(value)}")


def _chosen(stack: str, found: Any, key: str) -> Any:
    from awsrun.aws.errors import AwsrunError
    from awsrun.spec.mistakes import near

    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            known = found if isinstance(found, dict) else ()
            raise AwsrunError(f"stack {stack} has no output {key!r}{near(part, known)}", "", f"awsrun outputs {stack}")
        found = found[part]
    return found


def _flat(found: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for name, value in found.items():
        lines += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(before + name, value)]
    return lines


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@click.command()
@click.argument("spec", type=click.Path())
@variables_option
@common
def drift(spec: str, variables: Mapping[str, str], context: str | None, as_json: bool) -> int:
    """Show where AWS is not (any more) as SPEC has it, changes by hand included.  Nothing is written.

    \b
      awsrun drift specs/batch.yaml && echo as it should be

    `awsrun apply SPEC` mends it.  Exit code: 0 no difference, 2 differences, 1 error.
    """
    from awsrun.cli.changes import show_changes
    from awsrun.reconcile import api

    stack = api.load(spec, variables)
    found = api.drift(stack, connect(context, api.services(stack)))
    if as_json:
        emit(found.to_json())
    else:
        show_changes(found, click.echo)
        if found:
            say(f"to mend it: awsrun apply {spec}")
    return 2 if found else 0
