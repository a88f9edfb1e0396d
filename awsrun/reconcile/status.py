"""What exists of a stack, whatever any spec says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.aws import stacks
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.plain import plain
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import Contents, StackTable
from awsrun.reconcile.world import Located, observe


@dataclass(frozen=True)
class Status:
    """One stack as it is.

    Attributes:
        applied_at: ISO 8601; empty where no apply got to its end.
        complete: the last apply did all that it planned.
    """

    stack: str
    applied_at: str
    complete: bool
    resources: tuple[Located, ...]
    outputs: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        listed = [
            {"name": r.name, "kind": r.kind, "id": r.id, "phase": r.seen.phase, "why": r.seen.why}
            | {"outputs": plain(r.seen.outputs)}
            for r in self.resources
        ]
        head = {"stack": self.stack, "applied_at": self.applied_at, "complete": self.complete}
        return {**head, "resources": listed, "outputs": plain(self.outputs)}


def status(session: Session, stack: str | None) -> list[Status]:
    """The stack called ``stack``, or all stacks that have a table here.

    Raises:
        AwsrunError: nothing of that name is there.
    """
    names = [stack] if stack else stacks.names(session.cloud)
    found = [_one(session, name) for name in names]
    if stack and not found[0].resources and not found[0].applied_at:
        known = ", ".join(stacks.names(session.cloud)) or "nothing yet"
        raise AwsrunError(f"there is no stack {stack!r} in {session.cloud.context}", f"applied here: {known}")
    return found


def _one(session: Session, stack: str) -> Status:
    contents = StackTable(session.cloud, stack, session.calls).load()
    known = contents or Contents()
    kinds = known.kinds & session.kinds.keys() or session.kinds.keys()
    there = observe(session, stack, kinds, contents, wide=contents is None)
    record = known.record or stacks.StackRecord(stack)
    ordered = tuple(sorted(there, key=lambda one: (one.name, one.kind, one.id)))
    return Status(stack, record.applied_at, record.complete, ordered, record.outputs)
