"""What exists of a stack, whatever any spec says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws import stacks
from awsrun.aws.errors import DENIED, AwsrunError, matches
from awsrun.reconcile.bill import Bill, bill_of, price_now
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
        since: ISO 8601: when it was first applied; empty where nobody wrote it down.
        age: hours since then.
        bill: what it costs by the hour; only where one stack was asked for.
    """

    stack: str
    applied_at: str
    complete: bool
    resources: tuple[Located, ...]
    outputs: Mapping[str, Mapping[str, Any]]
    bill: Bill | None = None
    since: str = ""
    age: float = 0.0

    def to_json(self) -> dict[str, Any]:
        listed = [
            {"name": r.name, "kind": r.kind, "id": r.id, "phase": r.seen.phase, "why": r.seen.why}
            | {"protected": r.protected, "outputs": plain(r.seen.outputs)}
            for r in self.resources
        ]
        head: dict[str, Any] = {
            "stack": self.stack,
            "applied_at": self.applied_at,
            "complete": self.complete,
            "since": self.since,
        }
        head |= {"age_hours": round(self.age, 2)}
        price = {"price": self.bill.to_json()} if self.bill else {}
        return {**head, **price, "resources": listed, "outputs": plain(self.outputs)}


def status(session: Session, stack: str | None) -> list[Status]:
    """The stack called ``stack``, or all stacks that have a table here which this identity may read.

    Raises:
        AwsrunError: nothing of that name is there.
    """
    found = [_one(session, stack, priced=True)] if stack else list(_readable(session))
    if stack and not found[0].resources and not found[0].applied_at:
        known = ", ".join(stacks.names(session.cloud)) or "nothing yet"
        raise AwsrunError(f"there is no stack {stack!r} in {session.cloud.context}", f"applied here: {known}")
    return found


def _readable(session: Session) -> Iterator[Status]:
    for name in stacks.names(session.cloud):
        try:
            yield _one(session, name, priced=False)
        except ClientError as error:
            if not matches(error, DENIED):
                raise


def _one(session: Session, stack: str, priced: bool) -> Status:
    contents = StackTable(session.cloud, stack, session.calls).load()
    known = contents or Contents()
    kinds = known.kinds & session.kinds.keys() or session.kinds.keys()
    there = observe(session, stack, kinds, contents, wide=contents is None)
    record = known.record or stacks.StackRecord(stack)
    ordered = tuple(sorted(there, key=lambda one: (one.name, one.kind, one.id)))
    bill = _bill(session, ordered, priced)
    age = max(0.0, session.clock.now() - datetime.fromisoformat(record.since).timestamp()) if record.since else 0.0
    return Status(stack, record.applied_at, record.complete, ordered, record.outputs, bill, record.since, age / 3600)


def _bill(session: Session, there: Sequence[Located], priced: bool) -> Bill | None:
    if not priced:
        return None
    bill = bill_of(session, ((one.name, one.kind, one.seen.state) for one in there if one.seen.state is not None))
    return replace(bill, now=price_now(session, there))
