"""Workers that are killed, stopped, told to go: the trial goes on elsewhere, and has exactly one result."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from far_away import Road
from worker_bench import Bench, until

from awsrun.worker.objects import artifact_key, checkpoint_key
from awsrun.worker.protocol.records import curve
from awsrun.worker.supervisor import TERMINATED


@pytest.fixture
def bench(local_cloud: Any, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(local_cloud, tmp_path)
    yield made
    made.close()


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie counts)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def in_the_middle(bench: Bench, run: str) -> int:
    """Wait until trial 0's first attempt has a checkpoint; the pid of its process."""
    until("a checkpoint", lambda: bench.keys(checkpoint_key(run, 0)))
    return bench.steps(0, 1)[-1][0]


def went_on(bench: Bench, run: str, steps: int = 20) -> int:
    """Check that attempt 2 went on where attempt 1 was, and its result and history are whole; its first step."""
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.result) == ("done", 2, {"y": steps}), "the kept counter went on too"
    first, second = bench.steps(0, 1), bench.steps(0, 2)
    assert [step for _, step, _ in second] == list(range(second[0][1], steps))
    assert second[0][1] > 0
    drawn = {step: number for _, step, number in first}
    assert all(drawn[step] == number for _, step, number in second if step in drawn), "the same random numbers again"
    history = curve(bench.store.reports(run, 0), trial.attempt)
    assert [report.step for report in history] == list(range(steps))
    assert [report.metrics["y"] for report in history] == list(range(1, steps + 1))
    key = artifact_key(run, 0, 2, "who.txt")
    assert bench.s3.get_object(Bucket=bench.bucket, Key=key)["Body"].read() == b"2"
    assert trial.checkpoints["best"].items() >= {"attempt": 2, "step": steps, "value": float(steps)}.items()
    assert bench.keys(checkpoint_key(run, 0)) == [], "the best state is the last one"
    assert bench.keys(checkpoint_key(run, 0, kind="best")) == [checkpoint_key(run, 0, 2, "best")]
    found = bench.store.run(run)
    assert found is not None and found.state == "done"
    return second[0][1]


def test_sigkill_in_the_middle_of_a_trial(bench: Bench) -> None:
    run = bench.submit("slow")
    worker = bench.start(run)
    pid = in_the_middle(bench, run)
    worker.send_signal(signal.SIGKILL)
    began = bench.trial(run).started_ms
    until("the trial's process dies with its worker", lambda: gone(pid), 10)
    assert bench.ended(bench.start(run, slot=1)) == 0
    went_on(bench, run)
    trial = bench.trial(run)
    assert trial.losses == (), "it got further"
    said = max(report.at_ms for report in bench.store.reports(run, 0) if report.attempt == 1)
    assert trial.lost_ms == trial.spent_ms >= said - began > 0, "its time counts until its last sign of life"
    assert trial.seconds == (trial.spent_ms + trial.ended_ms - trial.started_ms) / 1000


def test_a_zombie_changes_nothing(bench: Bench) -> None:
    run = bench.submit("slow", lease=1.5)
    zombie = bench.start(run)
    in_the_middle(bench, run)
    zombie.send_signal(signal.SIGSTOP)
    assert bench.ended(bench.start(run, slot=1)) == 0
    before = bench.trial(run)
    artifacts = bench.keys(artifact_key(run, 0, 2))
    zombie.send_signal(signal.SIGCONT)
    assert bench.ended(zombie) == 0
    assert bench.trial(run) == before
    assert bench.keys(artifact_key(run, 0, 2)) == artifacts
    went_on(bench, run)
    assert len(bench.store.trials(run, 0)) == 1


def test_sigterm_gives_the_trial_back_at_once(bench: Bench) -> None:
    run = bench.submit("slow", lease=600.0, checkpoint=600.0)
    worker = bench.start(run)
    until("a few steps", lambda: len(bench.steps(0, 1)) >= 4)
    worker.send_signal(signal.SIGTERM)
    assert bench.ended(worker) == 143
    assert "[awsrun] this worker goes: terminated\n" in bench.log(0)
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.losses) == ("retry", 1, ())
    done = len(bench.steps(0, 1))
    assert bench.ended(bench.start(run, slot=1)) == 0, "no lease is waited for: it is ten minutes"
    assert went_on(bench, run) == done, "the checkpoint was made when the worker was told to go"
    after = bench.trial(run)
    assert (after.losses, after.spent_ms, after.lost_ms) == ((), trial.latest_ms, 0) and trial.latest_ms > 0


def test_sigterm_while_nothing_listens_is_bounded(bench: Bench) -> None:
    run = bench.submit("stuck", grace=0.5)
    worker = bench.start(run)
    until("the trial runs", lambda: bench.store.trial(run, 0))
    worker.send_signal(signal.SIGTERM)
    assert bench.ended(worker, 30) == 143
    assert bench.trial(run).state == "retry"


