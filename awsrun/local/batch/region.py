"""Batch in one region: its records, its jobs, and every change of a job's state."""

from __future__ import annotations

from typing import Any

from awsrun.local.batch.control import ControlPlane, Record
from awsrun.local.batch.errors import BatchError, need
from awsrun.local.batch.jobs import OVER, WAITING, Attempt, Job, Unit

DEPENDENCY_FAILED = "Dependent Job failed"


class Region:
    """What Batch knows in one region.

    ``started``, ``ended`` and ``shipped`` are events: the scheduler records them in the journal, which replays them.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.jobs: dict[str, Job] = {}

    def job(self, name: str) -> Job | None:
        """The job of an id, a child's id, or an ARN."""
        return self.jobs.get(name.rsplit("/", 1)[-1].partition(":")[0])

    def unit(self, unit_id: str) -> tuple[Job, Unit]:
        """The unit of a known id."""
        job = self.jobs[unit_id.partition(":")[0]]
        unit = job.unit(unit_id)
        assert unit is not None
        return job, unit

    def add(self, job: Job) -> None:
        """A job was submitted."""
        self.jobs[job.id] = job
        self.advance(job, job.created)

    def advance(self, job: Job, at: int) -> bool:
        """Move units on whose dependencies allow it; True where anything changed."""
        if not job.depends_on:
            if not job.counts["SUBMITTED"]:
                return False
            for unit in job.units:
                if unit.status == "SUBMITTED":
                    job.move(unit, "RUNNABLE")
            job.roll_up(at)
            return True
        changed = False
        if not (job.counts["SUBMITTED"] or job.counts["PENDING"]):
            return False
        for unit in job.units:
            if unit.status in ("SUBMITTED", "PENDING"):
                verdict, reason = self._dependencies(job, unit), DEPENDENCY_FAILED
                if verdict == "RUNNABLE" and unit.cancelled is not None:
                    verdict, reason = "FAILED", unit.cancelled
                if verdict != unit.status:
                    job.move(unit, verdict, reason if verdict == "FAILED" else "")
                    unit.stopped = at if verdict == "FAILED" else None
                    changed = True
        job.roll_up(at)
        return changed

    def started(self, unit_id: str, at: int, stream: str) -> None:
        """An attempt's process was started at ``at`` (ms)."""
        job, unit = self.unit(unit_id)
        unit.attempts.append(Attempt(at, stream))
        job.move(unit, "RUNNING")
        job.roll_up(at)

    def ended(
        self, unit_id: str, at: int, exit_code: int | None, reason: str, container_reason: str, then: str, counted: bool
    ) -> None:
        """The attempt is over.

        Args:
            exit_code: None where it is not known.
            reason: of the job's status.
            then: SUCCEEDED, FAILED, or RUNNABLE for another attempt.
            counted: whether it used up an attempt.
        """
        job, unit = self.unit(unit_id)
        last = unit.attempts[-1]
        last.stopped, last.exit_code, last.reason, last.container_reason = at, exit_code, reason, container_reason
        last.counted = counted
        job.move(unit, then, reason)
        if then in OVER:
            unit.stopped = at
        job.roll_up(at)
        self.advance_all(at)

    def shipped(self, unit_id: str, offset: int) -> None:
        """The output of the running attempt was sent to the logs up to ``offset``."""
        self.unit(unit_id)[1].attempts[-1].shipped = offset

    def advance_all(self, at: int) -> None:
        """Whatever depended on what just ended."""
        changed = True
        while changed:  # a failure runs down a chain of dependencies
            changed = any(self.advance(job, at) for job in self.jobs.values() if job.depends_on)

    def terminate(self, body: Record, at: int) -> Record:
        """TerminateJob: waiting units fail at once, running ones get SIGTERM from the scheduler."""
        for job, unit in self._named(body):
            if unit.index is not None and job.id == body["jobId"] and job.status not in OVER:
                job.reason = body["reason"]
            if unit.status in WAITING:
                self._fail(job, unit, body["reason"], at)
            elif unit.running and unit.ending is None:
                unit.ending = body["reason"]
        self.advance_all(at)
        return {}

    def cancel(self, body: Record, at: int) -> Record:
        """CancelJob: units that have not started fail, one that waits for others once those are over; what has started
        is left alone (https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html)."""
        for job, unit in self._named(body):
            if unit.status in WAITING:
                unit.cancelled = body["reason"]
                if unit.status != "PENDING":
                    self._fail(job, unit, body["reason"], at)
        self.advance_all(at)
        return {}

    def end_queue(self, queue: str, at: int) -> None:
        """The queue was deleted: AWS ends all its jobs."""
        for job in self.jobs.values():
            if job.queue == queue:
                for unit in job.units:
                    if unit.status in WAITING:
                        self._fail(job, unit, "JobQueue deleted", at)
                    elif unit.running:
                        unit.ending = "JobQueue deleted"

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a resource, to read or to change."""
        plane = self.plane
        for records in (plane.environments, plane.queues, plane.definitions):
            if arn in records:
                found: dict[str, str] = records[arn]["tags"]
                return found
        job = self.job(arn) if ":job/" in arn else None
        if job is None:
            raise BatchError(f"Error executing request, Exception : {arn} does not exist.")
        return job.tags

    def _named(self, body: Record) -> list[tuple[Job, Unit]]:
        need(body, "jobId", "reason")
        job = self.job(body["jobId"])
        if job is None:
            return []  # AWS answers 200 for a job that it does not know (any more)
        unit = job.unit(body["jobId"])
        return [(job, unit)] if unit else [(job, unit) for unit in job.units]

    def _fail(self, job: Job, unit: Unit, reason: str, at: int) -> None:
        job.move(unit, "FAILED", reason)
        unit.stopped = at
        job.roll_up(at)

    def _dependencies(self, job: Job, unit: Unit) -> str:
        """RUNNABLE once all succeeded, FAILED once one failed, else PENDING."""
        states: list[Any] = []
        for entry in job.depends_on:
            kind, other = entry.get("type"), entry.get("jobId", "")
            if kind == "SEQUENTIAL":
                states.append("SUCCEEDED" if not unit.index else job.units[unit.index - 1].status)
                continue
            parent = self.jobs.get(other.partition(":")[0])
            if parent is None:
                states.append("SUCCEEDED")  # long over and forgotten
            elif kind == "N_TO_N":
                states.append(parent.units[unit.index or 0].status)
            else:
                named = parent.unit(other)
                states.append(named.status if named else parent.status)
        if "FAILED" in states:
            return "FAILED"
        return "RUNNABLE" if all(state == "SUCCEEDED" for state in states) else "PENDING"
