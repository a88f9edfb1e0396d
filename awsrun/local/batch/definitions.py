"""Job definitions: revisions of a name, kept as AWS describes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from awsrun.local.batch.control import ControlPlane, Record
from awsrun.local.batch.errors import BatchError, among, need

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_GIVEN = ("parameters", "timeout", "retryStrategy", "propagateTags", "platformCapabilities", "schedulingPriority")
_WHOLE = re.compile(r"[0-9]+")
_NUMBER = {"VCPU": re.compile(r"[0-9]+|0?\.(25|5)"), "MEMORY": _WHOLE, "GPU": _WHOLE}
_LISTS = ("command", "volumes", "environment", "mountPoints", "ulimits", "resourceRequirements", "secrets")


def register(plane: ControlPlane, body: Record) -> Record:
    """Add the next revision of a definition."""
    need(body, "jobDefinitionName", "type")
    name = body["jobDefinitionName"]
    if not _NAME.fullmatch(name):
        raise BatchError(f"Error executing request, Exception : Invalid jobDefinitionName {name!r}.")
    among(body["type"], "type", ("container", "multinode"))
    if body["type"] == "multinode":
        raise BatchError("Error executing request, Exception : multi-node jobs do not run in the embedded cloud.")
    container = body.get("containerProperties")
    if not container or not container.get("image"):
        raise BatchError("Error executing request, Exception : Container properties must contain an image.")
    _check_container(container, "FARGATE" in body.get("platformCapabilities", []))
    revision = 1 + max((record["revision"] for record in _revisions(plane, name)), default=0)
    arn = plane.arn("job-definition", f"{name}:{revision}")
    record: Record = {
        "jobDefinitionName": name,
        "jobDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "type": "container",
        "parameters": {},
        "containerProperties": {**{key: [] for key in _LISTS}, **container},
        "tags": body.get("tags", {}),
        "containerOrchestrationType": "ECS",
        **{key: body[key] for key in _GIVEN if key in body},
    }
    retry = record.get("retryStrategy")
    if retry is not None:
        check_retry(retry)
        record["retryStrategy"] = {"evaluateOnExit": [], **retry}
    plane.definitions[arn] = record
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}


def deregister(plane: ControlPlane, body: Record) -> Record:
    """Make one revision INACTIVE."""
    need(body, "jobDefinition")
    record = plane.definitions.get(body["jobDefinition"])
    if record is None:
        name, _, revision = body["jobDefinition"].partition(":")
        record = plane.definitions.get(plane.arn("job-definition", f"{name}:{revision}"))
    if record is not None:
        record["status"] = "INACTIVE"
    return {}


def describe(plane: ControlPlane, body: Record) -> list[Record]:
    """Definitions by ARN or name:revision, by name, or all; by status."""
    found = list(plane.definitions.values())
    if wanted := set(body.get("jobDefinitions") or ()):
        found = [
            record
            for record in found
            if {record["jobDefinitionArn"], f"{record['jobDefinitionName']}:{record['revision']}"} & wanted
        ]
    elif name := body.get("jobDefinitionName"):
        found = [record for record in found if record["jobDefinitionName"] == name]
    if status := body.get("status"):
        found = [record for record in found if record["status"] == status]
    return found


def active(plane: ControlPlane, name: str) -> Record:
    """What SubmitJob means by an ARN, a name:revision, or a name (its newest ACTIVE revision)."""
    if name.startswith("arn:") and name.rsplit(":", 1)[-1].isdigit():
        found = plane.definitions.get(name)
    else:
        short, _, revision = name.rsplit("/", 1)[-1].partition(":")
        known = [record for record in _revisions(plane, short) if not revision or str(record["revision"]) == revision]
        found = max(
            (record for record in known if record["status"] == "ACTIVE"), key=lambda r: int(r["revision"]), default=None
        )
    if found is None or found["status"] != "ACTIVE":
        raise BatchError(f"Error executing request, Exception : JobDefinition {name} is not ACTIVE or does not exist.")
    return found


def check_retry(retry: dict[str, Any]) -> None:
    """Refuse a retryStrategy that AWS would refuse; actions are told in lower case, as AWS does."""
    attempts = retry.get("attempts", 1)
    if not 1 <= attempts <= 10:
        raise BatchError("Error executing request, Exception : attempts must be between 1 and 10.")
    rules = retry.get("evaluateOnExit") or []
    if len(rules) > 5:
        raise BatchError("Error executing request, Exception : evaluateOnExit takes at most 5 conditions.")
    for rule in rules:
        rule["action"] = rule.get("action", "").lower()
        among(rule["action"], "evaluateOnExit.action", ("retry", "exit"))


def _revisions(plane: ControlPlane, name: str) -> list[Record]:
    return [record for record in plane.definitions.values() if record["jobDefinitionName"] == name]


def needs(container: Record) -> dict[str, str]:
    """``VCPU``, ``MEMORY`` and ``GPU`` as a container asks for them."""
    return {entry["type"]: entry["value"] for entry in container.get("resourceRequirements", [])}


def check_needs(listed: Iterable[Record]) -> None:
    """Refuse resourceRequirements that are no plain numbers: ``4.0`` vCPUs of a machine, ``1.04858e+06`` MiB
    (https://github.com/kestra-io/plugin-aws/issues/504)."""
    for one in listed:
        if not _NUMBER[one["type"]].fullmatch(one["value"]):
            raise BatchError(
                f"Error executing request, Exception : Value {one['value']} for type {one['type']} in "
                "resourceRequirement is not valid. Please provide a numeric value."
            )


def _check_container(container: Record, fargate: bool) -> None:
    check_needs(container.get("resourceRequirements", []))
    wanted = needs(container)
    for kind, old in (("VCPU", "vcpus"), ("MEMORY", "memory")):
        value = wanted.get(kind, container.get(old))
        if value is None or float(value) <= 0:
            raise BatchError(f"Error executing request, Exception : Container properties must declare {kind}.")
    if fargate and "executionRoleArn" not in container:
        raise BatchError("Error executing request, Exception : EXECUTION_ROLE_ARN is required for Fargate jobs.")
    if fargate and "sharedMemorySize" in (container.get("linuxParameters") or {}):
        raise BatchError("Error executing request, Exception : sharedMemorySize is not supported on Fargate.")
    if fargate and "GPU" in wanted:
        raise BatchError("Error executing request, Exception : GPU is not supported on Fargate.")
