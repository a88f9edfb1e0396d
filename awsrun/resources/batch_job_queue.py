"""Job queues of Batch: where jobs wait for a compute environment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from awsrun.aws.rights import Right, allow, owned_by
from awsrun.aws.tags import NAME
from awsrun.resources.batch import EXISTS, GONE, MODIFIED, NAME_PATTERN, PHASES, BatchKind
from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
from awsrun.resources.kind import ABSENT, Change, Found, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, outputs_of
from awsrun.spec.references import Misfit, RefTo, ResourceSpec


class JobQueueSpec(ResourceSpec):
    """Where jobs wait. It costs nothing."""

    outputs = ("arn", "name")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    compute: {kind: batch.compute_environment, vpc: network, instance_types: [g4dn.xlarge], max_vcpus: 64}
    queue: {kind: batch.job_queue, compute_environments: [compute]}
    """
    kind: Literal["batch.job_queue"] = "batch.job_queue"
    name: str | None = Field(default=None, max_length=128, pattern=NAME_PATTERN, description="Physical name.")
    compute_environments: list[Annotated[str, RefTo("batch.compute_environment")]] = Field(
        min_length=1,
        max_length=3,
        description="Where its jobs run: the first with room. All Fargate, all x86 or all ARM.",
    )
    priority: int = Field(
        default=1, ge=0, le=1000, description="Among queues that share environments, higher goes first."
    )

    @field_validator("compute_environments")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a compute environment is listed twice")
        return value

    def within(self, stack: Mapping[str, ResourceSpec]) -> JobQueueSpec:
        """Its environments are alike
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentOrder.html)."""
        named = [(name, spec) for name in self.compute_environments if (spec := stack.get(name))]
        machines = {name: spec.machines() for name, spec in named if isinstance(spec, ComputeEnvironmentSpec)}
        if len(set(machines.values())) > 1:
            each = " and ".join(f"{name!r} has {what}" for name, what in machines.items())
            raise Misfit("compute_environments", f"{each}, which no queue has together: make a queue for each")
        return self


@dataclass(frozen=True)
class JobQueueState(State):
    """``compute_environments``: ARNs in order of preference."""

    compute_environments: tuple[str, ...]
    priority: int
    enabled: bool


class JobQueue(BatchKind[JobQueueSpec, JobQueueState]):
    kind = "batch.job_queue"
    Spec = JobQueueSpec
    State = JobQueueState
    identity = "name"
    resource = "job-queue"
    usual = 120.0
    actions: ClassVar[Mapping[str, str]] = {
        "find": "DescribeJobQueues",
        "create": "CreateJobQueue",
        "update": "UpdateJobQueue",
        "delete": "UpdateJobQueue DeleteJobQueue",
    }
    absent = GONE
    exists = EXISTS
    retry = MODIFIED

    def lower(self, spec: JobQueueSpec, refs: Refs) -> JobQueueState:
        return JobQueueState(outputs_of(refs, spec.compute_environments, "arn"), spec.priority, enabled=True)

    def rights(self, stack: str, specs: Mapping[str, JobQueueSpec]) -> Iterable[Right]:
        """The environments that a queue is put on are asked for too: they must be the stack's, whatever their names."""
        yield from super().rights(stack, specs)
        environments = arn(self.cloud, "batch", "compute-environment/*")
        yield allow("create", "batch", "CreateJobQueue", environments, when=[owned_by(stack)])
        yield allow("update", "batch", "UpdateJobQueue", environments, when=[owned_by(stack)])

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        for entry in self._list():
            tags, seen = entry.get("tags", {}), self._seen(entry)
            if ours(tags, stack) and seen.phase != "absent":
                yield Found(tags[NAME], entry["jobQueueName"], tags, seen)

    def read(self, id: str) -> Seen[JobQueueState]:
        entries = list(self._list(jobQueues=[id]))
        return self._seen(entries[0]) if entries else ABSENT

    def create(self, state: JobQueueState, owner: Owner) -> str:
        self.batch.create_job_queue(
            jobQueueName=owner.physical,
            state="ENABLED",
            priority=state.priority,
            computeEnvironmentOrder=_order(state.compute_environments),
            tags=dict(owner.tags),
        )
        return owner.physical

    def update(self, id: str, wanted: JobQueueState, seen: JobQueueState, changed: Collection[Change]) -> None:
        self.batch.update_job_queue(
            jobQueue=id,
            state="ENABLED" if wanted.enabled else "DISABLED",
            priority=wanted.priority,
            computeEnvironmentOrder=_order(wanted.compute_environments),
        )

    def delete(self, id: str, seen: Seen[JobQueueState]) -> None:
        """Disable, let that settle, delete: Batch deletes only a queue that is DISABLED
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteJobQueue.html)."""
        if seen.state is None or seen.phase in ("pending", "deleting"):
            return
        if seen.state.enabled:
            self.batch.update_job_queue(jobQueue=id, state="DISABLED")
        else:
            self.batch.delete_job_queue(jobQueue=id)

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        for page in self.cloud.read("batch").get_paginator("describe_job_queues").paginate(**arguments):
            yield from page["jobQueues"]

    def _seen(self, entry: Mapping[str, Any]) -> Seen[JobQueueState]:
        phase = PHASES[entry["status"]]
        if phase == "absent":
            return ABSENT
        ranked = sorted(entry["computeEnvironmentOrder"], key=lambda one: int(one["order"]))
        environments = tuple(one["computeEnvironment"] for one in ranked)
        state = JobQueueState(environments, entry["priority"], entry["state"] == "ENABLED")
        outputs = {"arn": entry["jobQueueArn"], "name": entry["jobQueueName"]}
        return Seen(state, phase, entry.get("statusReason", ""), outputs)


def _order(environments: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"order": rank, "computeEnvironment": one} for rank, one in enumerate(environments, start=1)]
