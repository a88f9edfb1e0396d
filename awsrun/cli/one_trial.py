"""``awsrun show RUN TRIAL``: everything that is known of one trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsrun.cli.output import console, emit

if TYPE_CHECKING:
    from awsrun.jobs.run import Run
    from awsrun.worker.protocol.records import Report, TrialRecord


def show(run: Run, n: int, as_json: bool) -> None:
    """Print trial ``n``.

    Raises:
        AwsrunError: it has not started, or there is none.
    """
    from rich.table import Table
    from rich.text import Text

    from awsrun.jobs.reading.status import trial_state
    from awsrun.jobs.views.table import details

    trial = run.trial(n)
    trial = replace(trial, state=trial_state(run.record, trial))
    reports = run.curve(trial)
    if as_json:
        emit({"run": run.id, **details(trial, reports)})
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(run, trial, reports):
        if value:
            table.add_row(name, Text("".join(c if c.isprintable() or c == "\n" else " " for c in value)))
    console().print(table)


def _facts(run: Run, trial: TrialRecord, reports: list[Report]) -> Iterator[tuple[str, str]]:
    from awsrun.cli.follow import WORDS, lasting
    from awsrun.jobs.reading.checkpoints import listed
    from awsrun.jobs.views.table import error_line

    reused = f"taken from trial {trial.reused['n']} of {trial.reused['run']}" if trial.reused else ""
    yield "trial", f"{trial.n} of {run.id}"
    yield "state", f"{WORDS.get(trial.state, trial.state)}, attempt {trial.attempt}" + (f", {reused}" if reused else "")
    yield "parameters", _lines(trial.params)
    yield "result", _lines(trial.result if isinstance(trial.result, dict) else {"": trial.result})
    steps = f"{len(reports)} step{'s' * (len(reports) > 1)}"
    yield "reported", f"{steps}, the last: {_line(reports[-1].metrics)}" if reports else ""
    yield "time", lasting(trial.seconds) if trial.seconds else ""
    yield "files", "\n".join(f"{name}, {size:,} bytes" for name, size in trial.artifacts.items())
    yield "checkpoints", ", ".join(f"{kind}, after step {one['step']}" for kind, one in listed(trial).items())
    if trial.state == "failed":
        error = trial.error or {}
        yield "error", str(error.get("traceback") or "").rstrip() or error_line(trial)
        yield "last lines", str(error.get("tail") or "").rstrip()
    more = ["logs", *["plot"] * (len(reports) > 1), *["fetch"] * bool(trial.artifacts or listed(trial))]
    yield "more", "\n".join(f"awsrun {command} {run.id} {trial.n}" for command in more)


def _lines(values: Mapping[str, Any]) -> str:
    """A name and its value a line; nothing where there is none."""
    return "\n".join(f"{name} {value}".strip() for name, value in values.items() if value is not None)


def _line(values: Mapping[str, Any]) -> str:
    from awsrun.jobs.style import short

    return ", ".join(f"{name} {short(value)}" for name, value in values.items())
