"""Makes AWS look like a spec: plan, ask, lock, plan again, work through the graph, clear away, write down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.stacks import StackRecord
from awsrun.reconcile import graph as graphs
from awsrun.reconcile.converge import converge
from awsrun.reconcile.create import Created, Creator
from awsrun.reconcile.decide import Decision, decide, purges
from awsrun.reconcile.graph import Node, Spec
from awsrun.reconcile.guard import keep_protected
from awsrun.reconcile.host import myself
from awsrun.reconcile.lock import Lease
from awsrun.reconcile.outlook import lowered
from awsrun.reconcile.parallel import Skipped, run_graph
from awsrun.reconcile.plan import PROTECTED, Plan
from awsrun.reconcile.record import iso, record_of
from awsrun.reconcile.remove import nonce_of, remove
from awsrun.reconcile.session import Session
from awsrun.reconcile.survey import Survey, first_survey, survey
from awsrun.reconcile.table import INTENT, KINDS, Contents, StackTable
from awsrun.reconcile.waiting import Waiting, work_on
from awsrun.reconcile.world import Located, kept_until, observing
from awsrun.resources.kind import Outputs, State

Confirm = Callable[[Plan], bool]


@dataclass(frozen=True)
class Done:
    """One change that was made."""

    name: str
    kind: str
    action: str


@dataclass(frozen=True)
class Failed:
    """One change that was not made, and the error that says why."""

    name: str
    kind: str
    error: AwsrunError


@dataclass(frozen=True)
class Applied:
    """What an apply did.

    Attributes:
        outputs: logical name -> output -> value.
    """

    stack: str
    applied: tuple[Done, ...] = ()
    failed: tuple[Failed, ...] = ()
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        failed = [
            {"name": f.name, "kind": f.kind, "what": f.error.what, "why": f.error.why, "hint": f.error.hint}
            for f in self.failed
        ]
        return {
            "stack": self.stack,
            "applied": [{"name": d.name, "kind": d.kind, "action": d.action} for d in self.applied],
            "failed": failed,
            "outputs": {name: dict(found) for name, found in self.outputs.items()},
        }


def apply(
    session: Session,
    spec: Spec,
    confirm: Confirm,
    only: Collection[str] = (),
    unknown: Callable[[], None] = lambda: None,
) -> Applied:
    """Make AWS look like ``spec``.

    Args:
        only: these resources and what they need; empty means all.
        unknown: called early where the stack is new, see `first_survey`.
        confirm: shown the plan before anything is written, and again where it is another one under the lock.

    Raises:
        AwsrunError: it was not confirmed, another command is changing the stack, or this one was stopped.
    """
    table = StackTable(session.cloud, spec.stack, session.calls)
    before = first_survey(session, spec, table, only, unknown, everything=False)
    if not before.plan and before.complete and before.contents.record:
        return Applied(spec.stack, outputs=before.contents.record.outputs)
    _ask(confirm, before.plan)
    changing = {session.kinds[change.kind].service for change in before.plan.changes}
    session.cloud.warm(["dynamodb", *sorted(changing - {"", "dynamodb"})], once=True)  # the table comes first
    # A table that somebody deleted leaves things behind of which the spec may know nothing: they are rare, and looked
    # for while the table is made.
    rest = observing(session, spec.stack, before.unseen)
    table.ensure(runs=spec.jobs is not None, absent=before.wide)
    with Lease(session, table, unused=before.wide) as lease:
        contents = None if lease.first else table.load()
        # Where nothing was there, not even the table, and nobody had its lock, nothing can have changed meanwhile.
        unchanged = lease.first and before.wide and not before.there and not rest.result()
        again = before if unchanged else survey(session, spec, None if before.wide else contents, only)
        if [c.to_json() for c in again.plan.changes] != [c.to_json() for c in before.plan.changes]:
            _ask(confirm, again.plan)
        result = _Apply(session, spec, table, again, contents or Contents()).run()
    if session.halt.reason is not None:
        raise session.halt.reason
    return result


def _ask(confirm: Confirm, plan: Plan) -> None:
    keep_protected(plan.changes)
    if plan and not confirm(plan):
        raise AwsrunError("nothing was changed", "the plan was not confirmed")


class _Apply:
    """One apply under the lock."""

    def __init__(self, session: Session, spec: Spec, table: StackTable, found: Survey, contents: Contents) -> None:
        self._session, self._spec, self._table, self._survey = session, spec, table, found
        self._graph, self._contents = found.graph, contents
        self._creator = Creator(session, table, contents.intents.values())
        self._outputs: dict[str, Outputs] = {}
        self._stale: list[Located] = []
        self._removed: set[tuple[str, str]] = set()
        self._anew: set[str] = set()  # names of the nodes that this run made
        self._live: set[tuple[str, str]] = set()  # kind and id of each node's resource
        self._nonces: set[str] = set()  # in the tags of those that were there before
        self._done: list[Done] = []
        self._noting = threading.Lock()
        self._planned = {(c.kind, c.name): c.action for c in found.plan.changes if c.action != "delete"}

    def run(self) -> Applied:
        session, table, graph = self._session, self._table, self._graph
        old = self._contents.record or StackRecord(graph.stack)
        first: dict[str, Any] = {}
        if old.complete or self._contents.record is None:
            first |= table.record(replace(old, complete=False, since=old.since or iso(session.clock.now())))
        if kinds := (graph.kinds() | self._there_kinds()) - self._contents.kinds:
            first[KINDS] = sorted(self._contents.kinds | kinds)
        new = [node for node in graph.nodes.values() if self._planned.get((node.kind, node.name)) == "create"]
        with self._creator:
            self._creator.prepare(sorted({node.kind for node in new}))
            first |= {INTENT + intent.nonce: asdict(intent) for intent in self._creator.announce(new)}
            table.put_all(first)
            nodes = {name: node.after for name, node in graph.nodes.items()}
            failed = run_graph(nodes, self._make, session.halt, session.workers, str)
        errors = {(graph.nodes[name].kind, name): error for name, error in failed.items()}
        if session.halt.reason is None:
            errors |= self._clear_away(errors)
        return self._write_down(errors)

    def _there_kinds(self) -> frozenset[str]:
        return frozenset(kind for kind, _ in self._survey.there)

    # -- one node ------------------------------------------------------------------------------------------------------

    def _make(self, name: str) -> None:
        """Bring one node to its wanted state; its outputs are known then."""
        node = self._graph.nodes[name]
        kind, there = self._session.kinds[node.kind], self._survey.there.get((node.kind, name), ())
        wanted: State = lowered(self._session, self._graph, node, dict(self._outputs))
        decision = decide(kind, self._graph.stack, node, wanted, there, self._contents.ids())
        current = decision.current
        # What it needs may have taken some of it along when it was made anew under its name: a function, its policy.
        unmoved = current is not None and current.seen.phase == "ready" and not node.after & self._anew
        if decision.action == "none" and current is not None and unmoved:
            self._note(node, current.id, current.seen.outputs, decision, "")
            return
        self._guard(node, decision)
        action = "update" if decision.action == "none" else decision.action
        with work_on(self._session, name, node.kind, action) as waiting:
            if current is not None and decision.action in ("none", "update"):
                id = current.id
                seen = converge(self._session, kind, id, wanted, waiting, fresh=False)
                self._retag(node, decision)
            else:
                made = self._create(node, wanted, decision, waiting)
                id, born = made.id, kind.born(wanted) if made.fresh else None
                seen = converge(self._session, kind, id, wanted, waiting, fresh=True, born=born)
                made.wait()
            waiting.remark = seen.note
        self._note(node, id, seen.outputs, decision, decision.action if decision.action != "none" else "")

    def _create(self, node: Node, wanted: State, decision: Decision, waiting: Waiting) -> Created:
        there, kind = list(self._survey.there.get((node.kind, node.name), ())), self._session.kinds[node.kind]
        if decision.first:
            self._make_room(node, decision, waiting)
            return self._creator.create(node, wanted, ())
        try:
            return self._creator.create(node, wanted, there)
        except ClientError as error:
            if not decision.stale or not matches(error, kind.exists):
                raise
        self._make_room(node, decision, waiting)  # two cannot be at once: subnets with one CIDR in one VPC
        return self._creator.create(node, wanted, ())

    def _make_room(self, node: Node, decision: Decision, waiting: Waiting) -> None:
        for one in decision.stale:
            waiting.on(f"{one.id} to be deleted first")
            remove(self._session, one, waiting, purges(node))
            self._forget(one)
            with self._noting:
                self._removed.add((one.kind, one.id))

    def _retag(self, node: Node, decision: Decision) -> None:
        current, kind = decision.current, self._session.kinds[node.kind]
        if current is not None and (decision.retag or decision.untag):
            marks = dict(decision.retag or {})
            self._session.calls.write(kind, "tag", lambda: kind.tag(current.id, marks, decision.untag))

    def _guard(self, node: Node, decision: Decision) -> None:
        """What was not shown is not done: a replacement that came up only while other things changed."""
        if decision.protected:
            raise AwsrunError(f"{node.name} would have to be replaced", f"{PROTECTED}; {decision.why}")
        planned = self._planned.get((node.kind, node.name))
        revision = self._session.kinds[node.kind].identity == "revision"
        if decision.action == "replace" and not revision and planned not in ("replace", "create"):
            raise AwsrunError(
                f"{node.name} would have to be replaced, which the plan did not say",
                decision.why,
                "run the same again: the plan will show it",
            )

    def _note(self, node: Node, id: str, outputs: Outputs, decision: Decision, action: str) -> None:
        with self._noting:
            self._outputs[node.name] = outputs
            self._live.add((node.kind, id))
            self._nonces |= {nonce_of(decision.current)} if decision.current is not None else set()
            self._stale += [one for one in decision.stale if (one.kind, one.id) not in self._removed]
            self._stale += [one for one in decision.leaving if (one.kind, one.id) != (node.kind, id)]
            if decision.action in ("create", "replace"):
                self._anew.add(node.name)
            if action:
                self._done.append(Done(node.name, node.kind, action))

    # -- what is left over ---------------------------------------------------------------------------------------------

    def _clear_away(self, errors: Mapping[tuple[str, str], AwsrunError]) -> dict[tuple[str, str], AwsrunError]:
        """Delete what was replaced and what left the spec, users before what they use.

        What a failed node may still use stays: its kind tells.
        """
        if not self._stale and not self._survey.leftover:
            return {}
        if self._stale:  # jobs read the record: they too are pointed at what is new before the old goes
            self._table.write_record(self._record(complete=False))
        reach = graphs.reach(graphs.uses(self._session.kinds))
        needed = {kind for failed, _ in errors for kind in (failed, *reach.get(failed, ()))}
        doomed = [one for one in (*self._stale, *self._survey.leftover) if one.kind not in needed]
        by_key = {(one.kind, one.id): one for one in doomed}
        until = kept_until(self._session, doomed)
        after = {
            key: [
                other
                for other in by_key
                if (key[0] in reach.get(other[0], ()) and other[0] not in reach[key[0]])
                or other[0] in until.get(key[0], ())
            ]
            for key in by_key
        }

        def delete(key: tuple[str, str]) -> None:
            one = by_key[key]
            kind = self._session.kinds[one.kind]
            if self._session.calls.read(lambda: kind.read(one.id)).phase == "absent":  # its successor took its place
                self._forget(one)
                return
            with work_on(self._session, one.name, one.kind, "delete") as waiting:
                remove(self._session, one, waiting)
                self._forget(one)
            with self._noting:
                self._done.append(Done(one.name, one.kind, "delete"))

        failed = run_graph(after, delete, self._session.halt, self._session.workers, lambda key: by_key[key].name)
        return {(one.kind, one.name): failed[key] for key, one in by_key.items() if key in failed}

    def _forget(self, one: Located) -> None:
        """Drop the intents of what is gone."""
        for intent in self._contents.intents.values():
            if intent.nonce == nonce_of(one) or (intent.kind, intent.id) == (one.kind, one.id):
                self._table.forget(intent.nonce)

    def _forget_the_dead(self) -> None:
        """Drop the intents of what an apply that was cut short had deleted, but not yet forgotten: all that there is of
        the stack is known now."""
        for intent in self._contents.intents.values() if self._graph.whole else ():
            if (intent.kind, intent.id) not in self._live and intent.nonce not in self._nonces | self._creator.kept:
                self._table.forget(intent.nonce)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _write_down(self, errors: Mapping[tuple[str, str], AwsrunError]) -> Applied:
        session, graph = self._session, self._graph
        complete = not errors and session.halt.reason is None
        record = self._record(complete)
        failed = tuple(Failed(name, kind, error) for (kind, name), error in errors.items())
        result = Applied(graph.stack, tuple(self._done), failed, record.outputs)
        if session.halt.reason is not None:
            return result  # not a call more; the next apply goes on from what is there
        if complete:
            self._forget_the_dead()
        now = datetime.fromtimestamp(session.clock.now(), timezone.utc)
        who = myself()
        entry = {
            "at": now.isoformat(timespec="milliseconds"),
            "who": f"{who.user}@{who.host}",
            "applied": [f"{done.action} {done.name}" for done in self._done],
            "failed": [f"{f.name}: {f.error.what}" for f in failed if not isinstance(f.error, Skipped)],
        }
        self._table.put_all(self._table.record(record) | self._table.history(entry))
        self._table.drop_history(self._contents.history)
        return result

    def _record(self, complete: bool) -> StackRecord:
        return record_of(self._session, self._graph, self._spec, self._outputs, self._contents.record, complete)
