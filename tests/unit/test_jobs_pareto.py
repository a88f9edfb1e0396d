"""Runs that are after several metrics: what the job or the user says, the front, its picture, and a search for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import signature
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import prepare
from awsrun.jobs.views import pareto, plots, table
from awsrun.worker.protocol import space
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.search import Bayes

JOB = """
import awsrun
def train(trial, lr: float = 0.01): ...
awsrun.main(train, metric={"accuracy": "max", "seconds": "min"})
"""
GOALS = {"accuracy": "max", "seconds": "min"}


def job(folder: Path, text: str = JOB) -> Path:
    (folder / "job.py").write_text(text)
    return folder / "job.py"


def test_the_job_says_what_it_is_after(tmp_path: Path) -> None:
    known = signature.read(job(tmp_path))
    assert (known.metric, known.mode, known.objectives) == ("accuracy", "max", GOALS)
    single = signature.read(job(tmp_path, JOB.replace('{"accuracy": "max", "seconds": "min"}', '{"loss": "min"}')))
    assert (single.metric, single.mode, single.objectives) == ("loss", "min", {})
    for wrong, says in (('{"a": "most"}', "'most' is no mode"), ("NAME", "literal strings"), ("3", "literal strings")):
        with pytest.raises(AwsrunError, match=says):
            signature.read(job(tmp_path, JOB.replace('{"accuracy": "max", "seconds": "min"}', wrong)))


@pytest.mark.parametrize(
    ("asked", "metric", "mode", "objectives"),
    [
        ({}, "accuracy", "max", GOALS),
        ("loss:min", "loss", "min", {}),
        (["loss:min", "f1"], "loss", "min", {"loss": "min", "f1": "max"}),
        ({"a:b": "min"}, "a:b", "min", {}),
    ],
)
def test_the_user_may_say_otherwise(
    tmp_path: Path, asked: Any, metric: str, mode: str, objectives: Mapping[str, str]
) -> None:
    experiment = Experiment(job=job(tmp_path), grid={"lr": [0.1]}, metric=asked)
    found = prepare(experiment).job
    assert (found.metric, found.mode, found.objectives) == (metric, mode, objectives)
    assert Experiment(job="job.py", **experiment.asked()).metric == experiment.metric


@pytest.mark.parametrize("asked", [{"loss": "least"}, ["loss", "loss:min"], 3])
def test_what_is_no_metric_is_refused(asked: Any) -> None:
    with pytest.raises(AwsrunError, match="metric"):
        Experiment(job="job.py", metric=asked)


def test_pruning_is_for_one_metric(tmp_path: Path) -> None:
    with pytest.raises(AwsrunError, match="--prune is for one metric"):
        prepare(Experiment(job=job(tmp_path), grid={"lr": [0.1]}, prune=True))


def a_search(points: list[tuple[Any, Any]]) -> tuple[Run, list[TrialRecord]]:
    """A run whose trials came to these accuracies and seconds."""
    wanted = {"search": "grid", "axes": {"lr": list(range(len(points)))}, "set": {}, "total": len(points)}
    run = a_run(wanted, metric="accuracy", objectives=GOALS)
    trials = [
        TrialRecord(n, "done", 1, "0.1000", {"lr": n}, result={"accuracy": high, "seconds": low}, value=high)
        for n, (high, low) in enumerate(points)
    ]
    return run, trials


def test_the_front_is_what_nobody_beats() -> None:
    run, trials = a_search([(0.9, 5), (0.8, 2), (0.8, 3), (0.95, 9), (0.7, 1), (0.9, 5), (0.9, 6), (1.0, None)])
    trials += [replace(trials[0], n=8, state="failed", value=2.0), replace(trials[0], n=9, value=math.nan)]
    assert [trial.n for trial in pareto.front(run, trials)] == [3, 0, 5, 1, 4]
    assert table.measures(run, trials[7]) == {"accuracy": 1.0, "seconds": None}


def test_the_front_of_many_is_that_of_the_definition() -> None:
    rng = Random(4)
    run, trials = a_search([(rng.randint(0, 30) / 30, rng.randint(0, 30)) for _ in range(300)])

    def beats(one: TrialRecord, other: TrialRecord) -> bool:
        a, b = one.result, other.result
        as_good = a["accuracy"] >= b["accuracy"] and a["seconds"] <= b["seconds"]
        return as_good and a != b

    brute = {trial.n for trial in trials if not any(beats(other, trial) for other in trials)}
    assert {trial.n for trial in pareto.front(run, trials)} == brute


def test_its_picture() -> None:
    pytest.importorskip("matplotlib")
    run, trials = a_search([(0.9, 5), (0.8, 2), (0.8, 3), (0.95, 9)])
    (ax,) = plots.draw(run, trials).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("accuracy (%), higher is better", "seconds, lower is better")
    assert [list(line.get_xdata()) for line in ax.lines] == [[80.0, 90.0, 95.0]]
    (turned,) = plots.draw(run, trials, x="seconds", kind="pareto").axes
    assert turned.get_xlabel() == "seconds, lower is better" and turned.get_ylabel().startswith("accuracy")
    with pytest.raises(AwsrunError, match="is not after 'lr'"):
        plots.draw(run, trials, x="lr", kind="pareto")
    with pytest.raises(AwsrunError, match="one thing only"):
        plots.draw(replace(run, objectives={}), trials, kind="pareto")


AT = {"low": 0.0, "high": 1.0, "log": False, "int": False}
BOTH: dict[str, Any] = {
    "search": "bayes",
    "axes": {},
    "ranges": {f"x{i}": AT for i in range(4)},
    "set": {},
    "total": 60,
}


def losses(params: Mapping[str, float]) -> dict[str, float]:
    """Zitzler's first function of two losses (ZDT1): the front is x1 = x2 = x3 = 0."""
    g = 1 + 3 * sum(params[f"x{i}"] for i in (1, 2, 3))
    return {"a": params["x0"], "b": g * (1 - math.sqrt(params["x0"] / g))}


def volume(found: list[dict[str, float]]) -> float:
    """The share of the square from (0, 0) to (1, 6) that the points leave nothing better than."""
    total, least = 0.0, 6.0
    for point in sorted(found, key=lambda point: point["a"]):
        if point["b"] < least:
            total += (1 - point["a"]) * (least - point["b"])
            least = point["b"]
    return total / 6


def test_a_bayesian_search_makes_the_front_better_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr(sys, "path", list(sys.path))
    run = Run("r", "j.py", "f", BOTH, 60, 7, "a", "min", objectives={"a": "min", "b": "min"}, limits=Limits(workers=1))
    store = RunStore(MemoryTable())
    store.create(run)

    def a_worker() -> Bayes:
        made = Bayes(store, run)
        assert made.prepare(Path("/nowhere")) is None
        return made

    worker, found = a_worker(), []
    for n in range(run.total):
        params = worker.params(n)
        if n % 20 == 15:
            assert a_worker().params(n) == params, "a worker that comes late asks for the same"
        trial = store.claim("r", n, Me(0, 1000), params)
        assert trial is not None
        result: dict[str, Any] = losses(params)
        found.append(dict(result))
        if n % 20 == 7:
            result.pop("b")  # it teaches nothing
        store.settle("r", replace(trial, state="done", result=result, value=result["a"]))
    drawn = [losses(space.params({**BOTH, "search": "random"}, 7, n)) for n in range(run.total)]
    assert volume(found) > volume(drawn) + 0.05
