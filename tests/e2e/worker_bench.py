"""Real workers on the embedded cloud, without the laptop's side: a run's records, its code, and processes to kill."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awsrun
from awsrun.worker.bootstrap import command
from awsrun.worker.protocol.dynamodb import DynamoTable, client
from awsrun.worker.protocol.records import Limits, Run, TrialRecord
from awsrun.worker.protocol.store import RunStore

JOB = '''
import os, random, signal, sys, threading, time
from pathlib import Path
import awsrun

class Counter:
    """Something to keep."""
    def __init__(self): self.value = 0
    def state_dict(self): return {"value": self.value}
    def load_state_dict(self, state): self.value = state["value"]

def quick(trial, x=0):
    print("hello from", x)
    trial.report(y=x / 3)
    (trial.dir / "sub").mkdir()
    (trial.dir / "sub" / "out.txt").write_text(str(x))
    return {"y": x / 3}

def slow(trial, marks, steps=20, x=0):
    counter = Counter()
    trial.keep(counter=counter)
    for i in trial.range(steps):
        with open(f"{marks}/{trial.n}.{trial.attempt}", "a") as file:
            file.write(f"{os.getpid()} {i} {random.random()}\\n")
        time.sleep(0.1)
        counter.value += 1
        trial.report(y=counter.value)
    (trial.dir / "who.txt").write_text(str(trial.attempt))
    return {"y": counter.value}

def breaks(trial, marks, x=0):
    counter = Counter()
    trial.keep(counter=counter)
    if trial.attempt == 2:
        raise ValueError("what was kept is of no use")
    for i in trial.range(3):
        with open(f"{marks}/{trial.n}.{trial.attempt}", "a") as file:
            file.write(f"0 {i} 0\\n")
        if (trial.attempt, i) == (1, 1):
            raise ValueError("broken")
        counter.value += 1
        trial.report(y=counter.value)
    return {"y": counter.value}

def bad(trial, x=0):
    time.sleep(0.05)
    raise ValueError("no good")  # line 34

def stuck(trial, x=0):
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass

def crash(trial, x=0):
    print("about to crash", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)

def nothing(trial, x=0):
    return None

def tensor(trial, x=0):
    return {"y": object()}
'''


def until(what: str, holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to become true; what it is then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Bench:
    """One run on a cloud, and its workers.

    Attributes:
        marks: a folder where trials of ``slow`` leave ``pid step random`` lines, a file per attempt.
    """

    def __init__(self, cloud: Any, folder: Path) -> None:
        import boto3

        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))},
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.s3 = cloud.client("s3")
        self.folder, self.marks = folder, folder / "marks"
        self.marks.mkdir()
        self.root = folder / "archive"
        (self.root / "project" / "jobs").mkdir(parents=True)
        self.write(JOB)
        name = f"bench-{os.urandom(4).hex()}"
        self.bucket = self.table = name
        self.s3.create_bucket(Bucket=name)
        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
        dynamo = client(session, endpoint_url=cloud.endpoint)
        dynamo.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self.store = RunStore(DynamoTable(dynamo, name))
        self.workers: list[subprocess.Popen[str]] = []

    def write(self, job: str) -> None:
        """Make this the job file."""
        (self.root / "project" / "jobs" / "job.py").write_text(job)

    def submit(self, function: str, total: int = 1, **limits: Any) -> str:
        """A new run of ``function`` with x = 0, 1, ...; its id."""
        fixed = {"marks": str(self.marks)} if function in ("slow", "breaks") else {}
        space = {"search": "grid", "axes": {"x": list(range(total))}, "set": fixed, "total": total}
        settings = Limits(**{"lease": 3.0, "beat": 0.5, "checkpoint": 0.3, "grace": 10.0, **limits})
        run = f"run-{os.urandom(3).hex()}"
        made = Run(run, "jobs/job.py", function, space, total, seed=5, metric="y", bucket=self.bucket, limits=settings)
        assert self.store.create(made)
        return run

    def pack(self) -> tuple[str, str]:
        """Upload the archive as ``awsrun submit`` does; its key and SHA-256."""
        buffer = io.BytesIO()
        package = Path(awsrun.__file__).parent
        with zipfile.ZipFile(buffer, "w") as archive:
            for path in [package / "__init__.py", *sorted((package / "worker").rglob("*.py"))]:
                archive.write(path, f"awsrun/{path.relative_to(package)}")
            for path in sorted((self.root / "project").rglob("*.py")):
                archive.write(path, str(path.relative_to(self.root)))
        self.s3.put_object(Bucket=self.bucket, Key="code.zip", Body=buffer.getvalue())
        return "code.zip", hashlib.sha256(buffer.getvalue()).hexdigest()

    def start(
        self, run: str, slot: int = 0, packed: tuple[str, str] | None = None, attempt: int = 1
    ) -> subprocess.Popen[str]:
        """A worker: from the container's command if ``packed``, else from this checkout.

        Args:
            attempt: how often Batch has started this slot, this time included.
        """
        if packed:
            arguments = command(self.bucket, *packed, run, self.table, "us-east-1", python=sys.executable)
        else:
            arguments = [sys.executable, "-m", "awsrun.worker", "--root", str(self.root)]
            arguments += ["--run", run, "--table", self.table]
        env = {**self.env, "AWS_BATCH_JOB_ARRAY_INDEX": str(slot), "AWSRUN_LOG_STREAM": f"stream-{slot}"}
        env["AWS_BATCH_JOB_ATTEMPT"] = str(attempt)
        log = open(self.folder / f"log-{len(self.workers)}", "w")  # noqa: SIM115  the worker's
        worker = subprocess.Popen(arguments, env=env, cwd=self.folder, stdout=log, stderr=log, text=True)
        log.close()
        self.workers.append(worker)
        return worker

    def log(self, worker: int) -> str:
        """What a worker has printed."""
        return (self.folder / f"log-{worker}").read_text()

    def ended(self, worker: subprocess.Popen[str], seconds: float = 90.0) -> int:
        """A worker's exit code."""
        try:
            return worker.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker goes on; its log: {self.log(self.workers.index(worker))}") from None

    def trial(self, run: str, n: int = 0) -> TrialRecord:
        found = self.store.trial(run, n)
        assert found is not None
        return found

    def steps(self, n: int, attempt: int) -> list[tuple[int, int, float]]:
        """The lines that an attempt of ``slow`` has left: pid, step, random number."""
        path = self.marks / f"{n}.{attempt}"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [(int(pid), int(step), float(drawn)) for pid, step, drawn in map(str.split, lines)]

    def keys(self, prefix: str) -> list[str]:
        """The bucket's keys below a prefix."""
        return [
            entry["Key"] for entry in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        ]

    def close(self) -> None:
        """Kill what still runs."""
        for i, worker in enumerate(self.workers):
            print(f"--- log of worker {i}\n{self.log(i)}")  # pytest shows it when the test failed
            if worker.poll() is None:
                worker.kill()
                worker.wait()
