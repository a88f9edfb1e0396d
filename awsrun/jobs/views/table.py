"""A run's trials as rows: one per trial, its parameters and results as columns."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from awsrun.worker.protocol.records import Report, TrialRecord
from awsrun.worker.protocol.runs import Run


def record(trial: TrialRecord) -> dict[str, Any]:
    """A trial as ``results --json`` prints it; ``error`` is of those that failed, ``reused`` of those that were."""
    return {
        "n": trial.n,
        "params": dict(trial.params),
        "state": trial.state,
        "attempt": trial.attempt,
        "result": finite(trial.result),
        "seconds": trial.seconds,
        **({"lost_seconds": trial.lost_ms / 1000} if trial.lost_ms else {}),
        **({"error": error_line(trial)} if trial.state == "failed" else {}),
        **({"reused": {name: trial.reused[name] for name in ("run", "n")}} if trial.reused else {}),
    }


def details(trial: TrialRecord, reports: Sequence[Report]) -> dict[str, Any]:
    """A trial as ``show RUN TRIAL --json`` prints it: `record`, and what else is known of it."""
    return {
        **record(trial),
        "value": finite(trial.value),
        "traceback": (trial.error or {}).get("traceback"),
        "files": dict(trial.artifacts),
        "reports": [{"step": report.step, **finite(dict(report.metrics))} for report in reports],
    }


def finite(value: Any) -> Any:
    """A value as JSON can have it: JSON has no NaN and no infinity: None instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list) else value


def best_first(run: Run, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """By the run's metric: those that are done, then those that got less far, then those without a value."""
    sign = -1 if run.mode == "max" else 1

    def rank(trial: TrialRecord) -> tuple[int, float, int]:
        if trial.value is None or trial.value != trial.value:
            return 1000, 0.0, trial.n
        return 0 if trial.state == "done" else 100 - trial.rung, sign * trial.value, trial.n

    return sorted(trials, key=rank)


def measures(run: Run, trial: TrialRecord) -> dict[str, float | None]:
    """The metrics of a trial, by name; None where it has none."""
    result = trial.result if isinstance(trial.result, dict) else {}
    found = {run.metric: trial.value, **{name: result.get(name) for name in [*run.goals][1:]}}
    return {name: float(one) if isinstance(one, int | float) else None for name, one in found.items() if name}


def varied(run: Run) -> list[str]:
    """The parameters that differ between trials, in the user's order."""
    return [*(run.space.get("axes") or {}), *(run.space.get("ranges") or {})]


def row(trial: TrialRecord) -> dict[str, Any]:
    """One flat row: n, parameters, results, state, attempt, seconds, error; a result named like one gets a prefix."""
    result = (
        trial.result if isinstance(trial.result, dict) else {} if trial.result is None else {"result": trial.result}
    )
    taken = {"n", "state", "attempt", "seconds", "error", *trial.params}
    results = {f"result_{name}" if name in taken else name: value for name, value in result.items()}
    return {
        "n": trial.n,
        **trial.params,
        **results,
        "state": trial.state,
        "attempt": trial.attempt,
        "seconds": trial.seconds,
        "error": error_line(trial),
    }


def error_line(trial: TrialRecord) -> str:
    """Why a trial failed, in one line; empty if it did not."""
    error = trial.error or {}
    if not error:
        return ""
    where = f" ({error['file']}:{error['line']})" if error.get("file") else ""
    said = ": ".join(str(error[key]).split("\n")[0] for key in ("type", "message") if error.get(key))
    return f"{said or 'failed'}{where}"


def write_csv(file: TextIO, rows: Sequence[Mapping[str, Any]], columns: Iterable[str] = ()) -> None:
    """The rows as CSV, with every column that any of them has; lists and dictionaries as JSON.

    Args:
        columns: what there is where there are no rows.
    """
    ends = ("trial", "state", "attempt", "seconds", "error")
    heads: list[list[str]] = [[*found] for found in rows] or [[*columns]]
    names = dict.fromkeys(name for found in heads for name in found if name not in ends)
    last = [name for name in ends if any(name in found for found in heads)]
    writer = csv.DictWriter(file, [*names, *last], restval="")
    writer.writeheader()
    for found in rows:
        writer.writerow({name: _cell(value) for name, value in found.items()})


def write_jsonl(file: TextIO, rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON object for each row, in a line of its own, as they come."""
    for found in rows:
        file.write(json.dumps({name: finite(value) for name, value in found.items()}, ensure_ascii=False) + "\n")


def _cell(value: Any) -> Any:
    return json.dumps(finite(value), ensure_ascii=False) if isinstance(value, dict | list) else value
