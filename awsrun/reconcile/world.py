"""What is there: everything that carries the owner tags of a stack, found in parallel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from awsrun.aws import tags
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import Contents, Intent
from awsrun.resources.kind import Found, Seen

BESIDE = 8  # calls at once: three in a row, as many as it takes to make a table and lock it


@dataclass(frozen=True)
class Located:
    """A resource of ours, and what AWS says of it."""

    kind: str
    found: Found
    seen: Seen[Any]

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def id(self) -> str:
        return self.found.id

    @property
    def stack(self) -> str:
        return self.found.tags.get(tags.STACK, "")

    @property
    def purge(self) -> bool:
        """Whether its spec let its contents go with it."""
        return self.found.tags.get(tags.PURGE) == "true"

    @property
    def protected(self) -> bool:
        """Whether it must stay until its spec says otherwise."""
        return self.found.tags.get(tags.PROTECT) == "true"


def observe(
    session: Session,
    stack: str | None,
    kinds: Iterable[str],
    contents: Contents | None,
    wide: bool = False,
    most: int | None = None,
) -> list[Located]:
    """Everything of a stack (None: of every stack), except what is absent.

    Args:
        contents: what the stack's table says: its hints find what lists leave out.
        wide: look at everything there is instead of what carries derived names (the hints are lost).
        most: so many calls at once.
    """
    known = contents or Contents()
    scope = None if wide else stack

    def find(name: str) -> list[tuple[str, Found]]:
        hints = known.hints(name)
        listed = session.calls.read(lambda: list(session.kinds[name].find(scope, hints)))
        mine = {f.id: f for f in listed if _is(f, name, stack)}
        for intent in known.intents.values():
            if intent.kind == name and intent.id and intent.id not in mine and session.kinds[name].identity != "name":
                mine[intent.id] = _from_intent(intent, stack or "")
        return [(name, found) for found in mine.values()]

    def look(one: tuple[str, Found]) -> Located:
        name, found = one
        seen = found.seen or session.calls.read(lambda: session.kinds[name].read(found.id))
        return Located(name, found, seen)

    groups = session.side_by_side(find, sorted(set(kinds)), most)
    located = session.side_by_side(look, [one for group in groups for one in group], most)
    return [one for one in located if one.seen.phase != "absent"]


def observing(session: Session, stack: str, kinds: Iterable[str]) -> Future[list[Located]]:
    """A wide look that has begun, and goes on while other things are done: with few calls at once, which leave these
    their turn."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(observe, session, stack, kinds, None, True, BESIDE)
    finally:
        pool.shutdown(wait=False)


def kept_until(session: Session, located: Iterable[Located]) -> dict[str, frozenset[str]]:
    """Kind -> the kinds that have to be gone first, because of what some of these leave behind, see `Kind.until`."""
    found: dict[str, frozenset[str]] = {}
    for one in located:
        for kind, others in session.kinds[one.kind].until(one.seen).items():
            found[kind] = found.get(kind, frozenset()) | others
    return found


def by_node(located: Iterable[Located]) -> Mapping[tuple[str, str], list[Located]]:
    """(kind, logical name) -> what there is of it; more than one after a replacement that was cut short."""
    found: dict[tuple[str, str], list[Located]] = {}
    for one in located:
        found.setdefault((one.kind, one.name), []).append(one)
    return found


def _is(found: Found, kind: str, stack: str | None) -> bool:
    """Of this stack, and not one of the engine's own tables."""
    whose = found.tags.get(tags.STACK, stack)
    return found.tags.get(tags.KIND, kind) == kind and (stack is None or whose == stack)


def _from_intent(intent: Intent, stack: str) -> Found:
    """A resource that lists do not show yet, but that the stack's table remembers making."""
    owner = {tags.STACK: stack, tags.NAME: intent.name, tags.KIND: intent.kind, tags.NONCE: intent.nonce}
    return Found(intent.name, intent.id, owner)
