"""What exists of a stack, whatever any spec says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws import stacks
from awsrun.aws.errors import DENIED, AwsrunError, matches
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
    """The stack called ``stack``, or all stacks that have a table here which this identity may read.

    Raises:
        AwsrunError: nothing of that name is there.
    """
    found = [_one(session, stack)] if stack else list(_readable(session))
    if stack and not found[0].resources and not found[0].applied_at:
        known = ", ".join(stacks.names(session.cloud)) or "nothing yet"
        raise AwsrunError(f"there is no stack {stack!r} in {session.cloud.context}", f"applied here: {known}")
    return found


def _readable(session: Session) -> Iterator[Status]:
    for name in stacks.names(session.cloud):
        try:
            yield _one(session, name)
        except ClientError as error:
            if not matches(error, DENIED):
                raise


def _one(session: Session, stack: str) -> Status:
    contents = StackTable(session.cloud, stack, session.calls).load()
    known = contents or Contents()
    kinds = known.kinds & session.kinds.keys() or session.kinds.keys()
    there = observe(session, stack, kinds, contents, wide=contents is None)
    record = known.record or stacks.StackRecord(stack)
    ordered = tuple(sorted(there, key=lambda one: (one.name, one.kind, one.id)))
    return Status(stack, record.applied_at, record.complete, ordered, record.outputs)
