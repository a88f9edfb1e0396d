"""Compute environments, job queues and job definitions: kept as AWS describes them.

What was given is what is described.  An environment or a queue is VALID as soon as it is made; nothing is launched for
an environment, because jobs run on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from awsrun.local.batch import machines
from awsrun.local.batch.errors import BatchError, among, need

Record = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TYPES = ("EC2", "SPOT", "FARGATE", "FARGATE_SPOT")
_STATES = ("ENABLED", "DISABLED")
_LINKED_ROLE = "role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"


class ControlPlane:
    """The three kinds of records of one region, by ARN."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.environments: dict[str, Record] = {}
        self.queues: dict[str, Record] = {}
        self.definitions: dict[str, Record] = {}

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:batch:{self.region}:{self.account}:{kind}/{name}"

    # Compute environments

    def create_environment(self, body: Record, uuid: str) -> Record:
        need(body, "computeEnvironmentName", "type")
        name = body["computeEnvironmentName"]
        if not _NAME.fullmatch(name):
            raise BatchError(f"Error executing request, Exception : Invalid computeEnvironmentName {name!r}.")
        among(body["type"], "type", ("MANAGED", "UNMANAGED"))
        among(body.get("state"), "state", _STATES)
        arn = self.arn("compute-environment", name)
        if arn in self.environments:
            raise BatchError("Object already exists")
        resources = body.get("computeResources")
        if body["type"] == "MANAGED":
            if not resources:
                raise BatchError("Error executing request, Exception : computeResources is required.")
            _check_resources(resources)
        record = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arn,
            "ecsClusterArn": f"arn:aws:ecs:{self.region}:{self.account}:cluster/AWSBatch-{name}-{uuid}",
            "type": body["type"],
            "state": body.get("state", "ENABLED"),
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "serviceRole": body.get("serviceRole") or f"arn:aws:iam::{self.account}:{_LINKED_ROLE}",
            "tags": body.get("tags", {}),
            "containerOrchestrationType": "ECS",
            "uuid": uuid,
        }
        for name in ("unmanagedvCpus", "context"):
            if name in body:
                record[name] = body[name]
        if resources:
            record["computeResources"] = _with_defaults(resources)
        self.environments[arn] = record
        return {"computeEnvironmentName": record["computeEnvironmentName"], "computeEnvironmentArn": arn}

    def update_environment(self, body: Record) -> Record:
        need(body, "computeEnvironment")
        among(body.get("state"), "state", _STATES)
        record = self.find(self.environments, body["computeEnvironment"], "computeEnvironmentName")
        if record is None:
            raise BatchError(f"Error executing request, Exception : {body['computeEnvironment']} does not exist.")
        given = dict(body.get("computeResources") or {})
        if given:
            merged = {**record.get("computeResources", {}), **given}
            _check_resources(merged)
            record["computeResources"] = merged
        for name in ("state", "serviceRole", "unmanagedvCpus", "updatePolicy", "context"):
            if name in body:
                record[name] = body[name]
        return {
            "computeEnvironmentName": record["computeEnvironmentName"],
            "computeEnvironmentArn": record["computeEnvironmentArn"],
        }

    def delete_environment(self, body: Record) -> Record:
        need(body, "computeEnvironment")
        record = self.find(self.environments, body["computeEnvironment"], "computeEnvironmentName")
        if record is None:
            return {}
        arn = record["computeEnvironmentArn"]
        if record["state"] != "DISABLED":
            raise BatchError("Cannot delete, resource state must be DISABLED")
        if any(arn in _environments_of(queue) for queue in self.queues.values()):
            raise BatchError("Cannot delete, found existing JobQueue relationship")
        del self.environments[arn]
        return {}

    # Job queues

    def create_queue(self, body: Record) -> Record:
        need(body, "jobQueueName")
        if body.get("priority") is None:
            raise BatchError("Error executing request, Exception : priority is required.")
        among(body.get("state"), "state", _STATES)
        name = body["jobQueueName"]
        if not _NAME.fullmatch(name):
            raise BatchError(f"Error executing request, Exception : Invalid jobQueueName {name!r}.")
        arn = self.arn("job-queue", name)
        if arn in self.queues:
            raise BatchError("Object already exists")
        record = {
            "jobQueueName": name,
            "jobQueueArn": arn,
            "state": body.get("state", "ENABLED"),
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": body["priority"],
            "computeEnvironmentOrder": self._order(body.get("computeEnvironmentOrder")),
            "tags": body.get("tags", {}),
            "jobStateTimeLimitActions": body.get("jobStateTimeLimitActions", []),
        }
        for name in ("schedulingPolicyArn", "jobQueueType", "serviceEnvironmentOrder"):
            if name in body:
                record[name] = body[name]
        self.queues[arn] = record
        return {"jobQueueName": record["jobQueueName"], "jobQueueArn": arn}

    def update_queue(self, body: Record) -> Record:
        need(body, "jobQueue")
        among(body.get("state"), "state", _STATES)
        record = self.queue(body["jobQueue"])
        if "computeEnvironmentOrder" in body:
            record["computeEnvironmentOrder"] = self._order(body["computeEnvironmentOrder"])
        for name in ("state", "priority", "schedulingPolicyArn", "jobStateTimeLimitActions"):
            if name in body:
                record[name] = body[name]
        return {"jobQueueName": record["jobQueueName"], "jobQueueArn": record["jobQueueArn"]}

    def delete_queue(self, body: Record) -> Record | None:
        """Forget the queue; returns its record, whose jobs are to be ended, or None where there is none."""
        need(body, "jobQueue")
        record = self.find(self.queues, body["jobQueue"], "jobQueueName")
        if record is None:
            return None
        if record["state"] != "DISABLED":
            raise BatchError("Cannot delete, resource state must be DISABLED")
        return self.queues.pop(record["jobQueueArn"])

    def queue(self, name_or_arn: str) -> Record:
        """The queue of that name or ARN."""
        record = self.find(self.queues, name_or_arn, "jobQueueName")
        if record is None:
            raise BatchError(f"Error executing request, Exception : JobQueue {name_or_arn} does not exist.")
        return record

    def open_environments(self, queue: Record) -> Iterator[Record]:
        """The ENABLED environments of a queue, in their order; where there are none its jobs must wait."""
        found = (self.environments.get(arn) for arn in _environments_of(queue))
        return (one for one in found if one is not None and one["state"] == "ENABLED")

    # Common

    @staticmethod
    def find(records: dict[str, Record], name_or_arn: str, key: str) -> Record | None:
        """A record by its ARN or its name."""
        found = records.get(name_or_arn)
        return found or next((record for record in records.values() if record[key] == name_or_arn), None)

    @staticmethod
    def select(records: dict[str, Record], wanted: Iterable[str] | None, key: str) -> list[Record]:
        """All records, or those named."""
        names = set(wanted or ())
        return [record for arn, record in records.items() if not names or arn in names or record[key] in names]

    def _order(self, given: list[Record] | None) -> list[Record]:
        if not given:
            raise BatchError("Error executing request, Exception : computeEnvironmentOrder is required.")
        if len(given) > 3:
            raise BatchError("Error executing request, Exception : a queue takes at most 3 compute environments.")
        order, kinds, arms = [], set(), set()
        for entry in sorted(given, key=lambda entry: entry["order"]):
            name = entry["computeEnvironment"]
            record = self.find(self.environments, name, "computeEnvironmentName")
            if record is None:
                raise BatchError(f"Error executing request, Exception : ComputeEnvironment {name} does not exist.")
            resources = record.get("computeResources", {})
            kinds.add(resources.get("type", "").startswith("FARGATE"))
            arms.add(machines.arm(resources.get("instanceTypes", ())))
            order.append({"order": entry["order"], "computeEnvironment": record["computeEnvironmentArn"]})
        if len(kinds) > 1:
            raise BatchError("Error executing request, Exception : a queue cannot mix Fargate and EC2 environments.")
        if len(arms) > 1:
            raise BatchError("Error executing request, Exception : a queue cannot mix architectures.")
        return order


