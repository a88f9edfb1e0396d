"""Runs from the real command to real processes and back: submit, follow, read, draw, cancel, retry, resume."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from jobs_stack import AWSRUN, Place, make

import awsrun
from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.jobs.closing import close
from awsrun.jobs.workers.batch import stages


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(local_cloud, "sweeps", tmp_path_factory.mktemp("sweeps"))


@pytest.fixture
def cloud(place: Place, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The same cloud for the Python side, in the folder of the job."""
    monkeypatch.chdir(place.folder)
    return place.api


@pytest.fixture(scope="module")
def sweep(place: Place) -> str:
    """A finished grid of six trials."""
    grid = ("--grid", "lr=0.1,0.01,0.001", "--grid", "momentum=0.5,0.25")
    done = place.awsrun("submit", "job.py", *grid, "--stack", place.stack, "--wait")
    assert "3 × 2 = 6 trials of job.py, 2 workers" in done.stderr
    return done.stdout.strip()


def alive(place: Place, run: str) -> int:
    """How many workers of a run are there, by Batch."""
    jobs = [
        job["jobId"]
        for job in place.cloud.client("batch").list_jobs(
            jobQueue=place.queue, filters=[{"name": "JOB_NAME", "values": [f"awsrun-{run}-*"]}]
        )["jobSummaryList"]
    ]
    return stages(place.api, jobs).alive


def test_results_are_the_trials_and_nothing_else(place: Place, sweep: str) -> None:
    found = json.loads(place.awsrun("results", sweep, "--json").stdout)
    assert (found["run"], found["state"], found["pending"]) == (sweep, "done", 0)
    assert [(t["n"], t["params"]["lr"], t["params"]["momentum"]) for t in found["trials"]] == [
        (0, 0.1, 0.5), (1, 0.1, 0.25), (2, 0.01, 0.5), (3, 0.01, 0.25), (4, 0.001, 0.5), (5, 0.001, 0.25),
    ]  # fmt: skip
    for trial in found["trials"]:
        assert set(trial) == {"n", "params", "state", "attempt", "result", "seconds"}
        assert (trial["state"], trial["attempt"]) == ("done", 1)
        assert trial["result"] == {"val_accuracy": trial["params"]["lr"] + trial["params"]["momentum"]}
    assert found["best"] == found["trials"][0]


def test_the_table_and_the_csv_have_the_best_first(place: Place, sweep: str) -> None:
    lines = place.awsrun("results", sweep).stdout.splitlines()
    assert lines[0].split() == ["trial", "lr", "momentum", "val_accuracy", "state", "attempt", "time"]
    assert lines[1].split()[:5] == ["0", "0.1", "0.5", "60.0", "%"]
    rows = list(csv.DictReader(io.StringIO(place.awsrun("results", sweep, "--csv").stdout)))
    assert [row["n"] for row in rows] == ["0", "2", "4", "1", "3", "5"]
    assert "0 is not in the range" in place.awsrun("results", sweep, "-n", "0", code=2).stderr


def test_pictures_are_drawn(place: Place, sweep: str) -> None:
    pytest.importorskip("matplotlib")
    told = place.awsrun("plot", sweep, "-o", "heat.png", "--json").stdout
    assert json.loads(told) == {"run": sweep, "trial": None, "file": "heat.png"}
    place.awsrun("plot", sweep, "3", "-o", "curves.svg")
    assert (place.folder / "heat.png").read_bytes()[:4] == b"\x89PNG"
    assert "validation accuracy" in (place.folder / "curves.svg").read_text()


def test_a_run_is_a_page_and_can_be_compared_and_followed_to_its_end(place: Place, sweep: str) -> None:
    path = place.folder.parent / f"{sweep}.html"  # not among what the next submit packs
    told = place.awsrun("report", sweep, "-o", str(path), "--json").stdout
    assert json.loads(told) == {"run": sweep, "file": str(path)}
    page = path.read_text()
    assert f"<title>{sweep} · awsrun</title>" in page
    assert "awsrun submit job.py --grid lr=0.1,0.01,0.001" in page
    (place.folder / "added.py").write_text("x = 1\n")
    other = place.submit("--set", "lr=0.7")
    followed = place.awsrun("logs", other, "-f")
    assert "t0 │ training with lr 0.7" in followed.stdout
    assert "t0 │ awsrun: done after" in followed.stdout, "the last line too"
    shown = json.loads(place.awsrun("show", other, "--watch", "--json").stdout)
    assert (shown["state"], shown["cost"]["total"]) == ("done", 0.0)
    found = json.loads(place.awsrun("compare", sweep, "last", "--json", "--stack", place.stack).stdout)
    assert (found["best"], found["differ"]["parameters"]) == (other, ["lr", "momentum"])
    assert place.awsrun("compare", "last~1", "last", "--stack", place.stack).stdout.split()[:2] == [sweep, other]
    assert "awsrun compare last~1 last" in place.awsrun("compare", "last", other, code=1).stderr, "one run, twice"
    changes = place.awsrun("compare", sweep, other, "--code").stdout
    assert f"+++ {other}/added.py\n@@ -0,0 +1 @@\n+x = 1\n" in changes
    assert "job.py" not in changes, "that is the same in both"


