"""Smaller parts of the worker: what a failure says, lines from pieces, the container's command, forking."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from awsrun.worker.__main__ import Place
from awsrun.worker.bootstrap import ASKED, AWAY, SCRIPT, command
from awsrun.worker.job import wire
from awsrun.worker.job.failures import TRACEBACK, describe, died
from awsrun.worker.job.jobfile import load
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.failfast import signature
from awsrun.worker.protocol.faults import FaultyTable, Rates
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered


def test_a_failure_names_the_users_file_even_below_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "fails.py").write_text("import json\n\ndef go():\n    json.loads('{')\n")
    try:
        load(tmp_path, "fails.py", "go").one()
    except ValueError as error:
        found = describe(error, tmp_path)
    assert (found["type"], found["file"], found["line"]) == ("JSONDecodeError", "fails.py", 4)


def test_a_syntax_error_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "wrong.py").write_text("x = 1\ndef go(:\n")
    with pytest.raises(SyntaxError) as raised:
        load(tmp_path, "wrong.py", "go")
    found = describe(raised.value, tmp_path)
    assert (found["file"], found["line"]) == ("wrong.py", 2)


def test_a_job_in_a_package_imports_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    package = tmp_path / "src" / "labpack" / "deep"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package.parent / "words.py").write_text("WORD = 'above'\n")
    (package / "beside.py").write_text("from ..words import WORD\nBOTH = WORD + ' and beside'\n")
    (package / "job.py").write_text("from .beside import BOTH\n\ndef go():\n    return BOTH, __name__\n")
    assert load(tmp_path, "src/labpack/deep/job.py", "go").one() == ("above and beside", "labpack.deep.job")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "near.py").write_text("X = 7\n")
    (alone / "job.py").write_text("from .near import X\n\ndef go():\n    return X\n")
    assert load(tmp_path, "alone/job.py", "go").one() == 7, "a folder without __init__.py is a package, too"


def test_a_long_traceback_keeps_its_end(tmp_path: Path) -> None:
    found = describe(ValueError("x" * 10_000 + "end"), tmp_path)
    assert len(found["traceback"]) <= TRACEBACK and found["traceback"].endswith("end\n")


def test_how_a_process_died() -> None:
    killed = died(-9, 2_048_000)
    assert killed["signal"] == "SIGKILL" and killed["peak_mib"] == 2000 and "out of memory?" in killed["message"]
    assert "code 3" in died(3, 0)["message"]


def test_failures_alike() -> None:
    first = {"type": "ValueError", "message": "got 1", "file": "a.py", "line": 3}
    assert signature(first) == signature({**first, "message": "got 2"}) != signature({**first, "line": 4})


def test_lines_from_pieces() -> None:
    lines = wire.Lines(limit=5)
    assert list(lines.feed(b"a\nb")) == [b"a"]
    assert list(lines.feed(b"c\n\nd")) == [b"bc", b""]
    assert list(lines.feed(b"efghi")) == [b"defghi"], "too long: in parts"
    assert lines.end() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pipes are small")
def test_a_job_that_never_stops_talking_is_read_piece_by_piece() -> None:
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.set_blocking(reads, False)
    os.write(writes, bytes(1 << 19))
    assert [len(wire.drain(reads)[0]) for _ in range(3)] == [1 << 18, 1 << 18, 0]
    os.write(writes, bytes(1 << 19))
    os.close(writes)
    assert [(len(data), closed) for data, closed in (wire.drain(reads, 4 << 20), wire.drain(reads))] == [
        (1 << 19, True), (0, True)
    ]  # fmt: skip
    os.close(reads)


@pytest.mark.parametrize(
    ("env", "me"),
    [
        ({}, Me(10, 1000)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ATTEMPT": "2"}, Me(13, 2000)),
    ],
)
def test_a_workers_place(env: dict[str, str], me: Me) -> None:
    assert Place.find({**env, "AWSRUN_LOG_STREAM": "s"}, 10) == Place(me, "s", "")


def test_a_busy_agent_is_asked_again_and_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "Labels": {"com.amazonaws.ecs.task-arn": "arn:aws:ecs:r:1:task/c/abc"},
        "LogOptions": {"awslogs-stream": "s"},
    }
    asked: list[str] = []

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(429 if len(asked) == 1 else 200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Place.find({"ECS_CONTAINER_METADATA_URI_V4": f"http://127.0.0.1:{server.server_port}/v4"}, 3)
        server.shutdown()
    assert (found.log_stream, found.job_id, asked) == ("s", "abc", ["/v4", "/v4"])


def test_a_worker_of_a_job_that_was_submitted_twice_knows_it() -> None:
    engine = {"groups": [{"job": "one", "workers": 2, "slot": 0}, {"job": "three", "workers": 1, "slot": 2}]}
    for job, slot, doubled in (("one:1", 1, False), ("two:1", 1, True), ("three", 2, False), ("four", 3, False)):
        assert Place(Me(slot, 1000), "", job).doubled(engine) is doubled, (job, slot)
    assert not Place(Me(0, 1000), "", "one:0").doubled({}), "the laptop has not noted it yet"


FAKE_BOTO3 = """
import io, os
class client:
    def __init__(self, *a, **k): pass
    def get_object(self, **k): return {"Body": io.BytesIO(open(os.environ["ARCHIVE"], "rb").read())}
