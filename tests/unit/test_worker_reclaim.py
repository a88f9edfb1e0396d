"""A spot machine of Batch is taken back: the worker learns of it from the metadata, and does not come back on it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.worker.attempt import Attempt, Claimed
from awsrun.worker.heartbeat import Notice
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Me, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.reclaim import ENDPOINT, GRACE, LEFT, METADATA, Reclaim
from awsrun.worker.supervisor import TERMINATED, Supervisor

BATCH = {"AWS_BATCH_JOB_ID": "job:3"}
NOTICE = '{"action": "terminate", "time": "2026-09-18T08:22:00Z"}'


class Metadata(ThreadingHTTPServer):
    """Those of a machine, by IMDSv2: nothing is told without a token, nor through a proxy."""

    def __init__(self) -> None:
        self.said, self.looks = "", 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                fine = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                self._answer(200 if fine else 400, "a-token")

            def do_GET(self) -> None:
                server.looks += 1
                if self.headers["X-aws-ec2-metadata-token"] != "a-token":
                    self._answer(401, "")
                elif self.path == "/latest/meta-data/spot/instance-action" and server.said:
                    self._answer(200, server.said)
                else:
                    self._answer(404, "")

            def _answer(self, code: int, text: str) -> None:
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Metadata() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_notice_is_told_once_and_the_worker_stays_until_the_machine_ends(metadata: Metadata) -> None:
    told: list[Notice] = []
    reclaim = Reclaim(told.append, f"http://127.0.0.1:{metadata.server_port}", every=0.01)
    reclaim.start()
    until(lambda: metadata.looks > 3)
    assert not told and not reclaim.came
    reclaim.stay()  # a machine that is not taken back is left at once
    metadata.said = NOTICE
    until(lambda: told)
    assert [one.kind for one in told] == ["reclaimed"] and "08:22:00" in told[0].why
    reclaim.stop()
    before = signal.getsignal(signal.SIGTERM)
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        reclaim.stay()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_where_there_are_no_metadata_nobody_asks_for_long() -> None:
    reclaim = Reclaim(pytest.fail, "http://127.0.0.1:9", every=0.01)
    reclaim.start()
    until(lambda: not reclaim._thread.is_alive())


@pytest.mark.parametrize(
    ("env", "asked"),
    [
        (BATCH, METADATA),
        ({**BATCH, "AWS_EXECUTION_ENV": "AWS_ECS_EC2"}, METADATA),
        ({**BATCH, "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, ""),
        ({**BATCH, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, ""),
        ({**BATCH, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566", ENDPOINT: "http://127.0.0.1:1/"}, "http://127.0.0.1:1"),
        ({}, ""),
    ],
)
def test_it_looks_on_machines_of_batch_alone(env: dict[str, str], asked: str) -> None:
    found = Reclaim.here(pytest.fail, env)
    assert (found._endpoint if found else "") == asked


def test_the_trial_has_more_time_to_leave_a_checkpoint_and_batch_starts_the_worker_again(tmp_path: Path) -> None:
    class Zygote:
        pid, code, peak_kib = 0, None, 0

        def begin(self, spec: Any, fds: tuple[int, ...]) -> None:
            self.fds = [os.dup(fd) for fd in fds]

    run, me, store, zygote = a_run(next=0), Me(0, 1000), RunStore(MemoryTable()), Zygote()
    assert store.create(run) and store.register(run.run, me)
    attempt = Attempt(run, Claimed(TrialRecord(0, "run", 1, str(me)), tmp_path), zygote)  # type: ignore[arg-type]
    supervisor = Supervisor(run, Claims(store, run, Identity(me), Tools(lambda n: {})), pytest.fail)
    supervisor._attempt = attempt
    hurried: list[float] = []
    supervisor._courier = SimpleNamespace(hurry=hurried.append)  # type: ignore[assignment]
    supervisor.tell(Notice("reclaimed", why="taken back"))
    supervisor._obey()
    os.set_blocking(zygote.fds[1], False)
    assert os.read(zygote.fds[1], 9) == b"s", "it is told to checkpoint and stop"
    assert hurried == [LEFT], "nor is the bucket given up at once"
    assert GRACE - 5 < attempt.wake_at() - time.monotonic() <= GRACE and supervisor._code == TERMINATED
    for fd in zygote.fds:
        os.close(fd)
    assert attempt.finish().state == "retry"
