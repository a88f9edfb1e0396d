"""What a report shows of a run, as JSON for its page; what is large is cut to a size that a browser likes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.status import Status
from awsrun.jobs.style import Scale, name_of, scale_of, short
from awsrun.jobs.submit import spaces
from awsrun.jobs.views import pareto
from awsrun.jobs.views.cells import cells, varying
from awsrun.jobs.views.curves import reported
from awsrun.jobs.views.history import history
from awsrun.jobs.views.table import best_first, error_line
from awsrun.jobs.workers import image
from awsrun.worker.protocol.goals import reached
from awsrun.worker.protocol.records import Report, TrialRecord
from awsrun.worker.protocol.runs import Run
from awsrun.worker.protocol.space import LINES

MOST_TRIALS = 20_000
MOST_POINTS = 4_000
"""Of the history: of more trials, those that changed the best, and others at even distances."""
MOST_TEXT = 120
MOST_DIFF = 100_000
MOST_RESULTS = 8
MOST_HEATS = 10
CURVES = 10
FAILED = 10
LOG_LINES = 40


@dataclass(frozen=True)
class Material:
    """What is read of a run before a report is made of it.

    Attributes:
        curves: of the best trials, the best first; ``logs``: trial -> its last lines, of failed ones.
        diff: of the code to its commit.
    """

    run: Run
    stack: str
    status: Status
    costs: Costs
    trials: Sequence[TrialRecord]
    curves: Sequence[tuple[TrialRecord, Sequence[Report]]] = ()
    logs: Mapping[int, Sequence[str]] | None = None
    diff: str = ""


def data(found: Material, now: datetime) -> dict[str, Any]:
    """The page's data; ``now`` is when it is made."""
    run = found.run
    best = [trial.n for trial in pareto.front(run, found.trials)] if run.goals else []
    best = best if run.objectives else best[:1]
    ranks = {n: rank for rank, n in enumerate(best)}
    trials = sorted(best_first(run, found.trials), key=lambda trial: ranks.get(trial.n, len(ranks)))
    scale = scale_of(run.metric, [t.value for t in trials if t.state == "done"])
    return {
        "run": {"id": run.run, "state": found.status.state, "job": run.job, "made": _moment(now)},
        "metric": {
            "name": run.metric, "label": scale.label, "title": scale.name, "mode": run.mode,
            "factor": scale.factor, "decimals": scale.decimals, "unit": scale.unit,
        },
        "facts": [[name, value] for name, value in _facts(found, scale) if value],
        "provenance": [[name, value] for name, value in _provenance(run) if value],
        "error": str((found.status.error or {}).get("traceback") or (found.status.error or {}).get("message") or ""),
        "diff": found.diff[:MOST_DIFF] + ("\n…" if len(found.diff) > MOST_DIFF else ""),
        "table": _table(found, trials[:MOST_TRIALS]),
        "best": best,
        "goals": _goals(run, found.trials),
        "left": max(0, len(trials) - MOST_TRIALS),
        "history": _history(run, found.trials),
        "heats": _heats(run, found.trials),
        "importance": _importance(run, found.trials),
        "curves": [
            {"n": trial.n, "label": _parameters(run, trial), "points": points}
            for trial, reports in found.curves
            if (points := reported(run.metric, reports))
        ],
        "failed": [_failure(run, trial, (found.logs or {}).get(trial.n, ())) for trial in failed(found.trials)],
    }  # fmt: skip


