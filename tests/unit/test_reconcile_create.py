"""Intents are written for all that is new before the first create: what is made is found again, and nothing else is
taken for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws
from reconcile_fakes import (
    LOST,
    Env,
    EnvSpec,
    FakeCloud,
    FakeSpec,
    Store,
    StoreSpec,
    StoreState,
    Thing,
    VirtualClock,
    open_session,
    refused,
    small_stack,
)

from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import PURGE
from awsrun.reconcile.apply import Applied, apply
from awsrun.reconcile.progress import Event
from awsrun.reconcile.table import StackTable
from awsrun.resources.kind import ABSENT, Seen

SPEC = small_stack()
NODES = [
    ("env", "compute"),
    ("net", "network"),
    ("net.zone", "network/zone-0"),
    ("queue", "queue"),
    ("store", "results"),
    ("work", "train"),
]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        yield FakeCloud(VirtualClock())


def run(fake: FakeCloud, spec: FakeSpec = SPEC) -> Applied:
    return apply(open_session(fake), spec, lambda plan: True)


def killed(fake: FakeCloud, at: Callable[[str, str, str], bool], spec: FakeSpec = SPEC) -> None:
    """An apply that dies where ``at(moment, verb, kind)`` says so."""

    def fault(moment: str, verb: str, kind: str, key: str) -> None:
        if at(moment, verb, kind):
            raise Killed

    fake.faults = fault
    with pytest.raises(Killed):
        run(fake, spec)
    fake.faults = lambda *_: None


def test_intents_of_all_that_is_new_stand_before_the_first_create(fake: FakeCloud) -> None:
    session = open_session(fake)
    table, seen = StackTable(session.cloud, "test", session.calls), []

    def fault(moment: str, verb: str, kind: str, key: str) -> None:
        if not seen:
            contents = table.load()
            assert contents is not None
            seen.extend((one.kind, one.name) for one in contents.intents.values())

    fake.faults = fault
    assert not run(fake).failed
    later = ("net.zone", "network/zone-0")  # its token goes with a request that names the network's id
    assert sorted([*seen, later]) == NODES


def test_a_create_that_was_sent_long_after_its_intent_is_found_again(fake: FakeCloud) -> None:
    """Counted from the intent the time in which it must show would be over, and another one would be made at once."""
    fake.lag = 100.0
    alone = small_stack(compute=None, queue=None, results=None, train=None)  # nothing else lets time pass

    def late(moment: str, verb: str, kind: str) -> bool:
        if (moment, verb, kind) == ("before", "create", "net"):
            fake.clock.sleep(200.0)  # refused for a while, say
        return (moment, verb, kind) == ("after", "create", "net")

    killed(fake, late, alone)
    [made] = fake.of("net")
    assert not fake.shown(made), "it shows already: nothing would be looked for"
    assert not run(fake, alone).failed
    assert (fake.of("net"), fake.calls["create", "net"]) == ([made], 1)


def test_what_somebody_made_under_our_name_meanwhile_is_not_taken_for_ours(fake: FakeCloud) -> None:
    killed(fake, lambda moment, verb, kind: (moment, verb, kind) == ("before", "create", "store"))
    fake.things["test-results"] = Thing("store", "test-results", {}, StoreState("id"))
    [failure] = run(fake).failed
    assert failure.name == "results" and "is not awsrun's" in failure.error.what
    assert fake.things["test-results"].tags == {}


def test_a_name_that_is_being_deleted_is_waited_for(fake: FakeCloud) -> None:
    assert not run(fake).failed
    old = fake.things["test-results"]
    old.phase = "deleting"
    gone = fake.clock.now() + 30.0

    class Leaving(Store):
        def read(self, id: str) -> object:  # type: ignore[override]
            if old in fake.things.values() and fake.clock.now() > gone:
                del fake.things["test-results"]
            return super().read(id)

    session = open_session(fake)
    session.kinds = {**session.kinds, "store": Leaving(session.cloud, fake)}
    applied = apply(session, small_stack(), lambda plan: True)
    assert not applied.failed and fake.things["test-results"] is not old


def test_a_name_that_aws_still_counts_as_taken_is_tried_again(fake: FakeCloud) -> None:
    """Of what was deleted a moment ago and does not show any more: a parameter's name is free after 30 seconds
    (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html)."""
    free = fake.clock.now() + 30.0

    def fault(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "create", "store") and fake.clock.now() < free:
            raise refused("AlreadyExists")

    fake.faults = fault
    assert not run(fake).failed
    assert fake.calls["create", "store"] == 2
    fake.things.pop("test-results")
    free = float("inf")
    [failure] = run(fake).failed
    assert "AlreadyExists" in failure.error.why
    assert fake.calls["create", "store"] == 4, "it was tried for ever"


def test_a_refused_create_leaves_no_intent(fake: FakeCloud) -> None:
    def fault(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "create", "store"):
            raise refused("Forbidden")

    fake.faults = fault
    [failure] = run(fake).failed
    assert isinstance(failure.error, AwsrunError)
    session = open_session(fake)
    contents = StackTable(session.cloud, "test", session.calls).load()
    assert contents is not None and "results" not in {one.name for one in contents.intents.values()}


def test_tags_whose_answer_is_lost_are_set_again(fake: FakeCloud) -> None:
    assert not run(fake).failed
    losses, lost = iter([LOST] * 3), []

    def lose(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb) == ("after", "tag"):
            for error in losses:
                lost.append(key)
                raise error

    fake.faults = lose
    assert not apply(open_session(fake), small_stack(results=StoreSpec(purge=True)), lambda plan: True).failed
    assert len(lost) == 3
    assert PURGE in fake.of("store")[0].tags


@pytest.mark.parametrize("looks", [3, None])
def test_what_a_look_misses_is_waited_for_before_it_is_called_gone(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch, looks: int | None
) -> None:
    """It was there when the plan was made; ``looks`` then miss it, or all of them do."""
    assert not run(fake).failed
    read, events, missed = Env.read, list[Event](), []

    def flapping(self: Env, id: str) -> Seen[Any]:
        if any((event.step, event.kind) == ("started", "env") for event in events):
            missed.append(id)
            if looks is None or len(missed) <= looks:
                return ABSENT
        return read(self, id)

    monkeypatch.setattr(Env, "read", flapping)
    wanted = small_stack(compute=EnvSpec(net="network", most=8))
    failed = apply(open_session(fake, events), wanted, lambda plan: True).failed
    gone = [one.name for one in failed if "is gone" in str(one.error)]
    assert gone == (["compute"] if looks is None else []), failed
    assert (fake.of("env")[0].state.most == 8) == (looks is not None)


def test_an_update_of_which_a_part_was_done_is_not_repeated_blindly(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls in one update: the first is done, the second throttled; a repetition finds the first done already."""
    assert not run(fake).failed
    update, begun = Env.update, []

    def twofold(self: Env, id: str, wanted: Any, seen: Any, changed: Any) -> None:
        if seen.most != wanted.most and fake.of("env")[0].state.most == wanted.most:
            raise refused("NotYet", "the first is done already")
        update(self, id, wanted, seen, changed)
        begun.append(id)
        if len(begun) == 1:
            raise refused("Throttling")

    monkeypatch.setattr(Env, "update", twofold)
    before = fake.clock.now()
    wanted = small_stack(compute=EnvSpec(net="network", most=8))
    assert not apply(open_session(fake), wanted, lambda plan: True).failed
    assert len(begun) == 1
    assert fake.clock.now() - before < 60.0
