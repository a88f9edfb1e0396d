"""RunTask: a task definition with its overrides becomes tasks.

Limits and refusals: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from awsrun.local.ecs import clusters, definitions, network
from awsrun.local.ecs.clusters import Cluster
from awsrun.local.ecs.errors import EcsError, Record, among, need, tags_of
from awsrun.local.ecs.task import Container, Task

MOST = 10  # tasks of one call
LONGEST = 8192  # characters of overrides
MANAGED = "aws:ecs:clusterName"
_OVERRIDES = ("command", "environment", "cpu", "memory", "memoryReservation", "resourceRequirements")


def check(cluster: Cluster, definition: Record, body: Record) -> tuple[list[str], Record]:
    """The capacity (a launch type or provider) of each task of a RunTask call, and its network.

    Raises:
        EcsError: as AWS would refuse it.
    """
    count = body.get("count", 1)
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise EcsError(f"count should be between 1 and {MOST}.")
    overrides = body.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > LONGEST:
        raise EcsError(f"Container Overrides length must be at most {LONGEST}")
    among(body.get("propagateTags"), "propagateTags", ("TASK_DEFINITION", "SERVICE", "NONE"))
    if body.get("propagateTags") == "SERVICE":
        raise EcsError("The SERVICE value of propagateTags is only for tasks of a service.")
    return capacity(cluster, definition, body, count), where(cluster.arn.split(":")[3], definition, body)


def size(definition: Record, body: Record) -> tuple[str, str]:
    """CPU units and MiB of memory of a task; empty where nothing says them.

    Raises:
        EcsError: Fargate has no such size.
    """
    overrides = body.get("overrides") or {}
    cpu, memory = (str(overrides.get(key) or definition.get(key) or "") for key in ("cpu", "memory"))
    if overrides.get("cpu") or overrides.get("memory"):
        definitions.check_size(cpu, memory)
    return cpu, memory


def capacity(cluster: Cluster, definition: Record, body: Record, count: int) -> list[str]:
    """On what each of ``count`` tasks is to run: FARGATE or FARGATE_SPOT.

    Raises:
        EcsError: there is nothing of that kind.
    """
    among(body.get("launchType"), "launchType", ("EC2", "FARGATE", "EXTERNAL"))
    strategy = clusters.checked(body.get("capacityProviderStrategy"), cluster.providers)
    if body.get("launchType") and strategy:
        raise EcsError(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    chosen = [body["launchType"]] * count if body.get("launchType") else _spread(strategy or cluster.strategy, count)
    if not chosen or chosen[0] in ("EC2", "EXTERNAL"):
        raise EcsError("No Container Instances were found in your cluster.")
    if "FARGATE" not in definition["compatibilities"]:
        raise EcsError("Task definition does not support launch_type FARGATE.")
    return chosen


def where(region: str, definition: Record, body: Record) -> Record:
    """The network of a call whose tasks have interfaces of their own."""
    if definition.get("networkMode") != "awsvpc":
        if body.get("networkConfiguration"):
            raise EcsError("Network Configuration is not valid for the given networkMode of this task definition.")
        return {}
    return network.check(region, body.get("networkConfiguration"))


def make(id: str, cluster: Cluster, definition: Record, body: Record, kind: str, place: Record, at: int) -> Task:
    """One task.  Called within a `clock.moment`.

    Args:
        body: of RunTask, or what a service says in its place.
        kind: FARGATE or FARGATE_SPOT.
        place: an awsvpcConfiguration; empty where it has no interface.
    """
    overrides: Record = body.get("overrides") or {}
    region, account = cluster.arn.split(":")[3:5]
    prefix = f"arn:aws:ecs:{region}:{account}"
    cpu, memory = size(definition, body)
    containers = [
        Container(f"{prefix}:container/{cluster.name}/{id}/{index}", one)
        for index, one in enumerate(_merged(definition["containerDefinitions"], overrides))
    ]
    managed = {MANAGED: cluster.name} if body.get("enableECSManagedTags") else {}
    spot = kind == "FARGATE_SPOT" or not body.get("launchType")
    return Task(
        id=id,
        arn=f"{prefix}:task/{cluster.name}/{id}",
        cluster=cluster.name,
        cluster_arn=cluster.arn,
        definition=definition["taskDefinitionArn"],
        family=definition["family"],
        group=body.get("group") or f"family:{definition['family']}",
        launch_type="FARGATE",
        provider=kind if spot else "",
        started_by=body.get("startedBy") or "",
        tags={**(body.get("inherited") or {}), **tags_of(body), **managed},
        overrides={key: value for key, value in overrides.items() if value},
        cpu=cpu,
        memory=memory,
        role=overrides.get("taskRoleArn") or definition.get("taskRoleArn", ""),
        execution_role=overrides.get("executionRoleArn") or definition.get("executionRoleArn", ""),
        architecture=str((definition.get("runtimePlatform") or {}).get("cpuArchitecture") or "X86_64").lower(),
        storage=int(
            (overrides.get("ephemeralStorage") or definition.get("ephemeralStorage") or {}).get("sizeInGiB") or 20
        ),
        containers=containers,
        attachments=[network.attach(region, place, id, body.get("turn", 0))] if place else [],
        times={"createdAt": at},
    )


def _spread(strategy: Sequence[Record], count: int) -> list[str]:
    """Providers by base first, then by weight."""
    given = {entry["capacityProvider"]: 0 for entry in strategy}
    chosen: list[str] = []
    for _ in range(count if strategy else 0):
        based = [one for one in strategy if given[one["capacityProvider"]] < one["base"]]
        weighted = sorted((one for one in strategy if one["weight"]), key=lambda one: _share(given, one))
        name = str((based or weighted)[0]["capacityProvider"])
        given[name] += 1
        chosen.append(name)
    return chosen


def _share(given: dict[str, int], entry: Record) -> float:
    """How much of its weight a provider would have with one task more."""
    return float((given[entry["capacityProvider"]] - entry["base"] + 1) / entry["weight"])


def _merged(containers: list[Record], overrides: Record) -> list[Record]:
    """Container definitions with what a call says in their place.

    Raises:
        EcsError: it speaks of a container that is not there.
    """
    found = {one["name"]: dict(one) for one in containers}
    for given in overrides.get("containerOverrides") or ():
        need(given, "name")
        if given["name"] not in found:
            raise EcsError(f"Override for container named {given['name']} is not a container in the TaskDefinition.")
        one = found[given["name"]]
        one.update({key: given[key] for key in _OVERRIDES if key in given and key != "environment"})
        one["environment"] = _by_name([*one["environment"], *(given.get("environment") or ())])
    return list(found.values())


def _by_name(pairs: Sequence[Record]) -> list[dict[str, Any]]:
    return list({pair["name"]: dict(pair) for pair in pairs}.values())
