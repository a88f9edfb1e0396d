"""The engine's smaller parts: the order of kinds, calls and their pace, stopping."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws
from reconcile_fakes import (
    LOST,
    FakeCloud,
    FakeSpec,
    NetSpec,
    QueueSpec,
    Store,
    VirtualClock,
    open_session,
    refused,
    small_stack,
)

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile import graph
from awsrun.reconcile.apply import apply
from awsrun.reconcile.calls import Blocked, Calls, Gone, Refused, Uncertain
from awsrun.reconcile.clock import EMULATOR, SystemClock, Timing, scaled
from awsrun.reconcile.halt import Halt, Halted, on_signals
from awsrun.reconcile.parallel import Skipped, run_graph
from awsrun.resources.registry import KINDS, kind


@pytest.fixture
def fake() -> FakeCloud:
    return FakeCloud(VirtualClock())


@pytest.fixture
def calls(fake: FakeCloud) -> Calls:
    return Calls(fake.clock, Timing(), Halt())


@pytest.fixture
def store(fake: FakeCloud) -> Store:
    return Store(None, fake)


class Fails:
    """Raises each of some errors, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_outside_references_mean_the_whole_composite(fake: FakeCloud) -> None:
    made = graph.build(small_stack(network=NetSpec(parts=2)), open_session(fake).kinds)
    assert made.nodes["compute"].after == {"network", "network/zone-0", "network/zone-1"}
    assert made.nodes["network/zone-1"].after == {"network"}
    order = list(made.nodes)
    assert all(order.index(need) < order.index(name) for name, node in made.nodes.items() for need in node.after)


def test_a_reference_to_nothing_is_refused(fake: FakeCloud) -> None:
    with pytest.raises(AwsrunError, match="'missing', which is not there"):
        graph.build(FakeSpec({"queue": QueueSpec(envs=["missing"])}), open_session(fake).kinds)


def test_real_kinds_go_after_what_uses_them() -> None:
    reach = graph.reach(graph.uses({name: kind(name) for name in KINDS}))  # type: ignore[misc]
    for user, used in [
        ("batch.job_queue", "batch.compute_environment"),
        ("batch.compute_environment", "vpc.subnet"),
        ("batch.compute_environment", "iam.role"),
        ("batch.compute_environment", "iam.instance_profile"),
        ("batch.job_definition", "iam.role"),
        ("vpc.route_table", "vpc.internet_gateway"),
        ("vpc.subnet", "vpc"),
        ("security_group", "vpc"),
    ]:
        assert used in reach[user], f"{used} must outlive {user}"
        assert user not in reach[used]


def test_mutating_calls_are_repeated_only_when_aws_says_nothing_was_done(calls: Calls, store: Store) -> None:
    passing = Fails(refused("Throttling"), refused("NotYet"), refused("RequestLimitExceeded"))
    assert calls.write(store, "create", passing) == "done"
    assert passing.calls == 4
    for error in (LOST, refused("InternalError", status=500), ConnectionError()):
        unknown = Fails(error)
        with pytest.raises(Uncertain):
            calls.write(store, "create", unknown)
        assert unknown.calls == 1


def test_tags_are_set_again_where_the_answer_was_lost(calls: Calls, store: Store) -> None:
    tag = Fails(LOST, refused("InternalError", status=500))
    assert calls.write(store, "tag", tag) == "done"
    with pytest.raises(Uncertain):
        calls.write(store, "update", Fails(LOST))


def test_codes_decide(calls: Calls, store: Store) -> None:
    for error, verb, expected in [
        (refused("NotFound"), "delete", Gone),
        (refused("InUse"), "delete", Blocked),
        (refused("NotYet"), "delete", Blocked),
        (refused("NotYet"), "update", Refused),
        (refused("Other"), "delete", Exception),
        (ValueError("a mistake in a kind"), "create", ValueError),
    ]:
        with pytest.raises(expected):
            calls.write(store, verb, Fails(error))  # type: ignore[arg-type]


