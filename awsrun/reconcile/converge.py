"""Brings one resource to its wanted state, and waits until it is ready."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.calls import Gone, Refused, Uncertain
from awsrun.reconcile.clock import Pauses
from awsrun.reconcile.session import Session
from awsrun.reconcile.waiting import Waiting
from awsrun.resources.kind import Change, Kind, Seen, State, diff

STEPS = 30  # updates of one resource in one apply
REPEATS = 3  # updates after which the very same fields still differ


def converge(
    session: Session,
    kind: Kind[Any, Any],
    id: str,
    wanted: State,
    waiting: Waiting,
    fresh: bool,
    born: State | None = None,
) -> Seen[Any]:
    """Update ``id`` until AWS shows ``wanted`` and it is ready.

    Args:
        fresh: it was created a moment ago, so that AWS may not show it yet.
        born: what AWS has there for sure: an update may be sent before the first look.

    Raises:
        AwsrunError: it is broken or gone, takes too long, or AWS accepts a change and does not show it.
    """
    return _Convergence(session, kind, id, wanted, waiting, fresh).run(born)


class _Convergence:
    def __init__(
        self, session: Session, kind: Kind[Any, Any], id: str, wanted: State, waiting: Waiting, fresh: bool
    ) -> None:
        self._session, self._kind, self._id, self._wanted, self._waiting = session, kind, id, wanted, waiting
        self._fresh = fresh
        self._clock, self._timing = session.clock, session.timing
        self._pauses = Pauses(session.clock, session.timing)
        self._sent: dict[str, int] = {}  # differences that an update was sent for -> how often
        self._last = ""
        self._since = self._clock.monotonic()  # the last thing that was done
        self._missed: float | None = None  # since when AWS says that something is not there
        self._put_off: float | None = None  # since when AWS refuses for now, or does not answer
        self._moved = False  # it went through another phase since
        self._why = ""  # it was not ready

    def run(self, born: State | None) -> Seen[Any]:
        if born is not None and (changes := diff(self._wanted, born)) and self._may_send(changes):
            self._send(Seen(born, "ready"), changes)
        while True:
            seen = self._session.calls.read(lambda: self._kind.read(self._id))
            if seen.phase == "ready" and seen.state is not None:
                changes = diff(self._wanted, seen.state)
                if not changes:
                    return seen
                if self._may_send(changes):
                    self._send(seen, changes)
                    continue
                self._wait(f"{_fields(changes)} to show", self._timing.visible, _unshown(self._id, changes))
            elif seen.phase == "absent":
                self._absent()
            elif seen.phase == "broken":
                raise AwsrunError(f"{self._id} is broken", seen.why, "mend the cause and run again: it is made anew")
            elif seen.phase == "deleting":
                raise AwsrunError(f"{self._id} is being deleted", "somebody else deletes it", "wait, then run again")
            else:
                self._moved = True
                if seen.why != self._why:  # it goes on
                    self._why, self._since = seen.why, self._clock.monotonic()
                late = AwsrunError(
                    f"{self._id} is not ready after {self._timing.ready / 60:.0f} minutes", seen.why, "run again"
                )
                self._wait(seen.why or "it to become ready", self._timing.ready, late)

    def _may_send(self, changes: Collection[Change]) -> bool:
        """Whether an update has a point: not for what AWS cannot change, nor again for what was sent just now."""
        sign, steps = repr(changes), sum(self._sent.values())
        if any(change.replace for change in changes):
            return False
        if sign != self._last or self._moved:
            if self._sent.get(sign, 0) >= REPEATS or steps >= STEPS:
                raise _unshown(self._id, changes)
            return True
        return False

    def _send(self, seen: Seen[Any], changes: Collection[Change]) -> None:
        sign = repr(changes)
        self._sent[sign] = self._sent.get(sign, 0) + 1
        self._last, self._moved = sign, False
        try:
            self._session.calls.write(
                self._kind, "update", lambda: self._kind.update(self._id, self._wanted, seen.state, changes)
            )
        except (Refused, Uncertain) as error:
            self._sent[sign] -= 1
            self._not_now(error)
            return
        except Gone as error:
            self._not_there(error)
            return
        self._put_off = None
        self._since = self._clock.monotonic()
        self._pauses.reset()

    def _not_now(self, error: Refused | Uncertain) -> None:
        """It will pass later, or may not have arrived; and maybe not all of it has to be done any more."""
        self._last = ""
        self._put_off = self._clock.monotonic() if self._put_off is None else self._put_off
        if error.__cause__ is not None and self._clock.monotonic() - self._put_off > self._timing.patience:
            raise error.__cause__
        self._waiting.on(f"an answer: {error}" if isinstance(error, Uncertain) else str(error))
        self._pauses.pause()

    def _not_there(self, error: Gone) -> None:
        """AWS did not find it, or something that it is to have: what was just made may need a moment to be known."""
        self._last = ""
        self._sent.clear()
        self._missed = self._clock.monotonic() if self._missed is None else self._missed
        if error.__cause__ is not None and self._clock.monotonic() - self._missed > self._timing.visible:
            raise error.__cause__
        self._waiting.on("AWS to find what was just made")
        self._pauses.pause()

    def _absent(self) -> None:
        gone = AwsrunError(f"{self._id} is gone", "it was deleted meanwhile, or AWS lost it", "run the same again")
        limit = max(self._timing.settle, 10.0) if self._fresh else self._timing.visible  # one of AWS's servers may lag
        self._wait("AWS to show it", limit, gone)

    def _wait(self, what: str, limit: float, late: AwsrunError) -> None:
        if self._clock.monotonic() - self._since > limit:
            raise late
        self._waiting.on(what)
        self._pauses.pause()
        self._session.halt.check()


def _fields(changes: Collection[Change]) -> str:
    return ", ".join(change.field for change in changes)


def _unshown(id: str, changes: Collection[Change]) -> AwsrunError:
    shown = "; ".join(f"{change.field} is {change.old!r} instead of {change.new!r}" for change in changes)
    hint = "take the field out of the spec, or write the value that AWS shows"
    return AwsrunError(f"AWS accepted a change of {id} and does not show it: {_fields(changes)}", shown, hint)
