"""Tasks as records: a task, its containers, and what of them is told.  Times are in milliseconds.

States: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from awsrun.local.ecs.errors import Record, seconds, tag_list

KEPT = 3_600_000  # milliseconds that a stopped task is shown
GRACE = 30.0  # seconds from SIGTERM to SIGKILL, unless the container says otherwise
PROVISIONING, PENDING, RUNNING = "PROVISIONING", "PENDING", "RUNNING"
STOPPING, DEPROVISIONING, STOPPED = "STOPPING", "DEPROVISIONING", "STOPPED"
SCHEDULER, USER, EXITED = "ServiceSchedulerInitiated", "UserInitiated", "EssentialContainerExited"  # stopCode
ON_MACHINE = frozenset({PENDING, RUNNING, STOPPING})
"""States in which a task may have processes here."""


@dataclass
class Container:
    """One container of a task, its overrides merged in.

    Attributes:
        definition: as the task definition has it.
        shipped: bytes of its output that are in the logs.
    """

    arn: str
    definition: Record
    status: str = PENDING
    exit_code: int | None = None
    reason: str = ""
    shipped: int = 0

    @property
    def name(self) -> str:
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        return bool(self.definition.get("essential", True))

    @property
    def grace(self) -> float:
        """Seconds from SIGTERM to SIGKILL."""
        return float(self.definition.get("stopTimeout") or GRACE)

    def describe(self, task: Task) -> Record:
        told: Record = {
            "containerArn": self.arn,
            "taskArn": task.arn,
            "name": self.name,
            "image": self.definition["image"],
            "lastStatus": self.status,
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": str(self.definition.get("cpu") or 0),
        }
        if self.definition.get("memory"):
            told["memory"] = str(self.definition["memory"])
        if self.exit_code is not None:
            told["exitCode"] = self.exit_code
        return {**told, "reason": self.reason} if self.reason else told


@dataclass
class Task:
    """What RunTask or a service made.

    Attributes:
        cluster: its name.
        service, deployment: empty for a task of its own.
        times: ``createdAt``, ``startedAt`` ...
        ending: when its end began, for whatever reason: nothing is started any more.
    """

    id: str
    arn: str
    cluster: str
    cluster_arn: str
    definition: str
    family: str
    group: str
    launch_type: str
    provider: str
    started_by: str
    tags: dict[str, str]
    overrides: Record
    cpu: str
    memory: str
    role: str
    execution_role: str
    architecture: str
    storage: int
    containers: list[Container]
    attachments: list[Record]
    times: dict[str, int]
    service: str = ""
    deployment: str = ""
    status: str = PROVISIONING
    desired: str = RUNNING
    stop_code: str = ""
    stopped_reason: str = ""
    version: int = 1
    rest: Record = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.status == STOPPED

    @property
    def ever_ran(self) -> bool:
        return "startedAt" in self.times

    def move(self, status: str, at: int, *times: str) -> None:
        """It is in another state from ``at`` on, which are its ``times`` too."""
        self.status, self.version = status, self.version + 1
        for name in times:
            self.times.setdefault(name, at)

    def end(self, code: str, reason: str, at: int) -> None:
        """It is to end; the first reason stays."""
        if self.desired != STOPPED:
            self.desired, self.stop_code, self.stopped_reason = STOPPED, code, reason
            self.times.setdefault("stoppingAt", at)
            self.version += 1

    def shown(self, now: float) -> bool:
        """Whether calls still find it at ``now`` (POSIX seconds)."""
        return not self.over or now * 1000 - self.times["stoppedAt"] < KEPT


def describe(task: Task, include: Any = ()) -> Record:
    """What DescribeTasks says."""
    told: Record = {
        "attachments": task.attachments,
        "attributes": [{"name": "ecs.cpu-architecture", "value": task.architecture}],
        "availabilityZone": task.rest.get("zone", ""),
        "clusterArn": task.cluster_arn,
        "connectivity": "DISCONNECTED" if task.status in (PROVISIONING, STOPPED) else "CONNECTED",
        "containers": [one.describe(task) for one in task.containers],
        "cpu": task.cpu,
        "memory": task.memory,
        "desiredStatus": task.desired,
        "enableExecuteCommand": False,
        "ephemeralStorage": {"sizeInGiB": task.storage},
        "group": task.group,
        "healthStatus": "UNKNOWN",
        "lastStatus": task.status,
        "launchType": task.launch_type,
        "overrides": {"containerOverrides": [{"name": one.name} for one in task.containers], **task.overrides},
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "tags": tag_list(task.tags) if "TAGS" in (include or ()) else [],
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition,
        "version": task.version,
        **{name: seconds(at) for name, at in task.times.items()},
    }
    optional = {
        "capacityProviderName": task.provider,
        "startedBy": task.started_by,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
    }
    return told | {name: value for name, value in optional.items() if value}
