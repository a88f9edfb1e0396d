"""Pruning from what a user types to a run's limits, and how pruned trials are listed, counted and drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_runs import a_run, store_with, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.reading.status import derive
from awsrun.jobs.submit import pruning
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import Request, prepare
from awsrun.jobs.views import curves, table
from awsrun.jobs.workers.stages import Stages
from awsrun.worker.protocol.records import Limits, Report, TrialRecord

JOB = """
import awsrun
def train(trial, lr: float = 0.01):
    trial.report(accuracy=lr)
awsrun.main(train, metric='accuracy')
"""


def request(folder: Path, job: str = JOB, **asked: Any) -> Request:
    (folder / "job.py").write_text(job)
    return prepare(Experiment(**{"job": folder / "job.py", "grid": {"lr": [0.1, 0.2]}, **asked}))


@pytest.mark.parametrize(
    ("asked", "eta", "least"),
    [(True, 3, 1), ({"eta": 4}, 4, 1), ({"min": 2, "eta": 2}, 2, 2), (False, 0, 1), (None, 0, 1)],
)
def test_what_was_asked_for(tmp_path: Path, asked: Any, eta: int, least: int) -> None:
    made = request(tmp_path, prune=asked)
    assert (made.limits.eta, made.limits.least) == (eta, least)
    again = Experiment(job="job.py", prune=asked)
    assert Experiment(job="job.py", **again.asked()) == again, "as it is kept in the run's record"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"prune": {"eta": 1}}, "prune.eta: must be at least 2; this is 1"),
        ({"prune": {"min": 0}}, "prune.min: must be at least 1; this is 0"),
        ({"prune": True, "grid": {}, "inputs": [{"lr": 0.1}]}, "inputs cannot be pruned"),
        ({"prune": True, "job": JOB.replace(", metric='accuracy'", "")}, "the job names no metric"),
        ({"prune": True, "grid": {}, "search": "random", "trials": 10_001}, "at most 10,000 are"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, asked: dict[str, Any], says: str) -> None:
    job = asked.pop("job", JOB)
    with pytest.raises(AwsrunError) as refused:
        request(tmp_path, job, **asked)
    assert says in f"{refused.value.what} {refused.value.why}"


def test_what_the_job_lacks_is_told(tmp_path: Path) -> None:
    def last(job: str) -> str:
        return [*pruning.told(request(tmp_path, job).job, 3, 2)][-1]

    assert last(JOB) == "job.py keeps nothing (trial.keep): a trial that waited and goes on starts anew"
    assert "never calls trial.report" in last(JOB.replace("trial.report(accuracy=lr)", "pass"))
    assert last(JOB.replace("trial.rep", "trial.keep(model=1); trial.rep")).startswith(
        "compared by accuracy after 2, 6, 18, ... reports: one in 3 goes on"
    )


def pruned() -> tuple[Any, list[TrialRecord]]:
    """Six trials: one done, two stopped at the second rung, one at the first, one paused there, one at its start."""
    run = a_run(limits=Limits(eta=3))
    states = [("stopped", 0, 0.9), ("done", 2, 0.5), ("stopped", 1, 0.6), ("paused", 0, 0.1), ("stopped", 1, 0.7)]
    trials = trials_of(run, lambda p: 0.0)
    found = [
        replace(trial, state=state, rung=rung, value=value, step=3**rung)
        for trial, (state, rung, value) in zip(trials, states, strict=False)
    ]
    return run, [*found, replace(trials[5], state="run", value=None, result=None)]


def test_they_are_listed_behind_those_that_are_done_and_those_that_got_further() -> None:
    run, trials = pruned()
    assert [trial.n for trial in table.best_first(run, trials)] == [1, 4, 2, 0, 3, 5]
    run = replace(run, mode="min")
    assert [trial.n for trial in table.best_first(run, trials)] == [1, 2, 4, 3, 0, 5]


def test_they_are_counted_and_the_best_is_one_that_is_done() -> None:
    run, trials = pruned()
    tally = Reader(store_with(run, trials), run.run).tally(run)
    status = derive(run, tally, Stages({"running": 1}), 2.0, 0.0)
    assert status.counts == {"stopped": 3, "done": 1, "paused": 1, "run": 1}
    assert (status.running, status.done, status.best and status.best.n) == (1, 1, 1)


def test_their_curves_are_thin_and_end_with_a_cross() -> None:
    pytest.importorskip("matplotlib")
    run, trials = pruned()
    reports = [[Report(t.n, 1, i, {"val_accuracy": i / 10}) for i in range(t.step)] for t in trials[:5]]
    reports[3] = [Report(3, 1, 0, {"val_accuracy": math.nan})]
    (ax,) = curves.together(run, [*zip(trials, reports, strict=False)]).axes
    assert next(text.get_text() for text in ax.get_legend().get_texts()) == "3 stopped early"
    crosses = [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert sorted(line.get_xdata()[0] for line in crosses) == [1, 3, 3]
