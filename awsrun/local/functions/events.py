"""Asynchronous invocations that were accepted and are not settled: kept with the world, each at least once.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from awsrun.local.functions.definition import Target
from awsrun.local.functions.outcome import Invocation


@dataclass(frozen=True)
class Event:
    """One of them.

    Attributes:
        accepted: POSIX seconds.
        due: POSIX seconds when it is tried next.
        failed: how often the function failed with it.
        throttled: how often it was not run, since the last time that it was.
    """

    region: str
    target: Target
    invocation: Invocation
    accepted: float
    due: float
    failed: int = 0
    throttled: int = 0

    @property
    def id(self) -> str:
        return self.invocation.id


class Events:
    """All of them, by id."""

    def __init__(self) -> None:
        self.waiting: dict[str, Event] = {}

    def accept(self, event: Event) -> None:
        """Take a new one."""
        self.waiting[event.id] = event

    def again(self, identity: str, failed: int, throttled: int, due: float) -> Event | None:
        """One is to be tried again; None where it is settled by now."""
        known = self.waiting.get(identity)
        if known is None:
            return None
        self.waiting[identity] = replace(known, failed=failed, throttled=throttled, due=due)
        return self.waiting[identity]

    def settle(self, identity: str) -> None:
        """One is over."""
        self.waiting.pop(identity, None)
