"""teardown on virtual time: order, data, blockers, and that nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from reconcile_fakes import LOST, FakeCloud, StoreSpec, Thing, VirtualClock, Zone, open_session, refused, small_stack

from awsrun.aws import stacks, tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.apply import apply
from awsrun.reconcile.clock import Timing
from awsrun.reconcile.progress import Event
from awsrun.reconcile.table import StackTable
from awsrun.reconcile.teardown import TornDown, teardown
from awsrun.resources.kind import ABSENT, Seen


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        made = FakeCloud(VirtualClock())
        assert not apply(open_session(made), small_stack(), lambda plan: True).failed
        yield made


def run(
    fake: FakeCloud, stack: str | None = "test", purge: bool = False, events: list[Event] | None = None
) -> TornDown:
    return teardown(open_session(fake, events), stack, purge, lambda doomed: True)


def test_everything_goes_users_before_what_they_use(fake: FakeCloud) -> None:
    events: list[Event] = []
    result = run(fake, events=events)
    assert not fake.things and not result.kept and not result.left
    done = [event.name for event in events if event.step == "done"]
    assert done.index("queue") < done.index("compute") < done.index("network/zone-0") < done.index("network")
    assert stacks.names(open_session(fake).cloud) == []
    assert {one.name for one in result.deleted} >= {"network", "queue", "awsrun-test"}


def test_all_takes_every_stack_and_what_lost_its_table(fake: FakeCloud) -> None:
    apply(open_session(fake), replace(small_stack(), stack="second"), lambda plan: True)
    open_session(fake).cloud.write("dynamodb").delete_table(TableName="awsrun-test")
    result = run(fake, stack=None)
    assert not fake.things and not result.left
    assert {one.stack for one in result.deleted} == {"test", "second"}


def test_one_stack_leaves_the_others_alone(fake: FakeCloud) -> None:
    apply(open_session(fake), replace(small_stack(), stack="test-2"), lambda plan: True)
    run(fake, stack="test")
    assert {thing.tags[tags.STACK] for thing in fake.things.values()} == {"test-2"}


def test_what_a_killed_apply_was_making_is_waited_for() -> None:
    with mock_aws():
        fake = FakeCloud(VirtualClock(), lag=60.0)

        def killed(moment: str, verb: str, kind: str, key: str) -> None:
            if (moment, verb, kind) == ("after", "create", "net"):
                raise KeyboardInterrupt

        fake.faults = killed
        with pytest.raises(KeyboardInterrupt):
            apply(open_session(fake), small_stack(), lambda plan: True)
        assert fake.of("net"), "nothing was made before the kill"
        fake.faults = lambda *_: None
        result = run(fake)
        assert not fake.things, "it showed up only after the teardown had looked"
        assert not result.left


def test_what_needs_something_that_failed_and_is_gone_goes_in_the_same_teardown(fake: FakeCloud) -> None:
    """The answer to a deletion is lost more often than is repeated, and yet it was done."""

    def lose(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("after", "delete", "queue"):
            raise refused("Unheard", "an error that nobody knows")

    fake.faults = lose
    result = run(fake)
    assert not fake.things and not result.left


def test_data_is_kept_unless_purged(fake: FakeCloud) -> None:
    fake.of("store")[0].contents = 2
    result = run(fake)
    assert [one.name for one in result.kept] == ["results"] and "holds data" in result.kept[0].why
    assert [kind for kind, _ in fake.names()] == ["store"]
    assert stacks.names(open_session(fake).cloud) == ["test"]
    result = run(fake, purge=True)
    assert not fake.things and not result.kept
    assert stacks.names(open_session(fake).cloud) == []


def test_purge_in_the_spec_is_remembered_without_it(fake: FakeCloud) -> None:
    apply(open_session(fake), small_stack(results=StoreSpec(purge=True)), lambda plan: True)
    fake.of("store")[0].contents = 2
    assert not run(fake).kept
    assert not fake.things


def test_foreign_resources_stay(fake: FakeCloud) -> None:
    fake.things["theirs"] = Thing("store", "theirs", {}, None)
    run(fake, stack=None)
    assert list(fake.things) == ["theirs"]


def test_a_blocker_is_waited_for_and_named(fake: FakeCloud) -> None:
    refusals = iter([refused("InUse", "held by eni-9")] * 4)

    def hold(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "delete", "net.zone"):
            for error in refusals:
                raise error

    fake.faults = hold
    events: list[Event] = []
    assert not run(fake, events=events).left
    assert next(e.why for e in events if e.step == "waiting" and e.kind == "net.zone") == "held by eni-9"


@pytest.mark.parametrize(
    "answer", ["eni-9 of function f; it lets go within the hour", RuntimeError("no right to look")]
)
def test_the_holder_is_asked_for_seldom_and_told_if_known(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch, answer: str | Exception
) -> None:
    refusals, asked = iter([refused("InUse", "in use")] * 6), []

    def hold(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "delete", "net.zone"):
            for error in refusals:
                raise error

    def holder(self: Zone, id: str, seen: Seen[Any]) -> str:
        asked.append(self.fake.clock.now())
        if isinstance(answer, Exception):
            raise answer
        return answer

    fake.faults = hold
    monkeypatch.setattr(Zone, "holder", holder)
    events: list[Event] = []
    began, zone = fake.clock.now(), fake.of("net.zone")[0].id
    assert not run(fake, events=events).left
    told = [(event.step, event.why) for event in events if event.kind == "net.zone"]
    if isinstance(answer, Exception):
        assert ("waiting", "in use") in told
    else:
        assert [why for step, why in told if step == "held"] == [f"{zone} is held by {answer}"]
    assert len(asked) <= 1 + (fake.clock.now() - began) / Timing().visible


def test_what_is_not_seen_for_a_moment_is_not_gone(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list has shown it, the next read misses it: AWS's servers do not all know of what was just made."""
    read, misses, events = Zone.read, iter([ABSENT] * 2), list[Event]()

    def flapping(self: Zone, id: str) -> Seen[Any]:
        begun = any((event.step, event.kind) == ("started", "net.zone") for event in events)
        return (next(misses, None) if begun else None) or read(self, id)

    monkeypatch.setattr(Zone, "read", flapping)
    assert not run(fake, events=events).left
    assert not fake.things
    assert next(misses, None) is None, "it was missed"


