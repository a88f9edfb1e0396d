"""Keeping to a rate that AWS publishes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A token bucket as AWS has them: ``burst`` at once, then ``rate`` a second.

    Args:
        scale: seconds here for one second of AWS; with 0 nothing waits.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        scale: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._burst, self._scale = rate, burst, scale
        self._clock, self._sleep = clock, sleep
        self._tokens, self._since = float(burst), clock()

    def take(self, count: int = 1) -> None:
        """Wait until there is room for ``count`` more, at most a burst."""
        if not self._scale:
            return
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate / self._scale)
        self._since = now
        if self._tokens < count:
            wait = (count - self._tokens) * self._scale / self._rate
            self._sleep(wait)
            self._tokens, self._since = float(count), now + wait
        self._tokens -= count
