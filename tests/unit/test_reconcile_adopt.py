"""adopt: what exists and is nobody's becomes the stack's; what is somebody's, or could not be found again, does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from moto import mock_aws
from reconcile_fakes import (
    EnvSpec,
    EnvState,
    FakeCloud,
    FakeSpec,
    NetSpec,
    NetState,
    Store,
    StoreSpec,
    StoreState,
    Thing,
    VirtualClock,
    WorkState,
    ZoneState,
    open_session,
    refused,
    small_stack,
)

from awsrun.aws import tags
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.adopt import Adoption, adopt
from awsrun.reconcile.apply import apply
from awsrun.reconcile.table import Contents, StackTable
from awsrun.reconcile.teardown import teardown

SPEC = small_stack(results=StoreSpec(name="theirs", purge=True), compute=EnvSpec(net="network", name="old", most=8))


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with mock_aws():
        made = FakeCloud(VirtualClock())
        made.things["theirs"] = Thing("store", "theirs", {"team": "red"}, StoreState("id"), contents=3)
        made.things["net-9"] = Thing("net", "net-9", {}, NetState("10.0.0.0/16"))
        made.things["zone-9"] = Thing("net.zone", "zone-9", {}, ZoneState("net-9", 0))
        made.things["old"] = Thing("env", "old", {}, EnvState("net-9", "small", 4))
        made.things["job:1"] = Thing("work", "job:1", {}, WorkState(1))
        yield made


def take(fake: FakeCloud, spec: FakeSpec = SPEC, replacing: bool = False, **ids: str) -> Sequence[Adoption]:
    named = {name.replace("__", "/").replace("_zone", "-zone"): id for name, id in ids.items()}
    return adopt(open_session(fake), spec, named, lambda found: True, replacing)


def refusal(fake: FakeCloud, spec: FakeSpec = SPEC, **ids: str) -> AwsrunError:
    before = {id: dict(thing.tags) for id, thing in fake.things.items()}
    with pytest.raises(AwsrunError) as caught:
        adopt(open_session(fake), spec, ids, lambda found: pytest.fail("there is nothing to ask"))
    assert {id: thing.tags for id, thing in fake.things.items()} == before, "nothing was touched"
    return caught.value


def table(fake: FakeCloud) -> Contents:
    session = open_session(fake)
    return StackTable(session.cloud, "test", session.calls).load() or Contents()


EVERY = {"results": "theirs", "network": "net-9", "network/zone-0": "zone-9", "compute": "old"}


def test_it_is_shown_and_asked_about_before_anything_is_written(fake: FakeCloud) -> None:
    shown: list[Adoption] = []
    with pytest.raises(AwsrunError, match="not confirmed"):
        adopt(open_session(fake), SPEC, EVERY, lambda found: bool(shown.extend(found)))
    assert {one.name: (one.id, [(c.field, c.old, c.new) for c in one.changes], one.purge) for one in shown} == {
        "results": ("theirs", [], True),
        "network": ("net-9", [], False),
        "network/zone-0": ("zone-9", [], False),
        "compute": ("old", [("most", 4, 8)], False),
    }
    assert not fake.calls and not table(fake).intents


def test_taken_over_apply_changes_it_in_place_and_teardown_deletes_it(fake: FakeCloud) -> None:
    assert {one.name for one in adopt(open_session(fake), SPEC, EVERY, lambda found: True)} == EVERY.keys()
    assert {verb for verb, _ in fake.calls} == {"tag"}, "nothing but tags is changed"
    assert fake.things["theirs"].tags["team"] == "red" and fake.things["theirs"].tags[tags.PURGE] == "true"
    done = apply(open_session(fake), SPEC, lambda plan: True)
    assert not done.failed
    assert {(one.action, one.name) for one in done.applied} == {
        ("update", "compute"), ("create", "queue"), ("create", "train")
    }  # fmt: skip
    assert fake.things["old"].state.most == 8
    assert not apply(open_session(fake), SPEC, lambda plan: pytest.fail("nothing is left to do")).applied
    assert not take(fake, results="theirs"), "it is the stack's already"
    gone = teardown(open_session(fake), "test", False, lambda doomed: True)
    assert not gone.left and list(fake.things) == ["job:1"]


def test_a_lost_table_does_not_lose_it(fake: FakeCloud) -> None:
    take(fake, results="theirs")
    open_session(fake).cloud.write("dynamodb").delete_table(TableName="awsrun-test")
    done = apply(open_session(fake), small_stack(results=SPEC.resources["results"]), lambda plan: True)
    assert not done.failed and "results" not in {one.name for one in done.applied}
    assert [thing.id for thing in fake.of("store")] == ["theirs"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["results", "network"])
@pytest.mark.parametrize("again", [True, False])
def test_killed_at_its_tags(fake: FakeCloud, moment: str, name: str, again: bool) -> None:
    """Before they are set it is still foreign; after that it is found by them.  Either way the next command goes on."""
    id = EVERY[name]
    del fake.things["zone-9"], fake.things["old"]

    def kill(when: str, verb: str, kind: str, key: str) -> None:
        if (when, verb) == (moment, "tag"):
            raise Killed

    fake.faults = kill
    with pytest.raises(Killed):
        take(fake, **{name: id})
    fake.faults = lambda *_: None
    if again:
        take(fake, **{name: id})
    ours = moment == "after" or again
    spec = small_stack(**{name: SPEC.resources[name]})
    failed = [one.name for one in apply(open_session(fake), spec, lambda plan: True).failed]
    if ours:
        assert failed == [] and [one.id for one in fake.of({"results": "store", "network": "net"}[name])] == [id]
    else:
        assert fake.things[id].tags.get(tags.STACK) is None, "nobody took it over behind the user's back"
        assert failed == (["results"] if name == "results" else []), "the name is taken; a network is made anew"
    gone = teardown(open_session(fake), "test", True, lambda doomed: True)
    assert not gone.left and (id in fake.things) is not ours


def test_a_kill_between_two_leaves_the_first_adopted(fake: FakeCloud) -> None:
    def kill(when: str, verb: str, kind: str, key: str) -> None:
        if (when, verb, kind) == ("before", "tag", "store"):
            raise Killed

    fake.faults = kill
    with pytest.raises(Killed):
        take(fake, network="net-9", results="theirs")
    fake.faults = lambda *_: None
    assert [one.name for one in take(fake, network="net-9", results="theirs")] == ["results"]
    assert {intent.name: intent.id for intent in table(fake).intents.values()} == {
        "network": "net-9", "results": "theirs"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "id", "why", "hint"),
    [
        ("results", "nobody", "there is no such thing here", "look at its id"),
        ("train", "job:1", "every apply may register a new revision", "let apply make it"),
        (
            "compute",
            "old",
            "net is 'net-9', the spec says '(known after apply)'",
            "what it is a part of is not there: take that over too (network)",
        ),
    ],
)
def test_what_cannot_be_taken_over(fake: FakeCloud, name: str, id: str, why: str, hint: str) -> None:
    error = refusal(fake, **{name: id})
    assert f"{id} cannot be taken over as {name!r}" in error.what
    assert why in error.why and hint in error.hint


def test_a_name_that_the_spec_does_not_say(fake: FakeCloud) -> None:
    error = refusal(fake, small_stack(), results="theirs")
    assert (error.why, "write `name: theirs`" in error.hint) == ("by the spec its name is test-results", True)


def test_what_would_not_be_found_again(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "unfit", lambda self, id, stack: f"{id} is elsewhere")
    assert refusal(fake, results="theirs").why == "theirs is elsewhere"


def test_a_resource_of_another_stack_or_key_is_refused(fake: FakeCloud) -> None:
    for stack in ("other", "test"):
        owner = {tags.STACK: stack, tags.NAME: "files", tags.KIND: "store"}
        fake.things["theirs"].tags.update(owner)
        assert refusal(fake, results="theirs").why == f"it is 'files' of stack {stack!r}"


def test_a_key_that_has_a_resource_already(fake: FakeCloud) -> None:
    assert not apply(open_session(fake), small_stack(), lambda plan: True).failed
    assert "has test-results under that name" in refusal(fake, results="theirs").why


def test_what_would_be_replaced_only_when_asked(fake: FakeCloud) -> None:
    spec = small_stack(network=NetSpec(cidr="10.9.0.0/16"))
    assert "cidr is '10.0.0.0/16', the spec says '10.9.0.0/16'" in refusal(fake, spec, network="net-9").why
    assert [c.replace for one in take(fake, spec, replacing=True, network="net-9") for c in one.changes] == [True]


def test_a_refused_tag_leaves_nothing(fake: FakeCloud) -> None:
    def fault(moment: str, verb: str, kind: str, key: str) -> None:
        if (moment, verb) == ("before", "tag"):
            raise refused("AccessDenied")

    fake.faults = fault
    with pytest.raises(Exception, match="AccessDenied"):
        take(fake, results="theirs")
    assert not table(fake).intents and fake.things["theirs"].tags == {"team": "red"}


def test_what_changes_while_somebody_thinks_is_not_taken(fake: FakeCloud) -> None:
    def confirm(found: Sequence[Adoption]) -> bool:
        fake.things["theirs"].state = StoreState("other")
        return True

    with pytest.raises(AwsrunError, match=r"cannot be taken over|changed meanwhile"):
        adopt(open_session(fake), SPEC, {"results": "theirs"}, confirm)
    assert fake.things["theirs"].tags == {"team": "red"}
