"""Watching: how often it asks, and what it shows where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_runs import a_run, sealed, store_with, trials_of
from rich.console import Console

from awsrun.cli import follow
from awsrun.cli.watch import View, bar
from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.status import Status
from awsrun.jobs.run import Run
from awsrun.jobs.site import Site
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Item

PAGE = 1_000_000  # bytes that a query returns at most
SPACE = {"search": "random", "ranges": {"x": {"low": 0.0, "high": 1.0}}, "set": {}, "total": 10_000}
STARTED = {"queue": "q", "groups": [{"job": "j-1", "workers": 50, "slot": 0}]}


class Counting(MemoryTable):
    """Counts reads as DynamoDB does: a page of a query is one."""

    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self.calls = calls

    def get(self, pk: str, sk: str) -> Item | None:
        self.calls["dynamodb.GetItem"] += 1
        return super().get(pk, sk)

    def query(self, *args: Any, **options: Any) -> Iterator[Item]:
        found = list(super().query(*args, **options))
        self.calls["dynamodb.Query"] += 1 + sum(len(str(item)) for item in found) // PAGE
        return iter(found)


def recorded(context: str) -> tuple[Run, Counter[str], RunStore]:
    """A run of 10,000 trials, every other of which is done, on a cloud that counts what is asked of it."""
    calls: Counter[str] = Counter()
    run = a_run(
        SPACE, engine=STARTED, provenance={"context": context, "hourly": 0.5}, submitted_at="2026-11-23T14:32:00+00:00"
    )
    trials = [
        trial if trial.n % 2 else replace(trial, state="run", ended_ms=0) for trial in trials_of(run, lambda p: p["x"])
    ]
    held = store_with(run, trials)
    store = RunStore(Counting(calls))
    store.table.put_all([item for pk in partitions(run.run) for item in held.table.query(pk)])

    def describe_jobs(jobs: list[str]) -> dict[str, Any]:
        calls["batch.DescribeJobs"] += 1
        return {"jobs": [{"jobId": "j-1", "status": "RUNNING", "createdAt": 1}]}

    batch = SimpleNamespace(describe_jobs=describe_jobs)
    found = Run.__new__(Run)
    cloud: Any = SimpleNamespace(calls=calls, context=SimpleNamespace(name=context), read=lambda service: batch)
    found._open(Site("s", store, cloud, {}), run.run)
    calls.clear()
    return found, calls, held


def partitions(run: str) -> list[str]:
    return [run, f"{run}#W", *(f"{run}#T#{shard}" for shard in range(10))]


@pytest.mark.parametrize("context", ["local", "aws"])
def test_watching_ten_thousand_trials_is_at_most_a_query_a_second(context: str) -> None:
    run, calls, held = recorded(context)
    now, looks = 0.0, list[tuple[float, int]]()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now > 300 and not run._reader._sealed:  # from here on most of it is over, as it is with most runs
            done = [replace(t, state="done", ended_ms=9) for s in range(9) for t in held.trials(run.id, s)]
            for shard in range(9):
                run._reader.store.seal(run.id, sealed(run.record, done, shard))

    def asked() -> int:
        return sum(number for name, number in calls.items() if name.startswith("dynamodb."))

    def look(status: Status) -> None:
        looks.append((now, asked()))
        if now > 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.wait(progress=look, sleep=sleep)
    first = looks[0][1]
    assert first <= 20
    for at, made in looks:
        assert made - first <= at, f"{made - first} reads of the table within {at} s"
    assert max(later - at for (at, _), (later, _) in pairwise(looks)) <= 30, "and yet it is alive"
    assert calls["batch.DescribeJobs"] <= now / 2 + 1


def a_status(**changes: Any) -> Status:
    trials = trials_of(a_run(), lambda p: p["lr"])
    bad = replace(trials[1], state="failed", value=None, error={"type": "ValueError", "message": "[bold]no"})
    fields: dict[str, Any] = {"counts": {"done": 4, "failed": 1, "run": 1}, "metric": "val_accuracy", "elapsed": 61.0}
    costs = Costs(True, 0.5, 2.0)
    return Status("r", "job.py", "running", 100, costs=costs, recent=[trials[0], bad], **{**fields, **changes})


def test_the_view_shows_the_trials_by_state_the_cost_and_what_ended_last() -> None:
    now = [0.0]
    view = View(SimpleNamespace(stack="s"), clock=lambda: now[0])  # type: ignore[arg-type]
    view.panel(a_status(counts={"done": 1}))
    now[0] = 30.0
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view.panel(a_status(image="unused:1, not used: workers were processes", image_used=False)))
    text = console.export_text()
    assert "running for 61 s" in text
    assert "8.0 trials per minute" in text, "four ended within half a minute"
    assert "$1.00 by list price" in text
    assert "ValueError: [bold]no" in text, "what a job says is text, not markup"
    assert "10.0 %" in text
    assert "unused" not in text, "that tells nobody anything"


def test_each_state_has_its_share_of_the_bar() -> None:
    assert bar(a_status()).plain == "██" + "█" + "▒" + "─" * 56, "two cells are done, one failed, one runs"
    assert bar(a_status(counts={"done": 99, "failed": 1})).plain == "█" * 60
    assert bar(a_status(counts={})).plain == "─" * 60


def test_a_log_gets_a_line_for_what_is_new_and_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    line = follow.Line(terminal=False, clock=lambda: now[0])
    for second in range(0, 90, 2):
        now[0] = float(second)
        line.show(f"{second}/90 done", "running False" if second < 50 else "running True")
    assert capsys.readouterr().err.split("\n") == ["0/90 done", "30/90 done", "50/90 done", "80/90 done", ""]