def test_the_logs_of_a_trial_are_its_own(place: Place, sweep: str) -> None:
    lines = place.awsrun("logs", sweep, "2").stdout.splitlines()
    assert "training with lr 0.01" in lines
    assert not [line for line in lines if "0.001" in line or "lr 0.1" in line]
    shown = place.awsrun("show", sweep, "2").stdout
    assert {"lr 0.01", "momentum 0.5", "val_accuracy 0.51", "note.txt, 11 bytes"} <= {
        line[11:].strip() for line in shown.splitlines()
    }, "all that is known of a trial"
    known = json.loads(place.awsrun("show", sweep, "2", "--json").stdout)
    assert (known["n"], known["state"], known["value"]) == (2, "done", 0.51)
    assert [report["train_loss"] for report in known["reports"]] == [1.0, 0.5, 1 / 3]
    everything = place.awsrun("logs", sweep, "--json").stdout.splitlines()
    found = [line for line in map(json.loads, everything) if line["text"].startswith("training with lr")]
    assert sorted((line["trial"], line["attempt"]) for line in found) == [(n, 1) for n in range(6)]
    workers = {(line["worker"], line["stream"]) for line in found}
    assert {slot for slot, _ in workers} <= {0, 1} and len(workers) == len({stream for _, stream in workers})
    assert [line["time"] for line in found] == sorted(line["time"] for line in found)


def test_runs_are_listed_and_shown(place: Place, sweep: str) -> None:
    listed = json.loads(place.awsrun("runs", "--json").stdout)
    assert {"run": sweep, "job": "job.py", "total": 6, "state": "done"}.items() <= {
        **next(run for run in listed if run["run"] == sweep)
    }.items()
    shown = json.loads(place.awsrun("show", sweep, "--json").stdout)
    assert (shown["state"], shown["done"], shown["pending"], shown["failed"]) == ("done", 6, 0, 0)
    names = [run["run"] for run in listed]
    alone = next(name for name in names if sum(one.startswith(name[:-1]) for one in names) == 1)  # two may differ late
    assert alone in place.awsrun("show", alone[:-1]).stdout, "a prefix that fits only one run will do"
    assert f"did you mean {sweep}?" in place.awsrun("show", f"{sweep}x", code=1).stderr
    typed = {"_AWSRUN_COMPLETE": "bash_complete", "COMP_WORDS": f"awsrun show {alone[:-1]}", "COMP_CWORD": "2"}
    offered = subprocess.run([AWSRUN], env={**place.env, **typed}, capture_output=True, text=True).stdout
    assert offered.split() == [f"plain,{alone}"], "as a shell asks for it on a tab"


def test_the_same_from_python(place: Place, sweep: str, cloud: Cloud) -> None:
    run = awsrun.Run(sweep, cloud=cloud)
    assert run.best is not None
    assert run.best.params["lr"] == 0.1
    assert run.cost == 0.0
    frame = run.frame()
    assert list(frame["val_accuracy"]) == pytest.approx([0.6, 0.35, 0.51, 0.26, 0.501, 0.251])
    assert [report.metrics["val_accuracy"] for report in run.reports(0)] == [0.1] * 3
    (artifact,) = run.artifacts(4)
    assert (artifact.name, artifact.read()) == ("note.txt", b"lr was 0.001")
    assert [path.read_text() for path in run.download(4, place.folder / "got")] == ["lr was 0.001"]