"""


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../evil.py", "x")
    (tmp_path / "boto3.py").write_text(FAKE_BOTO3)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    arguments = command("b", "k", digest, "r", "t", python=sys.executable)
    assert arguments[2] == SCRIPT
    # ECS takes 8,192 characters of overrides, for jobs of Batch, too: https://github.com/Netflix/metaflow/issues/1482
    assert len(json.dumps({"command": arguments})) < 4096
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "ARCHIVE": str(archive), "TMPDIR": str(tmp_path)}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "'../../evil.py' leaves the archive" in done.stderr
    assert not list(tmp_path.rglob("evil.py"))


AGENT = """
import botocore.utils, boto3
botocore.utils.ContainerMetadataFetcher.SLEEP_TIME = 0
"""


@pytest.mark.parametrize(("silent", "code"), [(5, 0), (1000, AWAY)])
def test_credentials_that_do_not_come_at_once_are_waited_for(tmp_path: Path, silent: int, code: int) -> None:
    """By ECS's agent when many tasks start; botocore itself asks three times."""
    archive, asked = io.BytesIO(), list[str]()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("awsrun/worker/__main__.py", "print('it works')")
    keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2100-01-01T00:00:00Z"}

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            late = self.path == "/keys" and len(asked) <= silent
            self.send_response(503 if late else 200)
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode() if self.path == "/keys" else archive.getvalue())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    (tmp_path / "sitecustomize.py").write_text(AGENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {
            **kept, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path), "AWS_ENDPOINT_URL": address,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{address}/keys", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }  # fmt: skip
        digest = hashlib.sha256(archive.getvalue()).hexdigest()
        arguments = command("b", "k", digest, "r", "t", region="us-east-1", python=sys.executable)
        done = subprocess.run(arguments, env=env, capture_output=True, text=True)
        server.shutdown()
    assert (done.returncode, "it works" in done.stdout) == (code, not code), done.stderr
    assert len(asked) == (silent + 2 if not code else ASKED)


FORKS = """
import sys
import threading
import zipfile
sys.path.insert(0, sys.argv[1])
{setup}
from awsrun.worker.job.zygote import unsafe_to_fork
print(unsafe_to_fork())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("import json", ""),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "1 threads"),
        ("import torch; from awsrun.worker.job.zygote import warm; warm()", ""),
        ("import torch; kept = torch.zeros(3)", "made tensors"),
    ],
)
def test_forking_only_where_it_is_safe(setup: str, why: str) -> None:
    if "torch" in setup:
        pytest.importorskip("torch")
    root = str(Path(__file__).parents[2])
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    code = FORKS.format(setup=setup)
    done = subprocess.run(
        [sys.executable, "-c", code, root], env={**os.environ, **one}, capture_output=True, text=True, check=True
    )
    assert why in done.stdout if why else done.stdout == "\n"


def test_what_is_never_answered_is_given_up() -> None:
    waits: list[float] = []
    table = FaultyTable(MemoryTable(), Rates(dropped=1.0), Random(1))
    store = RunStore(table, sleep=waits.append, pauses=(1.0, 2.0))
    with pytest.raises(Unanswered):
        store.reserve("r", 1, 5)
    assert waits == [1.0, 2.0]


class CountingTable(MemoryTable):
    """Counts calls."""

    calls = 0

    def __getattribute__(self, name: str) -> object:
        if name in ("put", "update", "get", "query", "put_all"):
            type(self).calls += 1
        return super().__getattribute__(name)


def test_a_long_run_costs_little_more_than_two_writes_a_trial() -> None:
    from dataclasses import replace

    total = 20_000
    table = CountingTable()
    store = RunStore(table)
    run = Run("r", "j.py", "f", {}, total, limits=Limits())
    store.create(run)
    claims = Claims(store, run, Identity(Me(0, 1000)), Tools(lambda n: {}, rng=Random(1)))
    CountingTable.calls = 0
    done = 0
    while not claims.ended:
        trial = claims.next(count=50) or claims.sweep()
        if trial is not None:
            record = replace(trial, state="done")
            claims.settled(record, store.settle("r", record))
            done += 1
    assert done == total and store.status("r").state == "done"
    assert sum(shard.counts["done"] for shard in store.shards("r", 0).values()) == total
    assert CountingTable.calls < total * 2.1
