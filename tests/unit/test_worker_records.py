"""Records: order of keys, histories of several attempts, what is better."""

from __future__ import annotations

import math

from awsrun.worker.protocol.records import Me, Report, Shard, TrialRecord, Worker, better, curve, summary, trial_key
from awsrun.worker.protocol.table import Item


def test_keys_sort_as_numbers_do() -> None:
    assert trial_key("r", 1999) == ("r#T#1", "000001999")
    assert sorted(trial_key("r", n)[1] for n in (10, 9, 100)) == [trial_key("r", n)[1] for n in (9, 10, 100)]
    keys = [str(Report(0, attempt, step, {}).to_item("r")["sk"]) for attempt, step in ((1, 9), (1, 10), (2, 0))]
    assert keys == sorted(keys)


def test_items_come_back() -> None:
    trial = TrialRecord(
        1500,
        "failed",
        3,
        "2.1001",
        {"x": 1e-300},
        None,
        None,
        {"type": "E"},
        ("0.1", "2.1"),
        2,
        2,
        7,
        "s",
        5,
        9,
        {"f": 3},
        spent_ms=11,
        lost_ms=4,
    )
    assert TrialRecord.from_item(trial.to_item("r")) == trial
    shard = Shard(4, 1, {"done": 2}, {"n": 4000, "value": 0.1 + 0.2, "params": {}}, 1.5, 1, 0.5)
    assert Shard.from_item(shard.to_item("r")) == shard
    report = Report(12, 2, 3, {"loss": math.pi}, 7)
    assert Report.from_item(report.to_item("a#b")) == report


def test_records_of_older_versions_are_read() -> None:
    item = TrialRecord(3, "done", 2, started_ms=1000, ended_ms=3000).to_item("r")
    del item["spent_ms"], item["lost_ms"]
    assert TrialRecord.from_item(item).seconds == 2.0, "of the last attempt: nobody wrote down the others"
    assert TrialRecord(3, "cancelled", 0, ended_ms=3000).seconds == 0.0, "before it started"
    old: Item = {"sk": "000002", "boot": 2000, "beat": 4, "dead": False, "started_ms": 9000, "first_ms": 2000}
    assert Worker.from_item(old).past_ms == 7000


def test_the_containers_of_one_worker() -> None:
    assert Me.parse("3.2001") == Me(3, 2001)
    assert Me(3, 2001).container == Me(3, 2000).container != Me(3, 1000).container


def test_a_later_attempt_replaces_what_it_did_again() -> None:
    def steps(attempt: int, *numbers: int) -> list[Report]:
        return [Report(0, attempt, step, {}) for step in numbers]

    first, second = steps(1, 0, 1, 2, 3), steps(2, 2, 3, 4)
    assert curve([*second, *first]) == [*first[:2], *second]
    assert curve([*first, *second], attempt=1) == first, "a zombie's reports are left out"
    assert curve([*first, *steps(2, 0)]) == steps(2, 0), "started anew"


def test_nan_is_never_the_best() -> None:
    trials = [TrialRecord(n, "done", 1, value=value) for n, value in enumerate([math.nan, 2.0, None, 3.0])]
    assert better("max", 1.0, math.nan) and not better("max", math.nan, 1.0)
    found = summary(0, 0, [*trials, TrialRecord(9, "failed", 1, value=9.0)], "max")
    assert found.best == {"n": 3, "value": 3.0, "params": {}} and found.counts == {"done": 4, "failed": 1}
    lowest = summary(0, 0, trials, "min").best
    assert lowest is not None and lowest["n"] == 1
