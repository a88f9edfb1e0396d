"""Searches that learn, by real workers: the submitter is killed at its start; their image lacks what is needed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_stack import AWSRUN, Place, make
from worker_bench import Bench

from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.search import Bayes

HILL = """
import awsrun


def hill(trial, x: float = 0.0, layers: int = 1, kind: str = "a"):
    if trial.n == 10:  # it takes a while to bring home
        (trial.dir / "large").write_bytes(bytes(30_000_000))
    return {"height": -((x - 0.3) ** 2) - (layers - 3) ** 2 - (kind != "b")}


if __name__ == "__main__":
    awsrun.main(hill, metric="height", mode="max")
"""

GP = """
job: job.py
search: gp
range: {x: [0, 1], layers: [1, 5]}
grid: {kind: [a, b]}
trials: 12
workers: 1
seed: 5
"""


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make(local_cloud, "bayes", tmp_path_factory.mktemp("bayes"))
    (made.folder / "job.py").write_text(HILL)
    return made


def test_it_ends_by_itself_when_its_submitter_is_killed(place: Place) -> None:
    vary = ("--range", "x=0..1", "--range", "layers=1..5", "--grid", "kind=a,b")
    command = ["submit", "job.py", *vary, "--search", "bayes", "--trials", "16", "--stack", place.stack, "--wait"]
    process = subprocess.Popen(
        [AWSRUN, *command],
        cwd=place.folder, env={**place.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    run = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "16 trials by Bayesian search of job.py, 2 workers" in said and "must hold optuna>=4" in said
    found = place.until(run, lambda results: results["state"] != "running")
    assert (found["state"], found["pending"]) == ("done", 0)
    trials = found["trials"]
    assert [(t["n"], t["state"], t["attempt"]) for t in trials] == [(n, "done", 1) for n in range(16)]
    for trial in trials:
        params = trial["params"]
        assert 0 <= params["x"] <= 1 and 1 <= params["layers"] <= 5 and params["kind"] in ("a", "b")
        height = -((params["x"] - 0.3) ** 2) - (params["layers"] - 3) ** 2 - (params["kind"] != "b")
        assert trial["result"]["height"] == height, "it ran with the parameters on record"
    assert found["best"]["result"]["height"] == max(t["result"]["height"] for t in trials)
    shown = json.loads(place.awsrun("show", run, "--json", "--stack", place.stack).stdout)
    assert (shown["state"], shown["done"], shown["total"]) == ("done", 16, 16)
    _stops_when_good_enough(place, *vary)
    place.awsrun("plot", run, "--stack", place.stack, "-o", "hill.png")
    assert (place.folder / "hill.png").stat().st_size > 10_000


def _stops_when_good_enough(place: Place, *vary: str) -> None:
    limits = ("--until", "height=-20", "--max-time", "1h", "--max-cost", "5")
    search = ("--search", "bayes", "--trials", "5000", *limits, "--stack", place.stack, "--wait")
    done = place.awsrun("submit", "job.py", *vary, *search)
    assert "no further trial starts once 1 h has passed or $5 is spent or height is -20 or better" in done.stderr
    assert "no further trial started: trial " in done.stderr
    shown = json.loads(place.awsrun("show", done.stdout.strip(), "--json", "--stack", place.stack).stdout)
    assert shown["state"] == "done" and 1 <= shown["done"] == shown["total"] <= 6 and shown["pending"] == 0
    assert shown["best"]["value"] >= -20 and shown["stopped"].startswith("trial ")
    refused = place.awsrun("submit", "job.py", *vary, "--until", "depth=1", "--trials", "5", code=1)
    assert "the job's metric is height" in refused.stderr


def test_a_gaussian_process_chooses_by_the_table_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / "gp.yaml").write_text(GP)
    done = place.awsrun("submit", "gp.yaml", "--stack", place.stack, "--wait")
    assert "12 trials by Gaussian-process search of job.py, 1 worker" in done.stderr
    assert "must hold optuna>=5, scipy and torch" in done.stderr
    trials = sorted(place.results(done.stdout.strip())["trials"], key=lambda trial: int(trial["n"]))
    monkeypatch.setattr(sys, "path", list(sys.path))
    limit = {"log": False, "int": False}
    ranges = {"x": {"low": 0.0, "high": 1.0, **limit}, "layers": {"low": 1, "high": 5, **limit, "int": True}}
    space = {"search": "gp", "axes": {"kind": ["a", "b"]}, "ranges": ranges, "total": 12}
    run = Run("r", "job.py", "hill", space, 12, 5, "height", "max")
    store = RunStore(MemoryTable())
    assert store.create(run)
    for n, trial in enumerate(trials):
        if n == 11:
            worker = Bayes(store, run)
            assert worker.prepare(place.folder) is None
            wanted = {**worker.params(n), "x": pytest.approx(worker.params(n)["x"], abs=1e-4)}
            assert trial["params"] == wanted, "as one chooses who has nothing but the others' results"
        claimed = store.claim("r", n, Me(0, 1000), trial["params"])
        assert claimed is not None
        store.settle("r", replace(claimed, state="done", value=trial["result"]["height"]))


def test_an_image_without_optuna_fails_the_run_at_once(local_cloud: Any, tmp_path: Path) -> None:
    bench = Bench(local_cloud, tmp_path)
    try:
        (tmp_path / "optuna.py").write_text("raise ImportError('No module named optuna')")  # the worker's own folder
        grid = bench.store.run(bench.submit("quick", total=3))
        assert grid is not None
        space = {**grid.space, "search": "bayes"}
        assert bench.store.create(replace(grid, run="blind", space=space))
        assert bench.ended(bench.start("blind")) == 0, bench.log(0)
        found = bench.store.run("blind")
        assert found is not None and found.state == "failed" and found.error is not None
        assert "needs optuna>=4 in the workers' image (No module named optuna)" in found.error["message"]
        assert "needs optuna>=4 in the workers' image" in bench.log(0)
        assert bench.store.trials("blind", 0) == [], "nothing was claimed"
    finally:
        bench.close()
