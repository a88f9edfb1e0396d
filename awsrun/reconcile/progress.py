"""What an engine tells while it works.  Who listens draws it; nothing here prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Step = Literal["started", "waiting", "held", "done", "failed", "stopped", "kept"]


@dataclass(frozen=True)
class Event:
    """One thing that happened to one resource.

    Attributes:
        name, kind: which resource; the stack and an empty kind where it is about all of it.
        action: what is being done: ``create``, ``update``, ``replace``, ``delete``; of a stack ``lock`` (waiting for
            its lock) and ``look`` (for lists to show what is there).
        step: ``waiting`` may come many times, with another ``why`` only when it changes.
            ``held``: a wait that may last, for somebody else to let go of it.
            ``stopped``: the command is being stopped, and this goes on with the next one.
        why: what is waited for, or what went wrong; with ``done``: what there is to be said of it.
        seconds: since ``started``; 0 for ``started`` itself.
    """

    name: str
    kind: str
    action: str
    step: Step
    why: str = ""
    seconds: float = 0.0


class Observer(Protocol):
    """Is called from several threads, one event at a time for each resource."""

    def __call__(self, event: Event) -> None: ...


def silent(event: Event) -> None:
    """The observer of those who look at the result only."""
