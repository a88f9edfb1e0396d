"""Task definitions: revisions of a family, kept as AWS describes them.

Deregistered ones are INACTIVE and stay; deleting takes INACTIVE ones alone
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html).
"""

from __future__ import annotations

import re
from typing import Any

from awsrun.local.ecs.errors import EcsError, Record, among, need, seconds, tag_list, tags_of

CLIENT = "ClientException"
ACTIVE, INACTIVE, DELETING = "ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"
_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
_GIVEN = (
    "networkMode", "cpu", "memory", "taskRoleArn", "executionRoleArn", "runtimePlatform", "ephemeralStorage", "pidMode",
    "ipcMode", "proxyConfiguration",
)  # fmt: skip
# vCPU units -> least and most MiB, and the step: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
# task-cpu-memory-error.html
_FARGATE = {
    512: (1024, 4096, 1024), 1024: (2048, 8192, 1024), 2048: (4096, 16384, 1024), 4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096), 16384: (32768, 122880, 8192),
}  # fmt: skip


class Definitions:
    """The task definitions of a region: family -> revision -> record."""

    def __init__(self) -> None:
        self.families: dict[str, dict[int, Record]] = {}
        self.numbers: dict[str, int] = {}  # the last of each family: it is never given again

    def register(self, prefix: str, body: Record, at: int) -> Record:
        """RegisterTaskDefinition.

        Args:
            prefix: of its ARN: ``arn:...:task-definition/``.
        """
        need(body, "family", "containerDefinitions")
        family = body["family"]
        if not _FAMILY.fullmatch(family):
            raise EcsError(
                "Family contains invalid characters: only letters, numbers, - and _, up to 255 of them.", CLIENT
            )
        asked = body.get("requiresCompatibilities") or []
        for name in asked:
            among(name, "requiresCompatibilities", ("EC2", "FARGATE", "EXTERNAL"))
        containers = [_container(one, body.get("memory")) for one in body["containerDefinitions"]]
        if len({one["name"] for one in containers}) < len(containers):
            raise EcsError("Container names must be unique within a task definition.", CLIENT)
        if not any(one["essential"] for one in containers):
            raise EcsError("Invalid setting for container: at least one container must be essential.", CLIENT)
        if "FARGATE" in asked:
            _check_fargate(body)
        revisions = self.families.setdefault(family, {})
        revision = self.numbers[family] = self.numbers.get(family, 0) + 1
        record: Record = {
            "taskDefinitionArn": f"{prefix}{family}:{revision}",
            "containerDefinitions": containers,
            "family": family,
            "revision": revision,
            "volumes": body.get("volumes") or [],
            "status": ACTIVE,
            "placementConstraints": body.get("placementConstraints") or [],
            "compatibilities": ["EC2", "FARGATE"] if "FARGATE" in asked else ["EC2"],
            "registeredAt": seconds(at),
            **({"requiresCompatibilities": asked} if asked else {}),
            **{key: body[key] for key in _GIVEN if body.get(key) is not None},
        }
        revisions[revision] = {"record": record, "tags": tags_of(body)}
        return {"taskDefinition": record, "tags": tag_list(tags_of(body))}

    def entry(self, name: str) -> Record:
        """What a family (its newest ACTIVE revision), ``family:revision`` or ARN means.

        Raises:
            EcsError: there is none.
        """
        family, _, revision = name.rpartition("/")[2].partition(":")
        revisions = self.families.get(family, {})
        if revision:
            found = revisions.get(int(revision)) if revision.isdigit() else None
        else:
            active = [number for number, one in revisions.items() if one["record"]["status"] == ACTIVE]
            found = revisions[max(active)] if active else None
        if found is None:
            raise EcsError("Unable to describe task definition.", CLIENT)
        return found

    def record(self, name: str) -> Record:
        """As `entry`, without the tags."""
        found: Record = self.entry(name)["record"]
        return found

    def runnable(self, name: str) -> Record:
        """What tasks can be started from.

        Raises:
            EcsError: there is no such definition, or it is not ACTIVE.
        """
        try:
            found = self.record(name)
        except EcsError:
            raise EcsError("TaskDefinition not found.", CLIENT) from None
        if found["status"] != ACTIVE:
            raise EcsError("TaskDefinition is inactive", CLIENT)
        return found

    def describe(self, body: Record) -> Record:
        """DescribeTaskDefinition."""
        need(body, "taskDefinition")
        found = self.entry(body["taskDefinition"])
        told: Record = {"taskDefinition": found["record"]}
        return {**told, "tags": tag_list(found["tags"])} if "TAGS" in (body.get("include") or ()) else told

    def deregister(self, body: Record, at: int) -> Record:
        """DeregisterTaskDefinition: of one revision."""
        name = str(body.get("taskDefinition", ""))
        if ":" not in name.rpartition("/")[2]:
            raise EcsError("Revision is missing.", CLIENT)
        try:
            found = self.record(name)
        except EcsError:
            raise EcsError("The specified task definition does not exist.", CLIENT) from None
        if found["status"] == ACTIVE:
            found.update(status=INACTIVE, deregisteredAt=seconds(at))
        return {"taskDefinition": found}

    def delete(self, body: Record, used: set[str], at: int) -> Record:
        """DeleteTaskDefinitions: those that are INACTIVE.

        Args:
            used: ARNs that tasks or services still need: these stay DELETE_IN_PROGRESS.
        """
        names = body.get("taskDefinitions") or []
        if not 1 <= len(names) <= 10:
            raise EcsError("Between 1 and 10 task definitions can be deleted at a time.")
        told: Record = {"taskDefinitions": [], "failures": []}
        for name in names:
            try:
                found = self.record(name)
            except EcsError:
                told["failures"].append({"arn": name, "reason": "The specified task definition does not exist."})
                continue
            if found["status"] == ACTIVE:
                reason = "The specified task definition is still in ACTIVE status. Please deregister the target and "
                told["failures"].append({"arn": name, "reason": f"{reason}try again."})
                continue
            found.update(status=DELETING, deleteRequestedAt=seconds(at))
            told["taskDefinitions"].append(dict(found))
        self.forget(used)
        return told

    def forget(self, used: set[str]) -> None:
        """Those whose deletion was asked for go once nothing needs them."""
        for family, revisions in list(self.families.items()):
            for number, one in list(revisions.items()):
                if one["record"]["status"] == DELETING and one["record"]["taskDefinitionArn"] not in used:
                    del revisions[number]
            if not revisions:
                del self.families[family]

    def arns(self, body: Record) -> list[str]:
        """ListTaskDefinitions, all pages: of a family (its whole name), by family and revision."""
        status, family = body.get("status") or ACTIVE, body.get("familyPrefix")
        found = [
            one["record"]
            for name in sorted(self.families)
            for _, one in sorted(self.families[name].items())
            if family in (None, name) and one["record"]["status"] == status
        ]
        return [str(one["taskDefinitionArn"]) for one in (found[::-1] if body.get("sort") == "DESC" else found)]

    def names(self, body: Record) -> list[str]:
        """ListTaskDefinitionFamilies, all pages: those that begin with a prefix."""
        prefix, status = body.get("familyPrefix") or "", body.get("status") or ACTIVE
        return [name for name in sorted(self.families) if name.startswith(prefix) and self._has(name, status)]

    def _has(self, family: str, status: str) -> bool:
        """A family is ACTIVE with one active revision; INACTIVE where it has others alone."""
        states = {one["record"]["status"] for one in self.families[family].values()}
        if status == "ALL":
            return bool(states)
        return (ACTIVE in states) if status == ACTIVE else bool(states) and ACTIVE not in states


