"""What a run's table says: counted trials, its state, its rows; the same live and exported."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from jobs_runs import GRID, a_run, store_with, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.cli import follow
from awsrun.jobs.reading.reader import Reader, Tally
from awsrun.jobs.reading.status import Status, derive, trial_state
from awsrun.jobs.views import table
from awsrun.jobs.workers.stages import Stages
from awsrun.worker.protocol.records import TrialRecord

BIG = {"search": "random", "ranges": {"x": {"low": 0.0, "high": 1.0}}, "set": {}, "total": 2500}
STARTED = {"groups": [{"job": "j-1", "workers": 2, "slot": 0}]}


def test_trials_are_counted_shard_by_shard() -> None:
    run = a_run(BIG, next=2600)
    trials = trials_of(run, lambda p: p["x"])
    trials[7] = replace(trials[7], state="failed", value=None)
    trials[2400] = replace(trials[2400], state="run", ended_ms=0)
    reader = Reader(store_with(run, trials, seals=[0]), run.run)
    tally = reader.tally(reader.run())
    assert tally.counts == {"done": 2498, "failed": 1, "run": 1}
    assert tally.seconds == 2 * 2499
    best = max((t for t in trials if t.state == "done"), key=lambda t: t.value or 0)
    assert tally.best is not None
    assert (tally.best.n, tally.best.value) == (best.n, best.value)


def test_what_is_settled_is_read_once() -> None:
    run = a_run(BIG)
    trials = trials_of(run, lambda p: p["x"])
    trials[2400] = replace(trials[2400], state="run", ended_ms=0)
    reader = Reader(store_with(run, trials, seals=[0]), run.run)
    reader.tally(reader.run())
    asked = []
    query = reader.store.table.query
    reader.store.table.query = lambda pk, *rest, **more: asked.append(pk) or query(pk, *rest, **more)  # type: ignore[method-assign,func-returns-value]
    reader.tally(reader.run())
    assert [pk for pk in asked if "#T#" in pk] == [f"{run.run}#T#2"], "only the shard that is not settled"


def test_trials_put_back_are_counted_anew() -> None:
    run = a_run()
    trials = trials_of(run, lambda p: p["lr"])
    trials[2] = replace(trials[2], state="failed", value=None)
    store = store_with(run, trials, seals=[0])
    reader = Reader(store, run.run)
    assert reader.tally(reader.run()).counts == {"done": 5, "failed": 1}
    assert store.retry(run.run) == 1
    assert reader.tally(reader.run()).counts == {"done": 5, "retry": 1}


def test_an_unknown_run_is_said_to_be_unknown() -> None:
    with pytest.raises(AwsrunError, match="there is no run other"):
        Reader(store_with(a_run(), []), "other").run()


@pytest.mark.parametrize(
    ("run", "stages", "age", "state", "hint", "reason"),
    [
        ({"engine": STARTED}, Stages({"running": 2}), 100, "running", "", "workers run"),
        ({"engine": STARTED}, Stages({"waiting": 2}), 100, "running", "", "workers wait for capacity"),
        ({"engine": STARTED}, Stages(), 5, "running", "", "Batch does not list a fresh job yet"),
        ({"engine": STARTED}, Stages(), 100, "stalled", "awsrun resume", "Batch has forgotten the job"),
        ({"engine": STARTED}, Stages({"failed": 2}), 5, "stalled", "awsrun logs", "all workers failed: they said why"),
        ({"engine": STARTED}, Stages({"ended": 2}), 100, "stalled", "awsrun resume", "all went, trials are left"),
        ({}, Stages(), 100, "not started", "awsrun resume", "the submit was cut off before SubmitJob"),
        ({}, Stages(), 1, "running", "", "the submit is under way"),
        ({"engine": STARTED, "state": "paused"}, Stages({"running": 2}), 100, "paused", "awsrun resume", "they leave"),
        ({"engine": STARTED, "state": "paused"}, Stages(), 100, "paused", "awsrun resume", "all have left"),
        ({"state": "done"}, Stages(), 100, "done", "", "over"),
        ({"state": "failed"}, Stages(), 100, "failed", "awsrun retry", "over"),
        ({"state": "cancelled"}, Stages(), 100, "cancelled", "", "over"),
    ],
)
def test_the_state_follows_from_table_and_batch(
    run: dict[str, Any], stages: Stages, age: float, state: str, hint: str, reason: str
) -> None:
    status = derive(a_run(**run), Tally(), stages, now=1000.0 + age, submitted=1000.0)
    assert status.state == state, reason
    assert hint in status.hint, reason
    assert bool(hint) == bool(status.hint), reason


def test_failures_and_a_metric_that_no_trial_has_are_told_with_what_to_do() -> None:
    run = a_run(state="done")
    trials = trials_of(run, lambda p: float("nan"))

    def told(*changed: TrialRecord) -> Status:
        reader = Reader(store_with(replace(run, state="running"), [*changed, *trials[len(changed) :]]), run.run)
        return derive(run, reader.tally(run), Stages(), 0, 0)

    assert "no trial has a val_accuracy" in told().hint
    assert told(replace(trials[0], value=0.5)).hint == "", "one has it"
    error = {"type": "ValueError", "message": "no", "file": "job.py", "line": 7}
    second = replace(trials[1], state="failed", error=error)
    status = told(trials[0], second, replace(trials[2], state="failed", error={"message": "gone"}))
    assert f"awsrun logs {run.run} 1;" in status.hint and f"awsrun retry {run.run}" in status.hint
    assert list(follow.failed(status)) == ["trial 1: ValueError: no (job.py:7)", "trial 2: gone"]
    lost = replace(trials[4], state="failed", error={"type": "WorkersLost", "ran": {"attempt": 3}})
    assert [trial.n for trial in told(*trials[:4], lost).aside] == [4], "a trial that takes its workers with it"


def test_what_was_under_way_when_a_run_ended_is_cancelled() -> None:
    run = a_run(state="cancelled")
    trial = replace(trials_of(run, lambda p: 0.5)[0], state="run")
    reader = Reader(store_with(replace(run, state="running"), [trial]), run.run)
    status = derive(run, reader.tally(run), Stages(), 0, 0)
    assert (status.counts, status.pending) == ({"cancelled": 1}, 5)
    assert trial_state(run, trial) == "cancelled"
    assert trial_state(replace(run, state="running"), trial) == "run"


def test_the_time_left_is_what_trials_took_over_the_workers() -> None:
    run = a_run(engine=STARTED)
    trials = trials_of(run, lambda p: 0.5)[:2]
    reader = Reader(store_with(run, trials), run.run)
    status = derive(run, reader.tally(run), Stages({"running": 2}), 10, 0)
    assert status.eta == pytest.approx(2.0 * 4 / 2)


def test_the_best_comes_first_and_the_unmeasured_last() -> None:
    run = a_run()
    trials = trials_of(run, lambda p: p["lr"] + p["momentum"])
    trials[0] = replace(trials[0], state="failed", value=None)
    trials[1] = replace(trials[1], value=float("nan"))
    assert [t.n for t in table.best_first(run, trials)] == [2, 4, 3, 5, 0, 1]
    assert [t.n for t in table.best_first(replace(run, mode="min"), trials)] == [5, 3, 4, 2, 0, 1]


def test_json_has_the_published_shape_and_no_nan() -> None:
    trial = replace(trials_of(a_run(), lambda p: 0.5)[0], result={"loss": float("nan"), "deep": [float("inf"), 1]})
    shape = table.record(trial)
    assert shape == {
        "n": 0,
        "params": {"epochs": 3, "lr": 0.1, "momentum": 0.5},
        "state": "done",
        "attempt": 1,
        "result": {"loss": None, "deep": [None, 1]},
        "seconds": 2.0,
    }
    json.dumps(shape, allow_nan=False)


def test_csv_of_no_trial_yet_has_its_header() -> None:
    file = io.StringIO()
    table.write_csv(file, [], ["n", "lr", "state", "error"])
    assert file.getvalue().splitlines() == ["n,lr,state,error"]


def test_csv_has_every_column_and_the_error() -> None:
    run = a_run({**GRID, "total": 2})
    good, bad = trials_of(run, lambda p: 0.5)
    good = replace(good, result={"val_accuracy": 0.5, "epochs": 2})
    error = {"type": "ValueError", "message": "no\nmore", "file": "jobs/job.py", "line": 7}
    bad = replace(bad, state="failed", result=None, error=error)
    file = io.StringIO()
    table.write_csv(file, [table.row(good), table.row(bad)])
    header, first, second = file.getvalue().splitlines()
    assert header == "n,epochs,lr,momentum,val_accuracy,result_epochs,state,attempt,seconds,error"
    assert first == "0,3,0.1,0.5,0.5,2,done,1,2.0,"
    assert second == "1,3,0.1,0.1,,,failed,1,2.0,ValueError: no (jobs/job.py:7)"
