"""Draws an engine's events on stderr: a live table at a terminal, else a line for each finished resource."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import say

if TYPE_CHECKING:
    from rich.table import Table

    from awsrun.reconcile.progress import Event

_PAST = {
    "create": ("created", "green"),
    "update": ("updated", "yellow"),
    "replace": ("replaced", "yellow"),
    "delete": ("deleted", "red"),
}
_NOW = {
    "create": "creating",
    "update": "updating",
    "replace": "replacing",
    "delete": "deleting",
    "lock": "waiting",
    "look": "waiting",
}
LONGEST = 100  # characters of a reason while others are under way; the command says the whole of it at its end
TOLD = ("ecr.image",)  # kinds on whose way lines are worth their place in a log: they take minutes
MOST_ROWS = 20  # a table taller than the terminal cannot be redrawn


class Progress:
    """An observer of engines, and a context manager for as long as there is something to draw.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, str], tuple[Event, float]] = {}
        self._drawing = False
        self._live: Any = None

    def __enter__(self) -> Progress:
        self._drawing = sys.stderr.isatty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draws nothing while somebody is told or asked something."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        yield

    def __call__(self, event: Event) -> None:
        """Take note of ``event``; called from several threads."""
        with self._lock:
            if self._drawing and self._live is None:
                self._live = self._started()
            key, now = (event.name, event.kind), self._clock()
            before = self._under_way.get(key)
            if event.step in ("started", "waiting", "held"):
                started = before[1] if before and event.step != "started" else now - event.seconds
                self._under_way[key] = (event, started)
                if self._live is None and event.step != "started":
                    self._tell(event, before[0].why if before else "")
            else:
                self._under_way.pop(key, None)
                self._finished(event)

    def _tell(self, event: Event, before: str) -> None:
        """Without a terminal only what takes long is told, and of counts that move only the first."""
        if not event.kind:
            say(f"waiting   for {event.why}" if event.action == "look" else f"waiting   {event.why}")
        elif event.step == "held":
            say(f"waiting   {event.name:<28} {event.why}")
        elif (
            event.kind in TOLD
            and event.action != "delete"
            and event.why.partition(": ")[0] != before.partition(": ")[0]
        ):
            say(f"waiting   {event.name:<28} {event.kind:<26} for {event.why}")

    def _started(self) -> Any:
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(stderr=True), get_renderable=self._table, refresh_per_second=5, transient=True)
        live.start()
        return live

    def _finished(self, event: Event) -> None:
        if not event.kind and event.step == "done":
            return
        word, colour = _PAST.get(event.action, (event.action, "white"))
        if event.step in ("failed", "stopped", "kept"):
            word, colour = event.step, "red" if event.step == "failed" else "yellow"
        line = f"{event.name:<28} {event.kind:<26} {event.seconds:5.1f} s"
        if event.why:
            line += f"  {event.why if len(event.why) <= LONGEST else event.why[: LONGEST - 1] + '…'}"
        said = f"{click.style(f'{word:<9}', fg=colour)} {line}"
        if self._live is None:
            say(said)
        else:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(said))

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        # Without the lock: the drawing thread holds rich's own, which printing under this one would wait for.
        rows = sorted(self._under_way.values(), key=lambda row: row[1])
        now = self._clock()
        for event, started in rows[:MOST_ROWS]:
            doing = _NOW.get(event.action, event.action)
            cells = (doing, event.name, event.kind, f"{now - started:.0f} s", event.why)
            table.add_row(*map(Text, cells), style="dim" if event.step in ("waiting", "held") else "")
        if len(rows) > MOST_ROWS:
            table.add_row("", f"and {len(rows) - MOST_ROWS} more")
        return table
