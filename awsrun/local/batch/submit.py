"""SubmitJob: a definition with its overrides becomes a job."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from awsrun.local.batch.control import ControlPlane, Record
from awsrun.local.batch.definitions import active, check_needs, check_retry
from awsrun.local.batch.errors import BatchError, need
from awsrun.local.batch.jobs import Job, Unit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_REF = re.compile(r"Ref::([A-Za-z0-9_-]+)")
_SHORTEST = 60  # seconds; AWS refuses a shorter timeout


def job_of(plane: ControlPlane, body: Record, job_id: str, created: int, known: dict[str, Job]) -> Job:
    """The job that a SubmitJob call asks for.

    Raises:
        BatchError: as AWS would refuse it.
    """
    need(body, "jobName", "jobQueue", "jobDefinition")
    if not _NAME.fullmatch(body["jobName"]):
        raise BatchError(f"Error executing request, Exception : Invalid jobName {body['jobName']!r}.")
    queue = plane.queue(body["jobQueue"])
    if queue["state"] != "ENABLED":
        raise BatchError(f"Error executing request, Exception : Job queue {queue['jobQueueArn']} is not ENABLED.")
    definition = active(plane, body["jobDefinition"])
    parameters = {**definition.get("parameters", {}), **(body.get("parameters") or {})}
    retry = body.get("retryStrategy") or definition.get("retryStrategy") or {}
    check_retry(retry)
    size = _size(body)
    units = [Unit(f"{job_id}:{index}", index) for index in range(size)] if size else [Unit(job_id)]
    return Job(
        id=job_id,
        name=body["jobName"],
        arn=plane.arn("job", job_id),
        queue=queue["jobQueueArn"],
        definition=definition["jobDefinitionArn"],
        definition_name=definition["jobDefinitionName"],
        created=created,
        container=_container(definition["containerProperties"], body.get("containerOverrides") or {}, parameters),
        parameters=parameters,
        depends_on=_depends_on(body.get("dependsOn") or [], size, known),
        attempts=retry.get("attempts", 1),
        retry=retry,
        timeout=_timeout(body, definition),
        tags={**(definition["tags"] if _propagates(body, definition) else {}), **(body.get("tags") or {})},
        propagate_tags=_propagates(body, definition),
        platform=definition.get("platformCapabilities", ["EC2"]),
        size=size,
        units=units,
        counts=Counter({"SUBMITTED": len(units)}),
    )


def _size(body: Record) -> int | None:
    size = (body.get("arrayProperties") or {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        raise BatchError("Error executing request, Exception : Array size must be between 2 and 10000.")
    return int(size) if size is not None else None


def _timeout(body: Record, definition: Record) -> int | None:
    seconds = (body.get("timeout") or definition.get("timeout") or {}).get("attemptDurationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        raise BatchError(f"Error executing request, Exception : attemptDurationSeconds must be at least {_SHORTEST}.")
    return int(seconds) if seconds is not None else None


def _propagates(body: Record, definition: Record) -> bool:
    return bool(body.get("propagateTags", definition.get("propagateTags", False)))


def _depends_on(given: list[dict[str, str]], size: int | None, known: dict[str, Job]) -> list[dict[str, str]]:
    if len(given) > 20:
        raise BatchError("Error executing request, Exception : a job depends on at most 20 jobs.")
    for entry in given:
        kind, other = entry.get("type"), entry.get("jobId")
        if kind not in (None, "N_TO_N", "SEQUENTIAL"):
            raise BatchError(f"Error executing request, Exception : Invalid dependency type {kind}.")
        if kind is not None and size is None:
            raise BatchError(f"Error executing request, Exception : {kind} needs an array job.")
        if kind == "SEQUENTIAL" and other is None:
            continue
        parent = known.get(str(other).partition(":")[0])
        if parent is None:
            raise BatchError(f"Error executing request, Exception : Job {other} does not exist.")
        if kind == "N_TO_N" and parent.size != size:
            raise BatchError("Error executing request, Exception : N_TO_N needs arrays of the same size.")
    return given


def _container(base: Record, overrides: Record, parameters: dict[str, str]) -> Record:
    """containerProperties with containerOverrides, as DescribeJobs shows them."""
    merged: Record = dict(base)
    for name in ("vcpus", "memory", "instanceType"):
        if overrides.get(name) is not None:
            merged[name] = overrides[name]
    command = overrides.get("command") or base["command"]
    merged["command"] = [_filled(word, parameters) for word in command]
    merged["environment"] = _by(base["environment"] + overrides.get("environment", []), "name")
    check_needs(overrides.get("resourceRequirements", []))
    merged["resourceRequirements"] = _by(
        base["resourceRequirements"] + overrides.get("resourceRequirements", []), "type"
    )
    return merged


def _filled(word: str, parameters: dict[str, str]) -> str:
    """``Ref::name`` replaced where the parameter is known, else left as it is."""
    return _REF.sub(lambda found: parameters.get(found.group(1), found.group(0)), word)


def _by(entries: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return list({entry[key]: entry for entry in entries}.values())
