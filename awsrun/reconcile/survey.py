"""What is there against what a spec wants, and the plan that follows.  Nothing here writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from awsrun.aws.stacks import StackRecord
from awsrun.reconcile import graph as graphs
from awsrun.reconcile.bill import Workers, bill_of
from awsrun.reconcile.decide import Decision, decide, purges
from awsrun.reconcile.graph import Graph, Node, Spec, group_of
from awsrun.reconcile.guard import keep_users
from awsrun.reconcile.outlook import Unfinished, check_refresh, lowered
from awsrun.reconcile.plain import plain
from awsrun.reconcile.plan import PROTECTED, Plan, Planned
from awsrun.reconcile.record import record_of
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import Contents, StackTable
from awsrun.reconcile.usual import usual
from awsrun.reconcile.world import Located, by_node, observe
from awsrun.resources.kind import Change, Outputs, State
from awsrun.spec.stack import MAX_VCPUS


@dataclass(frozen=True)
class Survey:
    """A plan with all that it rests on.

    Attributes:
        there: what exists, by (kind, logical name).
        leftover: what the spec does not have any more.
        complete: the stack's record says just what it would say after an apply that changes nothing.
        wide: there is no table that would say what there is.
        unseen: kinds of which there may be something that was not looked at.
    """

    plan: Plan
    graph: Graph
    there: Mapping[tuple[str, str], Sequence[Located]]
    leftover: tuple[Located, ...]
    contents: Contents
    complete: bool
    wide: bool
    unseen: frozenset[str] = frozenset()
    outputs: Mapping[str, Outputs] = field(default_factory=dict)


def first_survey(
    session: Session,
    spec: Spec,
    table: StackTable,
    only: Collection[str] = (),
    unknown: Callable[[], None] = lambda: None,
    everything: bool = True,
) -> Survey:
    """`survey` by what the stack's table says; the clients that it needs are made while the table is read.

    Args:
        unknown: called before the look where there is no such table: there will be something to do.
        everything: see `survey`.
    """
    graph = graphs.build(spec, session.kinds, only)
    check_refresh(session, graph)
    session.cloud.read("dynamodb")
    session.cloud.warm(sorted({session.kinds[name].service for name in graph.kinds()} - {""}))
    contents = table.load()
    if contents is None:
        unknown()
    return survey(session, spec, contents, only, everything)


def survey(
    session: Session, spec: Spec, contents: Contents | None, only: Collection[str] = (), everything: bool = True
) -> Survey:
    """Look at everything and compare.  Makes no writing call.

    Args:
        contents: the stack's table; None where there is none: then all there is of every kind is looked at.
        everything: without a table, also the kinds that the spec does not have; else they are its ``unseen``.
        only: see `awsrun.reconcile.graph.build`; nothing else is changed or deleted then.

    Raises:
        AwsrunError: something would be replaced that is used by what is left out.
    """
    graph = graphs.build(spec, session.kinds, only)
    known, wide = contents or Contents(), contents is None
    kinds = graph.kinds() | (known.kinds & session.kinds.keys())
    unseen = frozenset(session.kinds) - kinds if wide else frozenset()
    if everything:
        kinds, unseen = kinds | unseen, frozenset()
    there = by_node(observe(session, graph.stack, kinds, contents, wide))
    mine = {(node.kind, node.name) for node in graph.nodes.values()}
    leftover = tuple(one for key, found in there.items() if key not in mine for one in found) if graph.whole else ()
    outputs: dict[str, Outputs] = {}
    planned: list[Planned] = []
    states: dict[str, State] = {}
    notes: dict[str, str] = {}
    for node in graph.nodes.values():
        kind = session.kinds[node.kind]
        wanted = states[node.name] = lowered(session, graph, node, outputs)
        decision = decide(kind, graph.stack, node, wanted, there.get((node.kind, node.name), ()), known.ids())
        if decision.current is not None and decision.action in ("none", "update"):
            there_now = decision.current.seen.outputs
            outputs[node.name] = there_now if decision.action == "none" else Unfinished(there_now)
            notes[node.name] = decision.current.seen.note
        planned += _planned(session, node, wanted, decision)
    gone = [_deletion(session, one, "it is not in the spec any more") for one in _last_first(session, leftover)]
    planned = [_with_rename(change, states, leftover) for change in planned]
    changes = (*planned, *gone)
    keep_users(graph, planned)
    wanted_states = ((node.name, node.kind, states[node.name]) for node in graph.nodes.values())
    bill = bill_of(session, wanted_states, _workers(spec))
    usually, varied = _usual(session, graph, changes), _varied(spec, known)
    noted = {name: note for name, note in notes.items() if note}
    left_out = tuple(dict.fromkeys(group_of(name) for name in graph.left_out))
    plan = Plan(graph.stack, changes, bill, usually, variables=varied, notes=noted, left_out=left_out)
    record = record_of(session, graph, spec, outputs, known.record) if not plan else None
    complete = record is not None and known.record is not None and _same(record, known.record)
    return Survey(plan, graph, there, leftover, known, complete, wide, unseen, outputs)


def _varied(spec: Spec, known: Contents) -> dict[str, tuple[Any, Any]]:
    before = known.record.variables if known.record else {}
    return {name: (before[name], new) for name, new in spec.variables.items() if name in before and before[name] != new}


def _usual(session: Session, graph: Graph, changes: Sequence[Planned]) -> float:
    made = [change.name for change in changes if change.action != "delete"]
    return usual(session.kinds, graph, made, [one.kind for one in changes if one.action in ("replace", "delete")])


def _planned(session: Session, node: Node, wanted: State, decision: Decision) -> list[Planned]:
    fields, action, refused = decision.changes, decision.action, ""
    if decision.action == "create":
        fields = tuple(
            Change(f.name, None, getattr(wanted, f.name), False)
            for f in _fields(wanted)
            if getattr(wanted, f.name) is not None
        )
    for text in (decision.retag or {}), dict.fromkeys(decision.untag):
        old = decision.current.found.tags if decision.current else {}
        fields += tuple(Change(f"tag {key}", old.get(key), value, False) for key, value in text.items())
    stale = [one for one in decision.stale if one is not decision.current]
    if decision.action == "replace" and session.kinds[node.kind].identity == "revision":
        action = "update"
    if decision.action == "replace" and decision.first and decision.current is not None:
        refused = refusal(session, decision.current, purges(node))
    refused = PROTECTED if decision.protected else refused
    found: list[Planned] = []
    if action != "none":
        found += [Planned(node.name, node.kind, action, fields, decision.why, refused, protected=decision.protected)]
    if session.kinds[node.kind].identity == "revision" and action == "update":
        return found  # old revisions go with the new one
    return found + [_deletion(session, one, "an older one of this name is left over") for one in stale]


def _deletion(session: Session, one: Located, why: str) -> Planned:
    refused = refusal(session, one, one.purge)
    return Planned(one.name, one.kind, "delete", (), why, refused, protected=one.protected)


def refusal(session: Session, one: Located, purge: bool) -> str:
    """Why it may not be deleted; empty where it may."""
    if one.protected:
        return PROTECTED
    kind = session.kinds[one.kind]
    if purge or not kind.holds_data or one.seen.phase in ("deleting", "absent"):
        return ""
    held = session.calls.read(lambda: kind.holds(one.id))
    return f"{one.id} holds data ({held} or more)" if held else ""


def _last_first(session: Session, leftover: Sequence[Located]) -> list[Located]:
    """In the order of deletion: users before what they use."""
    if not leftover:
        return []  # it takes the import of every kind to know
    reach = graphs.reach(graphs.uses(session.kinds))
    return sorted(leftover, key=lambda one: (-len(reach.get(one.kind, ())), one.name, one.id))


def _with_rename(change: Planned, lowered: Mapping[str, State], leftover: Sequence[Located]) -> Planned:
    """A create and a delete that look alike may be one resource under a new key."""
    if change.action != "create" or "/" in change.name:
        return change
    wanted = lowered[change.name]
    for one in leftover:
        if one.kind == change.kind and one.seen.state is not None and _alike(wanted, one.seen.state):
            return Planned(change.name, change.kind, "create", change.fields, change.why, change.refused, one.name)
    return change


def _alike(wanted: State, seen: State) -> bool:
    pairs = [(getattr(wanted, f.name), getattr(seen, f.name)) for f in _fields(wanted)]
    return all(new is None or new == old or "(known after apply)" in repr(new) for new, old in pairs)


def _same(one: StackRecord, other: StackRecord) -> bool:
    keys = ("outputs", "jobs", "complete", "variables")
    return all(plain(getattr(one, key)) == plain(getattr(other, key)) for key in keys)


def _fields(state: State) -> Any:
    return fields(state)


def _workers(spec: Spec) -> Workers | None:
    """The tasks that jobs run at most on a cluster; of a queue its environments tell."""
    if spec.jobs is None or not spec.jobs.cluster:
        return None
    vcpus = float(getattr(spec.resources[spec.jobs.definition], "vcpus", 1))
    most = max(1, int((spec.jobs.max_vcpus or MAX_VCPUS) // vcpus))
    network = spec.resources[spec.jobs.vpc]
    private = spec.jobs.subnets == "private" or (spec.jobs.subnets is None and getattr(network, "private", None))
    return Workers(spec.jobs.definition, most, bool(spec.jobs.spot), not private)
