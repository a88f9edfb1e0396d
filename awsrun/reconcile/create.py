"""Creates a resource once, whatever happens to the call.

An intent is written first.  Where an answer is lost, or the process dies, the next look goes by the kind's identity: a
unique *name* tells whether it is there and whose it is; a *token* makes AWS itself answer twice with the same resource;
*tags* and *revisions* are searched for the intent's nonce until lists have had time to settle.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from awsrun.aws import tags
from awsrun.aws.errors import AwsrunError, code_of, matches
from awsrun.aws.names import digest
from awsrun.reconcile.calls import Uncertain
from awsrun.reconcile.clock import Pauses
from awsrun.reconcile.decide import owner_tags
from awsrun.reconcile.graph import Node
from awsrun.reconcile.plain import plain
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import Intent, StackTable
from awsrun.reconcile.world import Located
from awsrun.resources.kind import Found, Kind, Owner, State

ATTEMPTS = 5  # creates whose answer was lost, in a row


@dataclass(frozen=True)
class Created:
    """A resource that is there now.

    Attributes:
        fresh: this run's own create call made it, and nobody has touched it since.
        notes: done once its id is remembered.
    """

    id: str
    fresh: bool
    notes: tuple[Future[None], ...] = ()

    def wait(self) -> None:
        """Until all is noted; raises what went wrong there."""
        for note in self.notes:
            note.result()


class Creator:
    """Creates the resources of one stack.  ``with Creator(...)``: leaving waits for what is still being written down.

    Made under the lock: whatever an earlier run sent, it sent before.

    Args:
        intents: what the stack's table remembers of earlier runs.

    Attributes:
        kept: the nonces of the intents that led to a resource of this run.
    """

    def __init__(self, session: Session, table: StackTable, intents: Iterable[Intent]) -> None:
        self._session, self._table, self._calls = session, table, session.calls
        self._intents = tuple(intents)
        self.kept: set[str] = set()
        self._announced: dict[str, Intent] = {}
        self._since = session.clock.now()
        self._notes = ThreadPoolExecutor(session.workers)

    def __enter__(self) -> Creator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._notes.shutdown()

    def prepare(self, kinds: Iterable[str]) -> None:
        """Begin what the creates of these kinds will have to read; what fails is read again by the create."""
        for name in kinds:
            self._notes.submit(self._session.kinds[name].prepare)

    def announce(self, nodes: Iterable[Node]) -> list[Intent]:
        """Intents for all that is about to be made, to be written in one call before the first create.

        A token goes with its very request, which may name what is not there yet: those intents are written later, one
        by one.
        """
        begun = {(intent.kind, intent.name) for intent in self._intents}
        for node in nodes:
            if (node.kind, node.name) not in begun and self._session.kinds[node.kind].identity != "token":
                physical = self._session.kinds[node.kind].physical(self._table.stack, node.name, node.spec)
                intent = Intent(uuid.uuid4().hex, node.name, node.kind, physical, "", self._since)
                self._announced[node.name] = intent
        return list(self._announced.values())

    def create(self, node: Node, wanted: State, there: Sequence[Located]) -> Created:
        """Create it, or find what an earlier run created.

        Args:
            there: what already has its name (and is about to be replaced).

        Raises:
            AwsrunError: a resource of this name is there and is not ours.
        """
        kind = self._session.kinds[node.kind]
        before, found = self._unfinished(
            kind, node, there, kind.physical(self._table.stack, node.name, node.spec, wanted)
        )
        if found:
            return Created(found, False)
        intent = self._begin(kind, node, wanted, there, before)
        if before is not None and (kind.identity == "tags" or (kind.identity == "token" and before != intent)):
            found = self._search(kind, before)
        leaving = any(one.seen.phase == "deleting" for one in there)
        if before is not None or leaving or not kind.exists:  # else the create call itself says that it is taken
            found = found or self._same_name(kind, node, intent, before is not None)
        if found:
            return Created(found, False, (self._remember(intent, found),))
        if node.name not in self._announced:
            self._table.remember(intent)
        found, fresh = self._send(kind, node, wanted, intent, before is not None)
        return Created(found, fresh, (self._remember(intent, found),))

    def _remember(self, intent: Intent, id: str) -> Future[None]:
        self.kept.add(intent.nonce)
        return self._notes.submit(self._table.remember, replace(intent, id=id))

    # -- what earlier runs left ---------------------------------------------------------------------------------------

    def _unfinished(
        self, kind: Kind[Any, Any], node: Node, there: Sequence[Located], physical: str
    ) -> tuple[Intent | None, str]:
        """The intent of an earlier run whose end is not known; or the id of what it made, if that shows up now.

        What has a unique name and was made may be gone, or be missing in a list that lags: the create call tells, and
        then the intent's nonce whose it is.
        """
        nonces = {one.found.tags.get(tags.NONCE) for one in there}
        ids = {one.id for one in there}
        for intent in self._intents:
            if (intent.kind, intent.name) != (node.kind, node.name) or intent.nonce in nonces or intent.id in ids:
                continue
            if not intent.id or (kind.identity == "name" and intent.physical == physical):
                return intent, ""
            if kind.identity != "name" and self._appears(kind, intent):
                return None, intent.id
            self._table.forget(intent.nonce)
        return None, ""

    def _appears(self, kind: Kind[Any, Any], intent: Intent) -> bool:
        """Whether what was made a moment ago, and is not there, just does not show yet."""
        pauses, limit = Pauses(self._session.clock, self._session.timing), self._limit(intent.at)
        while self._session.clock.now() < limit:
            if self._calls.read(lambda: kind.read(intent.id)).phase != "absent":
                return True
            pauses.pause()
            self._session.halt.check()
        return False

    def _search(self, kind: Kind[Any, Any], intent: Intent, since: float | None = None) -> str:
        """The id of what carries the intent's nonce; empty where it did not show within the time to settle.

        Args:
            since: when the create was sent at the latest; else it was before this run had the lock.
        """
        pauses = Pauses(self._session.clock, self._session.timing)
        limit = self._limit(self._since if since is None else since)
        while True:
            carriers = [f.id for f in self._find(kind, {intent.physical}) if f.tags.get(tags.NONCE) == intent.nonce]
            if carriers:
                return min(carriers)
            if self._session.clock.now() >= limit:
                return ""
            pauses.pause()
            self._session.halt.check()

    def _limit(self, since: float) -> float:
        """When what was done at ``since`` must show; an intent of a clock that is ahead counts from now."""
        return min(since, self._session.clock.now()) + self._session.timing.settle

    # -- this run ------------------------------------------------------------------------------------------------------

    def _begin(
        self, kind: Kind[Any, Any], node: Node, wanted: State, there: Sequence[Located], before: Intent | None
    ) -> Intent:
        marks = owner_tags(self._table.stack, node)
        request = digest(json.dumps([plain(wanted), marks], sort_keys=True), length=32)
        if before is not None and (kind.identity != "token" or before.request == request):
            nonce = before.nonce
        else:
            nonce = self._announced[node.name].nonce if node.name in self._announced else uuid.uuid4().hex
        physical = kind.physical(self._table.stack, node.name, node.spec, wanted)
        ids = {one.id for one in there}
        taken = ids | {intent.physical for intent in self._intents if intent.id in ids}
        if physical in taken and kind.identity == "name" and kind.hashed and not node.spec.name:
            physical = f"{physical[: kind.name_limit - 5].rstrip('-')}-{nonce[:4]}"  # the old one goes only later
        return Intent(nonce, node.name, node.kind, physical, request, self._session.clock.now())

    def _send(self, kind: Kind[Any, Any], node: Node, wanted: State, intent: Intent, begun: bool) -> tuple[str, bool]:
        """Its id, and whether it was made by the one call that was answered.

        Args:
            begun: an earlier run may have made it.
        """
        marks = {**owner_tags(self._table.stack, node), tags.NONCE: intent.nonce}
        owner = Owner(self._table.stack, node.name, intent.physical, marks, intent.nonce)
        pauses = Pauses(self._session.clock, self._session.timing)
        freed = False
        for attempt in range(ATTEMPTS):
            try:
                return self._calls.write(kind, "create", lambda: kind.create(wanted, owner)), attempt == 0
            except Uncertain:
                if attempt == ATTEMPTS - 1:
                    raise
                pauses.pause()
                found = self._after_silence(kind, node, intent)
                if found:
                    return found, False
            except Exception as error:
                if not _answered(error):
                    raise
                taken = matches(error, kind.exists)
                found = self._taken(kind, node, intent, begun or attempt > 0) if taken else ""
                if found:
                    return found, False
                if taken and kind.identity == "name" and not freed:
                    freed = True  # it was that of something on its way out
                    continue
                self._table.forget(intent.nonce)  # AWS said no: nothing was made
                raise
        raise AssertionError("unreachable")

    def _after_silence(self, kind: Kind[Any, Any], node: Node, intent: Intent) -> str:
        """What a create made whose answer was lost; empty where the same request may be sent again."""
        if kind.identity == "name":
            return self._same_name(kind, node, intent, True)
        return "" if kind.identity == "token" else self._search(kind, intent, self._session.clock.now())

    def _taken(self, kind: Kind[Any, Any], node: Node, intent: Intent, begun: bool) -> str:
        """`_same_name` of a name that AWS says is taken: who has it may take a while to show."""
        pauses, limit = Pauses(self._session.clock, self._session.timing), self._limit(self._session.clock.now())
        while not (found := self._same_name(kind, node, intent, begun)) and self._session.clock.now() < limit:
            if kind.identity != "name":
                break
            pauses.pause()
            self._session.halt.check()
        return found

    def _same_name(self, kind: Kind[Any, Any], node: Node, intent: Intent, begun: bool) -> str:
        """The id of our resource that has the name already; empty where the name is free.

        Args:
            begun: an earlier create may have made it; only its tags tell, which may take a while to show.
        """
        if kind.identity != "name":
            return ""
        mine = [f.id for f in self._find(kind, {intent.physical}) if f.tags.get(tags.NONCE) == intent.nonce]
        if mine:
            return min(mine)
        if not self._is_there(kind, intent.physical):
            return ""
        every = self._calls.read(lambda: list(kind.find(None, {intent.physical})))
        whose = next((f for f in every if f.id == intent.physical), None)
        if whose is not None and (whose.name, whose.tags.get(tags.STACK)) == (node.name, self._table.stack):
            return whose.id
        if whose is None and begun and (found := self._search(kind, intent, self._session.clock.now())):
            return found
        raise _foreign(node, intent.physical, whose)

    def _is_there(self, kind: Kind[Any, Any], physical: str) -> bool:
        """Whether something has the name; one that is just being deleted is waited for."""
        pauses = Pauses(self._session.clock, self._session.timing)
        limit = self._session.clock.monotonic() + self._session.timing.gone
        while True:
            try:
                phase = self._calls.read(lambda: kind.read(physical)).phase
            except Exception as error:
                if not code_of(error):
                    raise
                return False  # not ours to look at: the create call will say so
            if phase != "deleting" or self._session.clock.monotonic() > limit:
                return phase != "absent"
            pauses.pause()
            self._session.halt.check()

    def _find(self, kind: Kind[Any, Any], hints: Collection[str]) -> list[Found]:
        return self._calls.read(lambda: list(kind.find(self._table.stack, hints)))


def _answered(error: Exception) -> bool:
    """Whether AWS itself refused, be it in a kind's own words."""
    return bool(code_of(error) or (error.__cause__ is not None and code_of(error.__cause__)))


def _foreign(node: Node, physical: str, whose: Found | None) -> AwsrunError:
    if whose is None:
        return AwsrunError(
            f"{physical} exists already and is not awsrun's",
            "what awsrun did not make it never touches unasked",
            f"to take it over: awsrun adopt SPEC {node.name}={physical}; else give {node.name!r} another `name:`",
        )
    stack = whose.tags.get(tags.STACK)
    return AwsrunError(
        f"{physical} exists already: it is {whose.name!r} of stack {stack!r}",
        "one resource belongs to one key of one stack",
        f"keep the key {whose.name!r}, or give {node.name!r} another `name:`",
    )
