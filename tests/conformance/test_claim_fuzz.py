"""Thousands of schedules of the claim protocol; and proof that the fuzzer sees the mistakes it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from claim_fuzz import Violation, play
from claim_fuzz.mistakes import Unfenced, deaf

from awsrun.worker.protocol import claims, pruning, reads, records, runs
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Table

_PARTS = 6  # so that the tests can run in parallel
_EACH = 500


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of three trials, so that a schedule has several."""
    for module in (claims, reads, records, runs):
        monkeypatch.setattr(module, "SHARD", 3)


@pytest.mark.parametrize("part", range(_PARTS))
def test_three_thousand_schedules(part: int) -> None:
    for seed in range(part * _EACH, (part + 1) * _EACH):
        play(MemoryTable(), seed)


@pytest.mark.parametrize("seed", range(4))
def test_schedules_on_dynamodb(make_dynamo: Callable[[], Table], seed: int) -> None:
    play(make_dynamo(), seed)


@pytest.mark.parametrize(
    ("forgotten", "seeds"),
    [
        (("attempt", "owner"), range(200)),  # the fence
        (("state",), range(100)),
        (("pk",), range(100)),  # a claim over a trial that is there
        (("generation",), range(500, 1500)),  # a finish from before a retry
        (("next",), range(800)),  # a cut while a trial is reserved
        (("holds",), range(1200)),  # a late copy of a pause, after the run has gone on
        (("beat",), range(300)),  # a burial by what was read long ago
    ],
)
def test_the_fuzzer_sees_a_missing_condition(forgotten: tuple[str, ...], seeds: range) -> None:
    with pytest.raises(Violation):
        for seed in seeds:
            play(Unfenced(MemoryTable(), *forgotten), seed)


@pytest.mark.parametrize(
    ("forgotten", "seeds"),
    [
        (("attempt", "owner"), 100),
        (("attempt",), 800),  # a late pause, stop or promotion of an attempt before
        (("state",), 50),  # a stop of a trial that was let past
    ],
)
def test_the_fuzzer_sees_it_where_trials_are_pruned(forgotten: tuple[str, ...], seeds: int) -> None:
    with pytest.raises(Violation):
        for seed in range(seeds):
            play(Unfenced(MemoryTable(), *forgotten), seed, prunes=True)


@pytest.mark.parametrize(
    ("forgotten", "seeds"),
    [
        (("asked",), 200),  # two workers who replace the same lost one
        (("boot",), 50),  # two tasks that take the same slot
    ],
)
def test_the_fuzzer_sees_it_where_workers_replace_each_other(forgotten: tuple[str, ...], seeds: int) -> None:
    with pytest.raises(Violation, match=r"asked for twice|has two tasks"):
        for seed in range(seeds):
            play(Unfenced(MemoryTable(), *forgotten), seed, ecs=True)


def test_the_fuzzer_sees_a_run_in_which_nobody_is_let_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "ahead", lambda there, mode, eta: [])
    monkeypatch.setattr(pruning.Pruning, "first", lambda self, paused: None)
    with pytest.raises(Violation, match="every trial was stopped"):
        for seed in range(20):
            play(MemoryTable(), seed, prunes=True)


def test_the_fuzzer_sees_a_run_that_one_worker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = RunStore.finish
    monkeypatch.setattr(RunStore, "finish", lambda *args, unstarted=False, **more: finish(*args, **more))
    with pytest.raises(Violation, match="cannot import the job"):
        for seed in range(100):
            play(MemoryTable(), seed)


def test_the_fuzzer_sees_a_read_without_an_answer_that_is_taken_for_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunStore, "worker", deaf(RunStore.worker))
    with pytest.raises(Violation, match="was not known to be dead"):
        for seed in range(300):
            play(MemoryTable(), seed)
