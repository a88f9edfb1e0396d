"""What functions say, on its way into CloudWatch Logs: collected as it comes, stored a moment later.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from awsrun.local import clock

EVERY = 0.2  # seconds
LINE = 256 * 1024  # bytes; CloudWatch's limit of an event
TAIL = 4096  # bytes that LogType=Tail answers

Event = tuple[int, str]  # milliseconds, text


@dataclass
class Stream:
    """The log stream of one execution environment.

    Attributes:
        function: its name.
        role: of the function: whether anything is kept depends on its rights.
        ship: called when there is something to store.
        said: what came since `told` was last called.
        waiting: what is still to be stored.
        stored: number of events that are.
    """

    region: str
    function: str
    group: str
    name: str
    role: str
    ship: Callable[[Stream], None]
    said: list[str] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    stored: int = 0

    def say(self, text: str) -> None:
        """Add one event."""
        at = int(time.time() * 1000)
        self.said.append(text)
        self.waiting += [(at, text[start : start + LINE]) for start in range(0, max(1, len(text)), LINE)]
        self.ship(self)

    def told(self) -> bytes:
        """The end of what was said since the last time."""
        text = "".join(f"{line}\n" for line in self.said).encode()
        self.said.clear()
        return text[-TAIL:]


class Shipper:
    """Stores what streams have, from a thread of its own, so that nobody waits for it.

    Args:
        store: called with a stream and its events.
    """

    def __init__(self, store: Callable[[Stream, list[Event]], None]) -> None:
        self._store = store
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="function logs").start()

    def ship(self, stream: Stream) -> None:
        """It has something to store."""
        with self._lock:
            self._streams[stream.name] = stream
        self._wake.set()

    def flush(self) -> None:
        """Store everything now."""
        with self._lock:
            due, self._streams = self._streams, {}
        for stream in due.values():
            count = len(stream.waiting)
            events, stream.waiting[:count] = stream.waiting[:count], []
            if events:
                self._store(stream, events)
                stream.stored += len(events)

    def _run(self) -> None:
        while self._wake.wait():
            time.sleep(EVERY)
            self._wake.clear()
            try:
                self.flush()
            except Exception:  # no log may end all logs
                traceback.print_exc()


def store(account: str, region: str, group: str, stream: str, events: list[Event], offset: int) -> None:
    """Put events into moto's logs, with the group where it is missing.  The world's lock is held."""
    from moto.logs.models import logs_backends

    backend: Any = logs_backends[account][region]
    with clock.moment(events[-1][0] / 1000, f"{stream}@{offset}"):
        if group not in backend.groups:
            backend.create_log_group(group, {})
        backend.ensure_log_stream(group, stream)
        backend.put_log_events(group, stream, [{"timestamp": at, "message": text or " "} for at, text in events])


def exists(account: str, region: str, group: str) -> bool:
    """Whether there is such a group.  The world's lock is held."""
    from moto.logs.models import logs_backends

    return group in logs_backends[account][region].groups
