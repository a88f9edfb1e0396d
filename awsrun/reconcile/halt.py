"""The one reason to start nothing more: told to stop, the lock lost, credentials run out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from awsrun.aws.errors import AwsrunError, Stopped


class Halted(Exception):
    """Raised instead of a call that may not start any more; the reason is `Halt.reason`."""


class Halt:
    """Set once, read by all threads: calls in flight are finished, nothing new is started."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self.reason: AwsrunError | None = None
        self._wake = wake
        self._lock = threading.Lock()

    def stop(self, reason: AwsrunError) -> None:
        """Stop, for this reason unless there is one already."""
        with self._lock:
            self.reason = self.reason or reason
        self._wake()

    def check(self) -> None:
        """Raises Halted once there is a reason."""
        if self.reason is not None:
            raise Halted


@contextmanager
def on_signals(halt: Halt, again: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop cleanly; a second Ctrl-C is Python's own KeyboardInterrupt.  ``again``: what to type.

    Only the main thread may set handlers; whoever runs us in another one stops us in another way.
    """
    before = {}

    def handle(number: int, frame: Any) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        why = "calls in flight were finished, nothing new was started"
        halt.stop(Stopped(f"stopped by {name}", why, again, number))
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
