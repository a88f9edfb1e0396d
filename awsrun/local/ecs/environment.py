"""What a task's containers find in their environment, where their output goes, and what is to be run of them.

The variables are those of https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-metadata.html; logs:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from awsrun.local.app import METADATA
from awsrun.local.ecs.task import Container, Task
from awsrun.local.work import environment
from awsrun.local.work.machine import Order


@dataclass(frozen=True)
class Destination:
    """Where a container's output goes.

    Attributes:
        make: the group is made where it does not exist.
    """

    group: str
    stream: str
    make: bool


def destination(task: Task, container: Container) -> Destination | None:
    """None where the container has no log driver: its output is nowhere to be seen, as on Fargate."""
    configuration = container.definition.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    prefix = options.get("awslogs-stream-prefix", "ecs")
    return Destination(
        options.get("awslogs-group", ""),
        f"{prefix}/{container.name}/{task.id}",
        str(options.get("awslogs-create-group", "")).lower() == "true",
    )


def of(
    task: Task, index: int, endpoint: str, region: str, total: int, credentials: Mapping[str, str]
) -> dict[str, str]:
    """What one container finds in its environment, wherever it runs.

    Args:
        total: slots of this machine.
        credentials: variables by which AWS's clients find them.
    """
    given = task.containers[index].definition.get("environment") or ()
    return {
        **environment.of_cloud(endpoint, region, total, total, credentials),
        **{entry["name"]: entry.get("value", "") for entry in given},
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "ECS_CONTAINER_METADATA_URI_V4": f"{endpoint}{METADATA}{region}/{task.id}/{index}",
    }


def order(task: Task, index: int, region: str, variables: Mapping[str, str]) -> Order:
    """What is to be run of one container; limits that it has not are its task's."""
    one = task.containers[index].definition
    needs = {entry["type"]: entry["value"] for entry in one.get("resourceRequirements") or ()}
    return Order(
        one["image"],
        one.get("command") or (),
        region,
        variables,
        vcpus=int(one.get("cpu") or task.cpu or 1024) / 1024,
        memory_mib=int(one.get("memory") or task.memory or 0),
        gpus=int(needs.get("GPU", 0)),
        user=one.get("user"),
        entrypoint=one.get("entryPoint") or (),
        init=bool((one.get("linuxParameters") or {}).get("initProcessEnabled")),
    )