def test_a_look_outlasts_throttling_and_trouble_at_aws(calls: Calls) -> None:
    look = Fails(*[refused("Throttling")] * 9, refused("InternalServerError", status=500))
    assert calls.read(look) == "done"
    assert look.calls == 11
    for error in (refused("NotFound"), ConnectionError()):  # a server that is not there is told of at once
        with pytest.raises(type(error)):
            calls.read(Fails(error))


def test_patience_ends(calls: Calls, store: Store, fake: FakeCloud) -> None:
    begun = fake.clock.now()
    with pytest.raises(Exception, match="NotYet"):
        calls.write(store, "create", Fails(*[refused("NotYet")] * 1000))
    assert 300 < fake.clock.now() - begun < 400


def test_no_credentials_stop_everything(calls: Calls, store: Store) -> None:
    with pytest.raises(Halted):
        calls.read(Fails(NoCredentialsError()))
    with pytest.raises(Halted):
        calls.write(store, "create", Fails())


def test_pace_keeps_calls_apart(calls: Calls, store: Store, fake: FakeCloud) -> None:
    store.pace = {"delete": 30.0}  # type: ignore[misc]
    times = []
    for _ in range(3):
        calls.write(store, "delete", Fails())
        times.append(fake.clock.now())
    assert times[1] - times[0] >= 30 and times[2] - times[1] >= 30


@pytest.mark.parametrize(("timing", "apart"), [(EMULATOR, 0.0), (scaled(0.01), 0.3)], ids=["emulator", "strict"])
def test_pace_is_that_of_the_clouds_time(store: Store, fake: FakeCloud, timing: Timing, apart: float) -> None:
    store.pace = {"delete": 30.0}  # type: ignore[misc]
    calls, before = Calls(fake.clock, timing, Halt()), fake.clock.now()
    for _ in range(2):
        calls.write(store, "delete", Fails())
    assert fake.clock.now() - before == pytest.approx(apart)


def test_run_graph_skips_all_that_needs_what_failed() -> None:
    done = []

    def work(key: str) -> None:
        if key == "b":
            raise AwsrunError("no")
        done.append(key)

    after = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["a"]}
    failed = run_graph(after, work, Halt(), 4, str)
    assert sorted(done) == ["a", "e"]
    assert {key: type(error) for key, error in failed.items()} == {"b": AwsrunError, "c": Skipped, "d": Skipped}


def test_mistakes_in_our_own_code_are_not_hidden() -> None:
    def work(key: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_graph({"a": []}, work, Halt(), 4, str)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_calls_in_flight_end_and_starts_nothing_new(number: int, handlers: None) -> None:
    with mock_aws():
        fake = FakeCloud(VirtualClock())
        told = threading.Event()

        def interrupt(moment: str, verb: str, kind: str, key: str) -> None:
            if (moment, verb, kind) == ("before", "create", "net.zone"):
                os.kill(os.getpid(), number)
                assert told.wait(60)

        fake.faults = interrupt
        session = open_session(fake)
        session.halt = session.calls.halt = Halt(told.set)
        with on_signals(session.halt, "run it again"), pytest.raises(AwsrunError) as caught:
            apply(session, small_stack(), lambda plan: True)
        assert "stopped by" in caught.value.what and caught.value.hint == "run it again"
        assert fake.of("net.zone") and not fake.of("env")
        fake.faults = lambda *_: None
        assert not apply(open_session(fake), small_stack(), lambda plan: True).failed  # the lock was given back
        assert len(fake.things) == 6


def test_sleeps_end_when_told_to_stop() -> None:
    clock = SystemClock()
    halt = Halt(clock.wake)
    threading.Timer(0.05, halt.stop, [AwsrunError("stop")]).start()
    clock.sleep(600)
    with pytest.raises(Halted):
        halt.check()
