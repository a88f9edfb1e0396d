"""What a plan and a status say of money and time."""

from __future__ import annotations

import pytest
from moto import mock_aws
from reconcile_fakes import EnvSpec, FakeCloud, FakeSpec, VirtualClock, open_session, small_stack

from awsrun.reconcile.apply import apply
from awsrun.reconcile.plan import Plan
from awsrun.reconcile.status import status
from awsrun.reconcile.survey import survey
from awsrun.reconcile.table import StackTable

ONE_NODE = 2.0  # seconds: what a kind takes that does not say


def planned(fake: FakeCloud, spec: FakeSpec) -> Plan:
    session = open_session(fake)
    return survey(session, spec, StackTable(session.cloud, spec.stack, session.calls).load()).plan


@pytest.fixture
def fake() -> FakeCloud:
    return FakeCloud(VirtualClock())


@mock_aws
def test_the_usual_time_is_that_of_the_longest_chain(fake: FakeCloud) -> None:
    assert planned(fake, small_stack()).usual == 2 * ONE_NODE + 60 + 120, "network, its zone, environment, queue"
    apply(open_session(fake), small_stack(), lambda plan: True)
    assert planned(fake, small_stack()).usual == 0
    larger = planned(fake, small_stack(compute=EnvSpec(net="network", size="large")))
    assert [change.action for change in larger] == ["replace", "update"]
    assert larger.usual == 60 + 120 + 60, "the new one, the queue, and then the old one goes"


@mock_aws
def test_a_bill_is_of_the_whole_stack_whatever_changes(fake: FakeCloud) -> None:
    first = planned(fake, small_stack())
    apply(open_session(fake), small_stack(), lambda plan: True)
    unchanged = planned(fake, small_stack())
    for plan in first, unchanged:
        assert plan.bill is not None
        assert plan.bill.to_json()["resources"] == {
            "queue": {"idle_per_hour": 0.045, "full_per_hour": 0.045, "note": ""}
        }
    (found,) = status(open_session(fake), "test")
    assert found.bill is not None
    assert (found.bill.idle, found.bill.now, found.bill.billed) == (0.045, 0.045, False)
    (listed,) = status(open_session(fake), None)
    assert listed.bill is None, "a list of all stacks asks for no prices"
