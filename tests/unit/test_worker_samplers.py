"""A Gaussian process chooses by the table's finished and running trials, and says what it lacks."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from awsrun.worker.nursery import Job, Zygote
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, TrialRecord
from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.search import Bayes

ME = Me(0, 1000)
PEAK = 0.3
ALIKE = 0.0001  # the last digits of a fit differ
LINE = {"search": "gp", "ranges": {"x": {"low": 0.0, "high": 1.0, "log": False, "int": False}}, "total": 99}


def a_store(known: int) -> tuple[RunStore, Run]:
    """A run with so many finished trials, evenly spread."""
    run = Run("r", "job.py", "f", LINE, LINE["total"], metric="y", limits=Limits(workers=4))  # type: ignore[arg-type]
    store = RunStore(MemoryTable())
    assert store.create(run)
    for n in range(known):
        end(store, start(store, n, n / known))
    return store, run


def start(store: RunStore, n: int, x: float) -> TrialRecord:
    trial = store.claim("r", n, ME, {"x": x})
    assert trial is not None
    return trial


def end(store: RunStore, trial: TrialRecord, state: str = "done") -> None:
    value = -abs(trial.params["x"] - PEAK) if state == "done" else None
    assert store.settle("r", replace(trial, state=state, value=value))


def chosen(store: RunStore, run: Run, n: int) -> float:
    """By a worker that has just started."""
    worker = Bayes(store, run)
    assert worker.prepare(Path("/nowhere")) is None
    return float(worker.params(n)["x"])


@pytest.fixture(autouse=True)
def its_own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_it_goes_by_what_has_ended_and_keeps_off_what_has_not() -> None:
    store, run = a_store(12)
    first = chosen(store, run, 12)
    assert chosen(store, run, 12) == pytest.approx(first, abs=ALIKE), "the same table, the same choice"
    assert abs(first - PEAK) < 0.02, "it has seen where the peak is"
    second, third = chosen(store, run, 13), chosen(store, run, 14)
    away = abs(second - first)
    assert away > 0.002, "another worker will be there"
    start(store, 12, 0.9)
    assert chosen(store, run, 13) == pytest.approx(first, abs=ALIKE), "nobody is: another seed is no other choice"
    store, run = a_store(12)
    trials = [start(store, 12, first), start(store, 13, second)]
    assert chosen(store, run, 14) == pytest.approx(third, abs=ALIKE), "as those chose at the same moment"
    for trial in trials:
        end(store, trial, "failed")
    assert abs(chosen(store, run, 14) - first) > 5 * away, "what failed there would fail again"


def test_it_chooses_again_when_another_that_chose_at_the_same_moment_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = a_store(12)
    alone = chosen(store, run, 12)
    start(store, 12, 0.9)
    read, hidden = store.trials, [12]

    def trials(*asked: Any) -> list[TrialRecord]:
        found = [trial for trial in read(*asked) if trial.n not in hidden]
        hidden.clear()
        return found

    monkeypatch.setattr(store, "trials", trials)
    assert chosen(store, run, 13) == pytest.approx(alone, abs=ALIKE), "the other is not where it was thought to be"


def test_of_many_under_way_the_newest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    import optuna

    seen: list[float] = []

    class Watching(optuna.samplers.RandomSampler):  # type: ignore[misc]
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            running = [t for t in study.get_trials() if t.state == optuna.trial.TrialState.RUNNING]
            seen[:] = [t.params["x"] for t in running if t.params]
            return {}

    watched = replace(SAMPLERS["gp"], make=lambda _, seed: Watching(seed=seed), needs=("optuna",), pending=4)
    monkeypatch.setitem(SAMPLERS, "gp", watched)
    store, run = a_store(12)
    begun = [start(store, n, n / 100) for n in range(12, 18)]
    chosen(store, run, 18)
    assert seen == [0.14, 0.15, 0.16, 0.17]
    end(store, begun[4])
    end(store, begun[5], "failed")
    chosen(store, run, 18)
    assert seen == [0.12, 0.13, 0.14, 0.15]


def test_it_says_what_the_image_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    import optuna

    store, run = a_store(0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "scipy", None)
        error = Bayes(store, run).prepare(Path("/nowhere"))
    assert error is not None and error["import"]
    assert "a Gaussian-process search needs optuna>=5, scipy and torch in the workers' image" in error["message"]
    assert "scipy" in error["message"].partition("(")[2]
    monkeypatch.setattr(optuna, "__version__", "4.7.0")
    error = Bayes(store, run).prepare(Path("/nowhere"))
    assert error is not None and "(it holds Optuna 4.7.0); add them" in error["message"]


def test_a_trial_has_the_environment_of_its_worker_and_not_that_of_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    (tmp_path / "job.py").write_text(
        f"import os, pathlib\npathlib.Path({str(said)!r}).write_text(os.environ.get('OPENBLAS_NUM_THREADS', 'free'))\n"
        "def f(trial): ...\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as Optuna has it while it fits
    zygote = Zygote(Job(tmp_path, "job.py", "f"), env=env)
    try:
        while zygote.state == "loading":
            zygote.sock.settimeout(60)
            zygote.hear()
        assert (zygote.error, said.read_text()) == (None, "free")
    finally:
        zygote.close()