def _environments_of(queue: Record) -> list[str]:
    return [entry["computeEnvironment"] for entry in queue["computeEnvironmentOrder"]]


def _check_resources(resources: Record) -> None:
    among(resources.get("type"), "computeResources.type", _TYPES)
    need(resources, "type", "subnets")
    if resources.get("maxvCpus") is None:
        raise BatchError("Error executing request, Exception : Resource maxvCpus is required.")
    if resources["maxvCpus"] < resources.get("minvCpus", 0):
        raise BatchError("Error executing request, Exception : maxvCpus must be at least minvCpus.")
    if resources["type"].startswith("FARGATE"):
        need(resources, "securityGroupIds")
        for name in ("instanceRole", "instanceTypes", "minvCpus", "desiredvCpus", "allocationStrategy", "ec2KeyPair"):
            if name in resources:
                raise BatchError(
                    f"Error executing request, Exception : {name} must not be specified for Fargate compute resources."
                )
    else:
        need(resources, "instanceRole", "instanceTypes")
        if refused := machines.refusal(resources["instanceTypes"]):
            raise BatchError(f"Error executing request, Exception : {refused}")


def _with_defaults(resources: Record) -> Record:
    """What AWS fills in for EC2 environments."""
    if resources["type"].startswith("FARGATE"):
        return resources
    return {"minvCpus": 0, "desiredvCpus": resources.get("minvCpus", 0), "ec2Configuration": [], **resources}
