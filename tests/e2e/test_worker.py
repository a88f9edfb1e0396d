"""Workers as processes on the embedded cloud: a sweep, and every way in which a trial can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_bench import JOB, Bench

from awsrun.worker.objects import artifact_key


@pytest.fixture
def bench(local_cloud: Any, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(local_cloud, tmp_path)
    yield made
    made.close()


def test_a_sweep_from_the_containers_command(bench: Bench) -> None:
    run = bench.submit("quick", total=7, workers=2)
    packed = bench.pack()
    workers = [bench.start(run, slot, packed) for slot in range(2)]
    assert [bench.ended(worker) for worker in workers] == [0, 0], bench.log(0) + bench.log(1)
    trials = bench.store.trials(run, 0)
    assert [(trial.n, trial.state, trial.attempt, trial.result) for trial in trials] == [
        (n, "done", 1, {"y": n / 3}) for n in range(7)
    ]
    found = bench.store.run(run)
    assert found is not None and found.state == "done"
    sealed = bench.store.shards(run, 0)[0]
    assert sealed.counts == {"done": 7} and sealed.best == {"n": 6, "value": 2.0, "params": {"x": 6}}
    for trial in trials:
        assert trial.artifacts == {"sub/out.txt": len(str(trial.n))}
        key = artifact_key(run, trial.n, 1, "sub/out.txt")
        assert bench.s3.get_object(Bucket=bench.bucket, Key=key)["Body"].read() == str(trial.n).encode()
        assert [report.metrics for report in bench.store.reports(run, trial.n)] == [{"y": trial.n / 3}]
        slot = int(trial.owner.split(".")[0])
        assert trial.log_stream == f"stream-{slot}"
        assert f"[t{trial.n}.1] hello from {trial.n}\n" in bench.log(slot)
    assert all(worker.dead for worker in bench.store.workers(run)), "they said goodbye"


def test_a_changed_archive_is_refused(bench: Bench) -> None:
    run = bench.submit("quick")
    key, _ = bench.pack()
    assert bench.ended(bench.start(run, packed=(key, "0" * 64))) == 1
    assert "is not the code that was submitted" in bench.log(0)
    assert bench.store.trial(run, 0) is None


def test_an_exception_names_the_users_line(bench: Bench) -> None:
    run = bench.submit("bad", retries=1, workers=1)
    assert bench.ended(bench.start(run)) == 0
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.failures) == ("failed", 2, 2)
    error = trial.error or {}
    line = next(i for i, text in enumerate(JOB.split("\n"), 1) if "# line 34" in text)
    assert (error["type"], error["message"]) == ("ValueError", "no good")
    assert (error["file"], error["line"]) == ("jobs/job.py", line)
    assert "raise ValueError" in error["traceback"] and "awsrun/worker" not in error["traceback"]
    assert trial.ended_ms >= trial.started_ms > 0
    run_record = bench.store.run(run)
    assert run_record is not None and run_record.state == "failed", "no trial succeeded"


def test_an_import_error_fails_the_run_at_once(bench: Bench) -> None:
    bench.write("import no_such_module\ndef quick(trial): pass\n")
    run = bench.submit("quick", total=1000, workers=1)
    assert bench.ended(bench.start(run)) == 0
    found = bench.store.run(run)
    assert found is not None and found.state == "failed"
    error = found.error or {}
    assert error["type"] == "ModuleNotFoundError" and error["import"] is True
    assert (error["file"], error["line"]) == ("jobs/job.py", 1)
    assert "no_such_module" in error["traceback"]
    assert bench.store.trials(run, 0) == [], "nothing was claimed"


def test_alike_failures_fail_the_run_and_keep_going_does_not(bench: Bench) -> None:
    fast = bench.submit("bad", total=40, workers=1)
    assert bench.ended(bench.start(fast)) == 0
    found = bench.store.run(fast)
    assert found is not None and found.state == "failed"
    error = found.error or {}
    assert error["type"] == "ValueError" and error["alike"] == 3 and "no good" in error["traceback"]
    assert len(bench.store.trials(fast, 0)) < 40
    stubborn = bench.submit("bad", total=8, workers=1, keep_going=True)
    assert bench.ended(bench.start(stubborn)) == 0
    assert [trial.state for trial in bench.store.trials(stubborn, 0)] == ["failed"] * 8


def test_a_trial_that_takes_too_long(bench: Bench) -> None:
    run = bench.submit("stuck", timeout=0.5)
    assert bench.ended(bench.start(run)) == 0
    trial = bench.trial(run)
    assert trial.state == "failed" and (trial.error or {})["type"] == "Timeout"


def test_a_trial_killed_by_a_signal_says_so_with_its_memory(bench: Bench) -> None:
    run = bench.submit("crash")
    assert bench.ended(bench.start(run)) == 0
    error = bench.trial(run).error or {}
    assert (error["type"], error["signal"]) == ("ProcessKilled", "SIGSEGV")
    assert 1 < error["peak_mib"] < 1000
    assert error["tail"] == "about to crash"


@pytest.mark.parametrize(("function", "state"), [("nothing", "done"), ("tensor", "failed")])
def test_what_a_function_may_return(bench: Bench, function: str, state: str) -> None:
    run = bench.submit(function)
    assert bench.ended(bench.start(run)) == 0
    trial = bench.trial(run)
    assert trial.state == state and trial.value is None
    if state == "failed":
        assert "tensor() returned['y']: a object is not a number" in (trial.error or {})["message"]


def test_a_job_that_cannot_be_forked_gets_a_fresh_process_each_time(bench: Bench) -> None:
    thread = "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    bench.write(JOB + thread)
    run = bench.submit("quick", total=3, workers=1)
    assert bench.ended(bench.start(run)) == 0
    assert [trial.state for trial in bench.store.trials(run, 0)] == ["done"] * 3
    assert bench.log(0).count("a fresh process for each trial: importing the job started 1 threads") == 1


def test_a_run_that_is_over_needs_no_worker(bench: Bench) -> None:
    run = bench.submit("quick")
    bench.store.cancel(run)
    assert bench.ended(bench.start(run)) == 0
    assert bench.store.trial(run, 0) is None