def test_a_run_as_a_file_gives_the_same_trials_again(place: Place, sweep: str) -> None:
    text = place.awsrun("show", sweep, "--yaml").stdout
    assert "job: job.py\nstack: sweeps\ngrid:\n  lr: [0.1, 0.01, 0.001]\n  momentum: [0.5, 0.25]\n" in text
    (place.folder / "again.yaml").write_text(text)
    again = place.awsrun("submit", "again.yaml", "--wait").stdout.strip()
    first, second = place.results(sweep), place.results(again)
    for name in ("n", "params", "result"):
        assert [trial[name] for trial in second["trials"]] == [trial[name] for trial in first["trials"]]
    other = place.awsrun("submit", "again.yaml", "--set", "lr=0.3", "--dry-run", "--json")
    assert json.loads(other.stdout)["trials"] == 2, "what the command line says overrides the file"


def test_a_random_search_from_python_as_its_trials_finish(place: Place, cloud: Cloud) -> None:
    search = awsrun.Experiment(job="job.py", range={"lr": (1e-4, 1e-1, "log")}, trials=4, seed=7, stack=place.stack)
    expected = awsrun.check(search)
    run = awsrun.submit(search, cloud=cloud)
    found = {trial.n: trial for trial in run.as_completed(timeout=60, poll=0.2)}
    assert {n: trial.params for n, trial in found.items()} == {n: expected.params(n) for n in range(4)}
    assert run.status().state == "done"
    assert [trial.n for trial in run.results()] == sorted(found, key=lambda n: -found[n].params["lr"])
    assert run.id in [entry.run for entry in awsrun.runs(place.stack, cloud=cloud)]
    assert run.experiment() == search


def test_frames_go_in_and_come_out(place: Place, cloud: Cloud) -> None:
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame({"lr": [0.1, 0.2, None], "momentum": [0.0, 0.5, 1.0]})
    run = awsrun.run("job.py", inputs=rows, stack=place.stack, cloud=cloud, wait=60)
    assert list(run.frame()["val_accuracy"]) == pytest.approx([0.1, 0.7, 1.01]), "an empty cell is the job's default"


