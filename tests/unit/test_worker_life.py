"""Workers that are held up, that leave, that cannot start; trials that are killed, and that go on elsewhere."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.worker.attempt import Attempt, Claimed
from awsrun.worker.heartbeat import Heartbeat, Notice
from awsrun.worker.job.trial import Trial
from awsrun.worker.nursery import Job, Zygote
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.graveyard import Graveyard
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.supervisor import LOADING, Supervisor

RUN = a_run(next=0).run
ME, OTHER = Me(0, 1000), Me(1, 1000)


@pytest.fixture
def store() -> RunStore:
    made = RunStore(MemoryTable())
    assert made.create(a_run(next=0)) and made.register(RUN, ME) and made.register(RUN, OTHER)
    return made


def test_nobody_is_buried_by_one_who_was_held_up(store: RunStore) -> None:
    now = [0.0]
    graves = Graveyard(store, RUN, Limits(lease=90.0), lambda: now[0])

    def gone(at: float) -> bool:
        now[0] = at
        worker = store.worker(RUN, 1)
        assert worker is not None
        return graves.gone(worker)

    assert not gone(0.0)
    assert not gone(300.0), "the table did not answer for five minutes, not to the other either"
    assert store.beat(RUN, OTHER)
    assert not gone(305.0), "it lives"
    assert not any(gone(305.0 + seconds) for seconds in range(5, 90, 5))
    assert gone(395.0), "a lease without a beat, looked at all the time"
    assert store.beat(RUN, OTHER) is None


def test_a_heartbeat_that_comes_behind_the_goodbye_brings_nobody_back(store: RunStore) -> None:
    heart = Heartbeat(store, RUN, Identity(ME), 600.0, lambda notice: None)
    heart.start()
    heart.stop()
    store.leave(RUN, ME)
    assert heart.beat() is None
    worker = store.worker(RUN, 0)
    assert worker is not None and (worker.boot, worker.dead) == (1000, True)


def test_a_run_of_which_trials_have_started_does_not_fail_with_one_worker_that_cannot(store: RunStore) -> None:
    run = a_run(next=0)
    claims = Claims(store, run, Identity(ME), Tools(lambda n: {}))
    error = {"type": "ConnectionError", "message": "a download failed", "import": True}
    store.reserve(RUN, 1, run.total)
    assert not claims.fail_run(error) and store.status(RUN).state == "running"
    other = a_run(run="other", next=0)
    assert store.create(other)
    assert Claims(store, other, Identity(ME), Tools(lambda n: {})).fail_run(error)
    assert store.status("other").state == "failed" and store.status("other").error == error


class Starting:
    """A zygote whose trial's process is not known yet."""

    pid, code, peak_kib = 0, None, 0

    def __init__(self) -> None:
        self.killed: list[int] = []

    def begin(self, spec: Any, fds: tuple[int, ...]) -> None:
        self.fds = [os.dup(fd) for fd in fds]

    def kill_trial(self) -> None:
        self.killed.append(self.pid)


class Said:
    """A channel that keeps what was said."""

    def __init__(self) -> None:
        self.lines = b""

    def send(self, message: Any) -> None:
        self.lines += json.dumps(message).encode() + b"\n"

    def stopping(self) -> bool:
        return False

    def told_to_stop(self) -> bool:
        return False


def test_a_trial_that_goes_on_elsewhere_is_as_good_as_it_ever_was(tmp_path: Path) -> None:
    run = a_run(metric="y", mode="max")
    first = Trial(0, {}, 1, tmp_path, Said(), every=0.0, scratch=tmp_path, metric="y")
    first.save({})
    first.report(y=0.9)
    first.report(y=0.5)
    written = sorted(tmp_path.glob("*.ckpt"))[-1].rename(tmp_path / "restored-1")
    zygote: Any = Starting()
    folder = tmp_path / "t0.2"
    folder.mkdir()
    attempt = Attempt(run, Claimed(TrialRecord(0, "run", 2, str(ME)), folder, restored=written), zygote)
    said = Said()
    second = Trial(0, {}, 1, folder, said, attempt=2, scratch=folder, restored=written, metric="y")
    os.write(zygote.fds[0], said.lines)
    attempt.hear()
    assert attempt._steps == 2, "of a trial that is lost again at once it is known how far it was"
    said.lines = b""
    second.report(y=0.6)
    said.send({"type": "result", "result": None})
    os.write(zygote.fds[0], said.lines)
    for fd in zygote.fds:
        os.close(fd)
    found = attempt.finish()
    assert (found.state, found.value, found.step) == ("done", 0.9, 3)


