"""Tells the observer about one resource, each reason to wait once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from awsrun.reconcile.calls import explain
from awsrun.reconcile.halt import Halted
from awsrun.reconcile.progress import Event, Step
from awsrun.reconcile.session import Session


class Waiting:
    """The voice of one resource at work.

    Attributes:
        remark: what is to be said with its end.
    """

    def __init__(self, session: Session, name: str, kind: str, action: str) -> None:
        self._session, self._about = session, (name, kind, action)
        self._begun = session.clock.monotonic()
        self._last = ""
        self.remark = ""

    def on(self, why: str) -> None:
        """Waits for ``why``."""
        if why != self._last:
            self._last = why
            self.tell("waiting", why)

    def held(self, why: str) -> None:
        """Waits for somebody else to let go, which may take long."""
        if why != self._last:
            self._last = why
            self.tell("held", why)

    def tell(self, step: Step, why: str = "") -> None:
        seconds = 0.0 if step == "started" else self._session.clock.monotonic() - self._begun
        self._session.observer(Event(*self._about, step, why, seconds))


@contextmanager
def work_on(session: Session, name: str, kind: str, action: str) -> Iterator[Waiting]:
    """Tells start and end; errors become an AwsrunError that names the resource.

    Raises:
        AwsrunError: whatever went wrong inside.
        Halted: the command is being stopped.
    """
    waiting = Waiting(session, name, kind, action)
    waiting.tell("started")
    try:
        yield waiting
    except Halted:
        waiting.tell("stopped")
        raise
    except Exception as error:
        told = explain(error, f"{action} {name}", session.kinds[kind].advice)
        waiting.tell("failed", ": ".join(part for part in (told.what, told.why) if part))
        raise told from error
    waiting.tell("done", waiting.remark)
