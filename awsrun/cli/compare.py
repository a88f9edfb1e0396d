"""``awsrun compare``: what differs between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from awsrun.cli.complete import run_ids
from awsrun.cli.output import common, connect, console, emit, say
from awsrun.cli.runs import stack_option

if TYPE_CHECKING:
    from awsrun.jobs.views.comparison import Comparison, Side

_NEWEST = "awsrun compare last~1 last"
_WIDEST = 80  # characters of a column: in a file, too, a long command takes some lines


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN [RUN]...", shell_complete=run_ids)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Also draw the best so far of all, here.")
@click.option("--code", is_flag=True, help="Print how the code of the second run differs from that of the first.")
@stack_option
@common
def compare(
    runs: tuple[str, ...], output: str | None, code: bool, stack: str | None, context: str | None, as_json: bool
) -> None:
    """Show what differs between runs: parameters, code, best values, time and cost.

    \b
      awsrun compare last~1 last                          the newest two
      awsrun compare mnist-1123-1432-k3f last
      awsrun compare mnist-1123 mnist-1124 mnist-1125 -o compared.png
      awsrun compare mnist-1123-1432-k3f last --code      a diff of what was packed, in git or not

    What is the same in all is one line at the end.  Runs of stacks that were torn down can be compared too.
    """
    from awsrun.aws.errors import AwsrunError
    from awsrun.jobs.run import Run

    if len(runs) < 2:
        raise click.UsageError(f"compare at least two runs: {_NEWEST}")
    if code and (len(runs) > 2 or as_json):
        raise click.UsageError("--code is of two runs, as text")
    cloud = connect(context)
    found = [Run(run, stack=stack, cloud=cloud) for run in runs]
    if again := [run.id for n, run in enumerate(found) if run.id in [one.id for one in found[:n]]]:
        what = f"{again[0]} cannot be compared with itself"
        raise AwsrunError(what, "it was named twice", f"the newest two: {_NEWEST}")
    if code:
        changes = found[0].code_changes(found[1])
        click.echo(changes, nl=False)
        if not changes:
            say("the code is the same")
        return
    compared = found[0].compare(*found[1:])
    if as_json:
        emit(compared.record())
    else:
        _table(compared)
    if output:
        from awsrun.cli.results import save
        from awsrun.jobs.run import together

        save(lambda: together(found), output)
        if not as_json:
            click.echo(output)


def _table(compared: Comparison) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    sides = [Column(side.run, overflow="fold", max_width=_WIDEST) for side in compared.sides]
    table = Table(Column("", style="bold", no_wrap=True), *sides, box=None, header_style="bold", pad_edge=False)
    for name in compared.parameters:
        table.add_row(name, *(Text(side.parameters.get(name, "–")) for side in compared.sides))
    if compared.parameters:
        table.add_row()
    facts = [_facts(side) for side in compared.sides]
    for name in facts[0]:
        cells = [Text(one[name]) for one in facts]
        if name == "best" and compared.winner is not None and len({one[name] for one in facts}) > 1:
            cells[compared.winner].stylize("bold green")
        if any(one[name] for one in facts):
            table.add_row(name, *cells)
    if compared.settings:
        table.add_row()
    for name in compared.settings:
        table.add_row(name, *(Text(side.settings.get(name, "") or "–") for side in compared.sides))
    console().print(table)
    alike = [f"{name} {value}" for name, value in compared.same.items() if name not in ("code", "user", "image")]
    if "code" in compared.same:
        alike.insert(0, "code")
    say(f"the same in all: {', '.join(alike) or 'nothing'}")


def _facts(side: Side) -> dict[str, str]:
    from awsrun.cli.follow import counted, lasting, measured, parameters, took
    from awsrun.prices.price import dollars

    status, best, cost = side.status, side.status.best, side.costs.total
    each = side.cost_per_trial
    price = "free" if cost == 0 else "" if cost is None else dollars(cost)
    return {
        "state": status.state,
        "trials": counted(status),
        "best": f"{measured(status.metric, best.value)} {status.metric}" if best else "–",
        "by": f"trial {best.n}: {parameters(best.params, status.fixed)}" if best else "",
        "duration": lasting(side.seconds),
        "trial time": took(status),
        "cost": price + (f", {dollars(each)} per trial" if cost and each else ""),
    }