def test_a_trial_that_is_killed_before_its_process_is_known_is_killed(tmp_path: Path) -> None:
    zygote: Any = Starting()
    attempt = Attempt(a_run(), Claimed(TrialRecord(0, "run", 1, str(ME)), tmp_path), zygote)
    attempt.kill("cancelled")
    assert zygote.killed == [0]
    zygote.pid = 7
    while attempt.check() or zygote.killed == [0]:
        time.sleep(max(0.0, attempt.wake_at() - time.monotonic()))
    assert zygote.killed == [0, 7]
    assert attempt.wake_at() > time.monotonic(), "nobody waits for its end in a busy loop"
    for fd in zygote.fds:
        os.close(fd)
    assert attempt.finish().state == "retry", "if its run was cancelled, that may have been put back meanwhile"


@pytest.mark.parametrize(("kind", "order", "why"), [("broken", b"s", "released"), ("superseded", b"", "lost")])
def test_a_worker_without_a_heartbeat_goes_and_its_trial_keeps_its_checkpoint(
    store: RunStore, tmp_path: Path, kind: Any, order: bytes, why: str
) -> None:
    zygote: Any = Starting()
    run = a_run(next=0)
    attempt = Attempt(run, Claimed(TrialRecord(0, "run", 1, str(ME)), tmp_path), zygote)
    supervisor = Supervisor(run, Claims(store, run, Identity(ME), Tools(lambda n: {})), pytest.fail)
    supervisor._attempt = attempt
    hurried: list[bool] = []
    supervisor._courier = SimpleNamespace(hurry=lambda seconds: hurried.append(True))  # type: ignore[assignment]
    supervisor.tell(Notice(kind, why="ClientError: AccessDeniedException"))
    supervisor._obey()
    os.set_blocking(zygote.fds[1], False)
    assert attempt.why == why and bool(zygote.killed) == (kind == "superseded")
    assert bool(hurried) == (kind == "broken"), "a worker that gives its trial back does not wait for S3"
    assert not order or os.read(zygote.fds[1], 9) == order, "it is told to checkpoint and stop"
    for fd in zygote.fds:
        os.close(fd)
    assert attempt.finish().state == "retry"


def test_an_import_that_does_not_end_is_given_up(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time; time.sleep(600)")
    zygote = Zygote(Job(tmp_path, "hangs.py", "job"))
    run = a_run(next=0)
    supervisor = Supervisor(run, Claims(store, run, Identity(ME), Tools(lambda n: {})), pytest.fail)
    supervisor._zygote = zygote
    supervisor._bide()
    assert zygote.error is None, "it may take long"
    zygote.began -= LOADING + 1
    supervisor._bide_until = 0.0
    supervisor._bide()
    while zygote.state != "gone":
        zygote.hear()
    assert (zygote.error or {})["message"] == "importing the job took longer than 3600 s"


def test_a_checkpoint_that_the_job_deletes_holds_nobody_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zygote: Any = Starting()
    attempt = Attempt(a_run(), Claimed(TrialRecord(0, "run", 1, str(ME)), tmp_path), zygote)
    about = {"attempt": 1, "step": 1}
    gone = {"type": "checkpoint", "path": str(tmp_path / "0.ckpt"), "last": about, "best": None, "step": 1}
    os.write(zygote.fds[0], json.dumps(gone).encode() + b"\n")
    for fd in zygote.fds:
        os.close(fd)
    attempt.hear()
    assert not attempt.has_checkpoint and not attempt.take_checkpoints()
    assert "[t0.1] awsrun: checkpoint not kept: [Errno 2] No such file" in capsys.readouterr().out
    attempt.finish()
