"""Deletes one resource, and comes back when it is gone."""

from __future__ import annotations

from typing import Any

from awsrun.aws import tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.calls import Blocked, Gone, Uncertain
from awsrun.reconcile.clock import Pauses
from awsrun.reconcile.session import Session
from awsrun.reconcile.waiting import Waiting
from awsrun.reconcile.world import Located
from awsrun.resources.kind import Kind, Seen

UNSURE = 5  # deletes whose answer was lost, in a row


class Kept(AwsrunError):
    """It holds data, and nothing says that the data may go."""


def remove(session: Session, one: Located, waiting: Waiting, purge: bool = False) -> None:
    """Delete it step by step until AWS says that it is absent.

    Args:
        purge: what is in it may go too.

    Raises:
        Kept: it holds data and may not be purged.
        AwsrunError: it is still there after the time that deletions take, with the blocker named.
    """
    kind = session.kinds[one.kind]
    if kind.holds_data and not (purge or one.purge):
        _refuse_data(session, kind, one)
    _Removal(session, kind, one, waiting, purge or one.purge).run()


def _refuse_data(session: Session, kind: Kind[Any, Any], one: Located) -> None:
    held = session.calls.read(lambda: kind.holds(one.id))
    if held:
        raise Kept(
            f"{one.name} ({one.id}) holds data and was not deleted",
            f"there are {held} or more things in it",
            f"set `purge: true` for {one.name} and apply, or tear down with --purge, or empty it",
        )


class _Removal:
    def __init__(self, session: Session, kind: Kind[Any, Any], one: Located, waiting: Waiting, purge: bool) -> None:
        self._session, self._kind, self._one, self._waiting, self._purge = session, kind, one, waiting, purge
        self._pauses = Pauses(session.clock, session.timing)
        self._limit = session.clock.monotonic() + session.timing.gone
        self._unsure = 0
        self._why = ""

    def run(self) -> None:
        last: tuple[Any, ...] = ()
        begun = self._session.clock.monotonic()
        while True:
            seen = self._session.calls.read(lambda: self._kind.read(self._one.id))
            if seen.phase == "absent":
                return
            if (sign := (seen.phase, seen.state)) != last:
                last = sign
                self._pauses.reset()
            stuck = self._session.clock.monotonic() - begun > self._session.timing.stuck
            if seen.phase in ("ready", "broken") or (seen.phase == "pending" and stuck):
                self._step(seen)
            else:
                self._why = seen.why or f"it is {seen.phase}"
            if self._session.clock.monotonic() > self._limit:
                minutes = f"{self._session.timing.gone / 60:.0f}"
                raise AwsrunError(
                    f"{self._one.id} is still there after {minutes} minutes", self._why, "run the same again"
                )
            self._waiting.on(self._why or "it to be gone")
            self._pauses.pause()
            self._session.halt.check()

    def _step(self, seen: Seen[Any]) -> None:
        """One page of contents, or one step of the deletion itself."""
        kind, id, calls = self._kind, self._one.id, self._session.calls
        try:
            if self._purge and kind.holds_data:
                while calls.read(lambda: kind.holds(id)):
                    self._waiting.on("its contents to be deleted")
                    calls.write(kind, "empty", lambda: kind.empty(id))
            calls.write(kind, "delete", lambda: kind.delete(id, seen))
            self._why = ""
            self._unsure = 0
        except Gone:
            self._why = ""
        except Blocked as error:
            self._why = str(error)
        except Uncertain as error:
            self._unsure += 1
            self._why = f"an answer: {error}"
            if self._unsure >= UNSURE:
                raise


def nonce_of(one: Located) -> str:
    """The key of its intent in the stack's table, if there is one."""
    return one.found.tags.get(tags.NONCE, "")
