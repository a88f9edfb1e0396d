"""A run's metric over two parameters, as a table of cells: what heat maps are drawn from, here and in reports.

A parameter of a grid has a row (column) for each value; a range, or a grid of very many numbers, is divided into bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.worker.protocol.records import TrialRecord, better
from awsrun.worker.protocol.runs import Run

MOST_VALUES = 24
BINS = 12


@dataclass(frozen=True)
class Axis:
    """A parameter's rows or columns.

    Attributes:
        values: those of a grid; None where it is divided into bins.
        low, high, log: of the bins.
    """

    name: str
    labels: Sequence[str]
    values: Sequence[Any] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def index(self, value: Any) -> int | None:
        """The row (column) of a value; None if it has none."""
        if self.values is not None:
            return self.values.index(value) if value in self.values else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        low, high, at = (_place(x, self.log) for x in (self.low, self.high, value))
        return min(len(self.labels) - 1, int((at - low) / (high - low) * len(self.labels)))


@dataclass(frozen=True)
class Cells:
    """The best value in each cell.

    Attributes:
        values: by row and column, raw; None where no trial is done.
        states: what became of the trials of a cell without a value.
        best: row and column of the best cell, None if there is no value at all.
        others: further parameters that vary, of whose values each cell has the best.
    """

    rows: Axis
    columns: Axis
    values: Sequence[Sequence[float | None]]
    states: Mapping[tuple[int, int], str]
    best: tuple[int, int] | None
    others: Sequence[str]


def varying(run: Run) -> list[str]:
    """The parameters that have more than one value, those of grids first."""
    axes: Mapping[str, Sequence[Any]] = run.space.get("axes") or {}
    return [*(name for name, values in axes.items() if len(values) > 1), *(run.space.get("ranges") or {})]


def cells(run: Run, trials: Sequence[TrialRecord], rows: str, columns: str) -> Cells:
    """The table over two parameters.

    Raises:
        AwsrunError: one of them is not varied, or has too many values that are no numbers.
    """
    down, across = axis(run, rows), axis(run, columns)
    values: list[list[float | None]] = [[None] * len(across.labels) for _ in down.labels]
    states: dict[tuple[int, int], str] = {}
    best: tuple[int, int] | None = None
    top: float | None = None
    for trial in trials:
        row, column = down.index(trial.params.get(rows)), across.index(trial.params.get(columns))
        if row is None or column is None:
            continue
        if trial.state != "done" or trial.value is None or not math.isfinite(trial.value):
            states[row, column] = trial.state
            continue
        if better(run.mode, trial.value, values[row][column]):
            values[row][column] = trial.value
        if better(run.mode, trial.value, top):
            best, top = (row, column), trial.value
    others = [name for name in varying(run) if name not in (rows, columns)]
    return Cells(down, across, values, states, best, others)


def axis(run: Run, name: str) -> Axis:
    """The rows (columns) of a parameter that the run varies."""
    from awsrun.jobs.style import short

    ranges: Mapping[str, Mapping[str, Any]] = run.space.get("ranges") or {}
    listed: Sequence[Any] = (run.space.get("axes") or {}).get(name) or ()
    if name in ranges:
        wanted = ranges[name]
        low, high = float(wanted["low"]), float(wanted["high"])
        if wanted.get("int") and high - low < BINS:
            whole = list(range(int(low), int(high) + 1))
            return Axis(name, [str(value) for value in whole], whole)
        return _bins(name, low, high, bool(wanted.get("log")))
    if not listed:
        raise AwsrunError(f"the run does not vary {name!r}", f"it varies {', '.join(varying(run)) or 'nothing'}")
    if len(listed) <= MOST_VALUES:
        return Axis(name, [short(value) for value in listed], list(listed))
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed):
        raise AwsrunError(f"{name} has {len(listed):,} values, too many for a heat map", hint="--kind scatter")
    low, high = float(min(listed)), float(max(listed))
    return _bins(name, low, high, low > 0 and high / low >= 1000)


def _bins(name: str, low: float, high: float, log: bool) -> Axis:
    if low >= high:
        return Axis(name, [f"{low:.3g}"], [low])
    start, end = _place(low, log), _place(high, log)
    middles = [start + (i + 0.5) * (end - start) / BINS for i in range(BINS)]
    labels = [f"{math.exp(middle) if log else middle:.2g}" for middle in middles]
    return Axis(name, labels, None, low, high, log)


def _place(value: float, log: bool) -> float:
    return math.log(value) if log else value
