"""A Bayesian search without a driver: whoever asks, and whenever they came, the table alone decides."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from awsrun.worker.protocol import space
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Item
from awsrun.worker.search import Bayes

ME = Me(0, 1000)
MIXED = {
    "search": "bayes",
    "axes": {"kind": ["a", ["b"], None]},
    "ranges": {
        "lr": {"low": 1e-5, "high": 1.0, "log": True, "int": False},
        "layers": {"low": 1, "high": 64, "log": True, "int": True},
    },
    "set": {"epochs": 3},
    "total": 60,
}
FINITE = {
    "search": "bayes",
    "axes": {"kind": ["a", "b", "c"]},
    "ranges": {"layers": {"low": 1, "high": 4, "log": False, "int": True}},
    "total": 12,
}


class Counted(MemoryTable):
    """Counts the items that queries bring."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def query(self, *asked: Any, **options: Any) -> Iterator[Item]:
        found = list(super().query(*asked, **options))
        self.read += len(found)
        return iter(found)


def a_store(wanted: Mapping[str, Any], **changes: Any) -> tuple[RunStore, Run]:
    run = Run("r", "job.py", "train", wanted, wanted["total"], metric="y", limits=Limits(workers=2), **changes)
    store = RunStore(Counted())
    assert store.create(run)
    return store, run


def a_worker(store: RunStore, run: Run) -> Bayes:
    made = Bayes(store, run)
    assert made.prepare(Path("/nowhere")) is None
    return made


def settle(store: RunStore, trial: Any, value: float | None, state: str = "done") -> None:
    assert store.settle("r", replace(trial, state=state, value=value))


def loss(params: Mapping[str, Any]) -> float:
    """Least at lr 0.01, 8 layers, kind "a"."""
    import math

    return (math.log10(params["lr"]) + 2) ** 2 + (math.log2(params["layers"]) - 3) ** 2 + (params["kind"] != "a")


def test_a_worker_that_comes_late_asks_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    store, run = a_store(MIXED, mode="min", seed=3)
    first = a_worker(store, run)
    running = None
    for n in range(30):
        params = first.params(n)
        if n % 7 == 3:
            assert a_worker(store, run).params(n) == params
        assert params["epochs"] == 3 and 1e-5 <= params["lr"] <= 1 and params["kind"] in MIXED["axes"]["kind"]
        assert isinstance(params["layers"], int) and 1 <= params["layers"] <= 64
        trial = store.claim("r", n, ME, params)
        if n % 10 == 5:
            settle(store, trial, None, "failed")
        elif n % 10 == 6:
            settle(store, trial, float("nan"))
        else:
            if running is not None:
                settle(store, running, loss(running.params))
            running = trial


def test_it_learns_where_chance_does_not() -> None:
    drawn = {**MIXED, "search": "random"}
    better = 0
    for seed, mode in enumerate(("min", "max", "min")):
        store, run = a_store(MIXED, mode=mode, seed=seed)
        worker = a_worker(store, run)
        found = []
        for n in range(run.total):
            trial = store.claim("r", n, ME, worker.params(n))
            assert trial is not None
            found.append(loss(trial.params))
            settle(store, trial, found[-1] if mode == "min" else -found[-1])
        last = sum(found[-20:]) / 20
        better += last < 0.5 * sum(loss(space.params(drawn, seed, n)) for n in range(40, 60)) / 20
    assert better == 3


def test_what_is_finished_is_read_once() -> None:
    store, run = a_store(MIXED, mode="min")
    worker = a_worker(store, run)
    for n in range(40):
        trial = store.claim("r", n, ME, worker.params(n))
        settle(store, trial, float(n))
    table = store.table
    assert isinstance(table, Counted)
    assert table.read == 39, "each trial once, and the last not yet"


@pytest.mark.parametrize("search", ["bayes", "gp"])
def test_two_workers_try_each_point_of_a_finite_space_once(search: str) -> None:
    store, run = a_store({**FINITE, "search": search}, mode="max")
    workers = [a_worker(store, run), a_worker(store, run)]
    tried, waiting = [], []
    for n in range(run.total):
        trial = store.claim("r", n, ME, workers[n % 2].params(n))
        assert trial is not None
        tried.append((trial.params["kind"], trial.params["layers"]))
        waiting.append(trial)
        if n % 3 == 2:  # the others are under way
            settle(store, waiting.pop(0), 1.0)
    assert sorted(tried) == sorted((kind, layers) for kind in "abc" for layers in range(1, 5))


def test_a_claim_that_another_worker_won_leaves_no_trace() -> None:
    store, run = a_store(FINITE)
    worker = a_worker(store, run)
    lost = worker.params(0)
    theirs = next(p for p in ({"kind": kind, "layers": 1} for kind in "abc") if p != lost)
    settle(store, store.claim("r", 0, Me(1, 1000), theirs), 1.0)
    tried = [theirs]
    for n in range(1, run.total):
        trial = store.claim("r", n, ME, worker.params(n))
        assert trial is not None
        tried.append(dict(trial.params))
    assert lost in tried and len({str(sorted(params.items())) for params in tried}) == run.total


def test_without_optuna_it_says_what_the_image_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = a_store(FINITE)
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    error = Bayes(store, run).prepare(Path("/nowhere"))
    assert error is not None and "needs optuna>=4 in the workers' image (" in error["message"] and error["import"]
