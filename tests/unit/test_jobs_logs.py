"""Following what trials write: each line once, the late ones too, with few calls and a bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import click
from jobs_runs import a_run, store_with, trials_of

from awsrun.cli.logs import marked
from awsrun.jobs.reading import logs
from awsrun.jobs.reading.logs import LATE_MS, Line, Tail
from awsrun.jobs.site import Site
from awsrun.worker.protocol.records import Worker

AT = 1_795_444_320_000  # when the run was submitted
STREAM = "train/default/"


class CloudWatch:
    """Answers `filter_log_events` from events that arrive while it is asked."""

    time_scale = 1.0

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.named: list[Any] = []
        self.read_again = 0

    def say(self, stream: str, at_ms: int, text: str) -> None:
        self.events.append(
            {"eventId": str(len(self.events)), "logStreamName": STREAM + stream, "timestamp": at_ms, "message": text}
        )

    def read(self, service: str) -> Any:
        return SimpleNamespace(
            get_paginator=lambda name: SimpleNamespace(paginate=self._filter),
            describe_jobs=lambda jobs: {"jobs": []},
            list_jobs=lambda **_: {"jobSummaryList": []},
        )

    def _filter(self, startTime: int, **request: Any) -> Iterator[dict[str, Any]]:
        self.calls["logs"] += 1
        self.named.append(request.get("logStreamNames"))
        prefix, until = request.get("logStreamNamePrefix", ""), request.get("endTime", 10**15)
        found = [
            event for event in self.events
            if event["logStreamName"] in (request.get("logStreamNames") or [event["logStreamName"]])
            and event["logStreamName"].startswith(prefix) and startTime <= event["timestamp"] <= until
        ]  # fmt: skip
        self.read_again = len(found)
        yield {"events": sorted(found, key=lambda event: int(event["timestamp"]))}


def texts(found: Iterator[tuple[str, int, str]]) -> list[str]:
    return [message for _, _, message in found]


def test_a_tail_says_each_line_once_and_forgets_what_it_will_not_read_again() -> None:
    cloud = CloudWatch()
    tail = Tail(cloud, "g")  # type: ignore[arg-type]
    for i in range(5000):
        cloud.say("a", AT + 1000 * i, f"line {i}")
    assert len(texts(tail.read([STREAM + "a"]))) == 5000
    assert len(tail._seen) <= LATE_MS / 1000 + 1
    cloud.say("a", AT + 4_990_000, "late")
    assert texts(tail.read([STREAM + "a"])) == ["late"]
    assert cloud.read_again <= LATE_MS / 1000 + 2


def test_many_workers_are_one_request_and_other_runs_lines_are_not_shown() -> None:
    cloud = CloudWatch()
    tail = Tail(cloud, "g")  # type: ignore[arg-type]
    cloud.say("a", AT + 2, "second")
    cloud.say("b", AT + 1, "first")
    cloud.say("other", AT, "another run's")
    streams = [f"{STREAM}{name}" for name in ["a", "b", *map(str, range(998))]]
    assert texts(tail.read(streams)) == ["first", "second"]
    assert cloud.calls["logs"] == 1
    assert cloud.named == [None], "one that has no line yet would have them all refused"


def followed(cloud: CloudWatch, n: int | None) -> Iterator[Line]:
    """The run's lines; at the second look it is over, and its last line comes two looks after that."""
    run = a_run(
        log_group="g", engine={"groups": [{"job": "j", "workers": 2}]}, submitted_at="2026-11-23T14:32:00+00:00"
    )
    trials = [replace(t, started_ms=AT, ended_ms=AT + 5000, owner="0.1000", log_stream=STREAM + "a")
              for t in trials_of(run, lambda p: 0.5)]  # fmt: skip
    store = store_with(run, [replace(t, state="run", ended_ms=0) for t in trials])
    for slot, stream in enumerate("ab"):
        item = Worker(slot, 1000)
        info = {"log_stream": STREAM + stream, "started_ms": AT, "job_id": f"j:{slot}"}
        assert store.register(run.run, item.me, info)
    cloud.say("a", AT + 100, "[t0.1] epoch 1")
    cloud.say("b", AT + 50, "[awsrun] worker 1.1000")
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            cloud.say("a", AT + 4999, "[t0.1] epoch 2")
            for trial in trials:
                store.table.put(trial.to_item(run.run))
            assert store.finish(run.run, run.generation, now_ms=AT + 6000)
        if looks == 3:
            cloud.say("a", AT + 5000, "[t0.1] awsrun: done after 4.9 s")
        assert looks < 20, "it does not wait for ever"

    yield from logs.lines(Site("s", store, cloud, {}), run.run, n, True, sleep)  # type: ignore[arg-type]
    cloud.calls["looks"] = looks


def test_following_a_run_waits_for_the_lines_that_arrive_after_its_end() -> None:
    cloud = CloudWatch()
    found = list(followed(cloud, None))
    assert [(line.worker, line.trial, line.text) for line in found] == [
        (1, None, "[awsrun] worker 1.1000"),
        (0, 0, "epoch 1"),
        (0, 0, "epoch 2"),
        (0, 0, "awsrun: done after 4.9 s"),
    ]
    assert cloud.calls["looks"] == 3 + logs.LINGER / logs.POLL


def test_following_a_trial_ends_with_the_line_that_ends_it() -> None:
    cloud = CloudWatch()
    assert [line.text for line in followed(cloud, 0)] == ["epoch 1", "epoch 2", "awsrun: done after 4.9 s"]
    assert cloud.calls["looks"] == 3


def test_each_line_says_whose_it_is_in_columns_and_colours() -> None:
    said = [Line(0, "a", 3, 1), Line(0, "b", 12, 2), Line(0, "c", worker=0), Line(0, "d", 12, 1)]
    shown = list(marked(said, 100))
    assert [click.unstyle(text) for text in shown] == [" t3 │ a", "t12.2 │ b", " w0 │ c", "t12 │ d"]
    three, twelve, _, again = (text.split("m", 1)[0] for text in shown)
    assert three != twelve, "each trial has its colour"
    assert twelve == again
