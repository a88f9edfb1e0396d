"""``awsrun report``: a run as one HTML page."""

from __future__ import annotations

import click

from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.runs import run_argument, stack_option


@click.command()
@run_argument
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The page (default: RUN.html).")
@stack_option
@common
def report(run: str, output: str | None, stack: str | None, context: str | None, as_json: bool) -> None:
    """Write RUN as one HTML page: results, pictures, failures, cost, provenance.

    \b
      awsrun report last -o report.html
      awsrun report mnist-1123-1432-k3f

    The page opens offline, asks for nothing from elsewhere, and can be sent to somebody: a table to sort and search,
    heat map, best so far, curves, the last lines of failed trials, what it cost and where the code came from, the
    changes since its commit included.  Works while the run goes on, and after its stack was torn down.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    path = found.report(output)
    if as_json:
        emit({"run": found.id, "file": str(path)})
    else:
        click.echo(path)
    size = path.stat().st_size
    say((f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB") + "; it opens in any browser, offline")
