"""Job definitions of Batch: what one worker is.  They cannot change; a new revision takes the place of the old one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from awsrun.aws.rights import Right
from awsrun.aws.tags import NAME
from awsrun.resources.batch import GONE, BatchKind
from awsrun.resources.batch_job_definition_spec import JobDefinitionSpec, usual_shared
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.kind import ABSENT, REPLACE, Found, Owner, Refs, Seen, State
from awsrun.resources.logs_group import LogGroupSpec
from awsrun.resources.ours import known, ours
from awsrun.resources.rights import pass_roles
from awsrun.spec.references import ResourceSpec

# Lets Fargate pull images and write logs; it does not create log groups.
EXECUTION_POLICY = "service-role/AmazonECSTaskExecutionRolePolicy"


@dataclass(frozen=True)
class JobDefinitionState(State):
    """All of it is replaced with a new revision.  Roles are ARNs; empty or 0 where there is none.

    ``init`` and ``shared_memory_mib`` are not managed where the spec does not say them: a new version of awsrun is no
    reason for a new revision.
    """

    image: Annotated[str, REPLACE]
    command: Annotated[tuple[str, ...], REPLACE]
    environment: Annotated[tuple[tuple[str, str], ...], REPLACE]
    init: Annotated[bool | None, REPLACE]
    vcpus: Annotated[float, REPLACE]
    gpus: Annotated[int, REPLACE]
    memory_mib: Annotated[int, REPLACE]
    shared_memory_mib: Annotated[int | None, REPLACE]
    timeout: Annotated[int, REPLACE]
    attempts: Annotated[int, REPLACE]
    fargate: Annotated[bool, REPLACE]
    public_address: Annotated[bool, REPLACE]
    role: Annotated[str, REPLACE]
    execution_role: Annotated[str, REPLACE]
    log_group: Annotated[str, REPLACE]


class JobDefinition(BatchKind[JobDefinitionSpec, JobDefinitionState]):
    """Ids are ARNs with their revision; `find` yields every active revision, the newest of a name first."""

    kind = "batch.job_definition"
    Spec = JobDefinitionSpec
    State = JobDefinitionState
    identity = "revision"
    resource = "job-definition"
    part = ":*"
    actions: ClassVar[Mapping[str, str]] = {
        "find": "DescribeJobDefinitions",
        "create": "RegisterJobDefinition",
        "delete": "DeregisterJobDefinition",
    }
    absent = GONE

    def expand(self, name: str, spec: JobDefinitionSpec) -> Mapping[str, ResourceSpec]:
        nodes: dict[str, ResourceSpec] = {}
        children: dict[str, str] = {}
        if spec.log_group is None:
            children["log_group"] = f"{name}/logs"
            nodes[children["log_group"]] = LogGroupSpec()
        if spec.fargate and spec.execution_role is None:
            children["execution_role"] = f"{name}/execution"
            nodes[children["execution_role"]] = RoleSpec(service="ecs-tasks", managed_policies=[EXECUTION_POLICY])
        return {**nodes, name: spec.model_copy(update=children)}

    def lower(self, spec: JobDefinitionSpec, refs: Refs) -> JobDefinitionState:
        image = spec.image
        if spec.repository:
            image = known(refs.output(spec.repository, "uri"), lambda uri: f"{uri}:{spec.tag}")
        elif spec.built:
            image = refs.output(spec.built, "uri")
        return JobDefinitionState(
            image=image or "",
            command=tuple(spec.command),
            environment=tuple(sorted(spec.environment.items())),
            init=spec.init,
            vcpus=float(spec.vcpus),
            gpus=spec.gpus,
            memory_mib=spec.memory_mib,
            shared_memory_mib=spec.shared_memory_mib,
            timeout=spec.timeout,
            attempts=spec.attempts,
            fargate=spec.fargate,
            public_address=spec.fargate and spec.public_address is not False,
            role=refs.output(spec.role, "arn") if spec.role else "",
            execution_role=refs.output(spec.execution_role, "arn") if spec.execution_role else "",
            log_group=refs.output(spec.log_group, "name") if spec.log_group else "",
        )

    def rights(self, stack: str, specs: Mapping[str, JobDefinitionSpec]) -> Iterable[Right]:
        yield from super().rights(stack, specs)
        if any(spec.role or spec.execution_role for spec in specs.values()):
            yield pass_roles("create", self.cloud, stack, "ecs-tasks")

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        entries = list(self._list(status="ACTIVE"))
        for entry in sorted(entries, key=lambda one: (one["jobDefinitionName"], -one["revision"])):
            tags = entry.get("tags", {})
            if ours(tags, stack):
                yield Found(tags[NAME], entry["jobDefinitionArn"], tags, self._seen(entry))

    def read(self, id: str) -> Seen[JobDefinitionState]:
        entries = list(self._list(jobDefinitions=[id]))
        return self._seen(entries[0]) if entries else ABSENT

    def create(self, state: JobDefinitionState, owner: Owner) -> str:
        optional: dict[str, Any] = {"timeout": {"attemptDurationSeconds": state.timeout}} if state.timeout else {}
        answer = self.batch.register_job_definition(
            jobDefinitionName=owner.physical,
            type="container",
            containerProperties=_container(state),
            platformCapabilities=["FARGATE" if state.fargate else "EC2"],
            retryStrategy={"attempts": state.attempts},
            propagateTags=True,
            tags=dict(owner.tags),
            **optional,
        )
        return str(answer["jobDefinitionArn"])

    def delete(self, id: str, seen: Seen[JobDefinitionState]) -> None:
        self.batch.deregister_job_definition(jobDefinition=id)

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        for page in self.cloud.read("batch").get_paginator("describe_job_definitions").paginate(**arguments):
            yield from page["jobDefinitions"]

    def _seen(self, entry: Mapping[str, Any]) -> Seen[JobDefinitionState]:
        if entry["status"] == "INACTIVE":
            return ABSENT
        container = entry.get("containerProperties", {})
        needs = {need["type"]: need["value"] for need in container.get("resourceRequirements", [])}
        state = JobDefinitionState(
            image=container.get("image", ""),
            command=tuple(container.get("command", [])),
            environment=tuple(sorted((pair["name"], pair["value"]) for pair in container.get("environment", []))),
            init=bool(container.get("linuxParameters", {}).get("initProcessEnabled")),
            vcpus=float(needs.get("VCPU", 0)),
            gpus=int(needs.get("GPU", 0)),
            memory_mib=int(needs.get("MEMORY", 0)),
            shared_memory_mib=container.get("linuxParameters", {}).get("sharedMemorySize", 0),
            timeout=entry.get("timeout", {}).get("attemptDurationSeconds", 0),
            attempts=entry.get("retryStrategy", {}).get("attempts", 1),
            fargate="FARGATE" in (entry.get("platformCapabilities") or []),
            public_address=container.get("networkConfiguration", {}).get("assignPublicIp") == "ENABLED",
            role=container.get("jobRoleArn", ""),
            execution_role=container.get("executionRoleArn", ""),
            log_group=container.get("logConfiguration", {}).get("options", {}).get("awslogs-group", ""),
        )
        outputs = {
            "arn": entry["jobDefinitionArn"],
            "name": entry["jobDefinitionName"],
            "revision": entry["revision"],
            "image": state.image,
            "vcpus": state.vcpus,
            "gpus": state.gpus,
            "memory_mib": state.memory_mib,
            "log_group": state.log_group,
        }
        return Seen(state, "ready", outputs=outputs)


def _container(state: JobDefinitionState) -> dict[str, Any]:
    needs = {"VCPU": f"{state.vcpus:g}", "MEMORY": str(state.memory_mib)} | (
        {"GPU": str(state.gpus)} if state.gpus else {}
    )
    container: dict[str, Any] = {
        "image": state.image,
        "resourceRequirements": [{"type": name, "value": value} for name, value in needs.items()],
        "environment": [{"name": name, "value": value} for name, value in state.environment],
    }
    optional = {"command": list(state.command), "jobRoleArn": state.role, "executionRoleArn": state.execution_role}
    container |= {key: value for key, value in optional.items() if value}
    linux: dict[str, Any] = {}
    if state.init is not False:
        linux["initProcessEnabled"] = True
    if not state.fargate:
        linux["sharedMemorySize"] = state.shared_memory_mib or usual_shared(state.memory_mib)
    container |= {"linuxParameters": linux} if linux else {}
    if state.log_group:
        container["logConfiguration"] = {"logDriver": "awslogs", "options": {"awslogs-group": state.log_group}}
    if state.fargate:
        container["networkConfiguration"] = {"assignPublicIp": "ENABLED" if state.public_address else "DISABLED"}
    return container
