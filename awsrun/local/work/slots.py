"""How much of this machine is taken: jobs of Batch and tasks of ECS share its slots."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Slots:
    """So many things run at a time, whoever started them.

    Args:
        total: how many.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken = 0
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []

    @property
    def free(self) -> int:
        """How many are free; less than nothing where a server before this one started more than now fit."""
        return self.total - self._taken

    def take(self, always: bool = False) -> bool:
        """Take one; False where none is free.

        Args:
            always: it runs already, whether there is room or not.
        """
        with self._lock:
            if self._taken >= self.total and not always:
                return False
            self._taken += 1
            return True

    def give(self) -> None:
        """Give one back; whoever waits is told."""
        with self._lock:
            self._taken -= 1
        for wake in self._waiting:
            wake()

    def when_free(self, wake: Callable[[], None]) -> None:
        """From now on call ``wake`` whenever a slot is given back; it must return at once."""
        self._waiting.append(wake)