def test_a_paused_run_loses_its_workers_and_nothing_else(bench: Bench) -> None:
    run = bench.submit("slow", lease=600.0, checkpoint=600.0)
    worker = bench.start(run)
    until("a few steps", lambda: len(bench.steps(0, 1)) >= 4)
    assert bench.store.pause(run) == "paused"
    assert bench.ended(worker) == 0, "with 0, so that the engine does not start it again"
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.losses, trial.failures) == ("retry", 1, (), 0)
    assert bench.ended(bench.start(run, slot=1)) == 0, "one that waited for a machine meanwhile"
    assert bench.store.worker(run, 1) is None
    done = len(bench.steps(0, 1))
    assert bench.store.go_on(run) == "running"
    assert bench.ended(bench.start(run, slot=2)) == 0
    assert went_on(bench, run) == done


def test_an_error_goes_on_from_the_checkpoint_unless_that_leads_nowhere(bench: Bench) -> None:
    run = bench.submit("breaks", retries=3, checkpoint=0.0)
    assert bench.ended(bench.start(run)) == 0
    trial = bench.trial(run)
    assert (trial.state, trial.result) == ("done", {"y": 3})
    assert [[step for _, step, _ in bench.steps(0, attempt)] for attempt in (1, 2, 3)] == [[0, 1], [], [0, 1, 2]]
    assert (trial.attempt, trial.since, trial.failures) == (3, 3, 2)


def test_cancelling_a_run_stops_its_trials(bench: Bench) -> None:
    run = bench.submit("stuck", total=3)
    worker = bench.start(run)
    until("a trial runs", lambda: bench.store.trial(run, 0))
    assert bench.store.cancel(run) == "cancelled"
    assert bench.ended(worker, 30) == 0
    assert [trial.state for trial in bench.store.trials(run, 0)] == ["retry"], "it runs if the run goes on again"
    assert "[t0.1] awsrun: cancelled after" in bench.log(0)


def test_cancelling_one_trial_stops_it_alone(bench: Bench) -> None:
    run = bench.submit("slow", total=2)
    worker = bench.start(run)
    pid = until("trial 0 runs", lambda: bench.steps(0, 1))[0][0]
    bench.store.cancel_trial(run, 0)
    until("its process ends", lambda: gone(pid), 20)
    assert bench.ended(worker) == 0
    assert [trial.state for trial in bench.store.trials(run, 0)] == ["cancelled", "done"]
    assert len(bench.steps(0, 1)) < 20


def test_a_failed_trial_put_back_runs_again(bench: Bench) -> None:
    run = bench.submit("bad")
    assert bench.ended(bench.start(run)) == 0
    bench.write(
        (bench.root / "project" / "jobs" / "job.py").read_text().replace("raise ValueError", "return {'y': 1} #")
    )
    assert bench.store.retry(run) == 1
    assert bench.ended(bench.start(run, slot=bench.store.next_slot(run))) == 0
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.result, trial.error) == ("done", 2, {"y": 1}, None)


def test_the_engine_starts_a_killed_worker_again(bench: Bench) -> None:
    run = bench.submit("slow", lease=600.0)
    worker = bench.start(run)
    in_the_middle(bench, run)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert bench.ended(bench.start(run, attempt=2)) == 0, "a higher boot on the slot says that the old one is dead"
    went_on(bench, run)
    assert os.path.exists(bench.marks / "0.2")
    slot, trial = bench.store.worker(run, 0), bench.trial(run)
    assert slot is not None and (slot.boot, slot.former) == (2000, 1000)
    assert slot.past_ms > 0 < trial.lost_ms, "what its first start took is not forgotten"


def test_sigterm_while_s3_is_gone_keeps_the_checkpoint_before(bench: Bench) -> None:
    road = Road(bench.env["AWS_ENDPOINT_URL"])
    run = bench.submit("slow", 1, beat=0.2)
    bench.env["AWS_ENDPOINT_URL_S3"] = road.url
    worker = bench.start(run)
    in_the_middle(bench, run)
    road.cut()
    stored = len(bench.steps(0, 1))
    until("a checkpoint that cannot be stored", lambda: len(bench.steps(0, 1)) > stored + 3)
    worker.send_signal(signal.SIGTERM)
    assert bench.ended(worker, 30) == TERMINATED, "Batch and ECS kill it after 30 s"
    trial = bench.trial(run)
    assert (trial.state, trial.attempt, trial.losses) == ("retry", 1, ())
    del bench.env["AWS_ENDPOINT_URL_S3"]
    assert bench.ended(bench.start(run, slot=1)) == 0
    assert went_on(bench, run) <= stored + 1
