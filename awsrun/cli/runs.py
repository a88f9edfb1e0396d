"""``awsrun runs`` and ``awsrun show``: what was submitted, and how it is getting on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awsrun.cli.complete import run_ids, stack_names
from awsrun.cli.output import common, connect, console, emit, say

if TYPE_CHECKING:
    from awsrun.jobs.run import Run

run_argument = click.argument("run", default="last", shell_complete=run_ids)
stack_option = click.option("--stack", metavar="STACK", shell_complete=stack_names, help="Look in this stack only.")


@click.command()
@click.option("-n", "limit", type=click.IntRange(1), metavar="N", default=20, show_default=True, help="How many.")
@stack_option
@common
def runs(limit: int, stack: str | None, context: str | None, as_json: bool) -> None:
    """List runs, newest first; those of stacks that were torn down too.

    \b
      awsrun runs
      awsrun runs -n 100 --json
    """
    from awsrun.jobs.site import entries

    found = entries(connect(context), stack, limit)
    if as_json:
        emit([{"stack": where, **entry.__dict__} for where, entry in found])
        return
    if not found:
        none = "no runs yet: awsrun submit jobs/mnist.py --grid lr=0.1,0.01"
        say(f"no run of a stack {stack}; those of all: awsrun runs" if stack else none)
        return
    rows = [
        {
            "run": entry.run,
            "job": entry.job,
            "trials": f"{entry.total:,}",
            "state": entry.state,
            "submitted (UTC)": entry.submitted_at[:16].replace("T", " "),
            "stack": where,
        }
        for where, entry in found
    ]
    _listed(rows)


def _listed(rows: Sequence[Mapping[str, str]]) -> None:
    """Print runs as a table; in a narrow terminal without what their ids say, rather than with names cut short."""
    from rich.table import Column, Table
    from rich.text import Text

    screen = console()
    for left_out in ((), ("stack",), ("stack", "job"), ("stack", "job", "submitted (UTC)")):
        names = [name for name in rows[0] if name not in left_out]
        table = Table(*(Column(name, no_wrap=True) for name in names), box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(Text(row[name]) for name in names))
        if screen.measure(table, options=screen.options.update(max_width=10_000)).maximum <= screen.width:
            break
    screen.print(table)


@click.command()
@run_argument
@click.argument("trial", type=int, required=False)
@click.option("--watch", "-w", is_flag=True, help="Keep showing until it is over.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print it as the file of an experiment, to submit it again.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write that file.")
@stack_option
@common
def show(
    run: str,
    trial: int | None,
    watch: bool,
    as_yaml: bool,
    output: Path | None,
    stack: str | None,
    context: str | None,
    as_json: bool,
) -> int:
    """Show how RUN is getting on: workers by stage, trials by state, the best so far; or all about one TRIAL of it.

    \b
      awsrun show last
      awsrun show last 3                          parameters, result, what it reported, why it failed
      awsrun show mnist-1123-1432-k3f --watch
      awsrun show last --yaml > again.yaml        and later: awsrun submit again.yaml

    RUN is a run's id, a prefix that fits only one, or `last`.  Ctrl-C ends the watching, never the run.  Watching
    makes at most one query a second, however many trials there are; elsewhere than at a terminal it prints a line now
    and then.

    Exit code with --watch: 0 every trial is done, 1 some failed, 130 Ctrl-C.
    """
    from awsrun.jobs.run import Run

    if (as_yaml or output) and (watch or as_json):
        raise click.UsageError("--yaml goes with neither --watch nor --json")
    if trial is not None and (watch or as_yaml or output):
        raise click.UsageError(f"that is of a whole run; to follow a trial: awsrun logs {run} {trial} -f")
    found = Run(run, stack=stack, cloud=connect(context))
    if trial is not None:
        from awsrun.cli import one_trial

        one_trial.show(found, trial, as_json)
        return 0
    if as_yaml or output:
        _as_file(found, output)
        return 0
    if watch and (as_json or not sys.stdout.isatty()):
        from awsrun.cli.follow import follow

        code = follow(found)
        if as_json:
            emit(found.status().record())
        return code
    if as_json:
        emit(found.status().record())
        return 0
    from awsrun.cli.follow import last_words
    from awsrun.cli.watch import View
    from awsrun.cli.watch import watch as keep_showing

    if watch:
        return keep_showing(found)
    status = found.status()
    console().print(View(found).panel(status))
    last_words(found, status.aside)
    return 0


def _as_file(run: Run, output: Path | None) -> None:
    text = run.to_yaml(output)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    say(f"wrote {output}; again: {shlex.join(['awsrun', 'submit', str(output)])}")
