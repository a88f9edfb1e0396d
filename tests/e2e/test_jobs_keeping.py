"""The course of a run changed: paused and gone on, cancelled while paused, chosen trials run again, one set
aside; what trials left is fetched, and what they found is reused."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from jobs_stack import Place, make

import awsrun
from awsrun.jobs.run import Run

POISON = """
import os, signal, time
from pathlib import Path
import awsrun


def train(trial, x: int = 0):
    if x == 1:
        print("this will end badly", flush=True)
        time.sleep(1)  # a machine runs out of memory in its own time, too
        zygote = Path(f"/proc/{os.getppid()}/stat").read_text().rsplit(")", 1)[1].split()
        os.kill(int(zygote[1]), signal.SIGKILL)  # the worker, and with it all that it has started
    return {"y": x}


if __name__ == "__main__":
    awsrun.main(train, metric="y")
"""


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(local_cloud, "pausing", tmp_path_factory.mktemp("pausing"))


def workers_gone(place: Place, run: str) -> None:
    """Wait until no worker of a run is there, by what ``show`` says."""
    watched, end = Run(run, stack=place.stack, cloud=place.api), time.monotonic() + 30
    while watched.status().workers:
        assert time.monotonic() < end, watched.status()
        time.sleep(0.2)


def test_a_run_is_paused_goes_on_and_is_cancelled_while_paused(place: Place, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = place.submit("--grid", "lr=0.1,0.2,0.3,0.4", "--set", f"gate={gate}")
    place.until(run, lambda r: len(r["trials"]) == 2)
    assert f"to go on: awsrun resume {run}" in place.awsrun("pause", run).stderr
    workers_gone(place, run)
    shown = json.loads(place.awsrun("show", run, "--json").stdout)
    assert (shown["state"], shown["workers"], shown["reasons"]) == ("paused", {}, [])
    assert (shown["counts"], shown["pending"], shown["failed"]) == ({"retry": 2}, 2, 0)
    assert shown["hint"] == f"awsrun resume {run}"
    assert "2 waiting to run again, 2 pending" in place.awsrun("show", run).stdout
    assert [line.split()[3] for line in place.awsrun("runs").stdout.splitlines() if run in line] == ["paused"]
    gate.touch()
    place.awsrun("continue", run)
    found = place.until(run, lambda r: r["state"] == "done")
    assert [(t["state"], t["attempt"]) for t in found["trials"]] == [("done", 2), ("done", 2), ("done", 1), ("done", 1)]
    assert f"{run} is over: done" in place.awsrun("pause", run, code=1).stderr
    gate.unlink()
    other = place.submit("--grid", "lr=0.1,0.2", "--set", f"gate={gate}", "--workers", "1")
    place.until(other, lambda r: len(r["trials"]) == 1)
    assert json.loads(place.awsrun("pause", other, "--json").stdout) == {"run": other, "state": "paused"}
    place.awsrun("cancel", other)
    found = place.results(other)
    assert (found["state"], [t["state"] for t in found["trials"]]) == ("cancelled", ["cancelled"])


def test_chosen_trials_run_again_and_others_are_refused_with_a_reason(place: Place, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    run = place.submit(
        "--grid", "ends=once badly,well", "--grid", "lr=0.1,0.2", "--set", f"gate={gate}", "--keep-going"
    )
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["failed", "failed", "done", "done"]
    refused = place.awsrun("retry", run, "1", "2", "3", code=1).stderr
    assert "trial 2 is done, trial 3 is done" in refused
    assert f"→ awsrun retry {run} 1\n" in refused
    assert f"{run} has no trial 4" in place.awsrun("retry", run, "4", code=1).stderr
    (tmp_path / "gate.mended").touch()
    assert json.loads(place.awsrun("retry", run, "1", "--json").stdout)["retried"] == 1
    found = place.until(run, lambda r: r["state"] == "done" and r["trials"][1]["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["failed", "done", "done", "done"]
    assert json.loads(place.awsrun("retry", run, "--fresh", "--json").stdout)["retried"] == 1
    found = place.until(run, lambda r: r["state"] == "done" and r["trials"][0]["state"] == "done")
    assert [t["attempt"] for t in found["trials"]] == [2, 2, 1, 1]


def test_a_trial_that_kills_its_workers_is_set_aside_and_the_rest_is_done(place: Place) -> None:
    (place.folder / "poison.py").write_text(POISON)
    done = place.awsrun(
        "submit", "poison.py", "--stack", place.stack, "--grid", "x=0,1,2", "--workers", "1", "--wait", code=1
    )
    run = done.stdout.strip()
    assert f"{run} is done: 2 done, 1 failed" in done.stderr
    failed = Run(run, stack=place.stack, cloud=place.api).trial(1)
    assert (failed.state, failed.attempt, len(failed.losses)) == ("failed", 4, 3)
    results = place.awsrun("results", run).stderr
    assert "trial 1: WorkersLost: set aside: 3 workers were lost while they ran it (0.1, 0.2, 0.3)" in results
    assert f"the last lines of trial 1 (all of them: awsrun logs {run} 1):\n  this will end badly\n" in results
    assert "this will end badly" in place.awsrun("logs", run, "1").stdout
    shown = place.awsrun("show", run)
    assert "trial 1: workers were lost while they ran it" in shown.stdout
    assert "this will end badly" in shown.stderr
    (aside,) = json.loads(place.awsrun("show", run, "--json").stdout)["aside"]
    assert aside["trial"] == 1


KEEPS = """
import awsrun


