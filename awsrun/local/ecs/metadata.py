"""What a container can ask about itself and its task
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html)."""

from __future__ import annotations

import json
from typing import Any

from awsrun.local.app import METADATA
from awsrun.local.calls import Call, Reply
from awsrun.local.ecs.environment import destination
from awsrun.local.ecs.service import Ecs
from awsrun.local.ecs.task import Container, Task


class Metadata:
    """Answers below ``/_awsrun/ecs/REGION/TASK/INDEX``: the container, and with ``/task`` its task.

    Args:
        lock: the world's.
    """

    def __init__(self, ecs: Ecs, lock: Any) -> None:
        self._ecs, self._lock = ecs, lock

    def answer(self, call: Call) -> Reply:
        """The document, or 404."""
        region, _, rest = call.path.removeprefix(METADATA).partition("/")
        id, _, which = rest.partition("/")
        index, _, part = which.partition("/")
        with self._lock:
            known = self._ecs.regions.get(region)
            task = known.tasks.get(id) if known else None
            if task is None or not index.isdigit() or int(index) >= len(task.containers) or part not in ("", "task"):
                return Reply(404, [("Content-Type", "application/json")], b"{}")
            container = task.containers[int(index)]
            told = _task(task, region) if part else _container(task, container, region)
        return Reply(200, [("Content-Type", "application/json")], json.dumps(told).encode())


def _container(task: Task, container: Container, region: str) -> dict[str, Any]:
    where = destination(task, container)
    told: dict[str, Any] = {
        "DockerId": f"{task.id}-{container.arn.rpartition('/')[2]}",
        "Name": container.name,
        "Image": container.definition["image"],
        "ContainerARN": container.arn,
        "Labels": {
            "com.amazonaws.ecs.cluster": task.cluster_arn,
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": task.family,
            "com.amazonaws.ecs.task-definition-version": task.definition.rpartition(":")[2],
        },
        "DesiredStatus": task.desired,
        "KnownStatus": container.status,
        "Type": "NORMAL",
    }
    if where is not None:
        told["LogDriver"] = "awslogs"
        told["LogOptions"] = {
            "awslogs-group": where.group, "awslogs-region": region, "awslogs-stream": where.stream,
        }  # fmt: skip
    return told


def _task(task: Task, region: str) -> dict[str, Any]:
    return {
        "Cluster": task.cluster_arn,
        "TaskARN": task.arn,
        "Family": task.family,
        "Revision": task.definition.rpartition(":")[2],
        "DesiredStatus": task.desired,
        "KnownStatus": task.status,
        "LaunchType": task.launch_type,
        "Containers": [_container(task, container, region) for container in task.containers],
    }
