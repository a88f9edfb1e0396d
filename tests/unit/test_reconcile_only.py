"""apply --only: what is named and what that needs; all else stays as it is, in AWS and in what is written down."""

from __future__ import annotations

from collections.abc import Iterator

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

from awsrun.aws import stacks
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.apply import Applied, apply
from awsrun.reconcile.plan import Plan
from awsrun.reconcile.status import status
from awsrun.reconcile.table import StackTable


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        yield FakeCloud(VirtualClock())


def run(fake: FakeCloud, spec: FakeSpec, *only: str) -> tuple[Applied, list[Plan]]:
    shown: list[Plan] = []
    result = apply(open_session(fake), spec, lambda plan: bool([shown.append(plan)]), only)
    assert not result.failed
    return result, shown


def record(fake: FakeCloud) -> stacks.StackRecord:
    return stacks.read(open_session(fake).cloud, "test")


def test_what_is_named_and_what_it_needs(fake: FakeCloud) -> None:
    result, (plan,) = run(fake, small_stack(), "compute")
    assert fake.names() == [("env", "compute"), ("net", "network"), ("net.zone", "network/zone-0")]
    assert sorted(plan.left_out) == ["queue", "results", "train"]
    assert result.outputs.keys() == {"compute", "network"} and not record(fake).complete
    assert run(fake, small_stack(), "compute") == (Applied("test", outputs=result.outputs), []), "nothing to do again"
    run(fake, small_stack())
    assert record(fake).complete and record(fake).outputs.keys() == small_stack().resources.keys()


def test_the_rest_is_neither_changed_nor_deleted_nor_forgotten(fake: FakeCloud) -> None:
    run(fake, small_stack())
    before, spared = record(fake), [fake.of(kind)[0] for kind in ("queue", "store", "net", "work")]
    other = small_stack(
        queue=None, results=StoreSpec(key="other"), train=WorkSpec(cores=2), compute=EnvSpec(net="network", most=8)
    )
    result, (plan,) = run(fake, other, "compute")
    assert [(change.action, change.name) for change in plan.changes] == [("update", "compute")]
    assert [fake.of(kind)[0] for kind in ("queue", "store", "net", "work")] == spared
    assert [done.name for done in result.applied] == ["compute"] and fake.of("env")[0].state.most == 8
    assert (record(fake).outputs, record(fake).complete) == (before.outputs, True), "the rest is told of as it was"
    session = open_session(fake)
    contents = StackTable(session.cloud, "test", session.calls).load()
    assert contents is not None and {i.name for i in contents.intents.values()} >= {"queue", "results"}


def test_several_may_be_named(fake: FakeCloud) -> None:
    _, (plan,) = run(fake, small_stack(), "train", "results")
    assert {change.name for change in plan.changes} == {"train", "results"}


def test_a_composite_is_always_whole(fake: FakeCloud) -> None:
    run(fake, small_stack(network=NetSpec(parts=2)), "network")
    assert [name for _, name in fake.names()] == ["network", "network/zone-0", "network/zone-1"]


def test_a_replacement_takes_its_users_along(fake: FakeCloud) -> None:
    run(fake, small_stack())
    other, calls = small_stack(compute=EnvSpec(net="network", size="large")), fake.calls.copy()
    with pytest.raises(AwsrunError) as caught:
        run(fake, other, "compute")
    assert "queue left with the old one" in caught.value.what and caught.value.hint == "add --only queue"
    assert fake.calls == calls
    run(fake, other, "compute", "queue")
    assert [one.state.size for one in fake.of("env")] == ["large"]


def test_a_name_that_is_not_there(fake: FakeCloud) -> None:
    with pytest.raises(AwsrunError, match="no resource 'quue'; did you mean 'queue'"):
        run(fake, small_stack(), "quue")


def test_a_stack_is_as_old_as_its_first_apply(fake: FakeCloud) -> None:
    run(fake, small_stack())
    first = record(fake).since
    fake.clock.sleep(3 * 86400.0)
    run(fake, small_stack(network=NetSpec(parts=2)))
    assert record(fake).since == first < record(fake).applied_at
    [found] = status(open_session(fake), "test")
    assert 72 <= found.age <= 73, "hours"
