"""Successive halving: where rungs are, who goes on, and who is let past when others are stopped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, Standing, TrialRecord
from awsrun.worker.protocol.rungs import Halving, ahead
from awsrun.worker.protocol.store import RunStore


def test_rungs_lie_at_powers_of_eta() -> None:
    assert [steps for steps in range(1, 60) if Halving(3, 2).rung(steps) is not None] == [2, 6, 18, 54]
    assert Halving(2, 1).rung(8) == 3 and Halving(2, 1).steps(3) == 8


def standings(values: Iterable[float]) -> list[Standing]:
    return [Standing(0, n, 1, value) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([0.1, 0.9, 0.5, 0.7, 0.2, 0.3, 0.0], "max", [1, 3]),
        ([0.1, 0.9, 0.5, 0.7, 0.2, 0.3, 0.0], "min", [6, 0]),
        ([0.1, 0.9], "max", []),
        ([math.nan] * 6, "max", []),
        ([math.nan, math.nan, 1.0, math.nan, 2.0, math.nan], "min", [2, 4]),
        ([math.inf, math.nan, math.nan], "min", [0]),
        ([5.0] * 3, "max", [0]),
    ],
)
def test_the_best_third_goes_on(values: list[float], mode: str, best: list[int]) -> None:
    assert ahead(standings(values), mode, 3) == best


class Course:
    """Trials that climb to their rungs one after the other, as one worker runs them."""

    def __init__(self, values: list[float], steps: int, mode: str = "max") -> None:
        limits = Limits(eta=3, least=1, lease=1.0)
        space = {"search": "grid", "axes": {"x": values}, "total": len(values)}
        self.run = Run("r", "j.py", "f", space, len(values), metric="y", mode=mode, limits=limits)
        self.store, self.values, self.steps = RunStore(MemoryTable()), values, steps
        self.store.create(self.run)
        self.stopped: list[int] = []
        tools = Tools(lambda n: {"x": n}, rng=Random(1), stopped=self.stopped.append)
        self.claims = Claims(self.store, self.run, Identity(Me(0, 1000)), tools)

    def work(self) -> list[TrialRecord]:
        """Until the run is over; its trials."""
        while not self.claims.ended:
            trial = self.claims.next() or self.claims.sweep()
            if trial is not None:
                record = self._run(trial)
                self.claims.settled(record, self.store.settle("r", record))
        return self.store.trials("r", 0)

    def _run(self, trial: TrialRecord) -> TrialRecord:
        value = self.values[trial.n]
        for step in range(1, self.steps):
            rung = Halving(3, 1).rung(step)
            if rung is None or rung < trial.rung:
                continue
            if not self.claims.goes_on(Standing(rung, trial.n, trial.attempt, value)):
                return replace(trial, state="paused", rung=rung, value=value, step=step)
        return replace(trial, state="done", value=value, step=self.steps)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_are_done_and_the_others_stopped_where_they_waited(mode: str) -> None:
    values = [float(value) for value in Random(3).sample(range(100), 27)]
    course = Course(values, 27, mode)
    trials = course.work()
    best = (max if mode == "max" else min)(range(27), key=values.__getitem__)
    done = [trial.n for trial in trials if trial.state == "done"]
    assert best in done and {trial.state for trial in trials} == {"done", "stopped"}
    assert sorted(course.stopped) == [trial.n for trial in trials if trial.state == "stopped"]
    steps = sum(trial.step for trial in trials)
    assert 27 + 2 * 9 + 6 * 3 + 18 <= steps < 27 * 27 / 3, "what halving at once would take, or a little more"
    at = {rung: len(course.store.standings("r", rung)) for rung in range(3)}
    assert at[0] == 27 and 9 <= at[1] <= 15 and 3 <= at[2] <= 8


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [math.nan, 1.0, 2.0, math.nan], [3.0] * 4])
def test_of_few_trials_one_is_done(values: list[float]) -> None:
    trials = Course(values, 20).work()
    done = [trial for trial in trials if trial.state == "done"]
    assert [trial.value for trial in done] == [max(value for value in values if value == value)]


def test_where_every_value_is_nan_all_are_stopped() -> None:
    course = Course([math.nan] * 5, 20)
    assert {trial.state for trial in course.work()} == {"stopped"}
    assert course.store.status("r").state == "done"


def test_nothing_is_let_past_once_it_is_enough() -> None:
    course = Course([1.0, 2.0, 3.0, 4.0], 20)
    for _ in range(2):
        trial = course.claims.next()
        assert trial is not None
        record = course._run(trial)
        course.claims.settled(record, course.store.settle("r", record))
    course.store.cut("r", 4, "enough")
    assert [trial.state for trial in course.work()] == ["stopped", "stopped"]
    run = course.store.run("r")
    assert run is not None and (run.state, run.total) == ("done", 2)
