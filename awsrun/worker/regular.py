"""Something that a worker does again and again, in a thread of its own, until it goes."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Regular(ABC):
    """Takes a turn every few seconds; a daemon, so that no worker that goes waits for it long."""

    def __init__(self, name: str) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no further turn; waits for one that is under way, a few seconds at most."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not self._stopped.wait(self._pause()):
            if not self._turn():
                return

    @abstractmethod
    def _pause(self) -> float:
        """Seconds until the next turn."""

    @abstractmethod
    def _turn(self) -> bool:
        """One turn; False if it was the last."""
