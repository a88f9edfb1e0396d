"""The trials of a run as they finish: each once, and never a read per trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jobs_runs import a_run, store_with, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.completed import Completed
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.run import Run
from awsrun.jobs.site import Site
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.store import RunStore

MANY = {"search": "grid", "axes": {"lr": [n / 2500 for n in range(2500)]}, "set": {}, "total": 2500}


def put(store: RunStore, run: str, *trials: TrialRecord) -> None:
    for trial in trials:
        store.table.put(trial.to_item(run))


def change(store: RunStore, run: str, **fields: Any) -> None:
    store.table.update(run, "R", fields)


def test_each_comes_once_in_the_order_of_their_ends() -> None:
    record = a_run()
    trials = trials_of(record, lambda params: params["lr"])
    late = replace(trials[1], ended_ms=9000)
    store = store_with(record, [replace(trials[0], state="run"), late, trials[2]])
    reader = Reader(store, record.run)
    completed = Completed(reader)
    assert [trial.n for trial in completed.look(reader.run())] == [2, 1]
    assert list(completed.look(reader.run())) == []
    put(store, record.run, replace(trials[0], state="failed"), trials[3])
    assert [(trial.n, trial.state) for trial in completed.look(reader.run())] == [(0, "failed"), (3, "done")]


def test_what_was_put_back_comes_again_and_what_was_cut_off_comes_as_cancelled() -> None:
    record = a_run()
    trials = trials_of(record, lambda params: params["lr"])
    store = store_with(record, [replace(trials[0], state="failed"), *trials[1:5]])
    reader = Reader(store, record.run)
    completed = Completed(reader)
    assert len(list(completed.look(reader.run()))) == 5
    change(store, record.run, generation=1)
    put(store, record.run, replace(trials[0], attempt=2), replace(trials[5], state="run"))
    assert [(trial.n, trial.attempt) for trial in completed.look(reader.run())] == [(0, 2)]
    change(store, record.run, state="cancelled")
    assert [(trial.n, trial.state) for trial in completed.look(reader.run())] == [(5, "cancelled")]


def test_a_look_reads_only_what_is_open() -> None:
    record = a_run(MANY)
    trials = trials_of(record, lambda params: params["lr"])
    store = store_with(record, [*trials[:1500], replace(trials[1500], state="run"), *trials[1501:2000]])
    reader = Reader(store, record.run)
    completed, asked = Completed(reader), []
    real = store.trials
    store.trials = lambda run, shard, first=0: asked.append((shard, first)) or real(run, shard, first)  # type: ignore[method-assign, func-returns-value]
    assert len(list(completed.look(record))) == 1999
    asked.clear()
    put(store, record.run, *trials[2000:2100])
    assert [trial.n for trial in completed.look(record)] == list(range(2000, 2100))
    assert asked == [(1, 1500), (2, 2000)], "the first shard is through"
    asked.clear()
    put(store, record.run, *trials[1500:1501], *trials[2100:])
    assert len(list(completed.look(record))) == 401
    asked.clear()
    assert list(completed.look(record)) == [] and asked == []


def test_a_run_is_iterated_to_its_end_at_no_more_than_a_query_a_second() -> None:
    record = a_run(MANY, engine={"groups": [{"job": "j", "workers": 2, "slot": 0}]})
    trials = trials_of(record, lambda params: params["lr"])
    store = store_with(record, trials[:10])
    run: Any = Run.__new__(Run)
    run._open(Site("lab", store, Counting(run), {}), record.run)
    run.status = lambda diagnose: pytest.fail("something finished: nobody needs to ask Batch")
    slept: list[float] = []
    over: list[str] = []
    run.dismiss = lambda: over.append(store.status(record.run).state)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        done = 10 + 830 * len(slept)
        put(store, record.run, *trials[done - 830 : done])
        if done == record.total:
            change(store, record.run, state="done")

    found = [trial.n for trial in run.as_completed(sleep=sleep, poll=1.0)]
    assert sorted(found) == list(range(2500)) and len(slept) == 3
    assert over == ["done"], "workers that still wait are called off, once and not before"
    last = 4  # the run and its three shards
    assert run._reader.calls - last <= sum(slept) <= 12


def test_a_run_that_stands_still_is_no_end() -> None:
    record = a_run()
    run: Any = Run.__new__(Run)
    store = store_with(record, [])
    run._open(Site("lab", store, Counting(run), {}), record.run)
    run.spent = lambda record, seconds: None
    with pytest.raises(AwsrunError, match="is not started"):
        list(run.as_completed(sleep=lambda seconds: pytest.fail("nothing to wait for")))


class Counting:
    """A cloud that has made the reader's calls."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def calls(self) -> dict[str, int]:
        return {"dynamodb.Query": self._run._reader.calls}
