"""Deletes a whole stack, or all of them.  Needs no spec: owner tags say what is there, the kinds in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from awsrun.aws import stacks
from awsrun.aws.errors import AwsrunError
from awsrun.aws.names import runs_table
from awsrun.reconcile import graph as graphs
from awsrun.reconcile.lock import Lease
from awsrun.reconcile.parallel import Skipped, run_graph
from awsrun.reconcile.plan import PROTECTED
from awsrun.reconcile.progress import Event
from awsrun.reconcile.remove import Kept, Protected, nonce_of, remove
from awsrun.reconcile.session import Session
from awsrun.reconcile.survey import refusal
from awsrun.reconcile.table import KIND_TAG, StackTable
from awsrun.reconcile.waiting import work_on
from awsrun.reconcile.world import Located, kept_until, observe

Key = tuple[str, str, str]  # stack, kind, id


@dataclass(frozen=True)
class Doomed:
    """One resource that a teardown deletes, kept or left.

    Attributes:
        why: of what is kept or left: why it is still there.
        protected: it is kept whatever the command says.
    """

    stack: str
    name: str
    kind: str
    id: str
    why: str = ""
    protected: bool = False

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"stack": self.stack, "name": self.name, "kind": self.kind, "id": self.id}
        found |= {"protected": True} if self.protected else {}
        return found | {"why": self.why} if self.why else found


@dataclass(frozen=True)
class TornDown:
    """What a teardown did.

    Attributes:
        deleted: what is gone.
        kept: what holds data that nobody said may go, and what is protected.
        left: what is still there against the will of the command.
    """

    deleted: tuple[Doomed, ...] = ()
    kept: tuple[Doomed, ...] = ()
    left: tuple[Doomed, ...] = ()

    def __add__(self, other: TornDown) -> TornDown:
        return TornDown(self.deleted + other.deleted, self.kept + other.kept, self.left + other.left)

    def to_json(self) -> dict[str, Any]:
        parts = {"deleted": self.deleted, "kept": self.kept, "left": self.left}
        return {key: [one.to_json() for one in found] for key, found in parts.items()}


def teardown(
    session: Session,
    stack: str | None,
    purge: bool,
    confirm: Callable[[Sequence[Doomed]], bool],
    before: Sequence[Callable[[str], None]] = (),
) -> TornDown:
    """Delete ``stack`` (None: all stacks); see `awsrun.reconcile.api.teardown`."""
    found = _find_all(session) if stack is None else {stack: _find(session, stack)}
    if stack is not None and not found[stack] and not _tables(session, stack):
        known = ", ".join(stacks.names(session.cloud)) or "nothing"
        raise AwsrunError(f"there is no stack {stack!r} in {session.cloud.context}", f"there is: {known}")
    listed = [d for name, there in sorted(found.items()) for d in _announce(session, name, there, purge)]
    if any(not one.why for one in listed) and not confirm(listed):
        raise AwsrunError("nothing was deleted", "it was not confirmed")
    result = TornDown()
    for name in sorted(found):
        mine = tuple(one for one in listed if one.stack == name)
        if mine and all(one.protected for one in mine):  # not a run of it is cancelled
            result += TornDown(kept=mine)
            continue
        result += _Teardown(session, name, purge, wide=stack is None).run(before)
        if session.halt.reason is not None:
            raise session.halt.reason
    return result


def _find_all(session: Session) -> dict[str, list[Located]]:
    """All stacks of this account and region: those with a table, and those of which only tagged resources are left."""
    found: dict[str, list[Located]] = {name: [] for name in stacks.names(session.cloud)}
    for one in observe(session, None, session.kinds, None, wide=True):
        found.setdefault(one.stack, []).append(one)
    return found


def _find(session: Session, stack: str, wide: bool = False) -> list[Located]:
    """All there is of a stack.  Without its table nobody knows explicit names: then everything is looked at."""
    contents = StackTable(session.cloud, stack, session.calls).load()
    there = observe(session, stack, session.kinds, contents, wide=contents is None)
    if wide and contents is not None:
        known = {(one.kind, one.id) for one in there}
        more = observe(session, stack, session.kinds, None, wide=True)
        there += [one for one in more if (one.kind, one.id) not in known]
    return there


def _tables(session: Session, stack: str) -> list[str]:
    table = StackTable(session.cloud, stack, session.calls)
    return [name for name in (runs_table(stack), table.name) if table.status(name)]


def _announce(session: Session, stack: str, there: Sequence[Located], purge: bool) -> list[Doomed]:
    sheltered = _sheltered(session, stack, there)
    if there and len(sheltered) == len(there):
        return [_doomed(stack, one, sheltered[_key(stack, one)], True) for one in there]
    found = []
    for one in there:
        why = sheltered.get(_key(stack, one), "")
        found.append(_doomed(stack, one, why or refusal(session, one, purge or one.purge), bool(why)))
    return found + [Doomed(stack, name, KIND_TAG, name) for name in _tables(session, stack)]


def _sheltered(session: Session, stack: str, there: Sequence[Located]) -> dict[Key, str]:
    """What is protected, and what that may need: without a spec the kinds tell.  Each with why it stays."""
    reach = graphs.reach(graphs.uses(session.kinds))
    guarded = [one for one in there if one.protected]
    found = {}
    for one in there:
        users = sorted({other.name for other in guarded if one.kind in reach.get(other.kind, ())})
        if one.protected:
            found[_key(stack, one)] = PROTECTED
        elif users:
            found[_key(stack, one)] = f"{', '.join(users)} may need it, and is protected"
    return found


class _Teardown:
    """The teardown of one stack."""

    def __init__(self, session: Session, stack: str, purge: bool, wide: bool) -> None:
        self._session, self._stack, self._purge, self._wide = session, stack, purge, wide
        self._table = StackTable(session.cloud, stack, session.calls)

    def run(self, before: Sequence[Callable[[str], None]]) -> TornDown:
        with ExitStack() as closing:
            lease = None
            if self._table.usable():
                lease = closing.enter_context(Lease(self._session, self._table))
                self._mark_incomplete()
            for hook in before:
                hook(self._stack)
            result = self._delete_all()
            if self._session.halt.reason is not None:
                return TornDown()
            if lease is not None and not result.left:
                if not result.kept:
                    lease.end()
                result += self._drop_tables(keep=bool(result.kept))
            elif not result.left:
                result += self._drop_tables(keep=bool(result.kept))
            return result

    def _delete_all(self) -> TornDown:
        """Delete, look again, and go on for as long as there is something to go on with: what was made meanwhile, what
        did not show at first, what had to do with something that failed and is gone now."""
        deleted: tuple[Doomed, ...] = ()
        there = _find(self._session, self._stack, self._wide)
        self._let_show(there)
        while True:
            errors = self._delete(there)
            if self._session.halt.reason is not None:
                return TornDown()
            rest = {_key(self._stack, one): one for one in _find(self._session, self._stack, self._wide)}
            result = self._sort_out(there, rest, errors)
            deleted += result.deleted
            untried = [one for key, one in rest.items() if isinstance(errors.get(key), Skipped) or key not in errors]
            if not untried or not result.deleted:
                return replace(result, deleted=deleted)
            there = list(rest.values())

    def _let_show(self, there: list[Located]) -> None:
        """Wait for what an apply was making when it was cut short, which lists need not show yet, and add it."""
        contents = self._table.load()
        if contents is None:
            return
        known, clock, timing = {nonce_of(one) for one in there}, self._session.clock, self._session.timing
        recent = clock.now() - timing.ready - timing.settle  # a create may have been sent long after its intent
        open_ends = [i for i in contents.intents.values() if not i.id and i.nonce not in known and i.at > recent]
        if not open_ends:
            return
        why = "what an apply that was cut short may have made: lists need not show it yet"
        self._session.observer(Event(self._stack, "", "look", "waiting", why))
        clock.sleep(timing.settle)
        self._session.observer(Event(self._stack, "", "look", "done"))
        self._session.halt.check()
        seen = {_key(self._stack, one) for one in there}
        there += [one for one in _find(self._session, self._stack, self._wide) if _key(self._stack, one) not in seen]

    def _mark_incomplete(self) -> None:
        contents = self._table.load()
        if contents is not None and contents.record is not None and contents.record.complete:
            self._table.write_record(replace(contents.record, complete=False))

    def _delete(self, there: Sequence[Located]) -> dict[Key, AwsrunError]:
        sheltered = _sheltered(self._session, self._stack, there)
        by_key = {key: one for one in there if (key := _key(self._stack, one)) not in sheltered}
        reach = graphs.reach(graphs.uses(self._session.kinds))
        until = kept_until(self._session, by_key.values())
        after = {
            key: [
                other
                for other in by_key
                if (key[1] in reach.get(other[1], ()) and other[1] not in reach[key[1]])
                or other[1] in until.get(key[1], ())
            ]
            for key in by_key
        }

        def delete(key: Key) -> None:
            one = by_key[key]
            with work_on(self._session, one.name, one.kind, "delete") as waiting:
                remove(self._session, one, waiting, self._purge)

        errors = run_graph(after, delete, self._session.halt, self._session.workers, lambda key: by_key[key].name)
        return {**errors, **{key: Protected(why) for key, why in sheltered.items()}}

    def _sort_out(self, there: Sequence[Located], rest: dict[Key, Located], errors: dict[Key, AwsrunError]) -> TornDown:
        deleted = tuple(_doomed(self._stack, one) for one in there if _key(self._stack, one) not in rest)
        kept: list[Doomed] = []
        left: list[Doomed] = []
        for key, one in rest.items():
            error = errors.get(key, "it came up while the stack was being deleted")
            found = _doomed(self._stack, one, str(error), isinstance(error, Protected))
            (kept if isinstance(error, Kept) else left).append(found)
        return TornDown(deleted, tuple(kept), tuple(left))

    def _drop_tables(self, keep: bool) -> TornDown:
        """The stack's own tables; the main one stays while data is kept, because it remembers explicit names."""
        names = (runs_table(self._stack),) if keep else (runs_table(self._stack), self._table.name)
        gone = tuple(Doomed(self._stack, name, KIND_TAG, name) for name in names if self._table.drop(name))
        return TornDown(deleted=gone)


def _key(stack: str, one: Located) -> Key:
    return (stack, one.kind, one.id)


def _doomed(stack: str, one: Located, why: str = "", protected: bool = False) -> Doomed:
    return Doomed(stack, one.name, one.kind, one.id, why, protected)
