"""How often a run is looked at while somebody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Looks:
    """Pauses between looks: longer where a look takes more queries of the table, so that watching costs at most one a
    second, however many trials there are.

    Args:
        calls: how many queries were made so far.
        timeout: seconds until it is enough; None for ever.
        poll: seconds between two looks, at least.
    """

    def __init__(
        self, calls: Callable[[], int], timeout: float | None, poll: float, sleep: Callable[[float], None]
    ) -> None:
        self._calls, self._poll, self._sleep = calls, poll, sleep
        self._until = None if timeout is None else time.monotonic() + timeout
        self._before = calls()

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self._until is not None and time.monotonic() >= self._until

    def pause(self) -> None:
        """Sleep after a look, not beyond the time that there is."""
        pause = max(self._poll, float(self._calls() - self._before))
        self._sleep(pause if self._until is None else max(0.0, min(pause, self._until - time.monotonic())))
        self._before = self._calls()
