"""``awsrun invoke``: calls of a function, one or many."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import function_names
from awsrun.cli.output import common, connect, emit, say

if TYPE_CHECKING:
    from awsrun.invoke.calls import Answer, Caller, Calls
    from awsrun.invoke.function import Function

AT_ONCE = 50


@click.command()
@click.argument("name", shell_complete=function_names)
@click.option(
    "-p", "--payload", default="{}", metavar="JSON", help="The event: JSON, @FILE, or - for standard input.  [{}]"
)
@click.option(
    "-n", "--count", type=click.IntRange(1, 100_000), help="Call it so many times at once, and say how it went."
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 1000),
    default=AT_ONCE,
    help=f"Calls that are on their way at most.  [{AT_ONCE}]",
)
@click.option(
    "--async", "asynchronous", is_flag=True, help="Do not wait for answers: Lambda takes the events and runs them."
)
@click.option("--log", is_flag=True, help="Print the end of what the function wrote, on stderr.")
@common
def invoke(
    name: str,
    payload: str,
    count: int | None,
    at_once: int,
    asynchronous: bool,
    log: bool,
    as_json: bool,
    context: str | None,
) -> int:
    """Call the function NAME (or STACK/NAME) and print its answer.

    \b
      awsrun invoke hello --payload '{"name": "Ada"}'
      awsrun invoke hello --payload @event.json --log
      awsrun invoke hello -n 100
      awsrun invoke hello -n 100 --async

    With -n, many calls are made side by side, and rate, latencies and errors are reported.  Exit code: 1 where the
    function failed, or one of the calls did.
    """
    from awsrun.aws.errors import Stopped
    from awsrun.invoke.calls import Caller
    from awsrun.invoke.function import find

    if log and (asynchronous or count):
        raise click.UsageError("--log is for a single call that is waited for; awsrun prints no log of others")
    event, cloud = _event(payload), connect(context)
    function = find(cloud, name)
    caller = Caller(cloud, function, min(at_once, count or 1))
    if count is None:
        return _one(caller, event, asynchronous, log, as_json)
    calls = _many(caller, count, event, asynchronous)
    emit(calls.to_json()) if as_json else _tell(calls)
    if unsent := calls.count - len(calls.answers):
        raise Stopped(f"stopped: {unsent:,} call{'s were' if unsent > 1 else ' was'} not made")
    return int(calls.good < calls.count)


def _one(caller: Caller, event: bytes, asynchronous: bool, log: bool, as_json: bool) -> int:
    from awsrun.invoke.calls import failure

    answer = caller.call(event, asynchronous, log=True)
    if as_json:
        emit(_document(caller.function, answer, asynchronous))
        return int(bool(answer.error))
    if answer.error:
        raise failure(caller.function, answer)
    if log and answer.log.strip():
        say(click.style(answer.log.rstrip(), dim=True))
    if asynchronous:
        click.echo(f"{caller.function.name}: taken")
    else:
        click.echo(_pretty(answer.payload))
    return 0


def _document(function: Function, answer: Answer, asynchronous: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"function": function.whole_name, "seconds": round(answer.seconds, 4)}
    if asynchronous:
        return {**found, "taken": True}
    return {**found, "answer": _value(answer.payload), "error": answer.error or None, "log": answer.log}


def _many(caller: Caller, count: int, event: bytes, asynchronous: bool) -> Calls:
    """With a bar at a terminal."""
    if not sys.stderr.isatty():
        return caller.many(count, event, asynchronous)
    verb = "taken" if asynchronous else "answered"
    with click.progressbar(length=count, label=f"{caller.function.name} {verb}", file=sys.stderr, show_pos=True) as bar:
        return caller.many(count, event, asynchronous, lambda done: bar.update(done - bar.pos))


def _tell(calls: Calls) -> None:
    verb = "taken" if calls.asynchronous else "answered"
    made = (
        f"{len(calls.answers)} of {calls.count} calls" if len(calls.answers) < calls.count else f"{calls.count} calls"
    )
    failed = len(calls.answers) - calls.good
    speed = f"in {calls.seconds:.2f} s ({calls.rate:.0f} a second)"
    click.echo(f"{calls.name}: {made} {speed}: {calls.good} {verb}, {failed} failed")
    if calls.good:
        took = ", ".join(f"p{percent} {_time(calls.latency(percent))}" for percent in (50, 95, 99))
        click.echo(f"{verb} within {took}, the slowest {_time(calls.latency(100))}")
    for error, times in calls.errors.most_common(5):
        click.echo(f"{times} × {error}")


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _event(given: str) -> bytes:
    """The event, which Lambda wants as JSON."""
    from awsrun.aws.errors import AwsrunError

    try:
        text = given
        if given == "-":
            text = sys.stdin.read()
        elif given.startswith("@"):
            text = Path(given[1:]).read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        hint = """--payload '{"name": "Ada"}', --payload @event.json, or --payload - for standard input"""
        raise AwsrunError("the payload is no JSON", str(error), hint) from error
    return text.encode()


def _value(payload: str) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload


def _pretty(payload: str) -> str:
    value = _value(payload)
    return payload if isinstance(value, str) and value == payload else json.dumps(value, indent=2, ensure_ascii=False)
