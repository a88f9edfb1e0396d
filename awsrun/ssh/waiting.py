"""Waiting for a machine, with somebody being told what for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
PAUSE = 1.0  # seconds between two looks


def silent(what: str, lasted: float) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Wait:
    """How to wait.

    Attributes:
        tell: is called at each look with what is waited for, and for how many seconds so far.
        clock: monotonic seconds.
    """

    tell: Callable[[str, float], None] = silent
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    pause: float = PAUSE

    def until(self, look: Callable[[], T | None], limit: float, what: Callable[[], str]) -> T | None:
        """What ``look`` finds; None where it finds nothing for ``limit`` seconds."""
        begun = self.clock()
        while (found := look()) is None:
            lasted = self.clock() - begun
            if lasted >= limit:
                return None
            self.tell(what(), lasted)
            self.sleep(self.pause)
        return found
