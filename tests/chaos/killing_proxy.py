"""A proxy in front of a cloud that counts mutating calls and kills (or suspends) whoever made the one it is set on.

``before``: the call is never forwarded.  ``after``: it is forwarded and done, and the answer is never delivered.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Literal

from tests.forwarding import ForwardingProxy, Request

Moment = Literal["before", "after"]
READS = ("Get", "List", "Describe", "Head", "Scan", "Query", "BatchGet", "GET ", "HEAD ")


def mutates(name: str) -> bool:
    return not name.startswith(READS)


@dataclass
class Trap:
    """Kills process ``pid`` at the ``at``-th mutating call from now.

    Attributes:
        blow: the signal; SIGSTOP suspends it.
        seen: the mutating calls so far.
        sprung: the call at which it killed; empty while it has not.
    """

    pid: int
    at: int = 0
    moment: Moment = "before"
    blow: signal.Signals = signal.SIGKILL
    seen: list[str] = field(default_factory=list)
    sprung: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def here(self, name: str) -> bool:
        """Counts a mutating call; whether it is the one.  After it no other call of the victim gets through."""
        with self.lock:
            self.seen.append(name)
            return len(self.seen) == self.at

    @property
    def dead(self) -> bool:
        """Whether the victim can make no calls any more; who is suspended wakes up and goes on."""
        return bool(self.sprung) and self.blow == signal.SIGKILL

    def spring(self, name: str) -> None:
        os.kill(self.pid, self.blow)
        self.sprung = name


class KillingProxy(ForwardingProxy):
    """``with KillingProxy(endpoint) as proxy: ... proxy.url``; set `trap` before each command."""

    trap: Trap | None = None

    def before(self, request: Request) -> bool:
        trap = self.trap
        if trap is None:
            return True
        name = request.operation
        request.marked = mutates(name) and trap.here(name)
        if request.marked and trap.moment == "before":
            trap.spring(name)
            return False
        return not trap.dead

    def after(self, request: Request) -> bool:
        if request.marked and self.trap is not None:
            self.trap.spring(self.trap.seen[self.trap.at - 1])
        return not request.marked
