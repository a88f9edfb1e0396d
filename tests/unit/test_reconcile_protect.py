"""What is protected is neither replaced nor deleted, with its spec or without, until the spec says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws
from reconcile_fakes import (
    EnvSpec,
    FakeCloud,
    FakeSpec,
    NetSpec,
    StoreSpec,
    VirtualClock,
    WorkSpec,
    open_session,
    small_stack,
)

from awsrun.aws import stacks, tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.apply import Applied, apply
from awsrun.reconcile.plan import Plan
from awsrun.reconcile.status import status
from awsrun.reconcile.survey import survey
from awsrun.reconcile.table import StackTable
from awsrun.reconcile.teardown import TornDown, teardown

STORE = StoreSpec(protect=True)


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        yield FakeCloud(VirtualClock())


def run(fake: FakeCloud, spec: FakeSpec) -> Applied:
    result = apply(open_session(fake), spec, lambda plan: True)
    assert not result.failed
    return result


def look(fake: FakeCloud, spec: FakeSpec) -> Plan:
    session = open_session(fake)
    return survey(session, spec, StackTable(session.cloud, spec.stack, session.calls).load()).plan


def end(fake: FakeCloud, stack: str | None = "test", purge: bool = False) -> TornDown:
    return teardown(open_session(fake), stack, purge, lambda doomed: True, [lambda name: fake.calls.update(hook=1)])


@pytest.mark.parametrize(
    ("reason", "changed", "name"),
    [
        ("replaced", small_stack(results=StoreSpec(key="other", protect=True), network=NetSpec(parts=2)), "results"),
        ("protection taken out with the change", small_stack(results=StoreSpec(key="other")), "results"),
        ("out of the spec", small_stack(results=None), "results"),
        ("out of the spec, beside a change", small_stack(results=None, network=NetSpec(parts=2)), "results"),
    ],
)
def test_apply_refuses_the_whole_plan(fake: FakeCloud, reason: str, changed: FakeSpec, name: str) -> None:
    run(fake, small_stack(results=STORE))
    calls = fake.calls.copy()
    plan = look(fake, changed)
    assert [(one.name, one.refused) for one in plan.changes if one.protected] == [
        (name, "it is protected (`protect: true`)")
    ], reason
    with pytest.raises(AwsrunError) as caught:
        apply(open_session(fake), changed, lambda plan: pytest.fail("there is nothing to ask"))
    assert caught.value.what == f"nothing was changed: {name} is protected"
    assert "take its `protect: true` out of the spec" in caught.value.hint
    assert fake.calls == calls, reason


def test_every_part_of_a_composite_is_protected(fake: FakeCloud) -> None:
    spec = small_stack(network=NetSpec(parts=2, protect=True))
    run(fake, spec)
    with pytest.raises(AwsrunError, match="network is protected"):
        run(fake, small_stack(network=NetSpec(parts=1, protect=True)))
    assert len(fake.of("net.zone")) == 2


def test_what_changes_in_place_goes_on(fake: FakeCloud) -> None:
    run(fake, small_stack(compute=EnvSpec(net="network", protect=True), train=WorkSpec(protect=True)))
    env = fake.of("env")[0]
    run(fake, small_stack(compute=EnvSpec(net="network", most=8, protect=True), train=WorkSpec(cores=2, protect=True)))
    assert (fake.of("env"), env.state.most) == ([env], 8)
    assert [one.state.cores for one in fake.of("work")] == [2], "a new revision is no loss"


def test_a_replacement_that_comes_up_while_other_things_change_is_refused(fake: FakeCloud) -> None:
    """Nothing of the plan said so: somebody changed it by hand meanwhile."""
    run(fake, small_stack(compute=EnvSpec(net="network", protect=True)))
    old = fake.of("env")[0]

    def confirm(plan: Plan) -> bool:
        old.state = replace(old.state, size="large")
        return True

    with pytest.raises(AwsrunError, match="compute is protected"):
        apply(open_session(fake), small_stack(compute=EnvSpec(net="network", most=8, protect=True)), confirm)
    assert fake.of("env") == [old]


def test_teardown_keeps_it_and_what_it_may_need(fake: FakeCloud) -> None:
    run(fake, small_stack(compute=EnvSpec(net="network", protect=True)))
    result = end(fake, purge=True)
    assert [kind for kind, _ in fake.names()] == ["env", "net", "net.zone"]
    assert {one.name: one.why for one in result.kept} == {
        "compute": "it is protected (`protect: true`)",
        "network": "compute may need it, and is protected",
        "network/zone-0": "compute may need it, and is protected",
    }
    assert all(one.protected for one in result.kept) and not result.left
    assert {one.name for one in result.deleted} >= {"queue", "results", "train"}
    assert stacks.names(open_session(fake).cloud) == ["test"], "its table remembers what is kept"
    assert [one.protected for one in status(open_session(fake), "test")[0].resources] == [True, False, False]


def test_without_its_table_it_is_kept_too(fake: FakeCloud) -> None:
    run(fake, small_stack(results=STORE))
    open_session(fake).cloud.write("dynamodb").delete_table(TableName="awsrun-test")
    assert [one.name for one in end(fake, stack=None).kept] == ["results"]
    assert [kind for kind, _ in fake.names()] == ["store"]


def test_a_protected_stack_is_left_alone(fake: FakeCloud) -> None:
    spec = replace(small_stack(), protect=True)
    run(fake, spec)
    assert {thing.tags.get(tags.PROTECT) for thing in fake.things.values()} == {"true"}
    with pytest.raises(AwsrunError, match="queue is protected"):
        run(fake, replace(small_stack(queue=None), protect=True))
    there, calls = fake.names(), fake.calls.copy()
    result = end(fake)
    assert len(result.kept) == len(there) and not result.deleted
    assert (fake.names(), fake.calls) == (there, calls), "not a run was cancelled"
    run(fake, small_stack())
    assert not end(fake).kept and not fake.things


def test_taken_out_and_applied_it_goes(fake: FakeCloud) -> None:
    run(fake, small_stack(results=STORE))
    plan = look(fake, small_stack())
    assert [(c.action, f.field, f.old, f.new) for c in plan.changes for f in c.fields] == [
        ("update", "tag awsrun:protect", "true", None)
    ]
    run(fake, small_stack())
    run(fake, small_stack(results=StoreSpec(key="other")))
    assert not end(fake).kept
    assert not fake.things
