"""Takes over resources that exist and are nobody's: owner tags go on them, and from then on they are the stack's.

What AWS has is compared with the spec first, and nothing but tags is changed: the next apply does the rest, in place.
An intent that names the id is written before the tags are set; killed anywhere, either nothing was taken over yet, or
the tags alone tell whose it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws import tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.calls import Gone
from awsrun.reconcile.decide import owner_tags, purges
from awsrun.reconcile.graph import Graph, Node, Spec, group_of
from awsrun.reconcile.host import myself
from awsrun.reconcile.lock import Lease
from awsrun.reconcile.outlook import Outlook
from awsrun.reconcile.plain import plain
from awsrun.reconcile.session import Session
from awsrun.reconcile.survey import Survey, survey
from awsrun.reconcile.table import KINDS, Contents, Intent, StackTable
from awsrun.resources.kind import UNKNOWN, Change, Found, Kind, Outputs, State, diff
from awsrun.spec.mistakes import near


@dataclass(frozen=True)
class Adoption:
    """One resource that is, or was, taken over.

    Attributes:
        changes: what the next apply will change of it.
        purge: its contents will go with it when the stack is torn down.
    """

    name: str
    kind: str
    id: str
    changes: tuple[Change, ...] = ()
    purge: bool = False

    def to_json(self) -> dict[str, Any]:
        shown = [
            {"field": c.field, "old": plain(c.old), "new": plain(c.new), "replace": c.replace} for c in self.changes
        ]
        return {"name": self.name, "kind": self.kind, "id": self.id, "fields": shown, "purge": self.purge}


Confirm = Callable[[Sequence[Adoption]], bool]


def adopt(
    session: Session, spec: Spec, ids: Mapping[str, str], confirm: Confirm, replacing: bool = False
) -> tuple[Adoption, ...]:
    """Take over what ``ids`` names; see `awsrun.reconcile.api.adopt`."""
    table = StackTable(session.cloud, spec.stack, session.calls)
    found = _Look(session, spec, table.load(), replacing).all(ids)
    if not found:
        return ()
    if not confirm(found):
        raise AwsrunError("nothing was changed", "it was not confirmed")
    table.ensure(runs=spec.jobs is not None)
    with Lease(session, table):
        contents = table.load() or Contents()
        look = _Look(session, spec, contents, replacing)
        if look.all(ids) != found:
            raise AwsrunError("nothing was changed: what is there has changed meanwhile", "", "run the same again")
        table.put(KINDS, sorted(contents.kinds | {one.kind for one in found}))
        for one in found:
            _take_over(session, table, look.graph.nodes[one.name], one, contents)
            session.halt.check()
        table.put_all(table.history(_entry(session, found)))
    return found


class _Look:
    """What there is to be taken over, and whether it may be."""

    def __init__(self, session: Session, spec: Spec, contents: Contents | None, replacing: bool) -> None:
        self._session, self._replacing = session, replacing
        self._survey: Survey = survey(session, spec, contents)
        self.graph: Graph = self._survey.graph
        self._outputs: dict[str, Outputs] = dict(self._survey.outputs)

    def all(self, ids: Mapping[str, str]) -> tuple[Adoption, ...]:
        """In the order of the graph: what others refer to comes first.  Without what is the stack's already.

        Raises:
            AwsrunError: one of them cannot be taken over.
        """
        for name in ids:
            if name not in self.graph.nodes:
                known = near(name, self.graph.nodes)
                raise AwsrunError(f"the spec has no resource {name!r}{known}", "", "write it into the spec first")
        looked = (self._one(node, ids[name]) for name, node in self.graph.nodes.items() if name in ids)
        return tuple(one for one in looked if one is not None)

    def _one(self, node: Node, id: str) -> Adoption | None:
        kind, session = self._session.kinds[node.kind], self._session
        if not kind.taggable or kind.identity == "revision":
            why = "it has no tags" if not kind.taggable else "every apply may register a new revision of it"
            raise _refusal(node, id, f"{why}: there is nothing to keep", "let apply make it")
        there = self._survey.there.get((node.kind, node.name), ())
        if any(one.id == id for one in there):
            self._outputs[node.name] = next(one.seen.outputs for one in there if one.id == id)
            return None
        if there:
            why = f"stack {self.graph.stack!r} has {there[0].id} under that name"
            raise _refusal(node, id, why, "give it another key in the spec, or take that one out and apply")
        seen = session.calls.read(lambda: kind.read(id))
        if seen.phase != "ready" or seen.state is None:
            why = "there is no such thing here" if seen.phase == "absent" else seen.why or f"it is {seen.phase}"
            raise _refusal(node, id, why, "look at its id, at the region and at the account")
        every: list[Found] = session.calls.read(lambda: list(kind.find(None, {id})))
        if whose := next((one for one in every if one.id == id), None):
            why = f"it is {whose.name!r} of stack {whose.tags.get(tags.STACK)!r}"
            raise _refusal(node, id, why, "one resource belongs to one key of one stack")
        return self._compared(node, kind, id, seen.state, seen.outputs)

    def _compared(self, node: Node, kind: Kind[Any, Any], id: str, state: State, outputs: Outputs) -> Adoption:
        wanted = kind.lower(node.spec, Outlook(self._session, self.graph, node, dict(self._outputs)))
        if kind.identity == "name" and (named := kind.physical(self.graph.stack, node.name, node.spec, wanted)) != id:
            why = f"by the spec its name is {named}"
            raise _refusal(node, id, why, f"write `name: {id}` for {node.name!r}, so that it is found by it again")
        if unfit := self._session.calls.read(lambda: kind.unfit(id, self.graph.stack)):
            raise _refusal(node, id, unfit, "leave it out of the spec, or let apply make another one")
        changes = diff(wanted, state)
        lasting = [change for change in changes if change.replace]
        if lasting and not self._replacing:
            shown = "; ".join(f"{c.field} is {plain(c.old)!r}, the spec says {plain(c.new)!r}" for c in lasting)
            hint = "write into the spec what is there; or add --replace, and the next apply makes another one instead"
            if any(change.new is UNKNOWN for change in lasting):
                needed = sorted({group_of(one) for one in node.after} - {group_of(node.name)})
                hint = f"what it is a part of is not there: take that over too ({', '.join(needed)}), or apply it first"
            raise _refusal(node, id, f"apply would have to replace it: {shown}", hint)
        self._outputs[node.name] = outputs
        return Adoption(node.name, node.kind, id, changes, purges(node))


def _take_over(session: Session, table: StackTable, node: Node, one: Adoption, contents: Contents) -> None:
    kind = session.kinds[one.kind]
    begun = (i for i in contents.intents.values() if (i.kind, i.name, i.physical) == (one.kind, one.name, one.id))
    before = next(begun, None)
    intent = before or Intent(uuid.uuid4().hex, one.name, one.kind, one.id, "", session.clock.now())
    table.remember(intent)  # without an id: for as long as it has no tags, nothing takes it for the stack's
    marks = {**owner_tags(table.stack, node), tags.NONCE: intent.nonce}
    try:
        session.calls.write(kind, "tag", lambda: kind.tag(one.id, marks, ()))
    except Gone as error:
        table.forget(intent.nonce)
        raise _refusal(node, one.id, "it is gone", "") from error
    except ClientError:
        table.forget(intent.nonce)  # AWS said no: it is what it was
        raise
    table.remember(replace(intent, id=one.id))


def _entry(session: Session, found: Sequence[Adoption]) -> dict[str, Any]:
    at, who = datetime.fromtimestamp(session.clock.now(), timezone.utc), myself()
    done = [f"adopt {one.name} ({one.id})" for one in found]
    return {"at": at.isoformat(timespec="milliseconds"), "who": f"{who.user}@{who.host}", "applied": done, "failed": []}


def _refusal(node: Node, id: str, why: str, hint: str) -> AwsrunError:
    return AwsrunError(f"{id} cannot be taken over as {node.name!r} ({node.kind})", why, hint)
