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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from awsrun import __version__
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, code_of
from awsrun.jobs.site import Site
from awsrun.jobs.submit import ids, inputs, pack, pruning, reuse, signature, spaces
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.workers import batch, launch, price, sizes
from awsrun.jobs.workers import image as images
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.runs import Limits, Run
from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.space import params as space_params

ROUNDS = 5
"""Trials for each worker of a search that learns: all at once would be a random search."""
USUAL_BLOCK = 32  # lines
_MISSING = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class Request:
    """A checked submit: nothing has been called yet.

    Attributes:
        space: as awsrun.worker.protocol.space has it, without the S3 keys of the inputs.
        workers: the most the user wants, None for as many as fit.
        command: what the user typed, for the run's provenance; empty from Python.
        asked: what the user asked for beside job, space and seed, for the run's record.
        batch: the function that takes a block of inputs at once; "" where each line is a trial.
        size: of each worker, where it is to be another than the stack's definition says.
        reuse: take results from earlier runs; ``earlier``: from these, None as long as nobody has looked.
        image: that the workers start from, None as long as nobody has looked.
    """

    job: signature.Signature
    archive: pack.Archive
    space: Mapping[str, Any]
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    workers: int | None = None
    inputs: inputs.Inputs | None = None
    requirements: str = ""
    command: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    batch: str = ""
    size: sizes.Size = sizes.Size()  # noqa: RUF009  frozen
    reuse: bool = False
    earlier: Sequence[str] | None = None
    image: Image | None = None

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return int(self.space["total"])

    def params(self, n: int) -> dict[str, Any]:
        """The parameters that trial ``n`` will have.

        Raises:
            IndexError: there is no such trial.
            AwsrunError: they depend on the trials before.
        """
        if sampler := SAMPLERS.get(self.space["search"]):
            raise AwsrunError(
                f"the parameters of a {sampler.called} search are not known before", "each trial learns from others"
            )
        files = {"key": self.inputs.lines, "index": self.inputs.index} if self.inputs else {}
        known = {**self.space, "inputs": {**(self.space.get("inputs") or {}), "key": "key", "index": "index"}}
        return space_params(known, self.seed, n, lambda name, first, last: files[name][first : last + 1])


def prepare(experiment: Experiment) -> Request:
    """Check and pack.

    Raises:
        AwsrunError: whatever does not fit.
    """
    known = signature.read(experiment.job).after(experiment.metric)
    read = _inputs(experiment, known)
    lines, names = (read.count, read.names) if read else (None, ())
    block = _block(known, lines, experiment.block, experiment.workers)
    space = spaces.build(
        known,
        experiment.grid,
        experiment.range,
        experiment.set,
        lines,
        names,
        experiment.search,
        experiment.trials,
        block,
    )
    extra = [Path(experiment.requirements)] if experiment.requirements else []
    if extra and not extra[0].is_file():
        raise AwsrunError(f"there is no requirements file {experiment.requirements}")
    if experiment.reuse and (block or experiment.prune):
        why = "it would not stand at the rungs" if experiment.prune else "a block is of its own run's file"
        raise AwsrunError(f"--reuse does not go with {'--prune' if experiment.prune else 'inputs in blocks'}", why)
    archive = pack.collect(Path(experiment.job), extra)
    limits = Limits(
        timeout=experiment.timeout,
        retries=experiment.retries,
        kept=experiment.checkpoints,
        keep_going=experiment.keep_going,
        until=_good_enough(known, experiment.until),
        max_seconds=experiment.max_time,
        max_cost=experiment.max_cost,
        **pruning.limits(known, space, experiment.prune),
    )
    return Request(
        job=known,
        archive=archive,
        space=space,
        seed=experiment.seed,
        limits=limits,
        workers=experiment.workers,
        size=sizes.Size(experiment.vcpus, experiment.memory, experiment.gpus),
        inputs=read,
        requirements=extra[0].resolve().relative_to(archive.root).as_posix() if extra else "",
        asked=experiment.asked(),
        batch=known.batch if block else "",
        reuse=experiment.reuse,
    )


def _inputs(experiment: Experiment, known: signature.Signature) -> inputs.Inputs | None:
    given = experiment.inputs
    if given is None:
        return None
    return inputs.load(Path(given), known) if isinstance(given, str | Path) else inputs.of_rows(given, known)


def _block(known: signature.Signature, lines: int | None, asked: int | None, workers: int | None) -> int | None:
    """How many lines a trial takes; None where each is a trial.

    Unless the user says so: few enough that each worker gets several blocks, and the last ones end at about one time.
    """
    if asked is not None and (lines is None or not known.batch):
        why = "there are no inputs" if lines is None else f"{known.path.name} takes its inputs one by one"
        raise AwsrunError("--block is for inputs that a job takes together", why, "awsrun.main(fn, batch=fn_of_many)")
    if lines is None or not known.batch:
        return None
    return asked or min(USUAL_BLOCK, -(-lines // (4 * (workers or 4))))


def _good_enough(known: signature.Signature, until: Mapping[str, float]) -> float | None:
    """The value of the job's metric at which the run may end."""
    if not until:
        return None
    (name, value), *more = until.items()
    if more or name != known.metric:
        why = f"the job's metric is {known.metric}" if known.metric else "the job names no metric"
        raise AwsrunError(f"a run cannot end by {', '.join(until)}", why, f"--until {known.metric or 'METRIC'}=0.99")
    return value


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
