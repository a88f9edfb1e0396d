"""What is to be done about one node: a pure function of what is wanted and what is there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from awsrun.aws import tags
from awsrun.reconcile.graph import Node
from awsrun.reconcile.world import Located
from awsrun.resources.kind import Change, Kind, State, diff

Action = Literal["none", "create", "update", "replace"]


@dataclass(frozen=True)
class Decision:
    """What to do about one node.

    Attributes:
        current: the resource that stays (``none``, ``update``), or the one that is to be replaced.
        stale: others of the same name, which go once nothing uses them any more; with ``replace``, ``current`` too.
        changes: the fields that differ.
        retag: owner tags to set; ``untag``: owner tags to take off.
        first: the old one must go before the new one can be made.
        protected: with ``replace``: it must not be.  A revision is never replaced: another one is made.
        leaving: others of the same name that are being deleted already; what they use may go only after them.
    """

    action: Action
    current: Located | None = None
    stale: tuple[Located, ...] = ()
    changes: tuple[Change, ...] = ()
    retag: Mapping[str, str] | None = None
    untag: tuple[str, ...] = ()
    why: str = ""
    first: bool = False
    protected: bool = False
    leaving: tuple[Located, ...] = ()


def decide(
    kind: Kind[Any, Any], stack: str, node: Node, wanted: State, there: Sequence[Located], recorded: Collection[str]
) -> Decision:
    """Keep what can be made right in place, else replace; what is left over goes.

    Args:
        there: all that carries the node's name.
        recorded: ids that the stack's table remembers making: they go before their doubles.
    """
    leaving = tuple(one for one in there if one.seen.phase == "deleting")
    return replace(
        _decide(kind, stack, node, wanted, [o for o in there if o not in leaving], recorded), leaving=leaving
    )


def _decide(
    kind: Kind[Any, Any], stack: str, node: Node, wanted: State, there: Sequence[Located], recorded: Collection[str]
) -> Decision:
    fitting = [one for one in there if one.seen.phase != "broken" and not _replacing(wanted, one)]
    if fitting:
        current = min(fitting, key=lambda one: (one.id not in recorded, len(_changes(wanted, one)), _age(kind, one.id)))
        stale = tuple(one for one in there if one is not current)
        changes = _changes(wanted, current)
        retag, untag = _tags(stack, node, current)
        action: Action = "update" if changes or retag or untag else "none"
        why = "" if changes or action == "none" else "its owner tags differ"
        return Decision(action, current, stale, changes, retag, untag, why)
    if not there:
        return Decision("create")
    old = min(there, key=lambda one: (one.id not in recorded, one.seen.phase == "broken", _age(kind, one.id)))
    changes = _changes(wanted, old)
    if old.seen.phase == "broken":
        why = f"it is broken: {old.seen.why}" if old.seen.why else "it is broken"
    elif kind.identity == "revision":
        why = "a change makes a new revision"
    else:
        why = f"AWS cannot change {' and '.join(c.field for c in changes if c.replace)} in place"
    protected = kind.identity != "revision" and (node.protect or old.protected)
    return Decision("replace", old, tuple(there), changes, why=why, first=_goes_first(kind, node), protected=protected)


def owner_tags(stack: str, node: Node) -> dict[str, str]:
    """The tags that say whose it is."""
    found = {tags.STACK: stack, tags.NAME: node.name, tags.KIND: node.kind}
    found |= {tags.PURGE: "true"} if purges(node) else {}
    return found | ({tags.PROTECT: "true"} if node.protect else {})


def purges(node: Node) -> bool:
    """Whether its spec lets its contents go with it."""
    return bool(getattr(node.spec, "purge", False))


def _goes_first(kind: Kind[Any, Any], node: Node) -> bool:
    if kind.holds_data or kind.alone:
        return True
    return kind.identity == "name" and (bool(node.spec.name) or not kind.hashed)


def _changes(wanted: State, one: Located) -> tuple[Change, ...]:
    return diff(wanted, one.seen.state) if one.seen.state is not None else ()


def _replacing(wanted: State, one: Located) -> bool:
    return any(change.replace for change in _changes(wanted, one))


def _tags(stack: str, node: Node, one: Located) -> tuple[dict[str, str], tuple[str, ...]]:
    """What is amiss with its owner tags.  (A kind that cannot tell tags in lists yields none at all.)"""
    if not one.found.tags:
        return {}, ()
    wanted = owner_tags(stack, node)
    unset = tuple(key for key in (tags.PURGE, tags.PROTECT) if key in one.found.tags and key not in wanted)
    return {key: value for key, value in wanted.items() if one.found.tags.get(key) != value}, unset


def _age(kind: Kind[Any, Any], id: str) -> tuple[int, str]:
    """Sorts the newest revision first, and anything else by its id, so that every run chooses the same one."""
    number = re.search(r":(\d+)$", id) if kind.identity == "revision" else None
    return (-int(number.group(1)) if number else 0, id)
