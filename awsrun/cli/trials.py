"""A run's trials as a table on the terminal, or the lines of its inputs, and what there is to say below it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import console, say

if TYPE_CHECKING:
    from rich.table import Table

    from awsrun.jobs.reading.costs import Costs
    from awsrun.jobs.run import Run
    from awsrun.worker.protocol.records import TrialRecord
    from awsrun.worker.protocol.runs import Run as Record

_NAMED = 10  # trials that are named in a line
_NARROW = 10  # characters: columns of lines that are wider share what room there is
_LIVE = 20  # trials without a result that are asked how far they came: a query each
_RETURNED = 4  # results that have columns where no metric is named
_WORDS = 28  # characters that a column of parameters has at least
_UNLIMITED = 100_000
_STATES = {"run": "running", "retry": "waiting"}


def print_lines(run: Run, limit: int) -> None:
    """The lines of the inputs, in their order, each with its result; ``limit`` at most."""
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
    screen = console()
    widths = {name: max(map(len, [name, *column])) for name, column in cells.items()}
    wide = [name for name, width in widths.items() if width > _NARROW]
    left = screen.width - 2 * len(widths) - sum(width for name, width in widths.items() if name not in wide)
    table = Table(box=None, header_style="bold")
    for name in names:
        most = max(_NARROW, left // len(wide)) if name in wide else None
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=most)
    for row, told in zip(rows, zip(*cells.values(), strict=True), strict=True):
        table.add_row(*map(Text, told), style={"failed": "red", "done": ""}.get(row["state"], "dim"))
    if rows:
        screen.print(table)
    if len(found) > limit:
        say(f"and more: awsrun results {run.id} --csv")
    say(f"{run.id} is {status.state}: {counted(status)}")
    if status.hint:
        say(f"→ {status.hint}")


def print_trials(run: Run, limit: int) -> None:
    """The trials, best first, ``limit`` at most; and how the run is, what failed, what it cost."""
    from awsrun.cli.follow import counted, last_words, priced
    from awsrun.jobs.views.pareto import front
    from awsrun.jobs.views.table import best_first, error_line

    record, status = run.record, run.status(diagnose=False)
    trials = best_first(record, run.trials())
    costs = run.costs(trials)
    best = {trial.n for trial in front(record, trials)} if record.objectives else {one.n for one in trials[:1]}
    if record.objectives:
        trials.sort(key=lambda trial: trial.n not in best)
    if trials:
        _print(run, trials[:limit], best, costs)
    if len(trials) > limit:
        say(f"and {len(trials) - limit:,} more: awsrun results {run.id} --csv")
    failures = [trial for trial in trials[:limit] if trial.state == "failed"]
    for trial in failures[:20]:
        say(click.style(f"trial {trial.n}: {error_line(trial)}", fg="red"))
    last_words(run, trials[:limit])
    if said := _unmeasured(record.metric, trials):
        say(click.style(said, fg="yellow"))
    if number := _comparable(record, trials):
        cure = f'awsrun.main({record.function}, metric="{number}"), or submit with --metric {number}:max (or :min)'
        say(click.style(f"by number, as {Path(record.job).name} names no metric: {cure}", dim=True))
    if record.objectives and trials:
        say(f"{len(best)} on the Pareto front, first in the table; a picture: awsrun plot {run.id} --kind pareto")
    say(f"{run.id} is {status.state}: {counted(status)}")
    if said := priced(costs):
        say(f"cost: {said}")
    if status.hint:
        say(f"→ {status.hint}")


@dataclass(frozen=True)
class Row:
    """A trial in the table.

    Attributes:
        params: name -> value, of those that differ between trials.
        facts: column -> what stands there, left and right of the parameters.
    """

    params: Mapping[str, str]
    facts: Mapping[str, str]
    style: str = ""


def _print(run: Run, trials: Sequence[TrialRecord], best: set[int], costs: Costs) -> None:
    from awsrun.jobs.views.table import varied

    record = run.record
    names = varied(record) or list(dict.fromkeys(name for trial in trials for name in trial.params))
    cut = [trial for trial in trials if trial.state in ("run", "retry", "cancelled") and trial.value is None]
    live = {trial.n: _so_far(run, trial) for trial in cut[:_LIVE]}
    steps = record.prunes or any(trial.step for trial in live.values())
    returned = _returned(record, trials)
    rows = [_row(run, live.get(trial.n, trial), names, returned, best, costs, steps) for trial in trials]
    screen = console()
    table = in_columns(rows, names)
    if screen.measure(table, options=screen.options.update(max_width=_UNLIMITED)).maximum > screen.width:
        table = in_words(rows, screen.width)
    screen.print(table)


def in_columns(rows: Sequence[Row], names: Sequence[str]) -> Table:
    """A column for each parameter."""
    from rich.text import Text

    before, after = _facts(rows)
    table = _table([*before, *names, *after], left=names)
    for row in rows:
        told = [row.facts[name] for name in before], row.params.values(), [row.facts[name] for name in after]
        table.add_row(*(Text(cell) for part in told for cell in part), style=row.style)
    return table


def in_words(rows: Sequence[Row], width: int) -> Table:
    """Where a column for each parameter is too much: one for all of them, at the end, where it may take some lines."""
    from rich.text import Text

    names = [*rows[0].facts]
    for least in ("attempt", "time", "steps"):  # a parameter's name and value need more room than these
        if sum(2 + max(len(name), *(len(row.facts[name]) for row in rows)) for name in names) > width - _WORDS:
            names = [name for name in names if name != least]
    table = _table(names, left=())
    table.add_column("parameters", overflow="fold")
    for row in rows:
        words = " ".join(f"{name}={value}" for name, value in row.params.items())
        table.add_row(*(Text(row.facts[name]) for name in names), Text(words), style=row.style)
    return table


def _facts(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    first, *rest = rows[0].facts
    return [first], rest


def _table(names: Sequence[str], left: Sequence[str]) -> Table:
    from rich.table import Column, Table

    def column(name: str) -> Column:
        return Column(name, no_wrap=True, justify="left" if name in left or name == "state" else "right")

    return Table(*map(column, names), box=None, header_style="bold")


def _returned(record: Record, trials: Iterable[TrialRecord]) -> list[str]:
    """The names in the results of a job that names no metric, where they are few."""
    found = dict.fromkeys(name for trial in trials if isinstance(trial.result, dict) for name in trial.result)
    return [] if record.metric or len(found) > _RETURNED else [*found]


def _comparable(record: Record, trials: Sequence[TrialRecord]) -> str:
    """The first number in the results of a job that names no metric, by which its trials could be compared."""
    for name in _returned(record, trials):
        values = [trial.result.get(name) for trial in trials if isinstance(trial.result, dict)]
        if any(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return name
    return ""


def _row(
    run: Run,
    trial: TrialRecord,
    names: Sequence[str],
    returned: Sequence[str],
    best: set[int],
    costs: Costs,
    steps: bool,
) -> Row:
    from awsrun.cli.follow import lasting, measured
    from awsrun.jobs.views.table import measures
    from awsrun.prices.price import dollars

    record = run.record
    values = {name: "" if value is None else measured(name, value) for name, value in measures(record, trial).items()}
    if not values and returned:
        result = trial.result if isinstance(trial.result, dict) else {}
        values = {name: _cell(result.get(name)) for name in returned}
    values = values or {"result": _cell(trial.result)}
    took = trial.seconds + (time.time() - trial.started_ms / 1000 if trial.state == "run" else 0)
    facts = {
        "trial": str(trial.n),
        **values,
        "state": "reused" if trial.reused else _STATES.get(trial.state, trial.state),
        **({"steps": str(trial.step or "")} if steps else {}),
        "attempt": str(trial.attempt),
        "time": lasting(took) if took or trial.ended_ms else "",
    }
    if costs.billed and costs.hourly:
        facts["cost"] = dollars(costs.trial(trial) or 0.0) if facts["time"] else ""
    good = trial.n in best and trial.state == "done" and bool(record.metric)
    colour = "bold green" if good else {"failed": "red", "done": ""}.get(trial.state, "dim")
    return Row({name: _cell(trial.params.get(name)) for name in names}, facts, colour)


def _so_far(run: Run, trial: TrialRecord) -> TrialRecord:
    """A trial that has no result, or none yet, with how far it came by what it has reported."""
    reported = run.curve(trial)
    if not reported:
        return trial
    last = reported[-1]
    value = last.metrics.get(run.record.metric)
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return replace(trial, step=last.step + 1, value=number, result=dict(last.metrics))


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
