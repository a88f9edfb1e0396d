"""What apply would do, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from awsrun.preflight.check import Finding
from awsrun.reconcile.bill import Bill
from awsrun.reconcile.plain import plain
from awsrun.resources.kind import Change

PROTECTED = "it is protected (`protect: true`)"


@dataclass(frozen=True)
class Planned:
    """One thing that apply would do.

    Attributes:
        name, kind: which resource.
        fields: what differs; of a new resource, all that is set.
        why: why it is replaced or deleted.
        refused: why apply will not do it (it holds data); empty where it will.
        protected: apply will do nothing at all for as long as this is part of the plan.
        renamed: of a ``create``: the resource in the same plan's deletes that looks just like it.
    """

    name: str
    kind: str
    action: Literal["create", "update", "replace", "delete"]
    fields: tuple[Change, ...] = ()
    why: str = ""
    refused: str = ""
    renamed: str = ""
    protected: bool = False

    def to_json(self) -> dict[str, Any]:
        shown = [
            {"field": c.field, "old": plain(c.old), "new": plain(c.new), "replace": c.replace} for c in self.fields
        ]
        extra = {"why": self.why, "refused": self.refused, "renamed": self.renamed}
        found: dict[str, Any] = {"name": self.name, "kind": self.kind, "action": self.action, "fields": shown}
        found |= {"protected": True} if self.protected else {}
        return found | {key: value for key, value in extra.items() if value}


@dataclass(frozen=True)
class Plan:
    """What apply would do, in its order; empty where AWS is as the spec has it.

    Attributes:
        bill: what the stack costs by the hour once it is as the spec has it.
        usual: seconds that AWS usually takes for the changes.
        findings: what may go wrong with it in this account, where that was looked at.
        left_out: what the command leaves as it is, by the names that the user wrote.
        variables: name -> the value of the last apply and the one now, of those that differ.
        notes: logical name -> what there is to know of a resource that is there.
    """

    stack: str
    changes: tuple[Planned, ...]
    bill: Bill | None = None
    usual: float = 0.0
    findings: tuple[Finding, ...] = ()
    variables: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Any:
        return iter(self.changes)

    def to_json(self) -> dict[str, Any]:
        found = {"stack": self.stack, "changes": [change.to_json() for change in self.changes]}
        price = {"price": self.bill.to_json()} if self.bill else {}
        said = {"findings": [one.to_json() for one in self.findings]} if self.findings else {}
        varied = {name: {"old": plain(old), "new": plain(new)} for name, (old, new) in self.variables.items()}
        more = {"variables": varied, "notes": dict(self.notes), "left_out": list(self.left_out)}
        return found | price | {"usual_seconds": round(self.usual)} | said | {k: v for k, v in more.items() if v}
