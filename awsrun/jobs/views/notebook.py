"""How runs look in a notebook: HTML in which whatever users and jobs wrote is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from awsrun.jobs.style import scale_of, short
from awsrun.jobs.views.table import best_first, error_line, varied

if TYPE_CHECKING:
    from awsrun.jobs.reading.status import Status
    from awsrun.worker.protocol.records import TrialRecord
    from awsrun.worker.protocol.runs import Run as Record

ROWS = 10
_COLOURS = {"done": "#2c7a4b", "failed": "#b3261e", "cancelled": "#a67c00", "stopped": "#33658a"}
_REST = "#7db4dc"


def run(record: Record, status: Status, trials: Iterable[TrialRecord]) -> str:
    """A run: its state, a bar of its trials, and the best of them."""
    trials = best_first(record, trials)
    more = len(trials) - ROWS
    parts = [
        f"<div><b>{escape(record.run)}</b> {escape(record.job)}, {escape(status.state)}",
        _bar(status),
        _trials(record, trials[:ROWS]),
        f"<div>and {more:,} more: <code>run.frame()</code></div>" if more > 0 else "",
        f"<div>{escape(status.hint)}</div>" if status.hint else "",
        "</div>",
    ]
    return "".join(parts)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table of texts."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _bar(status: Status) -> str:
    total = max(1, status.total)
    parts = [
        f'<span title="{number:,} {escape(state)}" style="display:inline-block;height:.7em;'
        f'width:{100 * number / total:.2f}%;background:{_COLOURS.get(state, _REST)}"></span>'
        for state, number in status.counts.items()
        if number
    ]
    counts = [f"{number:,} {state}" for state, number in status.counts.items() if number]
    counts += [f"{status.pending:,} pending"] if status.pending else []
    bar = f'<div style="background:#8884;max-width:40em;line-height:.7em">{"".join(parts)}</div>'
    return f"{bar}<div>{escape(', '.join(counts))}</div>"


def _trials(record: Record, trials: Sequence[TrialRecord]) -> str:
    if not trials:
        return ""
    scale = scale_of(record.metric, [trial.value for trial in trials])
    names = varied(record) or list(dict.fromkeys(name for trial in trials for name in trial.params))
    metric = [record.metric] if record.metric else []

    def cells(trial: TrialRecord) -> list[str]:
        value = [scale.text(trial.value) if trial.value is not None else ""] if metric else []
        params = [short(trial.params.get(name, "")) for name in names]
        return [str(trial.n), *params, *value, trial.state, f"{trial.seconds:,.1f} s", error_line(trial)]

    return table(["trial", *names, *metric, "state", "time", "error"], map(cells, trials))