def failed(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The failed trials that a report tells of."""
    return list(itertools.islice((trial for trial in trials if trial.state == "failed"), FAILED))


def _facts(found: Material, scale: Scale) -> Iterable[tuple[str, str]]:
    from awsrun.prices.price import dollars

    run, status, costs = found.run, found.status, found.costs
    best = status.best
    yield "best", f"{scale.text(best.value)} {scale.name}, trial {best.n}" if best else ""
    yield (
        "with",
        ", ".join(f"{name_of(k)} {short(v)}" for k, v in best.params.items() if k not in run.fixed) if best else "",
    )
    states = sorted(status.counts.items(), key=lambda pair: pair[0] != "done")
    counts = [f"{number:,} {state}" for state, number in states if number]
    if run.objectives:
        goals = ", ".join(f"{name_of(name)} ({mode})" for name, mode in run.goals.items())
        yield "Pareto front", f"{len(pareto.front(run, found.trials)):,} trials, by {goals}"
    yield "trials", ", ".join([*counts, *([f"{status.pending:,} pending"] if status.pending else [])])
    yield "search", spaces.describe(run.space)
    yield "fixed", ", ".join(f"{name} {short(value)}" for name, value in run.fixed.items())
    yield "submitted", _moment(datetime.fromisoformat(run.submitted_at)) if run.submitted_at else ""
    yield "ended", _moment(datetime.fromtimestamp(run.ended_ms / 1000, timezone.utc)) if run.ended_ms else ""
    lost = f" ({status.lost:,.0f} s of it with workers that were lost)" if status.lost else ""
    idle = f", {costs.idle:.2f} of them starting or waiting" if costs.idle is not None else ""
    yield "trial time", f"{status.seconds:,.0f} s over all attempts{lost}; {costs.hours:.2f} hours of workers{idle}"
    yield "stopped", status.stopped
    if costs.billed:
        yield "cost", "not known" if costs.total is None else f"{dollars(costs.total)} by list price"
    else:
        yield "cost", "free (embedded cloud)" + (f"; {dollars(costs.on_aws)} on AWS" if costs.on_aws else "")
    yield "per trial", dollars(costs.per_trial) if costs.per_trial else ""
    yield "per point", f"{dollars(costs.per_point)} per {costs.unit} over the median trial" if costs.per_point else ""


def _provenance(run: Run) -> Iterable[tuple[str, str]]:
    known = run.provenance
    dirty = list(known.get("dirty") or ())
    yield "run", run.run
    yield "job", run.job
    yield "command", str(known.get("command") or "")
    yield "commit", str(known.get("commit") or "")
    yield "changed files", ", ".join(dirty)
    yield "code", run.code_hash
    yield "requirements", run.requirements
    yield "job definition", str(run.engine.get("definition", "")).rsplit("/", 1)[-1]
    yield "image", image.told(run)
    yield "seed", str(run.seed)
    yield "workers", str(run.limits.workers)
    yield "price of a worker", f"${known['hourly']:.4f} per hour on AWS" if known.get("hourly") else ""
    yield "submitted by", str(known.get("user") or "")
    yield "python", str(known.get("python") or "")
    yield "awsrun", str(known.get("awsrun") or "")


def _table(found: Material, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """Columns and rows; a column is ``[heading, kind]`` with kind ``text``, ``number``, ``metric``, ``state``,
    ``seconds`` or ``dollars``."""
    run = found.run
    names = [name for name in dict.fromkeys(n for t in trials for n in t.params) if name not in run.fixed]
    names = [name for name in names if name != LINES]
    results = list(itertools.islice(dict.fromkeys(name for t in trials for name in _results(run, t)), MOST_RESULTS))
    columns = [["trial", "number"], *([name_of(name), _kind(t.params.get(name) for t in trials)] for name in names)]
    columns += [[name_of(run.metric), "metric"]] * bool(run.metric)
    columns += [[name_of(name), _kind(_results(run, t).get(name) for t in trials)] for name in results]
    columns += [["state", "state"], ["attempt", "number"], ["time", "seconds"]]
    columns += [["cost", "dollars"]] * found.costs.billed + [["error", "text"]]
    rows = []
    for trial in trials:
        shown = _results(run, trial)
        cells_ = [trial.n, *(_cell(trial.params.get(name)) for name in names)]
        cells_ += [_cell(trial.value)] * bool(run.metric) + [_cell(shown.get(name)) for name in results]
        cells_ += [trial.state, trial.attempt, trial.seconds or None]
        cells_ += [found.costs.trial(trial)] * found.costs.billed + [_cell(error_line(trial))]
        rows.append(cells_)
    return {"columns": columns, "rows": rows}


def _results(run: Run, trial: TrialRecord) -> dict[str, Any]:
    """What the job returned beside its metric, as far as it fits into cells."""
    result = trial.result if isinstance(trial.result, dict) else {"result": trial.result}
    return {
        str(name): value
        for name, value in result.items()
        if name != run.metric and value is not None and isinstance(value, bool | int | float | str)
    }


def _kind(values: Iterable[Any]) -> str:
    known = [value for value in values if value is not None]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    return "number" if known and numbers else "text"


def _cell(value: Any) -> Any:
    """A number, or a text of limited length; None for nothing and for what JSON cannot have."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _history(run: Run, trials: Sequence[TrialRecord]) -> list[list[Any]]:
    """``[trial, seconds since the submit, value, best so far]``, in the order in which they ended."""
    points = history(run, trials) if run.metric else []
    step = max(1, len(points) // MOST_POINTS)
    kept = [
        point for i, point in enumerate(points)
        if i % step == 0 or i == len(points) - 1 or point.best != points[i - 1].best
    ]  # fmt: skip
    return [[point.n, point.count, round(point.seconds, 1), point.value, point.best] for point in kept]


def _goals(run: Run, trials: Sequence[TrialRecord]) -> dict[str, Any] | None:
    """Of a run that is after several metrics: the first two of each trial that is done, the front's places."""
    if not run.objectives:
        return None
    across, up = [*run.goals][:2]
    measured = [(trial.n, values) for trial in trials if (values := reached(run, trial)) is not None]
    step = max(1, len(measured) // MOST_POINTS)
    front = {trial.n for trial in pareto.front(run, trials)}
    scales = [scale_of(name, [values[i] for _, values in measured]) for i, name in enumerate((across, up))]
    points = [
        [n, values[0] * scales[0].factor, values[1] * scales[1].factor, n in front]
        for i, (n, values) in enumerate(measured)
        if i % step == 0 or n in front
    ]
    return {"x": scales[0].label, "y": scales[1].label, "points": points}


def _heats(run: Run, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """A heat map for each pair of parameters, the first pairs first."""
    found = []
    for rows, columns in itertools.islice(itertools.combinations(varying(run), 2), MOST_HEATS if run.metric else 0):
        with suppress(AwsrunError):  # too many values that are no numbers
            table = cells(run, trials, rows, columns)
            if table.best:
                found.append(
                    {
                        "rows": {"name": name_of(rows), "labels": list(table.rows.labels)},
                        "columns": {"name": name_of(columns), "labels": list(table.columns.labels)},
                        "values": [list(row) for row in table.values],
                        "states": [[row, column, state] for (row, column), state in table.states.items()],
                        "best": list(table.best),
                        "others": [name_of(name) for name in table.others],
                    }
                )
    return found


def _importance(run: Run, trials: Sequence[TrialRecord]) -> list[list[Any]]:
    """Empty where it cannot be told, or Optuna is not installed here."""
    from awsrun.jobs.views.importance import importance

    try:
        return [[name_of(name), round(share, 4)] for name, share in importance(run, trials).items()]
    except (AwsrunError, ImportError):
        return []


def _failure(run: Run, trial: TrialRecord, log: Sequence[str]) -> dict[str, Any]:
    error = trial.error or {}
    return {
        "n": trial.n,
        "label": _parameters(run, trial),
        "attempt": trial.attempt,
        "what": error_line(trial),
        "traceback": str(error.get("traceback") or ""),
        "log": list(log),
    }


def _parameters(run: Run, trial: TrialRecord) -> str:
    return ", ".join(f"{name_of(k)} {short(v)}" for k, v in trial.params.items() if k not in run.fixed and k != LINES)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
