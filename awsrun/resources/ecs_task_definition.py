"""Task definitions of ECS on Fargate: what one task is.  They cannot change; a new revision takes the place of the old.

A revision goes in two steps: deregistered it is INACTIVE and stays for good, then it can be deleted; after that ECS
keeps it (DELETE_IN_PROGRESS) until no task needs it any more, which is ECS's own affair and counts as absent
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from botocore.exceptions import ClientError

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME
from awsrun.images.recipe import DEFAULT_BASE
from awsrun.prices import machines
from awsrun.prices.price import Price, dollars, metered
from awsrun.prices.table import Prices
from awsrun.resources.batch_job_definition import EXECUTION_POLICY
from awsrun.resources.ecs import UNTAGGABLE, EcsKind, listed, tags_of
from awsrun.resources.ecs_task_definition_spec import TASKS, TaskDefinitionSpec
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.kind import ABSENT, REPLACE, UNKNOWN, Found, Owner, Refs, Seen, State
from awsrun.resources.logs_group import LogGroupSpec
from awsrun.resources.ours import known, ours
from awsrun.resources.rights import explicit, pass_roles
from awsrun.spec.references import ResourceSpec, valued

CONTAINER = "main"  # its one container, which overrides name
STREAMS = "task"  # log streams are task/main/TASK-ID


@dataclass(frozen=True)
class TaskDefinitionState(State):
    """All of it is replaced with a new revision.  Roles are ARNs, empty where there is none.

    ``init`` is not managed where the spec says nothing of it: a new version of awsrun is no reason for a new revision
    (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinuxParameters.html).
    """

    image: Annotated[str, REPLACE]
    command: Annotated[tuple[str, ...], REPLACE]
    environment: Annotated[tuple[tuple[str, str], ...], REPLACE]
    init: Annotated[bool | None, REPLACE]
    vcpus: Annotated[float, REPLACE]
    memory_mib: Annotated[int, REPLACE]
    storage_gib: Annotated[int, REPLACE]
    stop_timeout: Annotated[int, REPLACE]
    architecture: Annotated[str, REPLACE]
    role: Annotated[str, REPLACE]
    execution_role: Annotated[str, REPLACE]
    log_group: Annotated[str, REPLACE]


class TaskDefinition(EcsKind[TaskDefinitionSpec, TaskDefinitionState]):
    """Ids are ARNs with their revision; `find` yields every active revision, the newest of a family first, and those
    whose deletion stopped half-way as broken: they go."""

    kind = "ecs.task_definition"
    Spec = TaskDefinitionSpec
    State = TaskDefinitionState
    identity = "revision"
    name_limit = 255
    absent = UNTAGGABLE | {"ClientException:Unable to describe task definition", "ClientException:does not exist"}

    def expand(self, name: str, spec: TaskDefinitionSpec) -> Mapping[str, ResourceSpec]:
        nodes: dict[str, ResourceSpec] = {}
        children: dict[str, str] = {}
        if spec.log_group is None:
            children["log_group"] = f"{name}/logs"
            nodes[children["log_group"]] = LogGroupSpec(retention_days=spec.log_days)
        if spec.execution_role is None:
            children["execution_role"] = f"{name}/execution"
            nodes[children["execution_role"]] = RoleSpec(service=TASKS, managed_policies=[EXECUTION_POLICY])
        return {**nodes, name: spec.model_copy(update=children)}

    def lower(self, spec: TaskDefinitionSpec, refs: Refs) -> TaskDefinitionState:
        image: Any = spec.image or DEFAULT_BASE
        if spec.repository:
            image = known(refs.output(spec.repository, "uri"), lambda uri: f"{uri}:{spec.tag}")
        elif spec.built:
            image = refs.output(spec.built, "uri")
        return TaskDefinitionState(
            image=image,
            command=tuple(spec.command),
            environment=_environment(valued(spec.environment, refs.output)),
            init=spec.init,
            vcpus=float(spec.vcpus),
            memory_mib=spec.memory_mib,
            storage_gib=spec.storage_gib,
            stop_timeout=spec.stop_timeout,
            architecture=spec.architecture or "x86_64",
            role=refs.output(spec.role, "arn") if spec.role else "",
            execution_role=refs.output(spec.execution_role, "arn") if spec.execution_role else "",
            log_group=refs.output(spec.log_group, "name") if spec.log_group else "",
        )

    def arn(self, physical: str) -> str:
        return self.ecs_arn(f"task-definition/{physical}")

    def price(self, state: TaskDefinitionState, prices: Prices) -> Price:
        """Of one task; how many run, and when, is said elsewhere."""
        hourly = machines.fargate_task(
            prices, state.vcpus, state.memory_mib, state.architecture == "arm64", state.storage_gib
        )
        return metered((hourly, "per hour and task"))

    def price_at_work(self, state: TaskDefinitionState, count: int, spot: bool, public: bool, prices: Prices) -> Price:
        arm = state.architecture == "arm64"
        one = machines.fargate_task(prices, state.vcpus, state.memory_mib, arm, state.storage_gib, public)
        note = f"{count} workers of {state.vcpus:g} vCPU with {state.memory_mib / 1024:g} GB"
        note += f", {dollars(one)} per hour each" if one is not None else ""
        return Price(0.0, None if one is None else count * one, f"{note}; {machines.SPOT}" if spot else note)

    def rights(self, stack: str, specs: Mapping[str, TaskDefinitionSpec]) -> Iterable[Right]:
        """Listing, describing and deregistering know no resources
        (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html)."""
        families = (f"{stack}-*", *explicit(specs.values()))
        revisions = [self.arn(f"{family}:*") for family in families]
        yield allow("find", "ecs", "ListTaskDefinitionFamilies ListTaskDefinitions DescribeTaskDefinition")
        yield allow("create", "ecs", "RegisterTaskDefinition TagResource", *revisions)
        if any(spec.role or spec.execution_role for spec in specs.values()):
            yield pass_roles("create", self.cloud, stack, TASKS)
        yield allow("tag", "ecs", "TagResource UntagResource", *revisions)
        yield allow("delete", "ecs", "DeregisterTaskDefinition")
        yield allow("delete", "ecs", "DeleteTaskDefinitions", *revisions)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Families whose names start with the stack's, and those that hints name."""
        named = {hint.rpartition("/")[2].partition(":")[0] for hint in hints}
        families = set(self._families(f"{stack}-" if stack else ""))
        families |= {name for name in named if name and not (stack and name.startswith(f"{stack}-"))}
        arns = [arn for family in sorted(families) for arn in self._revisions(family)]
        for answer in self.cloud.together(*(partial(self._describe, arn) for arn in arns)):
            tags = tags_of(answer) if answer else {}
            if answer and ours(tags, stack) and (seen := self._seen(answer["taskDefinition"])) is not ABSENT:
                yield Found(tags[NAME], answer["taskDefinition"]["taskDefinitionArn"], tags, seen)

    def read(self, id: str) -> Seen[TaskDefinitionState]:
        answer = self._describe(id)
        return self._seen(answer["taskDefinition"]) if answer else ABSENT

    def create(self, state: TaskDefinitionState, owner: Owner) -> str:
        optional = {"taskRoleArn": state.role, "executionRoleArn": state.execution_role}
        storage = {"ephemeralStorage": {"sizeInGiB": state.storage_gib}} if state.storage_gib > 20 else {}
        answer = self.ecs.register_task_definition(
            family=owner.physical,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=str(int(state.vcpus * 1024)),
            memory=str(state.memory_mib),
            runtimePlatform={"cpuArchitecture": state.architecture.upper(), "operatingSystemFamily": "LINUX"},
            containerDefinitions=[self._container(state)],
            tags=listed(owner.tags),
            **storage,
            **{key: value for key, value in optional.items() if value},
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def delete(self, id: str, seen: Seen[TaskDefinitionState]) -> None:
        if seen.phase == "ready":
            self.ecs.deregister_task_definition(taskDefinition=id)
            return
        for failed in self.ecs.delete_task_definitions(taskDefinitions=[id]).get("failures", []):
            reason = failed.get("reason", "")
            raise ClientError({"Error": {"Code": "ClientException", "Message": reason}}, "DeleteTaskDefinitions")

    def _families(self, prefix: str) -> Iterator[str]:
        asked = {"familyPrefix": prefix} if prefix else {}
        for page in self.looking.get_paginator("list_task_definition_families").paginate(status="ALL", **asked):
            yield from page["families"]

    def _revisions(self, family: str) -> Iterator[str]:
        """The newest first; those that are only INACTIVE yet after them."""
        for status in ("ACTIVE", "INACTIVE"):
            pages = self.looking.get_paginator("list_task_definitions").paginate(
                familyPrefix=family, status=status, sort="DESC"
            )
            for page in pages:
                yield from page["taskDefinitionArns"]

    def _describe(self, id: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.looking.describe_task_definition(taskDefinition=id, include=["TAGS"])
        except ClientError as error:
            if matches(error, self.absent):
                return None
            raise
        return found

    def _container(self, state: TaskDefinitionState) -> dict[str, Any]:
        options = {
            "awslogs-group": state.log_group,
            "awslogs-region": self.cloud.region,
            "awslogs-stream-prefix": STREAMS,
        }
        return {
            "name": CONTAINER,
            "image": state.image,
            "essential": True,
            "environment": [{"name": name, "value": value} for name, value in state.environment],
            "stopTimeout": state.stop_timeout,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **({"command": list(state.command)} if state.command else {}),
            **({"linuxParameters": {"initProcessEnabled": True}} if state.init is not False else {}),
        }

    def _seen(self, entry: Mapping[str, Any]) -> Seen[TaskDefinitionState]:
        status, outputs = entry["status"], {"arn": entry["taskDefinitionArn"], "name": entry["family"]}
        if status not in ("ACTIVE", "INACTIVE"):
            return ABSENT
        if status == "INACTIVE":
            return Seen(None, "broken", "it was deregistered", outputs)
        container = entry["containerDefinitions"][0]
        environment = {pair["name"]: pair.get("value", "") for pair in container.get("environment", [])}
        state = TaskDefinitionState(
            image=container.get("image", ""),
            command=tuple(container.get("command", [])),
            environment=tuple(sorted(environment.items())),
            init=bool(container.get("linuxParameters", {}).get("initProcessEnabled")),
            vcpus=int(entry.get("cpu") or 0) / 1024,
            memory_mib=int(entry.get("memory") or 0),
            storage_gib=entry.get("ephemeralStorage", {}).get("sizeInGiB", 20),
            stop_timeout=container.get("stopTimeout", 30),
            architecture=entry.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64").lower(),
            role=entry.get("taskRoleArn", ""),
            execution_role=entry.get("executionRoleArn", ""),
            log_group=container.get("logConfiguration", {}).get("options", {}).get("awslogs-group", ""),
        )
        outputs |= {"revision": entry["revision"], "container": container["name"], "image": state.image}
        outputs |= {"vcpus": state.vcpus}
        outputs |= {"memory_mib": state.memory_mib, "log_group": state.log_group, "storage_gib": state.storage_gib}
        outputs |= {"architecture": state.architecture, "stop_timeout": state.stop_timeout}
        return Seen(state, "ready", outputs=outputs)


def _environment(values: Mapping[str, Any]) -> Any:
    """Sorted texts, as containers get them; UNKNOWN while one of them is."""
    if any(value is UNKNOWN for value in values.values()):
        return UNKNOWN
    return tuple(sorted((name, _text(value)) for name, value in values.items()))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
