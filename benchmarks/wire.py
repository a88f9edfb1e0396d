"""A proxy in front of a cloud that counts the calls on the wire, and keeps each back for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.forwarding import ForwardingProxy, Request


@dataclass(frozen=True)
class Call:
    """One call; times are monotonic seconds: when it was here whole, and when its answer was."""

    name: str
    start: float
    end: float
    status: int


class Wire(ForwardingProxy):
    """``with Wire(endpoint, latency=0.05) as wire: ... wire.url, wire.calls``.

    Args:
        latency: seconds that each call is kept before it goes on, beside those of other connections.
    """

    def __init__(self, endpoint: str, latency: float = 0.0) -> None:
        super().__init__(endpoint)
        self.latency = latency
        self.calls: list[Call] = []

    def before(self, request: Request) -> bool:
        time.sleep(self.latency)
        return True

    def after(self, request: Request) -> bool:
        if not request.path.startswith("/_awsrun/"):  # the embedded cloud's own: no call to AWS
            self.calls.append(Call(request.operation, request.began, time.monotonic(), request.status))
        return True