def test_inputs_give_each_trial_its_line(place: Place) -> None:
    rows = "".join(json.dumps({"lr": lr / 10, "momentum": 0.0}) + "\n" for lr in range(1, 6))
    (place.folder / "in.jsonl").write_text(rows)
    run = place.submit("--inputs", "in.jsonl")
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["result"]["val_accuracy"] for t in found["trials"]] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(("how", "says"), [(signal.SIGKILL, ""), (signal.SIGINT, "goes on without this terminal")])
def test_the_sweep_ends_by_itself_when_the_submitting_process_ends(place: Place, how: int, says: str) -> None:
    command = ["submit", "job.py", "--stack", place.stack, "--grid", "lr=0.1,0.2,0.3", "--set", "seconds=1", "--wait"]
    process = subprocess.Popen(
        [AWSRUN, *command],
        cwd=place.folder, env={**place.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    run = process.stdout.readline().strip()
    while says and "worker" not in process.stderr.readline().partition(f"{run}:")[2]:
        assert process.poll() is None, "it follows the run before it is interrupted"
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert says in said
    assert process.returncode == (128 + how if says else -how)
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["done"] * 3
    assert place.awsrun("show", run).stdout.split("state", 1)[1].split()[0] == "done"


def test_failing_alike_ends_the_run_with_the_traceback(place: Place) -> None:
    done = place.awsrun(
        "submit", "job.py", "--stack", place.stack, "--set", "ends=badly", "--wait", "--workers", "1",
        "--range", "lr=0..1", "--trials", "900", code=1,
    )  # fmt: skip
    run = done.stdout.strip()
    assert f"{run} is failed" in done.stderr
    assert "ValueError: lr 0." in done.stderr
    assert "is not to my taste" in done.stderr
    results = place.awsrun("results", run)
    assert "job.py:" in results.stderr, "a failed trial's line names the user's file"
    assert place.results(run)["pending"] > 0, "the rest was never tried"


def test_failed_trials_are_run_again_and_the_others_kept(place: Place) -> None:
    gate = place.folder / "gate"
    gate.touch()
    run = place.submit("--grid", "ends=well,once badly", "--set", f"gate={gate}", "--keep-going")
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["done", "failed"]
    assert found["trials"][1]["error"].startswith("ValueError: lr 0.01 is not to my taste (job.py:")
    told = place.awsrun("show", run, "--watch", code=1).stderr
    assert "trial 1: ValueError: lr 0.01" in told and f"awsrun logs {run} 1" in told, "why, and what to type next"
    log = place.awsrun("logs", run, "1").stdout
    assert 'File "job.py"' in log and "raise ValueError(f" in log, "where it raised, by the project's own names"
    assert "raise ValueError(f" in place.awsrun("show", run, "1").stdout
    (place.folder / "gate.mended").touch()
    answer = json.loads(place.awsrun("retry", run, "--json").stdout)
    assert answer["retried"] == 1
    found = place.until(run, lambda r: r["state"] == "done" and r["trials"][1]["state"] == "done")
    assert [t["attempt"] for t in found["trials"]] == [1, 2]
    again = place.awsrun("retry", run, code=1)
    assert f"no trial of {run} has failed" in again.stderr


def test_a_run_is_cancelled_and_its_workers_go(place: Place) -> None:
    gate = place.folder / "never"
    run = place.submit("--grid", "lr=0.1,0.2,0.3,0.4", "--set", f"gate={gate}")
    place.until(run, lambda r: len(r["trials"]) == 2)
    assert json.loads(place.awsrun("cancel", run, "--json").stdout)["state"] == "cancelled"
    found = place.results(run)
    assert found["state"] == "cancelled"
    assert {t["state"] for t in found["trials"]} == {"cancelled"}
    end = time.monotonic() + 30
    while alive(place, run):
        assert time.monotonic() < end, "workers still run"
        time.sleep(0.2)
    place.awsrun("cancel", run)
    gate.touch()
    place.awsrun("resume", run)
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["done"] * 4


def test_one_trial_is_cancelled_and_the_others_go_on(place: Place) -> None:
    gate = place.folder / "later"
    run = place.submit("--grid", "lr=0.1,0.2,0.3", "--set", f"gate={gate}")
    place.until(run, lambda r: len(r["trials"]) == 2)
    place.awsrun("cancel", run, "2")
    gate.touch()
    found = place.until(run, lambda r: r["state"] == "done")
    assert [t["state"] for t in found["trials"]] == ["done", "done", "cancelled"]
    assert f"{run} is over" in place.awsrun("cancel", run, "1", code=1).stderr
    assert f"{run} has no trial 3" in place.awsrun("cancel", run, "3", code=1).stderr


def test_a_run_whose_workers_were_never_asked_for_is_resumed(place: Place) -> None:
    batch = place.cloud.client("batch")
    batch.update_job_queue(jobQueue=place.queue, state="DISABLED")
    try:
        done = place.awsrun("submit", "job.py", "--stack", place.stack, "--grid", "lr=0.1,0.2", code=1)
    finally:
        batch.update_job_queue(jobQueue=place.queue, state="ENABLED")
    run = done.stderr.rsplit("awsrun resume ", 1)[1].strip()
    assert json.loads(place.awsrun("show", run, "--json").stdout)["pending"] == 2
    place.awsrun("resume", run)
    assert place.until(run, lambda r: r["state"] == "done")["pending"] == 0
    assert f"{run} is done" in place.awsrun("resume", run, code=1).stderr


def test_a_million_trials_are_a_few_calls(place: Place, cloud: Cloud) -> None:
    axes = {"lr": [i / 1000 for i in range(1, 1001)], "momentum": [i / 1000 for i in range(1000)]}
    before = cloud.calls.total()
    run = awsrun.submit("job.py", grid=axes, workers=1, stack=place.stack, cloud=cloud, set={"seconds": 60.0})
    made = cloud.calls.total() - before
    run.cancel()
    assert run.status().total == 1_000_000
    assert made <= 20, cloud.calls


def test_runs_outlive_their_stack(local_cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(local_cloud, "leaving", tmp_path / "w")
    done = place.submit("--grid", "lr=0.1,0.2", "--grid", "momentum=0.5,0.1")
    before = place.until(done, lambda r: r["state"] == "done")
    live = place.submit("--set", f"gate={tmp_path / 'never'}")
    place.until(live, lambda r: len(r["trials"]) == 1)
    monkeypatch.setenv("AWSRUN_HOME", str(local_cloud.home))  # exports go there
    cloud = place.api
    assert sorted(path.stem for path in close(cloud, "leaving")) == sorted([done, live])
    for table in ("awsrun-leaving", "awsrun-leaving.runs"):
        local_cloud.client("dynamodb").delete_table(TableName=table)
    assert close(cloud, "leaving") == [], "again is harmless"
    assert "leaving" not in stacks.names(cloud)
    assert place.results(done) == before
    assert place.results(live)["state"] == "cancelled"
    assert done in place.awsrun("runs").stdout
    place.awsrun("plot", done, "-o", "kept.png")
    place.awsrun("report", done, "-o", "kept.html")
    assert "cancelled" in place.awsrun("compare", done, live).stdout
    assert "torn down" in place.awsrun("logs", done, code=1).stderr