def check_size(cpu: Any, memory: Any) -> None:
    """Refuse a size that Fargate does not have; both as task definitions and overrides have them, in units and MiB."""
    try:
        units, mib = int(str(cpu)), int(str(memory))
    except ValueError:
        raise EcsError("Invalid setting for cpu or memory.", CLIENT) from None
    if units == 256 and mib in (512, 1024, 2048):
        return
    least, most, step = _FARGATE.get(units, (0, -1, 1))
    if not least <= mib <= most or mib % step:
        raise EcsError("No Fargate configuration exists for given values.", CLIENT)


def _check_fargate(body: Record) -> None:
    if body.get("networkMode") != "awsvpc":
        raise EcsError("Fargate only supports network mode ‘awsvpc’.", CLIENT)
    for name in ("cpu", "memory"):
        if not body.get(name):
            raise EcsError(f"Fargate requires that '{name}' be defined at the task level.", CLIENT)
    check_size(body["cpu"], body["memory"])
    for one in body["containerDefinitions"]:
        driver = (one.get("logConfiguration") or {}).get("logDriver")
        if driver == "awslogs" and not body.get("executionRoleArn"):
            raise EcsError("Fargate requires task definition to have execution role ARN to support log driver awslogs.",
                           CLIENT)  # fmt: skip
        if int(one.get("stopTimeout") or 0) > 120:
            raise EcsError("Fargate supports a stopTimeout of at most 120 seconds.", CLIENT)
    size = (body.get("ephemeralStorage") or {}).get("sizeInGiB")
    if size is not None and not 21 <= size <= 200:
        raise EcsError("Ephemeral storage size should be between 21 and 200 GiB.", CLIENT)


def _container(given: Record, task_memory: Any) -> Record:
    for name in ("name", "image"):
        if not given.get(name):
            raise EcsError(f"Container.{name} should not be null or empty.", CLIENT)
    if not (given.get("memory") or given.get("memoryReservation") or task_memory):
        raise EcsError(
            f"Invalid setting for container '{given['name']}'. At least one of 'memory' or 'memoryReservation' must be "
            "specified.",
            CLIENT,
        )
    if given.get("dependsOn"):
        raise EcsError("the embedded cloud starts all containers of a task at once: dependsOn is not there", CLIENT)
    blank: Record = {"cpu": 0, "portMappings": [], "essential": True, "environment": [], "mountPoints": []}
    return {**blank, "volumesFrom": [], "systemControls": [], **given}
