"""``awsrun logs``: what trials wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from awsrun.cli.output import connect, context_option, say
from awsrun.cli.runs import run_argument, stack_option

if TYPE_CHECKING:
    from awsrun.jobs.reading.logs import Line

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_red", "bright_cyan", "bright_green")


@click.command()
@run_argument
@click.argument("trial", type=int, required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until it is over.")
@click.option("--plain", is_flag=True, help="Without the prefixes that say whose lines they are.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line, on stdout: it may go on for hours.")
@stack_option
@context_option
def logs(
    run: str, trial: int | None, follow: bool, plain: bool, as_json: bool, stack: str | None, context: str | None
) -> int:
    """Print what TRIAL of RUN wrote, or what all workers did.

    \b
      awsrun logs last 3
      awsrun logs mnist-1123-1432-k3f -f
      awsrun logs last --plain | grep accuracy
      awsrun logs last -f --json | jq -r 'select(.trial == 3).text'

    Of a trial only its own lines are shown, those of its latest attempt.  Of a run each line begins with its trial
    (`t3`, or `t3.2` in its second attempt) or with the worker that speaks for itself (`w0`); a trial has a colour.
    With --json each line is an object: time, trial, attempt, worker, stream (of CloudWatch), text.
    """
    from awsrun.jobs.run import Run

    if plain and as_json:
        raise click.UsageError("choose one of --plain and --json")
    found = Run(run, stack=stack, cloud=connect(context))
    shown = 0
    try:
        read = found.logs(trial, follow)
        if as_json:
            texts: Iterator[str] = (json.dumps(line.record(), ensure_ascii=False) for line in read)
        elif plain or trial is not None:
            texts = (line.text for line in read)
        else:
            texts = marked(read, found.record.total)
        for text in texts:
            click.echo(text)
            shown += 1
    except KeyboardInterrupt:
        whose = found.id if trial is None else f"{found.id} {trial}"
        say(f"reading was stopped, not the run; to read on: awsrun logs {whose}{' -f' * follow}")
        return 130
    if not shown:
        whose = f"trial {trial} of {found.id}" if trial is not None else found.id
        say(f"{whose} has written nothing that has arrived yet")
    return 0


def marked(lines: Iterable[Line], total: int) -> Iterator[str]:
    """The lines with whose they are before each, in columns and colours."""
    width = len(f"t{max(0, total - 1)}")
    for line in lines:
        if line.trial is None:
            worker = "w" if line.worker is None else f"w{line.worker}"
            yield click.style(f"{worker:>{width}} │ {line.text}", dim=True)
            continue
        mark = f"t{line.trial}" + (f".{line.attempt}" if (line.attempt or 1) > 1 else "")
        yield click.style(f"{mark:>{width}} │ ", fg=_COLOURS[line.trial % len(_COLOURS)]) + line.text
