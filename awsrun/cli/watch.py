"""``awsrun show``: a run at one moment as a person reads it, and the same kept up to date at a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from awsrun.cli.follow import counted, exit_code, failed, headline, lasting, measured, parameters, spent, took, workers
from awsrun.cli.output import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from awsrun.jobs.reading.status import Status
    from awsrun.jobs.run import Run

_WIDTH = 60
_COLOURS = {"done": "green", "failed": "red", "cancelled": "yellow", "stopped": "blue", "paused": "blue", "run": "cyan"}
_MARKS = {"run": "▒", "retry": "▒", "paused": "▒"}


class View:
    """What is shown of a run; knows how fast it went since the first look.

    Args:
        clock: seconds.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def panel(self, status: Status) -> RenderableType:
        """A bar of the trials by state, what is known, and the trials that ended last."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        for name, value in self._facts(status):
            if value:
                table.add_row(name, Text(value))
        parts: list[RenderableType] = [bar(status), table]
        if status.recent and not status.over:
            parts.append(_recent(status))
        return Group(*parts)

    def _facts(self, status: Status) -> Iterator[tuple[str, str]]:
        best = status.best
        shown = f"{measured(status.metric, best.value)} {status.metric}, trial {best.n}" if best else ""
        yield "run", f"{status.run}  ({status.job}, stack {self._run.stack})"
        yield "state", status.state + (f" for {lasting(status.elapsed)}" if status.elapsed and not status.over else "")
        yield "trials", f"{counted(status)} of {status.total:,}"
        yield "workers", workers(status.workers) if status.workers else ""
        yield "image", status.image if status.image_used else ""
        yield "best", f"{shown} ({parameters(best.params, status.fixed)})" if best else ""
        yield "pace", self._pace(status)
        yield "time left", f"about {lasting(status.eta)}" if status.eta else ""
        yield "ends once", status.stops if not status.over else ""
        yield "stopped", status.stopped
        yield "set aside", _aside(status)
        yield "failed", "" if (status.error or {}).get("traceback") else "\n".join(failed(status))
        yield "trial time", took(status)
        yield "cost", spent(status.costs) if status.costs else ""
        yield "AWS says", "; ".join(status.reasons)
        yield "error", str((status.error or {}).get("traceback") or (status.error or {}).get("message") or "").rstrip()
        yield "next", status.hint

    def _pace(self, status: Status) -> str:
        now, ended = self._clock(), sum(n for state, n in status.counts.items() if state not in _MARKS)
        if self._first is None:
            self._first = now, ended
        since, before = self._first
        return f"{60 * (ended - before) / (now - since):,.1f} trials per minute" if ended > before else ""


def watch(run: Run) -> int:
    """Show a run until it is over; the exit code.  Ctrl-C leaves the run going."""
    from rich.live import Live
    from rich.text import Text

    view = View(run)
    try:
        with Live(Text("…"), refresh_per_second=2) as live:
            status = run.wait(progress=lambda status: live.update(view.panel(status)))
    except KeyboardInterrupt:
        say(f"{run.id} goes on; come back with: awsrun show {run.id} --watch")
        return 130
    headline(status)
    return exit_code(status)


def _aside(status: Status) -> str:
    """The trials that took their workers with them."""
    named = ", ".join(str(trial.n) for trial in status.aside)
    return f"trial {named}: workers were lost while they ran it; the rest goes on without it" if named else ""


def bar(status: Status) -> Text:
    """The trials by state, as a line; any state that has trials has at least one cell."""
    from rich.text import Text

    cells = {
        state: max(1, number * _WIDTH // max(1, status.total)) for state, number in status.counts.items() if number
    }
    line = Text()
    for state in sorted(cells, key=lambda state: ([*_COLOURS].index(state) if state in _COLOURS else 9, state)):
        left = _WIDTH - len(line)
        line.append(_MARKS.get(state, "█") * min(left, cells[state]), style=_COLOURS.get(state, "cyan"))
    return line.append("─" * (_WIDTH - len(line)), style="dim")


def _recent(status: Status) -> Table:
    from rich.table import Table
    from rich.text import Text

    from awsrun.jobs.views.table import error_line

    table = Table("trial", "", "", "time", box=None, header_style="dim", title="ended last", title_justify="left")
    table.title_style = "dim"
    for trial in status.recent:
        value = measured(status.metric, trial.value) if status.metric and trial.value is not None else trial.state
        what = error_line(trial) if trial.state == "failed" else parameters(trial.params, status.fixed)
        colour = _COLOURS.get(trial.state, "") if trial.state != "done" else ""
        table.add_row(str(trial.n), value, Text(what[:100]), lasting(trial.seconds), style=colour)
    return table
