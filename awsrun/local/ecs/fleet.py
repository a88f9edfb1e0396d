"""Services as records: so many tasks that are to run, and the deployments that bring them there.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html and API_Deployment.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from awsrun.local.ecs.errors import Record, seconds, tag_list
from awsrun.local.ecs.task import RUNNING, Task

ACTIVE, DRAINING, INACTIVE = "ACTIVE", "DRAINING", "INACTIVE"
IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
EVENTS = 100  # that a service keeps
_DEPLOYED = {"launchType", "capacityProviderStrategy", "networkConfiguration", "platformVersion", "taskDefinition"}
"""What makes a new deployment when it changes."""


@dataclass
class Deployment:
    """One try at running a service's tasks in one way.

    Attributes:
        request: launch type or strategy, and network, as a RunTask would have them.
        failures: tasks in a row that never ran; not counted any more once one did.
        quick_ends: tasks in a row that were soon over: the next start waits longer.
        next_start: milliseconds; no task is started before.
    """

    id: str
    definition: str
    request: Record
    created: int
    updated: int
    primary: bool = True
    rollout: str = IN_PROGRESS
    reason: str = ""
    failures: int = 0
    ran: bool = False
    quick_ends: int = 0
    next_start: int = 0
    started: int = 0


@dataclass
class Service:
    """A service; the first of its ``deployments`` is the primary one, which the others give way to."""

    name: str
    arn: str
    cluster: str
    cluster_arn: str
    desired: int
    configuration: Record
    tags: dict[str, str]
    propagate: str
    managed_tags: bool
    created: int
    deployments: list[Deployment]
    status: str = ACTIVE
    steady: bool = False
    events: list[Record] = field(default_factory=list)
    rest: Record = field(default_factory=dict)

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def least(self) -> int:
        """Tasks that are to run at any time."""
        percent = self.configuration.get("minimumHealthyPercent", 100)
        return -(-self.desired * int(percent) // 100)

    @property
    def most(self) -> int:
        """Tasks that may be there at any time."""
        return self.desired * int(self.configuration.get("maximumPercent", 200)) // 100

    @property
    def breaker(self) -> Record:
        found: Record = self.configuration.get("deploymentCircuitBreaker") or {}
        return found

    def say(self, at: int, id: str, message: str) -> None:
        """Add an event, as the console shows them."""
        entry = {"id": id, "createdAt": seconds(at), "message": f"(service {self.name}) {message}"}
        self.events = [entry, *self.events[: EVENTS - 1]]

    def deploy(self, deployment: Deployment) -> None:
        """A deployment, a new one or one of before, takes the place of the primary one, which drains."""
        for one in self.deployments:
            one.primary = one is deployment
        self.deployments = [deployment, *(one for one in self.deployments if one is not deployment)]
        self.steady = False


def deploys_anew(service: Service, body: Mapping[str, Any]) -> bool:
    """Whether an UpdateService call makes a new deployment."""
    if body.get("forceNewDeployment"):
        return True
    now = {**service.primary.request, "taskDefinition": service.primary.definition}
    return any(key in body and body[key] != now.get(key) for key in _DEPLOYED)


def request_of(body: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Record:
    """What a deployment's tasks are started with.

    Args:
        before: of the deployment before; what a call leaves out stays.
    """
    found: Record = {key: body[key] for key in _DEPLOYED - {"taskDefinition"} if body.get(key)}
    kept = dict(before or {})
    if "capacityProviderStrategy" in found:
        kept.pop("launchType", None)
    return {**kept, **found}


def describe(service: Service, tasks: Iterable[Task], include: Any = ()) -> Record:
    """What DescribeServices says.

    Args:
        tasks: those of the service that are not over.
    """
    living = list(tasks)
    running = [task for task in living if task.status == RUNNING]
    pending = [task for task in living if task.desired == RUNNING and task.status != RUNNING]
    told: Record = {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.cluster_arn,
        "loadBalancers": [],
        "serviceRegistries": [],
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": len(running),
        "pendingCount": len(pending),
        "taskDefinition": service.primary.definition,
        "deploymentConfiguration": service.configuration,
        "deployments": [_deployment(service, one, running, pending) for one in service.deployments],
        "events": service.events,
        "createdAt": seconds(service.created),
        "placementConstraints": [],
        "placementStrategy": [],
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "propagateTags": service.propagate,
        "enableECSManagedTags": service.managed_tags,
        "enableExecuteCommand": False,
        "healthCheckGracePeriodSeconds": 0,
        "platformVersion": "LATEST",
        "platformFamily": "Linux",
        "tags": tag_list(service.tags) if "TAGS" in (include or ()) else [],
        **service.primary.request,
    }
    return told


def _deployment(service: Service, one: Deployment, running: list[Task], pending: list[Task]) -> Record:
    told: Record = {
        "id": one.id,
        "status": "PRIMARY" if one.primary else "ACTIVE",
        "taskDefinition": one.definition,
        "desiredCount": service.desired if one.primary else 0,
        "pendingCount": sum(task.deployment == one.id for task in pending),
        "runningCount": sum(task.deployment == one.id for task in running),
        "failedTasks": one.failures,
        "createdAt": seconds(one.created),
        "updatedAt": seconds(one.updated),
        "rolloutState": one.rollout,
        "rolloutStateReason": one.reason or f"ECS deployment {one.id} in progress.",
        **one.request,
    }
    return told
