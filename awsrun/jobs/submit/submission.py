"""Submitting a run: all is checked and packed first, then written in an order in which a kill is harmless.

Archive, inputs, the run's record, SubmitJob, then the job's id into the record.  Whatever was cut off is never half a
run: before the record there is none, after it `awsrun resume` starts the workers.  Trials are not written at all, so a
million of them cost what one costs.
"""

from __future__ import annotations

import getpass
import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from awsrun import __version__
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, code_of
from awsrun.jobs.site import Site
from awsrun.jobs.submit import ids, pack, reuse
from awsrun.jobs.submit.request import Request
from awsrun.jobs.workers import batch, launch, price, sizes
from awsrun.jobs.workers import image as images
from awsrun.worker.protocol.runs import Limits, Run
from awsrun.worker.protocol.samplers import SAMPLERS

ROUNDS = 5
"""Trials for each worker of a search that learns: all at once would be a random search."""
_MISSING = ("404", "NoSuchKey", "NotFound")


def fitting(request: Request, jobs: Mapping[str, Any]) -> int:
    """How many workers to start: no more than trials, than the stack's vCPUs hold, than Batch takes in one array.

    Of a search that learns, unless the user wants more, so few that each trial can learn from most of those before it.
    """
    per_worker = float(jobs.get("vcpus") or 1)
    most = max(1, math.floor(float(jobs.get("max_vcpus") or per_worker) / per_worker))
    sampler = SAMPLERS.get(request.space["search"])
    wanted = min(max(1, request.total // ROUNDS), sampler.pending) if sampler else batch.MOST_WORKERS
    return min(request.total, most, batch.MOST_WORKERS, request.workers or wanted)


def submit(
    request: Request,
    site: Site,
    now: datetime | None = None,
    token: Callable[[], str] = ids.token,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Make the run and start its workers; the run's id.

    Raises:
        AwsrunError: no machine holds such workers, or AWS refuses a step.  A run that was written already says so,
            with the command that goes on.
    """
    site = sizes.resized(site, request.size)
    cloud, jobs = site.live()
    at = now or datetime.now(timezone.utc)
    listed = price.hourly(cloud, jobs, 1)
    hourly = _price(request, cloud, listed)
    code, diff = request.archive.zipped(), request.archive.diff()
    if not _exists(cloud, jobs["bucket"], code.key):
        _put(cloud, jobs["bucket"], code.key, code.data)
    if diff:
        _put(cloud, jobs["bucket"], code.beside(diff), diff)
    workers = fitting(request, jobs)
    earlier, image = request.earlier, request.image
    if request.reuse and earlier is None:
        looked = reuse.look(site, request)
        earlier, image = looked.runs, looked.image
    image = image or images.resolve(cloud, jobs)
    whole = Run(
        run="",
        job=request.archive.job,
        function=request.job.entry,
        batch=request.batch,
        space=request.space,
        total=request.total,
        seed=request.seed,
        metric=request.job.metric or "",
        mode=request.job.mode,
        objectives=request.job.objectives,
        code_key=code.key,
        code_hash=code.sha256,
        requirements=request.requirements,
        bucket=str(jobs["bucket"]),
        log_group=str(jobs.get("log_group") or ""),
        size=sizes.recorded(jobs, request.size),
        limits=replace(request.limits, workers=workers, price=hourly, grace=_grace(request.limits, jobs)),
        provenance={
            **provenance(request.archive),
            "command": request.command,
            "context": cloud.context.name,
            "hourly": listed,
            "image": image.record(),
            "diff": code.beside(diff) if diff else "",
        },
        asked=request.asked,
        reuse=tuple(earlier or ()),
        submitted_at=at.isoformat(timespec="seconds"),
    )
    run = _create(site, whole, request, at, token)
    launch.workers(site, run, workers, sleep=sleep, image=image)
    return run.run


def _grace(limits: Limits, jobs: Mapping[str, Any]) -> float:
    """How long trials may take to checkpoint at SIGTERM: a little less than it is to SIGKILL, where that is known."""
    return max(2.0, float(jobs["stop_timeout"]) - 5) if "stop_timeout" in jobs else limits.grace


def _price(request: Request, cloud: Cloud, listed: float | None) -> float:
    """Of a worker's hour, in dollars, for its limit; 0 where nothing costs anything or nobody knows.

    Args:
        listed: AWS's list price.

    Raises:
        AwsrunError: it is needed and not known.
    """
    if cloud.context.name == "local":
        return 0.0
    if listed is None and request.limits.max_cost:
        raise AwsrunError("--max-cost cannot be kept", "the price of these workers is not known", "--max-time 2h")
    return listed or 0.0


def provenance(archive: pack.Archive) -> dict[str, Any]:
    """Where the code came from and who submitted it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user on this machine, as in some containers
        user = ""
    return {
        "commit": archive.commit,
        "dirty": list(archive.dirty[:100]),
        "root": str(archive.root),
        "user": user,
        "python": platform.python_version(),
        "awsrun": __version__,
    }


def _create(site: Site, whole: Run, request: Request, at: datetime, token: Callable[[], str]) -> Run:
    """Write the run's record under an id that nobody has."""
    cloud, jobs = site.live()
    while True:
        run = replace(whole, run=ids.new(request.archive.job, at, token()))
        if request.inputs:
            keys = {"key": f"awsrun/inputs/{run.run}.jsonl", "index": f"awsrun/inputs/{run.run}.index"}
            _put(cloud, jobs["bucket"], keys["key"], request.inputs.lines)
            _put(cloud, jobs["bucket"], keys["index"], request.inputs.index)
            run = replace(run, space={**request.space, "inputs": {**request.space.get("inputs", {}), **keys}})
        if site.store.create(run):
            return run


def _exists(cloud: Cloud, bucket: str, key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        cloud.read("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in _MISSING:
            return False
        raise
    return True


def _put(cloud: Cloud, bucket: str, key: str, data: bytes) -> None:
    """A put of the same bytes may be repeated, so the client that repeats does it."""
    cloud.read("s3").put_object(Bucket=bucket, Key=key, Body=data)