def test_what_cannot_go_is_left_with_the_reason_and_what_it_needs_stays(fake: FakeCloud) -> None:
    def hold(moment: str, verb: str, kind: str, key: str) -> None:
        if (verb, kind) == ("delete", "env"):
            raise refused("InUse", "held by a ghost")

    fake.faults = hold
    session = open_session(fake, timing=replace(Timing(), gone=100.0))
    result = teardown(session, "test", False, lambda doomed: True)
    why = {one.name: one.why for one in result.left}
    assert why.keys() == {"compute", "network", "network/zone-0"}
    assert "held by a ghost" in why["compute"] and "compute" in why["network"]
    fake.faults = lambda *_: None
    assert not run(fake).left
    assert not fake.things


@pytest.mark.parametrize("moment", ["before", "after"])
def test_lost_answers_of_deletes(fake: FakeCloud, moment: str) -> None:
    losses = iter([LOST] * 3)

    def lose(when: str, verb: str, kind: str, key: str) -> None:
        if when == moment and verb == "delete":
            for error in losses:
                raise error

    fake.faults = lose
    result = run(fake)
    assert not fake.things and not result.left


def test_looks_again(fake: FakeCloud) -> None:
    """What came up under our tags while we deleted goes too: nothing is called gone that is there."""
    late = replace(fake.of("work")[0], id="late:9")

    def make(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("after", "delete", "net"):
            fake.things["late:9"] = late

    fake.faults = make
    result = run(fake)
    assert not fake.things and not result.left
    assert "late:9" in {one.id for one in result.deleted}


def test_hooks_run_before_anything_goes(fake: FakeCloud) -> None:
    seen: list[tuple[str, int]] = []
    count = len(fake.things)
    teardown(open_session(fake), None, False, lambda doomed: True, [lambda s: seen.append((s, len(fake.things)))])
    assert seen == [("test", count)]


def test_unknown_stack_and_no_answer(fake: FakeCloud) -> None:
    with pytest.raises(AwsrunError, match="no stack 'other'"):
        run(fake, stack="other")
    count = len(fake.things)
    with pytest.raises(AwsrunError, match="nothing was deleted"):
        teardown(open_session(fake), "test", False, lambda doomed: False)
    assert len(fake.things) == count


def test_all_finds_a_stack_of_which_only_the_runs_table_was_made(fake: FakeCloud) -> None:
    run(fake)
    session = open_session(fake)
    StackTable(session.cloud, "half", session.calls).ensure(runs=True)
    session.cloud.write("dynamodb").delete_table(TableName="awsrun-half")
    result = run(fake, stack=None)
    assert [one.name for one in result.deleted] == ["awsrun-half.runs"]
    assert session.cloud.read("dynamodb").list_tables()["TableNames"] == []
