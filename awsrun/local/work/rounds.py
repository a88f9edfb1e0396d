"""The thread in which a scheduler looks after what it runs."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

POLL = 0.02  # seconds between looks at running processes
SHIP = 0.5  # seconds between looks at their output
STOP_GRACE = 10.0  # seconds from SIGTERM to SIGKILL when the server itself is stopped
_AFTER_ERROR = 1.0  # seconds

Turn = Callable[[bool], float | None]
"""Looks once, told whether somebody woke it; seconds until it is to look again by itself, None for not at all."""


class Rounds:
    """One turn after another, until it is told to stop.

    Args:
        name: of the thread.
        turn: what goes wrong in one is printed, and the next one comes all the same.
    """

    def __init__(self, name: str, turn: Turn) -> None:
        self._turn = turn
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self.stopping = False

    def wake(self) -> None:
        """There may be something to do: look at once."""
        self._wake.set()

    def start(self) -> None:
        """Begin."""
        self.wake()
        self._thread.start()

    def stop(self) -> None:
        """The turn that is under way is the last one."""
        self.stopping = True
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        rest: float | None = None
        while not self.stopping:
            self._wake.wait(rest)
            woken = self._wake.is_set()
            self._wake.clear()
            try:
                rest = self._turn(woken)
            except Exception:  # nothing that happens to one job may end its scheduler
                traceback.print_exc()
                time.sleep(_AFTER_ERROR)
                self.wake()
