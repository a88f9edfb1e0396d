"""plan and apply on virtual time: what is done, in which order, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from reconcile_fakes import (
    LOST,
    Env,
    EnvSpec,
    FakeCloud,
    FakeSpec,
    NetSpec,
    QueueState,
    Store,
    StoreSpec,
    Thing,
    VirtualClock,
    WorkSpec,
    open_session,
    refused,
    small_stack,
)

from awsrun.aws import stacks, tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.apply import Applied, apply
from awsrun.reconcile.plan import Plan
from awsrun.reconcile.progress import Event
from awsrun.reconcile.survey import survey
from awsrun.reconcile.table import StackTable
from awsrun.resources.kind import Seen


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        yield FakeCloud(VirtualClock())


def run(fake: FakeCloud, spec: FakeSpec, events: list[Event] | None = None) -> Applied:
    return apply(open_session(fake, events), spec, lambda plan: True)


def look(fake: FakeCloud, spec: FakeSpec) -> Plan:
    session = open_session(fake)
    return survey(session, spec, StackTable(session.cloud, spec.stack, session.calls).load()).plan


def shown(plan: Plan) -> list[tuple[str, str]]:
    return [(change.action, change.name) for change in plan.changes]


NODES = [
    ("env", "compute"),
    ("net", "network"),
    ("net.zone", "network/zone-0"),
    ("queue", "queue"),
    ("store", "results"),
    ("work", "train"),
]


def test_creates_all_and_then_finds_nothing_to_do(fake: FakeCloud) -> None:
    first = run(fake, small_stack())
    assert not first.failed
    assert fake.names() == NODES
    assert first.outputs["network"]["zones"] == [fake.of("net.zone")[0].id]
    calls = fake.calls.copy()
    session = open_session(fake)
    again = apply(session, small_stack(), lambda plan: pytest.fail("nothing to ask"))
    assert again.applied == () and again.outputs == first.outputs
    assert fake.calls == calls
    assert not [name for name in session.cloud.calls if "PutItem" in name or "UpdateItem" in name]


def test_order_follows_references(fake: FakeCloud) -> None:
    events: list[Event] = []
    fake.slow = 90.0
    run(fake, small_stack(), events)
    times = {(event.name, event.step): index for index, event in enumerate(events)}
    assert times["network", "done"] < times["network/zone-0", "started"]
    assert times["network/zone-0", "done"] < times["compute", "started"]
    assert times["compute", "done"] < times["queue", "started"]


def test_plan_shows_every_node_and_unknown_values(fake: FakeCloud) -> None:
    plan = look(fake, small_stack()).to_json()
    assert [change["action"] for change in plan["changes"]] == ["create"] * 6
    compute = next(change for change in plan["changes"] if change["name"] == "compute")
    assert {"field": "net", "old": None, "new": "(known after apply)", "replace": False} in compute["fields"]
    assert not fake.things


def test_update_in_place(fake: FakeCloud) -> None:
    run(fake, small_stack())
    wanted = small_stack(compute=EnvSpec(net="network", most=8))
    plan = look(fake, wanted)
    assert shown(plan) == [("update", "compute")]
    assert [(c.field, c.old, c.new) for c in plan.changes[0].fields] == [("most", 4, 8)]
    result = run(fake, wanted)
    assert [done.action for done in result.applied] == ["update"]
    assert fake.of("env")[0].state.most == 8


def test_replacement_is_made_before_the_old_one_goes(fake: FakeCloud) -> None:
    run(fake, small_stack())
    old = fake.of("env")[0].id
    wanted = small_stack(compute=EnvSpec(net="network", size="large"))
    assert shown(look(fake, wanted)) == [("replace", "compute"), ("update", "queue")]
    events: list[Event] = []
    assert not run(fake, wanted, events).failed
    new = fake.of("env")[0].id
    assert len(fake.of("env")) == 1 and new != old
    assert fake.of("queue")[0].state.envs == (new,)
    done = [(event.action, event.name) for event in events if event.step == "done"]
    assert done == [("replace", "compute"), ("update", "queue"), ("delete", "compute")]
    assert not look(fake, wanted)


def test_what_needs_something_made_anew_under_its_name_is_looked_at_again(fake: FakeCloud) -> None:
    wanted = small_stack(compute=EnvSpec(net="network", name="mine"))
    run(fake, wanted)
    (queue,) = fake.of("queue")
    del fake.things["mine"]

    def taken_along(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("after", "create", "env"):
            queue.state = QueueState(())

    fake.faults = taken_along
    assert not run(fake, wanted).failed
    assert queue.state == QueueState(("mine",))
    assert not look(fake, wanted)


def test_replacement_cascades(fake: FakeCloud) -> None:
    run(fake, small_stack())
    wanted = small_stack(network=NetSpec(cidr="10.9.0.0/16"))
    assert shown(look(fake, wanted)) == [
        ("replace", "network"),
        ("replace", "network/zone-0"),
        ("replace", "compute"),
        ("update", "queue"),
    ]
    assert not run(fake, wanted).failed
    assert fake.names() == NODES
    assert fake.of("net")[0].state.cidr == "10.9.0.0/16"
    assert not look(fake, wanted)


def test_a_new_revision_is_an_update_and_the_old_one_goes(fake: FakeCloud) -> None:
    run(fake, small_stack())
    wanted = small_stack(train=WorkSpec(cores=2))
    assert shown(look(fake, wanted)) == [("update", "train")]
    run(fake, wanted)
    assert [thing.state.cores for thing in fake.of("work")] == [2]
    assert not look(fake, wanted)


def test_what_leaves_the_spec_goes(fake: FakeCloud) -> None:
    run(fake, small_stack())
    wanted = small_stack(queue=None, compute=None)
    assert shown(look(fake, wanted)) == [("delete", "queue"), ("delete", "compute")]
    run(fake, wanted)
    assert fake.names() == [node for node in NODES if node[0] not in ("env", "queue")]


def test_an_explicit_name_is_found_again_when_it_leaves_the_spec(fake: FakeCloud) -> None:
    run(fake, small_stack(results=StoreSpec(name="my-own-name")))
    assert "my-own-name" in fake.things
    run(fake, small_stack(results=None))
    assert "my-own-name" not in fake.things


def test_rename_is_pointed_out(fake: FakeCloud) -> None:
    run(fake, small_stack())
    plan = look(fake, small_stack(results=None, outcome=StoreSpec()))
    assert [(c.action, c.name, c.renamed) for c in plan.changes] == [
        ("create", "outcome", "results"),
        ("delete", "results", ""),
    ]


def test_data_is_not_replaced_nor_pruned(fake: FakeCloud) -> None:
    run(fake, small_stack())
    fake.of("store")[0].contents = 3
    wanted = small_stack(results=StoreSpec(key="other"))
    plan = look(fake, wanted)
    assert shown(plan) == [("replace", "results")]
    assert "holds data" in plan.changes[0].refused
    for spec in (wanted, small_stack(results=None)):
        result = run(fake, spec)
        assert [(f.name, "holds data" in f.error.what) for f in result.failed] == [("results", True)]
        assert fake.of("store")[0].contents == 3


def test_purge_lets_data_go(fake: FakeCloud) -> None:
    run(fake, small_stack(results=StoreSpec(purge=True)))
    fake.of("store")[0].contents = 3
    assert fake.of("store")[0].tags[tags.PURGE] == "true"
    assert not run(fake, small_stack(results=StoreSpec(key="other", purge=True))).failed
    assert fake.of("store")[0].state.key == "other"


def test_purge_taken_back_is_an_update_of_tags(fake: FakeCloud) -> None:
    run(fake, small_stack(results=StoreSpec(purge=True)))
    assert shown(look(fake, small_stack())) == [("update", "results")]
    run(fake, small_stack())
    assert tags.PURGE not in fake.of("store")[0].tags
    assert not look(fake, small_stack())


def test_broken_is_made_anew(fake: FakeCloud) -> None:
    run(fake, small_stack())
    env = fake.of("env")[0]
    env.phase, env.why = "broken", "no such instance type"
    plan = look(fake, small_stack())
    assert shown(plan)[0] == ("replace", "compute")
    assert "no such instance type" in plan.changes[0].why
    assert not run(fake, small_stack()).failed
    assert [thing.phase for thing in fake.of("env")] == ["ready"]
    assert not look(fake, small_stack())


def test_goes_on_past_a_failure_where_nothing_depends_on_it(fake: FakeCloud) -> None:
    def fail(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "create", "env"):
            raise refused("ClientException", "this account may not")

    fake.faults = fail
    result = run(fake, small_stack())
    assert {f.name: f.error.why for f in result.failed} == {
        "compute": "ClientException: this account may not",
        "queue": "it has to do with compute, which failed",
    }
    assert ("store", "results") in fake.names()
    record = stacks.read(open_session(fake).cloud, "test")
    assert not record.complete
    fake.faults = lambda *_: None
    assert not run(fake, small_stack()).failed
    assert fake.names() == NODES


def test_a_failed_replacement_keeps_what_is_in_use(fake: FakeCloud) -> None:
    run(fake, small_stack())
    before = dict(fake.things)

    def fail(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "update", "queue"):
            raise refused("ClientException", "no")

    fake.faults = fail
    result = run(fake, small_stack(compute=EnvSpec(net="network", size="large")))
    assert [f.name for f in result.failed] == ["queue"]
    assert before.keys() <= fake.things.keys()


def test_an_update_that_does_not_show_names_the_field(fake: FakeCloud) -> None:
    run(fake, small_stack())
    fake.ignores = frozenset({"most"})
    begun, calls = fake.clock.now(), fake.calls["update", "env"]
    result = run(fake, small_stack(compute=EnvSpec(net="network", most=8)))
    assert [f.name for f in result.failed] == ["compute", "queue"]
    assert "most" in result.failed[0].error.what
    assert fake.calls["update", "env"] == calls + 1
    assert fake.clock.now() - begun < 300


def test_propagation_is_waited_for(fake: FakeCloud) -> None:
    refusals = iter([refused("NotYet")] * 3 + [refused("Throttling")] * 2)

    def lag(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb, kind) == ("before", "create", "queue"):
            for error in refusals:
                raise error

    fake.faults = lag
    assert not run(fake, small_stack()).failed
    assert fake.calls["create", "queue"] == 6


def test_lists_that_lag_make_no_doubles(fake: FakeCloud) -> None:
    fake.lag = 20.0
    assert not run(fake, small_stack()).failed
    assert fake.names() == NODES


@pytest.mark.parametrize("kind", ["net", "net.zone", "env", "store", "work"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_answer_makes_no_double(fake: FakeCloud, kind: str, moment: str) -> None:
    losses = iter([LOST])

    def lose(when: str, verb: str, of: str, key: str) -> None:
        if (when, verb, of) == (moment, "create", kind):
            for error in losses:
                raise error

    fake.faults, fake.lag = lose, 5.0
    assert not run(fake, small_stack()).failed
    assert fake.names() == NODES
    assert next(losses, None) is None


def test_an_update_goes_on_however_often_its_answer_is_lost(fake: FakeCloud) -> None:
    run(fake, small_stack())
    losses = iter([LOST] * 6)

    def lose(when: str, verb: str, of: str, key: str) -> None:
        if (when, verb, of) == ("before", "update", "env"):
            for error in losses:
                raise error

    fake.faults = lose
    assert not run(fake, small_stack(compute=EnvSpec(net="network", most=9))).failed
    assert fake.of("env")[0].state.most == 9 and next(losses, None) is None


def test_what_an_unfinished_resource_will_put_out_is_known_later(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An apply was cut short before the environment was what it is to be, and has what others ask it for."""
    run(fake, small_stack())
    read = Env.read

    def half(self: Env, id: str) -> Seen[Any]:
        seen = read(self, id)
        return seen if seen.state.most == 9 else replace(seen, outputs={})

    monkeypatch.setattr(Env, "read", half)
    changed = small_stack(compute=EnvSpec(net="network", most=9))
    assert shown(look(fake, changed)) == [("update", "compute"), ("update", "queue")]
    assert not run(fake, changed).failed
    assert fake.calls["update", "queue"] == 0, "it was right all along"


