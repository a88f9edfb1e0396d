"""Jobs as records: a job, or the children of an array, and their attempts.  Times are in milliseconds, as in Batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
OVER = frozenset({"SUCCEEDED", "FAILED"})
WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})  # what CancelJob ends


@dataclass
class Attempt:
    """One start of a job's process."""

    started: int
    stream: str
    stopped: int | None = None
    exit_code: int | None = None
    reason: str = ""  # of the job's status
    container_reason: str = ""
    counted: bool = True  # False where the server was stopped on purpose, which costs the job no attempt
    shipped: int = 0  # bytes of its output that are in the logs

    def describe(self) -> dict[str, Any]:
        container: dict[str, Any] = {"logStreamName": self.stream}
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        if self.container_reason:
            container["reason"] = self.container_reason
        told = {"container": container, "startedAt": self.started, "statusReason": self.reason}
        return told if self.stopped is None else {**told, "stoppedAt": self.stopped}


@dataclass
class Unit:
    """What runs: a plain job, or one child of an array.

    Attributes:
        index: of the child; None for a plain job.
        ending: why it was terminated, while its process still ends.
        cancelled: why it was cancelled before it began; it fails once what it depends on is over.
        stopped: when it was over.
    """

    id: str
    index: int | None = None
    status: str = "SUBMITTED"
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    stopped: int | None = None
    ending: str | None = None
    cancelled: str | None = None

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def running(self) -> bool:
        return self.status in ("STARTING", "RUNNING")

    @property
    def number(self) -> int:
        """Of the attempt that runs or ran last, from 1: AWS_BATCH_JOB_ATTEMPT."""
        return sum(attempt.counted for attempt in self.attempts[:-1]) + 1

    @property
    def started(self) -> int | None:
        return self.attempts[-1].started if self.attempts else None


@dataclass
class Job:
    """What SubmitJob made.

    Attributes:
        container: containerProperties with the overrides merged in; the command has its parameters filled in.
        attempts: at most so many.
        rules: evaluateOnExit.
        timeout: seconds per attempt, or None.
        units: the children of an array by index, or the one plain job.
    """

    id: str
    name: str
    arn: str
    queue: str
    definition: str
    definition_name: str
    created: int
    container: dict[str, Any]
    parameters: dict[str, str]
    depends_on: list[dict[str, str]]
    attempts: int
    retry: dict[str, Any]
    timeout: int | None
    tags: dict[str, str]
    propagate_tags: bool
    platform: list[str]
    size: int | None
    units: list[Unit]
    status: str = "SUBMITTED"  # of the parent of an array
    reason: str = ""
    stopped: int | None = None
    counts: Counter[str] = field(default_factory=Counter)  # of the children by status

    def unit(self, job_id: str) -> Unit | None:
        """The unit that ``job_id`` names; None for the parent of an array or an index that is not there."""
        _, _, index = job_id.partition(":")
        if not index:
            return self.units[0] if self.size is None else None
        return self.units[int(index)] if index.isdigit() and self.size and int(index) < self.size else None

    def move(self, unit: Unit, status: str, reason: str = "") -> None:
        """Change a unit's status, and the parent's with it."""
        self.counts[unit.status] -= 1
        self.counts[status] += 1
        unit.status, unit.reason = status, reason

    def roll_up(self, at: int) -> None:
        """What children make of their parent: PENDING while they run, FAILED once all are over and one failed."""
        if self.size is None:
            self.status = self.units[0].status
            return
        if self.counts["SUCCEEDED"] + self.counts["FAILED"] == self.size:
            if self.status not in OVER:
                self.status = "FAILED" if self.counts["FAILED"] else "SUCCEEDED"
                self.reason = self.reason or ("Array Child Job failed" if self.counts["FAILED"] else "")
                self.stopped = at
        elif self.counts["SUBMITTED"] < self.size:
            self.status = "PENDING"


def describe(job: Job, unit: Unit | None) -> dict[str, Any]:
    """What DescribeJobs says of a unit, or of an array's parent (``unit`` None)."""
    subject: Job | Unit = unit or job
    told: dict[str, Any] = {
        "jobId": subject.id,
        "jobName": job.name,
        "jobArn": job.arn if unit is None or unit.index is None else f"{job.arn}:{unit.index}",
        "jobQueue": job.queue,
        "jobDefinition": job.definition,
        "status": subject.status,
        "createdAt": job.created,
        "dependsOn": job.depends_on,
        "parameters": job.parameters,
        "container": dict(job.container),
        "attempts": [],
        "tags": job.tags,
        "propagateTags": job.propagate_tags,
        "platformCapabilities": job.platform,
        "isCancelled": False,
        "isTerminated": False,
    }
    if job.retry:
        told["retryStrategy"] = job.retry
    if job.timeout is not None:
        told["timeout"] = {"attemptDurationSeconds": job.timeout}
    if subject.reason:
        told["statusReason"] = subject.reason
    if subject.stopped is not None:
        told["stoppedAt"] = subject.stopped
    if unit is None:
        told["arrayProperties"] = {"size": job.size, "statusSummary": {state: job.counts[state] for state in STATES}}
        return told
    if unit.index is not None:
        told["arrayProperties"] = {"index": unit.index, "statusSummary": {}}
    if unit.started is not None:
        last = unit.attempts[-1]
        told["startedAt"] = last.started
        told["container"].update(last.describe()["container"])
    told["attempts"] = [attempt.describe() for attempt in unit.attempts if attempt.stopped is not None]
    told["isTerminated"], told["isCancelled"] = unit.ending is not None, unit.cancelled is not None
    return told


def summarise(job: Job, unit: Unit | None) -> dict[str, Any]:
    """What ListJobs says of it."""
    whole = describe(job, unit)
    names = ("jobArn", "jobId", "jobName", "createdAt", "status", "statusReason", "startedAt", "stoppedAt")
    told = {name: whole[name] for name in (*names, "jobDefinition") if name in whole}
    if unit is None:
        told["arrayProperties"] = {"size": job.size}
    elif unit.index is not None:
        told["arrayProperties"] = {"index": unit.index}
    container = {name: whole["container"][name] for name in ("exitCode", "reason") if name in whole["container"]}
    return {**told, "container": container} if container else told
