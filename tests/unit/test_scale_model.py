"""DynamoDB on paper refuses what the real one would, and the simulation's accounts add up."""

from __future__ import annotations

import random

import pytest

from awsrun.worker.protocol.table import ConditionFailed, Unanswered, When

pytest.importorskip("greenlet")

from benchmarks.dynamo_model import PATIENCE, WRITES, Clock, ModelTable
from benchmarks.scale import Load, simulate


def model(partitions: int = 4) -> tuple[Clock, ModelTable]:
    clock = Clock()
    return clock, ModelTable(clock, random.Random(1), partitions)


def test_a_partition_takes_so_many_writes_a_second_and_the_rest_is_repeated() -> None:
    clock, table = model()
    for n in range(1500):
        clock.start(lambda n=n: table.put({"pk": "one", "sk": f"{n:04}"}), 0.1)  # type: ignore[misc]
    clock.run()
    assert len(table.items("one")) == table.writes == 1500
    assert table.hot["one"] >= 1500 - WRITES, "those above the limit were refused"
    assert table.calls["put"] == 1500 + table.throttled


def test_reads_cost_by_the_page_and_writes_by_their_size_also_where_the_condition_fails() -> None:
    clock, table = model()

    def work() -> None:
        table.put({"pk": "a", "sk": "1", "text": "x" * 2000})
        with pytest.raises(ConditionFailed):
            table.put({"pk": "a", "sk": "1", "text": "x" * 2000}, (When("pk", "absent"),))
        assert (table.writes, table.reads) == (4, 0)
        assert [item["sk"] for item in table.query("a")] == ["1"]
        assert table.get("a", "2") is None
        assert table.reads == 2

    clock.start(work)
    clock.run()
    assert 4 * 0.003 <= clock.now <= 4 * 0.007


def test_what_stays_hot_is_split_but_never_one_key() -> None:
    clock, table = model(1)
    lost: list[str] = []

    def writer(pk: str) -> None:
        while clock.now < 3 * PATIENCE:
            try:
                table.put({"pk": pk, "sk": "counter", "text": "x" * 200_000})
            except Unanswered:
                lost.append(pk)

    for who in range(100):
        clock.start(lambda who=who: writer(f"{who % 2}"), who / 100)  # type: ignore[misc]
    clock.run()
    assert table.partitions > 1
    assert table.writes <= 2 * WRITES * (clock.now + 1), "two keys, so at most two partitions that work"
    assert lost


def test_a_run_ends_with_every_trial_counted_once_at_three_calls_each() -> None:
    row = simulate(Load(4.0, trials=1500, workers=20))
    assert row["of the ideal"] in ("99%", "100%", "101%")
    assert 3.0 <= float(str(row["calls a trial"])) <= 4.0
    assert row["refused"] == "0.0%"