class Model:
    def __init__(self):
        self.epoch = 0

    def state_dict(self):
        return {"epoch": self.epoch}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]


def train(trial, peak: int = 3, epochs: int = 6):
    model = Model()
    trial.keep(model=model)
    for epoch in trial.range(epochs):
        model.epoch = epoch + 1
        trial.report(accuracy=1 - abs(model.epoch - peak) / 10)
    (trial.dir / "note.txt").write_text(f"peak at {peak}")
    return {"accuracy": 1 - abs(epochs - peak) / 10}


if __name__ == "__main__":
    awsrun.main(train, metric="accuracy")
"""


def test_checkpoints_of_the_best_and_the_last_state_are_fetched(place: Place) -> None:
    (place.folder / "keeps.py").write_text(KEEPS)
    submit = ("submit", "keeps.py", "--stack", place.stack, "--grid", "peak=3,6", "--wait", "--workers", "1")
    run = place.awsrun(*submit).stdout.strip()
    found = json.loads(place.awsrun("fetch", run, "0", "--json").stdout)
    folder = Path("awsrun-out") / run / "0"
    assert found == {
        "run": run,
        "trial": 0,
        "files": [str(folder / f) for f in ("note.txt", "awsrun-best.ckpt", "awsrun-last.ckpt")],
    }
    epochs = [
        awsrun.load_states(place.folder / folder / f"awsrun-{kind}.ckpt")["model"]["epoch"] for kind in ("best", "last")
    ]
    assert epochs == [3, 6]
    place.awsrun("fetch", run, "--only", "last", "-o", "top")
    assert awsrun.load_states(place.folder / "top" / "awsrun-last.ckpt") == {"model": {"epoch": 6}}, (
        "of the best trial, the best"
    )
    best = Run(run, stack=place.stack, cloud=place.api).checkpoint(0)
    assert (best.step, best.value, best.load()) == (3, 1.0, {"model": {"epoch": 3}})
    assert best.uri == f"s3://{place.bucket}/{run}/best/0/000001"
    lean = place.awsrun(*submit, "--checkpoints", "none").stdout.strip()
    assert "submitted with --checkpoints none" in place.awsrun("fetch", lean, "0", "--only", "best", code=1).stderr
    assert place.awsrun("fetch", lean, "0").stdout.split() == [f"awsrun-out/{lean}/0/note.txt"]


def test_what_an_earlier_run_did_is_reused(local_cloud: Any, tmp_path: Path) -> None:
    place = make(local_cloud, "reusing", tmp_path / "w")
    submit = ("submit", "job.py", "--workers", "1", "--stack", place.stack, "--wait")
    first = place.awsrun(*submit, "--grid", "lr=0.1,0.2").stdout.strip()
    done = place.awsrun(*submit, "--grid", "lr=0.1,0.2,0.3", "--set", "momentum=0.5", "--reuse")
    assert f"what {first} did with the same parameters and seed is taken from there" in done.stderr
    none = place.results(done.stdout.strip())
    assert not [trial for trial in none["trials"] if "reused" in trial], "first had no momentum: its default may change"
    done = place.awsrun(*submit, "--grid", "lr=0.1,0.2,0.3", "--reuse")
    run = done.stdout.strip()
    assert f"{run} is done: 3 done (2 reused)" in done.stderr
    found = place.results(run)["trials"]
    assert [t.get("reused") for t in found] == [{"run": first, "n": 0}, {"run": first, "n": 1}, None]
    assert [t["result"] for t in found[:2]] == [t["result"] for t in place.results(first)["trials"]]
    assert [t["seconds"] for t in found[:2]] == [0, 0] and found[2]["seconds"] > 0
    rows = [line.split() for line in place.awsrun("results", run).stdout.splitlines()[1:]]
    assert [row[4] for row in rows] == ["done", "reused", "reused"]
    assert (place.folder / place.awsrun("fetch", run, "1").stdout.strip()).read_text() == "lr was 0.2"
    found = Run(run, stack=place.stack, cloud=place.api)
    assert [report.metrics["val_accuracy"] for report in found.reports(1)] == [0.2] * 3
    assert f"→ awsrun logs {first} 1" in place.awsrun("logs", run, "1", code=1).stderr
    third = place.awsrun(*submit, "--grid", "lr=0.1,0.2,0.3", "--reuse").stdout.strip()
    origins = [trial["reused"]["run"] for trial in place.results(third)["trials"]]
    assert origins == [first, first, run], "where it was run"
    other = place.awsrun(*submit, "--grid", "lr=0.1", "--reuse", "--seed", "5", "--dry-run").stderr
    assert "nothing can be reused: job-" in other and "had --seed 0" in other