def test_foreign_resources_are_never_touched(fake: FakeCloud) -> None:
    theirs = Thing("store", "theirs", {}, None, contents=1)
    fake.things["theirs"] = theirs
    result = run(fake, small_stack(results=StoreSpec(name="theirs")))
    assert "is not awsrun's" in result.failed[0].error.what
    assert fake.things["theirs"] is theirs and theirs.tags == {}


def test_what_is_being_deleted_goes_before_what_it_uses(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apply that was cut short had asked for the old environment's end; its network is not even tried before."""
    run(fake, small_stack())
    old, net = fake.of("env")[0], fake.of("net")[0]
    old.phase, gone, read = "deleting", fake.clock.now() + 60.0, Env.read

    def fading(self: Env, id: str) -> Seen[Any]:
        if fake.clock.now() > gone:
            fake.things.pop(old.id, None)
        return read(self, id)

    monkeypatch.setattr(Env, "read", fading)
    before = fake.calls["delete", "net"]
    run(fake, small_stack(network=NetSpec(cidr="10.1.0.0/16")))
    assert old.id not in fake.things and net.id not in fake.things
    assert fake.calls["delete", "net"] - before == 1, "AWS was asked while something used it"


def test_advice_goes_with_what_aws_refuses(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(moment: str, verb: str, kind: str, key: str) -> None:
        if (verb, kind) == ("create", "store"):
            raise refused("Held", "try again")

    fake.faults = refuse
    monkeypatch.setattr(Store, "advice", {"Held": "give it another name"})
    [failure] = run(fake, small_stack()).failed
    assert (failure.error.why, failure.error.hint) == ("Held: try again", "give it another name")


def test_a_change_made_by_hand_shows_and_is_mended(fake: FakeCloud) -> None:
    run(fake, small_stack())
    env = fake.of("env")[0]
    env.state = type(env.state)(env.state.net, env.state.size, 99)
    del fake.things[fake.of("queue")[0].id]
    assert shown(look(fake, small_stack())) == [("update", "compute"), ("create", "queue")]
    run(fake, small_stack())
    assert not look(fake, small_stack())


def test_a_lost_table_is_made_again(fake: FakeCloud) -> None:
    run(fake, small_stack(results=StoreSpec(name="my-own-name")))
    session = open_session(fake)
    session.cloud.write("dynamodb").delete_table(TableName="awsrun-test")
    wanted = small_stack(results=None)
    assert shown(look(fake, wanted)) == [("delete", "results")]
    run(fake, wanted)
    assert "my-own-name" not in fake.things
    assert stacks.read(session.cloud, "test").complete


def test_of_a_lost_table_even_one_thing_of_another_kind_is_found(fake: FakeCloud) -> None:
    session = open_session(fake)
    run(fake, FakeSpec({"results": StoreSpec(name="my-own-name")}))
    session.cloud.write("dynamodb").delete_table(TableName="awsrun-test")
    asked: list[list[tuple[str, str]]] = []
    apply(session, FakeSpec({"network": NetSpec()}), lambda plan: bool(asked.append(shown(plan)) or plan))
    assert asked[-1][-1] == ("delete", "results") and asked[0] == asked[-1][:-1]  # asked again before anything is done
    assert "my-own-name" not in fake.things


def test_credentials_that_run_out_stop_everything(fake: FakeCloud) -> None:
    def expire(moment: str, verb: str, kind: str, key: str) -> None:
        if kind == "net.zone":
            raise refused("ExpiredToken", "the security token has expired")

    fake.faults = expire
    session = open_session(fake)
    with pytest.raises(AwsrunError, match="credentials have run out"):
        apply(session, small_stack(), lambda plan: True)
    assert not fake.of("env") and not fake.of("queue")


def test_not_confirmed_changes_nothing(fake: FakeCloud) -> None:
    session = open_session(fake)
    with pytest.raises(AwsrunError, match="nothing was changed"):
        apply(session, small_stack(), lambda plan: False)
    assert not fake.calls
    assert stacks.names(session.cloud) == []
