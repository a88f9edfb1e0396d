"""Compute environments, queues and definitions of the embedded Batch: what is given is described, and order matters."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud

TAGS = {"awsrun:stack": "s"}
FARGATE = {"maxvCpus": 8, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
EC2 = {**FARGATE, "minvCpus": 0, "instanceTypes": ["g4dn.xlarge"], "instanceRole": "role"}


def _refused(says: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == "ClientException"


@pytest.mark.parametrize(
    "resources",
    [
        {"type": "EC2", "allocationStrategy": "BEST_FIT_PROGRESSIVE", **EC2},
        {"type": "SPOT", "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED", **EC2},
        {"type": "FARGATE", **FARGATE},
        {"type": "FARGATE_SPOT", **FARGATE},
    ],
    ids=lambda resources: str(resources["type"]),
)
def test_an_environment_and_its_queue_live_and_die_in_order(local_cloud: LocalCloud, resources: dict[str, Any]) -> None:
    batch, name = local_cloud.client("batch"), f"life-{resources['type']}"
    made = batch.create_compute_environment(
        computeEnvironmentName=name, type="MANAGED", computeResources=resources, tags=TAGS
    )
    arn = made["computeEnvironmentArn"]
    seen = batch.describe_compute_environments(computeEnvironments=[name])["computeEnvironments"][0]
    assert (seen["status"], seen["state"], seen["tags"]) == ("VALID", "ENABLED", TAGS)
    assert resources.items() <= seen["computeResources"].items()
    assert seen["serviceRole"].endswith("AWSServiceRoleForBatch"), "left out, it is the linked role"
    _refused("already exists", batch.create_compute_environment, computeEnvironmentName=name, type="MANAGED",
             computeResources=resources)  # fmt: skip
    batch.update_compute_environment(computeEnvironment=arn, computeResources={"maxvCpus": 16})
    seen = batch.describe_compute_environments(computeEnvironments=[arn])["computeEnvironments"][0]
    assert seen["computeResources"]["maxvCpus"] == 16

    order = [{"order": 1, "computeEnvironment": name}]
    queue = batch.create_job_queue(jobQueueName=name, priority=3, computeEnvironmentOrder=order, tags=TAGS)[
        "jobQueueArn"
    ]
    seen = batch.describe_job_queues(jobQueues=[name])["jobQueues"][0]
    assert (seen["status"], seen["priority"], seen["tags"]) == ("VALID", 3, TAGS)
    assert seen["computeEnvironmentOrder"] == [{"order": 1, "computeEnvironment": arn}]
    batch.update_job_queue(jobQueue=queue, priority=5)
    assert batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]["priority"] == 5
    batch.tag_resource(resourceArn=queue, tags={"more": "1"})
    batch.untag_resource(resourceArn=queue, tagKeys=["awsrun:stack"])
    assert batch.list_tags_for_resource(resourceArn=queue)["tags"] == {"more": "1"}

    _refused("must be DISABLED", batch.delete_compute_environment, computeEnvironment=name)
    _refused("must be DISABLED", batch.delete_job_queue, jobQueue=name)
    batch.update_compute_environment(computeEnvironment=name, state="DISABLED")
    _refused("found existing JobQueue relationship", batch.delete_compute_environment, computeEnvironment=name)
    batch.update_job_queue(jobQueue=name, state="DISABLED")
    batch.delete_job_queue(jobQueue=name)
    batch.delete_compute_environment(computeEnvironment=name)
    assert batch.describe_job_queues(jobQueues=[name])["jobQueues"] == []
    assert batch.describe_compute_environments(computeEnvironments=[name])["computeEnvironments"] == []


def test_a_fargate_environment_takes_no_instances(local_cloud: LocalCloud) -> None:
    resources = {"type": "FARGATE", **EC2}
    _refused("must not be specified for Fargate", local_cloud.client("batch").create_compute_environment,
             computeEnvironmentName="wrong", type="MANAGED", computeResources=resources)  # fmt: skip


def test_machines_of_an_environment_and_of_a_queue_are_alike(local_cloud: LocalCloud) -> None:
    batch = local_cloud.client("batch")

    def create(name: str, types: list[str]) -> Any:
        resources = {"type": "EC2", **EC2, "instanceTypes": types}
        return batch.create_compute_environment(computeEnvironmentName=name, type="MANAGED", computeResources=resources)

    def queue(environments: list[str]) -> Any:
        order = [{"order": rank, "computeEnvironment": one} for rank, one in enumerate(environments)]
        return batch.create_job_queue(jobQueueName="alike", priority=1, computeEnvironmentOrder=order)

    for types in (["t3.medium"], ["c5", "t2"], ["t4g.small"]):
        _refused("Instance type can only be one of", create, name="burstable", types=types)
    _refused("arm-based instance type cannot be used with other", create, name="mixed",
             types=["optimal", "c6g.large"])  # fmt: skip
    create("alike-x86", ["optimal", "g4dn.xlarge"])
    create("alike-arm", ["c6g", "m7gd.large"])
    _refused("cannot mix architectures", queue, environments=["alike-x86", "alike-arm"])
    queue(["alike-arm"])


def test_definitions_are_revisions_and_say_what_was_given(local_cloud: LocalCloud) -> None:
    batch = local_cloud.client("batch")
    container = {
        "image": "image",
        "command": ["a", "Ref::b"],
        "jobRoleArn": "arn:aws:iam::123456789012:role/job",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "networkConfiguration": {"assignPublicIp": "ENABLED"},
        "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
        "environment": [{"name": "A", "value": "1"}],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g"}},
        "fargatePlatformConfiguration": {"platformVersion": "LATEST"},
    }
    given = {
        "type": "container",
        "platformCapabilities": ["FARGATE"],
        "timeout": {"attemptDurationSeconds": 7200},
        "propagateTags": True,
        "parameters": {"b": "x"},
        "tags": TAGS,
    }
    retry = {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}]}
    request = {"jobDefinitionName": "defined", "containerProperties": container, "retryStrategy": retry, **given}
    first, second = (batch.register_job_definition(**request) for _ in range(2))
    assert [first["revision"], second["revision"]] == [1, 2]
    seen = batch.describe_job_definitions(jobDefinitions=["defined:2"])["jobDefinitions"][0]
    assert given.items() <= seen.items() and container.items() <= seen["containerProperties"].items()
    assert seen["retryStrategy"] == {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "exit"}]}
    batch.deregister_job_definition(jobDefinition=second["jobDefinitionArn"])
    active = batch.describe_job_definitions(jobDefinitionName="defined", status="ACTIVE")["jobDefinitions"]
    assert [definition["revision"] for definition in active] == [1]
    assert batch.register_job_definition(**request)["revision"] == 3, "a revision is never given twice"
