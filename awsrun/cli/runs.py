"""``awsrun runs`` and ``awsrun show``: what was submitted, and how it is getting on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awsrun.cli.complete import stack_names
from awsrun.cli.output import common, connect, emit, say

if TYPE_CHECKING:
    from awsrun.jobs.run import Run

stack_option = click.option("--stack", shell_complete=stack_names, help="Look in this stack only.")


@click.command()
@click.option("-n", "limit", type=int, default=20, show_default=True, help="How many.")
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
        say("no runs yet: awsrun submit jobs/mnist.py --grid lr=0.1,0.01")
        return
    from rich.console import Console
    from rich.table import Column, Table

    head = (
        Column("run", no_wrap=True),
        "job",
        "trials",
        "state",
        "submitted (UTC)",
        "stack",
    )  # an id is never cut short
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for where, entry in found:
        at = entry.submitted_at[:16].replace("T", " ")
        table.add_row(entry.run, entry.job, f"{entry.total:,}", entry.state, at, where)
    Console().print(table)


@click.command()
@click.argument("run", default="last")
@click.option("--watch", "-w", is_flag=True, help="Keep showing until it is over.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print it as the file of an experiment, to submit it again.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write that file.")
@stack_option
@common
def show(
    run: str,
    watch: bool,
    as_yaml: bool,
    output: Path | None,
    stack: str | None,
    context: str | None,
    as_json: bool,
) -> int:
    """Show how RUN is getting on: workers by stage, trials by state, the best so far.

    \b
      awsrun show last
      awsrun show mnist-1123-1432-k3f --watch
      awsrun show last --yaml > again.yaml        and later: awsrun submit again.yaml

    RUN is a run's id, a prefix that fits only one, or `last`.  Ctrl-C ends the watching, never the run.  Watching
    makes at most one query a second, however many trials there are; elsewhere than at a terminal it prints a line now
    and then.

    Exit code with --watch: 0 every trial is done, 1 some failed.
    """
    from awsrun.jobs.run import Run

    if (as_yaml or output) and (watch or as_json):
        raise click.UsageError("--yaml goes with neither --watch nor --json")
    found = Run(run, stack=stack, cloud=connect(context))
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
    from rich.console import Console

    status = found.status()
    Console().print(View(found).panel(status))
    last_words(found, status.aside)
    return 0


def _as_file(run: Run, output: Path | None) -> None:
    text = run.to_yaml(output)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    say(f"wrote {output}; again: awsrun submit {output}")
