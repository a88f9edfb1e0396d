"""``awsrun results`` and ``awsrun plot``: what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import common, connect, context_option, emit, say
from awsrun.cli.runs import stack_option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from awsrun.jobs.run import Run
    from awsrun.worker.records import TrialRecord

_NAMED = 10  # trials that are named in a line
_NARROW = 10  # characters: columns of lines that are wider share what room there is


@click.command()
@click.argument("run", default="last")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout, every parameter and result a column.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="The same as JSON, an object per line, by number.")
@click.option("-n", "limit", type=int, default=100, show_default=True, help="Rows of the table at most.")
@stack_option
@common
def results(
    run: str, as_csv: bool, as_jsonl: bool, limit: int, stack: str | None, context: str | None, as_json: bool
) -> None:
    """Print the trials of RUN, best first; those that have not started are counted.

    Where trials take blocks of inputs: the lines of the inputs, in their order, each with its result.

    \b
      awsrun results last
      awsrun results mnist-1123-1432-k3f --csv > sweep.csv
      awsrun results last --json | jq .best.params
      awsrun results qa-1123-1432-k3f --jsonl > answers.jsonl

    Works while the run goes on, and after its stack was torn down.
    """
    from awsrun.jobs.run import Run
    from awsrun.jobs.table import best_first, row, write_csv, write_jsonl
    from awsrun.worker.space import blocked

    if as_csv + as_jsonl + as_json > 1:
        raise click.UsageError("choose one of --csv, --jsonl and --json")
    found = Run(run, stack=stack, cloud=connect(context))
    by_line = blocked(found.record.space)
    if as_json:
        emit(found.summary())
    elif as_jsonl:
        write_jsonl(sys.stdout, found.rows())
    elif as_csv:
        write_csv(sys.stdout, list(found.rows()) if by_line else [*map(row, best_first(found.record, found.trials()))])
    elif by_line:
        _lines(found, limit)
    else:
        _table(found, limit)


@click.command()
@click.argument("run", default="last")
@click.argument("trial", type=int, required=False)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The picture (default: RUN.png).")
@click.option(
    "--kind",
    type=click.Choice(["heatmap", "line", "scatter", "bars", "history", "importance", "pareto", "curves"]),
    help="What to draw (default: what fits the search).",
)
@click.option("-x", help="Parameter of the rows, or of the axis.")
@click.option("-y", help="Parameter of the columns.")
@stack_option
@context_option
def plot(
    run: str,
    trial: int | None,
    output: str | None,
    kind: str | None,
    x: str | None,
    y: str | None,
    stack: str | None,
    context: str | None,
) -> None:
    """Draw RUN: a heat map for two grid parameters, a line for one, a scatter for a random search.

    \b
      awsrun plot last -o heatmap.png
      awsrun plot last 3 -o curves.png        one trial's losses and accuracies by epoch
      awsrun plot last -x lr -y momentum      with more than two parameters: the best of the rest in each cell
      awsrun plot last --kind history         the best so far, over the trials and over time
      awsrun plot last --kind importance      which parameters made the difference (Optuna's fANOVA)
      awsrun plot last --kind pareto          two metrics at once: which trials are beaten by none
      awsrun plot last --kind curves          the metric by epoch, of the ten best trials together

    PNG, SVG or PDF, by the file's suffix.
    """
    from awsrun.jobs.run import Run

    if kind not in (None, "curves") and trial is not None:
        raise click.UsageError(f"--kind {kind} is of a whole run; of one trial there are curves")
    found = Run(run, stack=stack, cloud=connect(context))
    path = output or "-".join([found.id, *([str(trial)] if trial is not None else [kind] if kind else [])]) + ".png"
    save(lambda: found.plot(x, y, trial=trial, kind=kind), path)


def save(draw: Callable[[], Figure], path: str) -> None:
    """Write a picture and say where it is.

    Raises:
        AwsrunError: what draws it is not installed, or it cannot be written.
    """
    from awsrun.aws.errors import AwsrunError

    try:
        draw().savefig(path)
    except ModuleNotFoundError as error:
        raise AwsrunError(f"drawing needs {error.name}", hint="pip install 'awsrun-jobs[jobs]'") from error
    except (OSError, ValueError) as error:
        raise AwsrunError(f"cannot write {path}", str(error), "-o picture.png, .svg or .pdf") from error
    click.echo(path)


def _lines(run: Run, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from awsrun.cli.follow import counted

    status = run.status(diagnose=False)
    found = list(islice(run.lines(), limit + 1))
    rows = [line.row() for line in found[:limit]]
    names = dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, list | dict))
    empty = [name for name in names if all(row.get(name) in (None, "") for row in rows)]
    for name in ("trial", *run.record.fixed, *empty):
        names.pop(name, None)
    cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
    console = Console()
    widths = {name: max(map(len, [name, *column])) for name, column in cells.items()}
    wide = [name for name, width in widths.items() if width > _NARROW]
    left = console.width - 2 * len(widths) - sum(width for name, width in widths.items() if name not in wide)
    table = Table(box=None, header_style="bold")
    for name in names:
        most = max(_NARROW, left // len(wide)) if name in wide else None
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=most)
    for row, told in zip(rows, zip(*cells.values(), strict=True), strict=True):
        table.add_row(*map(Text, told), style={"failed": "red", "done": ""}.get(row["state"], "dim"))
    if rows:
        console.print(table)
    if len(found) > limit:
        say(f"and more: awsrun results {run.id} --csv")
    say(f"{run.id} is {status.state}: {counted(status)}")
    if status.hint:
        say(f"→ {status.hint}")


def _unmeasured(metric: str, trials: Iterable[TrialRecord]) -> str:
    """Which trials are done without the number that the run is after; empty if none is, or all are."""
    done = [trial for trial in trials if trial.state == "done"]
    found = sorted(trial.n for trial in done if trial.value is None or trial.value != trial.value)
    if not metric or not found or len(found) == len(done):
        return ""
    named = ", ".join(map(str, found[:_NAMED])) + ", ..." * (len(found) > _NAMED)
    return f"done without a {metric} that is a number: trial{'s' * (len(found) > 1)} {named}"


def _cell(value: Any) -> str:
    """Briefly, and without what a terminal would obey."""
    from awsrun.jobs.style import short

    return "" if value is None else "".join(c if c.isprintable() else " " for c in short(value))


def _table(run: Run, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from awsrun.cli.follow import counted, last_words, lasting, measured, priced
    from awsrun.jobs.pareto import front
    from awsrun.jobs.style import short
    from awsrun.jobs.table import best_first, error_line, measures, varied
    from awsrun.prices.price import dollars

    record, status = run.record, run.status(diagnose=False)
    trials = best_first(record, run.trials())
    costs = run.costs(trials)
    best = {trial.n for trial in front(record, trials)} if record.objectives else {one.n for one in trials[:1]}
    if record.objectives:
        trials.sort(key=lambda trial: trial.n not in best)
    names = varied(record) or list(dict.fromkeys(name for trial in trials for name in trial.params))
    metrics = [*record.goals] or ["result"]
    steps = ["steps"] if record.prunes else []
    cost = ["cost"] if costs.billed and costs.hourly else []
    table = Table("trial", *names, *metrics, "state", *steps, "attempt", "time", *cost, box=None, header_style="bold")
    for name in ("trial", *metrics, *steps, "attempt", "time", *cost):
        next(column for column in table.columns if column.header == name).justify = "right"
    failures = []
    for trial in trials[:limit]:
        if record.metric:
            found = measures(record, trial)
            values = ["" if value is None else measured(name, value) for name, value in found.items()]
        else:
            values = [short(trial.result) if trial.result is not None else ""]
        cells = [short(trial.params.get(name, "")) for name in names]
        good = trial.n in best and trial.state == "done" and bool(record.metric)
        colour = "bold green" if good else {"failed": "red", "done": ""}.get(trial.state, "dim")
        time = lasting(trial.seconds) if trial.seconds or trial.ended_ms else ""
        reached = [str(trial.step or "")] if steps else []
        price = [dollars(costs.trial(trial) or 0.0) if time else ""] if cost else []
        shown = (
            str(trial.n),
            *cells,
            *values,
            "reused" if trial.reused else trial.state,
            *reached,
            str(trial.attempt),
            time,
            *price,
        )
        table.add_row(*map(Text, shown), style=colour)
        if trial.state == "failed":
            failures.append(f"trial {trial.n}: {error_line(trial)}")
    if trials:
        Console().print(table)
    if len(trials) > limit:
        say(f"and {len(trials) - limit:,} more: awsrun results {run.id} --csv")
    for line in failures[:20]:
        say(click.style(line, fg="red"))
    last_words(run, trials[:limit])
    if said := _unmeasured(record.metric, trials):
        say(click.style(said, fg="yellow"))
    if record.objectives and trials:
        say(f"{len(best)} on the Pareto front, first in the table; a picture: awsrun plot {run.id} --kind pareto")
    say(f"{run.id} is {status.state}: {counted(status)}")
    if said := priced(costs):
        say(f"cost: {said}")
    if status.hint:
        say(f"→ {status.hint}")
