"""The lease of a stack: refusal, take-over, loss; and what a zombie may do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from reconcile_fakes import FakeCloud, VirtualClock, open_session, refused, small_stack

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.apply import apply
from awsrun.reconcile.halt import Halted
from awsrun.reconcile.host import Holder, is_dead, myself
from awsrun.reconcile.lock import Lease
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import StackTable


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        yield FakeCloud(VirtualClock())


def prepare(fake: FakeCloud) -> tuple[Session, StackTable]:
    session = open_session(fake)
    table = StackTable(session.cloud, "test", session.calls)
    table.ensure(runs=False)
    return session, table


def elsewhere() -> Holder:
    return replace(myself(), host="other", machine="another machine")


def test_a_second_command_of_this_machine_is_refused_with_the_holders_name(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    with Lease(session, table), pytest.raises(AwsrunError) as caught:
        apply(open_session(fake), small_stack(), lambda plan: True)
    assert str(os.getpid()) in caught.value.what
    assert not fake.calls
    assert not apply(open_session(fake), small_stack(), lambda plan: True).failed  # it is free again


def test_a_dead_process_of_this_machine_holds_nothing(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    script = "from awsrun.reconcile.host import myself; import json; print(json.dumps(myself().to_item()))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    import json

    dead = Holder.from_item(json.loads(said))
    assert is_dead(dead) and not is_dead(myself())
    Lease(session, table, lambda: dead)._acquire()
    begun = fake.clock.now()
    other = open_session(fake)
    with Lease(other, StackTable(other.cloud, "test", other.calls)):
        assert fake.clock.now() == begun


def test_a_pid_that_is_used_again_is_not_the_holder() -> None:
    assert is_dead(replace(myself(), started="long ago"))
    assert not is_dead(replace(myself(), machine="another machine", started="long ago"))


def test_a_holder_elsewhere_without_sign_of_life_loses_it_after_the_lease(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    Lease(session, table, elsewhere)._acquire()
    begun = fake.clock.now()
    other = open_session(fake)
    with Lease(other, StackTable(other.cloud, "test", other.calls)):
        assert 60 <= fake.clock.now() - begun < 80


def test_a_holder_elsewhere_that_renews_is_not_robbed(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    holder = Lease(session, table, elsewhere)
    holder._acquire()

    class Renewing(VirtualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            holder._send({})

    other = open_session(FakeCloud(Renewing()))
    with pytest.raises(AwsrunError, match="is being changed by"):
        Lease(other, StackTable(other.cloud, "test", other.calls))._acquire()


def test_a_zombie_starts_no_more_writes(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    zombie = Lease(session, table, elsewhere)
    zombie._acquire()
    other = open_session(fake)
    with Lease(other, StackTable(other.cloud, "test", other.calls)):
        with pytest.raises(Halted):
            zombie.check()
        assert session.halt.reason is not None and "lost the lock" in session.halt.reason.what


def test_a_lease_that_cannot_be_renewed_ends_by_itself(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    lease = Lease(session, table)
    lease._acquire()
    lease._send = lambda changes, best_effort=False: False  # type: ignore[method-assign]
    fake.clock.sleep(30)
    lease.check()  # still enough of it
    fake.clock.sleep(15)
    with pytest.raises(Halted):
        lease.check()
    assert session.halt.reason is not None and "could not be renewed" in session.halt.reason.why


def test_writes_keep_the_lease_alive(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    with Lease(session, table) as lease:
        for _ in range(20):
            fake.clock.sleep(30)
            lease.check()
    assert session.halt.reason is None


def test_an_apply_whose_lock_is_taken_stops_and_the_next_one_converges(fake: FakeCloud) -> None:
    session, table = prepare(fake)

    def rob(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "create", "env"):
            item = session.cloud.read("dynamodb").get_item(TableName=table.name, Key={"pk": {"S": "LOCK"}})["Item"]
            thief = Lease(open_session(fake), table, elsewhere)
            assert thief._take(item)
            fake.clock.sleep(20)

    fake.faults = rob
    with pytest.raises(AwsrunError, match="lost the lock"):
        apply(session, small_stack(), lambda plan: True)
    assert not fake.of("queue")
    fake.faults = lambda *_: None
    assert not apply(open_session(fake), small_stack(), lambda plan: True).failed


def test_a_new_table_that_is_not_found_everywhere_yet_is_waited_for(fake: FakeCloud) -> None:
    """ACTIVE is what it is called, and reads and writes of it may be refused for a moment."""
    session, found_at = open_session(fake), [0.0]

    def lag(model: Any, **_: Any) -> None:
        if model.name == "CreateTable":
            found_at[0] = fake.clock.now() + 5.0
        elif "Table" not in model.name and fake.clock.now() < found_at[0]:
            raise refused("ResourceNotFoundException", "Requested resource not found")

    for client in (session.cloud.read("dynamodb"), session.cloud.write("dynamodb")):
        client.meta.events.register("before-call.dynamodb", lag)
    assert not apply(session, small_stack(), lambda plan: True).failed
    assert fake.clock.now() >= found_at[0] > 0


def test_a_table_that_somebody_deletes_meanwhile_is_not_waited_for(fake: FakeCloud) -> None:
    session, table = prepare(fake)
    fake.clock.sleep(session.timing.settle)
    table.drop(table.name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        table.put("KINDS", [])
