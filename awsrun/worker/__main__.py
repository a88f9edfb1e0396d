"""``python -m awsrun.worker --root DIR --run RUN --table TABLE``: one worker, until nothing is left for it to do.

Region, endpoint and credentials come from the environment, as boto3 has them.  On Batch the slot comes from
``AWS_BATCH_JOB_ARRAY_INDEX`` and the start from ``AWS_BATCH_JOB_ATTEMPT``
(https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html); on ECS from what `awsrun.worker.fargate` gives.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from awsrun.worker import fargate
from awsrun.worker.bootstrap import ASKED, AWAY, PROJECT
from awsrun.worker.cores import bounded
from awsrun.worker.courier import Courier
from awsrun.worker.heartbeat import Heartbeat
from awsrun.worker.nursery import Job, Zygote
from awsrun.worker.objects import Objects, clients
from awsrun.worker.protocol import dynamodb, records, space
from awsrun.worker.protocol.budget import Budget
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.patience import LONG, PatientTable
from awsrun.worker.protocol.reads import PAUSES
from awsrun.worker.protocol.records import DONE, FAILED, FINAL, ON_HOLD, Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered, Value
from awsrun.worker.reclaim import Reclaim
from awsrun.worker.relief import Relief
from awsrun.worker.requirements import install, packages
from awsrun.worker.search import Bayes
from awsrun.worker.supervisor import TERMINATED, Supervisor


@dataclass(frozen=True)
class Place:
    """Where this worker is: its slot and start, its log, its job.

    Attributes:
        seats: the slot is any of so many from ``me.slot`` on that is free; 0 where it is that slot.
    """

    me: Me
    log_stream: str
    job_id: str
    seats: int = 0

    @classmethod
    def find(cls, env: Mapping[str, str], first_slot: int) -> Place:
        slot = first_slot + int(env.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
        boot = 1000 * int(env.get(fargate.ATTEMPT) or env.get("AWS_BATCH_JOB_ATTEMPT", "1"))
        stream, task = _container(env.get("ECS_CONTAINER_METADATA_URI_V4", ""))
        stream, seats = env.get("AWSRUN_LOG_STREAM") or stream, int(env.get(fargate.SEATS, "0"))
        job = env.get("AWS_BATCH_JOB_ID") or task or (uuid.uuid4().hex if seats else "")
        return cls(Me(slot, boot), stream, job, seats)

    def doubled(self, engine: Mapping[str, Any]) -> bool:
        """Whether the run knows another job by this slot: the answer to a SubmitJob was lost, and it was sent again."""
        if engine.get("kind") == fargate.KIND:
            return False  # client tokens rule that out
        mine = self.job_id.partition(":")[0]
        groups = [g for g in engine.get("groups", ()) if 0 <= self.me.slot - g["slot"] < g["workers"]]
        return bool(mine and groups) and mine not in (group["job"] for group in groups)


def _container(uri: str) -> tuple[str, str]:
    """Log stream and task id by the container's metadata; empty where there is none (the laptop then asks Batch by job
    id).

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
    """
    if not uri:
        return "", ""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # metadata are behind no proxy
    told: dict[str, Any] = {}
    for wait in (0.5, 1.0, 2.0, 0.0):  # ECS's agent may be busy where many tasks start
        try:
            with direct.open(uri, timeout=2) as answer:
                told = json.loads(answer.read())
            break
        except (OSError, ValueError):
            time.sleep(wait)
    task = str((told.get("Labels") or {}).get("com.amazonaws.ecs.task-arn", ""))
    return str((told.get("LogOptions") or {}).get("awslogs-stream", "")), task.rpartition("/")[2]


def main(arguments: list[str]) -> int:
    """One worker; its exit code."""
    try:
        return _main(arguments)
    except Unanswered as error:
        print(f"[awsrun] this worker goes: no answer for too long ({error})", flush=True)
        return AWAY


def _main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m awsrun.worker")
    parser.add_argument("--root", type=Path, required=True, help="the unpacked archive")
    parser.add_argument("--run", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--slots", type=int, default=0, help="the first slot of this group of workers")
    asked = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what jobs and their errors say may be anything
    _ask_patiently_for_credentials()
    store = RunStore(PatientTable(dynamodb.DynamoTable(dynamodb.client(), asked.table)), pauses=LONG)
    run = store.run(asked.run)
    if run is None:
        print(f"[awsrun] there is no run {asked.run} in table {asked.table}", flush=True)
        return 1
    if run.state in FINAL or run.state == ON_HOLD:
        print(f"[awsrun] run {run.run} is {run.state}", flush=True)
        return 0
    place = Place.find(os.environ, asked.slots)
    if place.doubled(run.engine):
        print(f"[awsrun] another job has slot {place.me.slot} of this run", flush=True)
        return 0
    info: dict[str, Value] = {
        "log_stream": place.log_stream,
        "job_id": place.job_id,
        "started_ms": time.time_ns() // 1_000_000,
    }
    before = None if place.seats else store.worker(run.run, place.me.slot)
    if before is not None:
        info |= before.follows(run.limits.beat)
    sit = partial(store.sit, run.run, place.me, place.seats)
    me = sit(info) if place.seats else store.register(run.run, place.me, info)
    if me is None:
        print("[awsrun] a newer start of this worker is there, or another one in its slot", flush=True)
        return 0
    print(f"[awsrun] worker {me} of run {run.run}", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"awsrun-{me.slot}-") as scratch:
        return _work(store, run, Identity(me), place, asked, Path(scratch))


def _ask_patiently_for_credentials() -> None:
    """As in `awsrun.worker.bootstrap`: now, and whenever they are renewed, which is every few hours."""
    from botocore.utils import ContainerMetadataFetcher

    ContainerMetadataFetcher.RETRY_ATTEMPTS = ASKED


def _work(store: RunStore, run: Run, who: Identity, place: Place, asked: Any, scratch: Path) -> int:
    hasty, parts = clients()
    objects = Objects(hasty, run.bucket, run.run, parts)
    bayes = Bayes(store, run) if run.adaptive else None
    tools = Tools(
        bayes.params if bayes else lambda n: space.params(run.space, run.seed, n, objects.read_range),
        rng=random.Random(),
        enough=Budget(store, run, who.me.slot).spent,
        stopped=partial(_drop, objects),
    )
    claims = Claims(store, run, who, tools, place.log_stream)
    root, site = asked.root / PROJECT, scratch / "site"
    job = Job(root, run.job, run.function, run.batch)
    env = bounded(os.environ)  # as it is now: while Optuna chooses a trial, it bounds the threads of all that starts
    supervisor = Supervisor(run, claims, lambda: Zygote(job, str(packages(site)) if run.requirements else "", env))
    signal.signal(signal.SIGTERM, supervisor.terminate)
    own = RunStore(dynamodb.DynamoTable(dynamodb.client(), asked.table), pauses=())  # each beat is a repeat
    heartbeat = Heartbeat(own, run.run, who, run.limits.beat, supervisor.tell)
    heartbeat.start()
    relief, reclaim = _relief(run, who, asked), Reclaim.here(supervisor.tell, os.environ)
    if reclaim:
        reclaim.start()
    courier = Courier(store, objects, run, claims, supervisor.wake, scratch)
    how = FAILED
    try:
        error = install(root / run.requirements, site) if run.requirements else None
        if bayes and not error:
            error = bayes.prepare(packages(site))
        if error:
            print(f"[awsrun] {error['message']}\n{error['traceback']}", flush=True)
            return 0 if claims.fail_run(error) else 1
        code = supervisor.work(courier)
        how = {0: DONE, TERMINATED: records.TERMINATED, AWAY: records.TERMINATED}.get(code, FAILED)
        return code
    finally:
        if relief:
            relief.stop()
        heartbeat.stop()
        courier.close()
        _say_goodbye(store, run, who.me, how)
        if reclaim:
            reclaim.stop()
            if how == records.TERMINATED:
                reclaim.stay()


def _drop(objects: Objects, n: int) -> None:
    """Delete the checkpoints of a trial that was stopped; the run is worth more than a clean bucket."""
    try:
        objects.drop_checkpoints(n)
    except Exception as error:
        print(f"[awsrun] old checkpoints of trial {n} not deleted: {error}", flush=True)


def _say_goodbye(store: RunStore, run: Run, me: Me, how: str) -> None:
    """Others need not wait for a lease then; for a table that does not answer, this one does not wait long."""
    try:
        RunStore(store.table, pauses=PAUSES).leave(run.run, me, how)
    except Unanswered as error:
        print(f"[awsrun] nobody is told that this worker has left: {error}", flush=True)


def _relief(run: Run, who: Identity, asked: Any) -> Relief | None:
    """On ECS: what has lost workers replaced, at work."""
    if run.engine.get("kind") != fargate.KIND:
        return None
    import boto3

    session = boto3.Session()  # of its own: one session makes clients in one thread
    table = dynamodb.DynamoTable(dynamodb.client(session), asked.table)
    found = Relief(RunStore(table), run, who, partial(fargate.ask, partial(session.client, "ecs")))
    found.start()
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
