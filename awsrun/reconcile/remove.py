"""Deletes one resource, and comes back when it is gone."""

from __future__ import annotations

from typing import Any

from awsrun.aws import tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.calls import Blocked, Gone, Uncertain
from awsrun.reconcile.clock import Pauses
from awsrun.reconcile.halt import Halted
from awsrun.reconcile.session import Session
from awsrun.reconcile.waiting import Waiting
from awsrun.reconcile.world import Located
from awsrun.resources.kind import Kind, Seen

UNSURE = 5  # deletes whose answer was lost, in a row
# Looks in a row that must miss what a list has shown and nobody here deleted: AWS may not know of it everywhere yet.
LOOKS = 3


class Kept(AwsrunError):
    """It holds data, and nothing says that the data may go."""


class Protected(Kept):
    """Its spec says that it must not go, or something whose spec says so may need it."""


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
        self._asked = False  # a delete call was accepted
        self._block, self._block_at, self._holder = "", 0.0, ""

    def run(self) -> None:
        last: tuple[Any, ...] = ()
        missed = 0
        begun = self._session.clock.monotonic()
        while True:
            seen = self._session.calls.read(lambda: self._kind.read(self._one.id))
            if seen.phase == "absent":
                missed += 1
                if self._asked or missed == LOOKS:
                    return
                self._pauses.pause()
                continue
            missed = 0
            self._waiting.remark = self._waiting.remark or self._kind.left_behind(seen)
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
                    f"{self._one.id} is still there after {minutes} minutes", self._reason(), "run the same again"
                )
            (self._waiting.held if self._holder else self._waiting.on)(self._reason())
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
            self._why = self._holder = self._block = ""
            self._unsure = 0
            self._asked = True
        except Gone:
            self._why = self._holder = ""
        except Blocked as error:
            self._why = str(error)
            self._ask_for_holder(self._why, seen)
        except Uncertain as error:
            self._unsure += 1
            self._why, self._holder = f"an answer: {error}", ""
            if self._unsure >= UNSURE:
                raise

    def _reason(self) -> str:
        """What is waited for."""
        return f"{self._one.id} is held by {self._holder}" if self._holder else self._why or "it to be gone"

    def _ask_for_holder(self, block: str, seen: Seen[Any]) -> None:
        """Learn who holds it, where the kind can tell.  Asked seldom, since the wait may be long."""
        session, now = self._session, self._session.clock.monotonic()
        if block == self._block and now - self._block_at < session.timing.visible:
            return
        self._block, self._block_at = block, now
        try:
            self._holder = session.calls.read(lambda: self._kind.holder(self._one.id, seen))
        except Halted:
            raise
        except Exception:
            self._holder = ""  # it may not look, or could not: the deletion goes on all the same


def nonce_of(one: Located) -> str:
    """The key of its intent in the stack's table, if there is one."""
    return one.found.tags.get(tags.NONCE, "")
