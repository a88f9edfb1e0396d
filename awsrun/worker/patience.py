"""For how long a worker tries what is not answered: a table or a bucket may be out of reach for hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from awsrun.worker.objects import BucketSilent
from awsrun.worker.protocol.table import Unanswered

NOTHING_TO_DO = 600.0
"""Seconds for which a worker that finds nothing to do asks on."""
OFFERED = 900.0
"""Seconds for which what a trial has come to is offered at least."""
AGAIN = 5.0
"""Seconds between two offers, each of which is patient in itself."""
_Answer = TypeVar("_Answer")


class Patience:
    """One worker's.

    Attributes:
        hurried: the worker is told to go, and will be killed.

    Args:
        clock, sleep: seconds of a monotonic clock, and to wait some.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.hurried = False
        self._clock, self._sleep = clock, sleep
        self._silent_since: float | None = None

    def ask(self, how: Callable[[], _Answer | None]) -> _Answer | None:
        """Ask once for something to do; None also where that is not answered: it is asked again later.

        Raises:
            Unanswered: nothing was answered for `NOTHING_TO_DO`.
        """
        try:
            found = how()
        except Unanswered as error:
            now = self._clock()
            if self._silent_since is None:
                self._silent_since = now
            if now - self._silent_since > NOTHING_TO_DO:
                raise
            say_silent(error)
            self._sleep(1.0)
            return None
        self._silent_since = None
        return found

    def insist(self, write: Callable[[], _Answer], worth: float) -> _Answer:
        """Do something until it is answered.

        Args:
            worth: seconds for which it is tried at least, and `OFFERED` in any case.

        Raises:
            Unanswered: it was tried for so long, or once while the worker is told to go.
        """
        end = self._clock() + max(worth, OFFERED)
        while True:
            try:
                return write()
            except Unanswered as error:
                if self.hurried or self._clock() >= end:
                    raise
                say_silent(error)
                self._sleep(AGAIN)


def say_silent(error: Unanswered, so: str = "it is asked again") -> None:
    """Tell the worker's log that something is not answered, and what follows."""
    who = "the bucket" if isinstance(error, BucketSilent) else "the table"
    print(f"[awsrun] {who} does not answer ({error}); {so}", flush=True)
