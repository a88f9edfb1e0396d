"""Batch as hard as AWS's: environments and queues take their time, change one thing at a time, and remember."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.jobs.workers.batch import diagnose
from awsrun.resources.batch_compute_environment import ComputeEnvironment
from tests.conftest import LocalCloud
from tests.contract.strict_bench import passes, refused, sometimes, unique, until

MODIFIED = "ClientException:being modified"
RELATED = "ClientException:found existing JobQueue relationship"
INVALID = "ClientException:is not VALID"
FARGATE = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}


@pytest.fixture
def batch(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("batch")


def create(batch: Any, name: str, **more: Any) -> str:
    batch.create_compute_environment(
        computeEnvironmentName=name, type="MANAGED", state="ENABLED", computeResources=FARGATE, **more
    )
    return name


def create_queue(batch: Any, environment: str, name: str = "") -> str:
    name = name or unique()
    order = [{"order": 1, "computeEnvironment": environment}]
    batch.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return name


def environment(batch: Any, name: str) -> dict[str, Any]:
    found = batch.describe_compute_environments(computeEnvironments=[name])["computeEnvironments"]
    return found[0] if found else {"status": ""}


def queue(batch: Any, name: str) -> dict[str, Any]:
    found = batch.describe_job_queues(jobQueues=[name])["jobQueues"]
    return found[0] if found else {"status": ""}


@pytest.fixture
def valid(batch: Any) -> str:
    """An environment that can be used."""
    name = create(batch, unique())
    until(lambda: environment(batch, name)["status"] == "VALID")
    return name


def disable(batch: Any, name: str) -> None:
    passes(MODIFIED, batch.update_compute_environment, computeEnvironment=name, state="DISABLED")
    until(lambda: environment(batch, name)["status"] == "VALID")


def phases(look: Any, end: str) -> list[str]:
    """The statuses that follow one another until ``end``."""
    seen: list[str] = []

    def looked() -> bool:
        now = look()["status"]
        if not seen or now != seen[-1]:
            seen.append(now)
        return bool(now == end)

    until(looked)
    return seen


# What is short may be missed on a busy machine, once.
LIFE = ["CREATING", "VALID", "UPDATING", "VALID", "DELETING", ""]


def test_an_environment_is_creating_then_valid_then_deleting_then_gone(batch: Any) -> None:
    def life() -> list[str]:
        name = create(batch, unique())
        seen = phases(lambda: environment(batch, name), "VALID")
        batch.update_compute_environment(computeEnvironment=name, state="DISABLED")
        seen += phases(lambda: environment(batch, name), "VALID")
        batch.delete_compute_environment(computeEnvironment=name)
        return seen + phases(lambda: environment(batch, name), "")

    assert any(life()[-len(LIFE) :] == LIFE for _ in range(10))


def test_a_queue_is_creating_then_valid_then_deleting_then_gone(batch: Any, valid: str) -> None:
    def life() -> list[str]:
        name = create_queue(batch, valid)
        seen = phases(lambda: queue(batch, name), "VALID")
        refused("ClientException:must be DISABLED", batch.delete_job_queue, jobQueue=name)
        batch.update_job_queue(jobQueue=name, state="DISABLED")
        seen += phases(lambda: queue(batch, name), "VALID")
        batch.delete_job_queue(jobQueue=name)
        return seen + phases(lambda: queue(batch, name), "")

    assert any(life()[-len(LIFE) :] == LIFE for _ in range(10))


def test_what_is_being_modified_takes_no_other_change(batch: Any, valid: str) -> None:
    sometimes(MODIFIED, lambda name: batch.update_compute_environment(computeEnvironment=create(batch, name)))
    gone = sometimes(MODIFIED, lambda name: batch.delete_compute_environment(computeEnvironment=disabling(batch, name)))
    passes(MODIFIED, batch.delete_compute_environment, computeEnvironment=gone)
    made = sometimes(MODIFIED, lambda name: batch.update_job_queue(jobQueue=create_queue(batch, valid, name)))

    def change(_: str) -> None:
        passes(MODIFIED, batch.update_job_queue, jobQueue=made, priority=2)
        batch.delete_job_queue(jobQueue=made)

    sometimes(MODIFIED, change)


def disabling(batch: Any, name: str) -> str:
    """An environment that is being disabled."""
    create(batch, name)
    passes(MODIFIED, batch.update_compute_environment, computeEnvironment=name, state="DISABLED")
    return name


def test_a_queue_takes_only_environments_that_are_valid(batch: Any, valid: str) -> None:
    sometimes(INVALID, lambda name: create_queue(batch, create(batch, name)))
    queued = create_queue(batch, valid)

    def order(name: str) -> None:
        order = [{"order": 1, "computeEnvironment": create(batch, name)}]
        passes(MODIFIED, batch.update_job_queue, jobQueue=queued, computeEnvironmentOrder=order)

    until(lambda: queue(batch, queued)["status"] == "VALID")
    another = sometimes(INVALID, order)
    wanted = [{"order": 1, "computeEnvironment": another}]
    passes(INVALID, batch.update_job_queue, jobQueue=queued, computeEnvironmentOrder=wanted)


def test_an_environment_remembers_a_queue_that_let_go(batch: Any, valid: str) -> None:
    other = create(batch, unique())
    name = create_queue(batch, valid)
    disable(batch, valid)
    refused(RELATED, batch.delete_compute_environment, computeEnvironment=valid)
    until(lambda: environment(batch, other)["status"] == "VALID" and queue(batch, name)["status"] == "VALID")
    batch.update_job_queue(jobQueue=name, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": other}])
    refused(RELATED, batch.delete_compute_environment, computeEnvironment=valid)
    assert queue(batch, name)["computeEnvironmentOrder"][0]["computeEnvironment"].endswith(other)
    passes(RELATED, batch.delete_compute_environment, computeEnvironment=valid)


def test_an_environment_remembers_a_queue_that_is_gone(batch: Any, valid: str) -> None:
    name = create_queue(batch, valid)
    disable(batch, valid)
    until(lambda: queue(batch, name)["status"] == "VALID")
    batch.update_job_queue(jobQueue=name, state="DISABLED")
    until(lambda: queue(batch, name)["status"] == "VALID")
    batch.delete_job_queue(jobQueue=name)
    until(lambda: queue(batch, name)["status"] == "")
    refused(RELATED, batch.delete_compute_environment, computeEnvironment=valid)
    passes(RELATED, batch.delete_compute_environment, computeEnvironment=valid)
    until(lambda: environment(batch, valid)["status"] == "")


def test_lists_leave_out_what_is_new(batch: Any, valid: str) -> None:
    def listed(name: str) -> bool:
        create(batch, name)
        pages = batch.get_paginator("describe_compute_environments").paginate()
        return name in {one["computeEnvironmentName"] for page in pages for one in page["computeEnvironments"]}

    assert not all(listed(unique()) for _ in range(20))

    def queues() -> set[str]:
        pages = batch.get_paginator("describe_job_queues").paginate()
        return {one["jobQueueName"] for page in pages for one in page["jobQueues"]}

    made = [create_queue(batch, valid) for _ in range(10)]
    until(lambda: set(made) <= queues())


def trust() -> str:
    principal = {"Service": "batch.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def role(strict_cloud: LocalCloud) -> str:
    """A service role that was made this moment."""
    made = strict_cloud.client("iam").create_role(RoleName=unique(), AssumeRolePolicyDocument=trust())
    return str(made["Role"]["Arn"])


def test_a_role_that_is_new_makes_it_invalid_until_batch_looks_again(strict_cloud: LocalCloud, batch: Any) -> None:
    iam = strict_cloud.client("iam")

    def invalid() -> str:
        arn = iam.create_role(RoleName=unique(), AssumeRolePolicyDocument=trust())["Role"]["Arn"]
        name = create(batch, unique(), serviceRole=arn)
        until(lambda: environment(batch, name)["status"] in ("VALID", "INVALID"))
        return name if environment(batch, name)["status"] == "INVALID" else ""

    name = until(invalid)
    first = environment(batch, name)["statusReason"]
    assert "is not authorized to perform: ecs:DescribeClusters" in first
    assert environment(batch, name)["statusReason"] == first
    refused(INVALID, create_queue, batch=batch, environment=name)
    until(lambda: looked_again(batch, name))


def test_a_profile_that_is_new_makes_it_invalid_until_batch_looks_again(strict_cloud: LocalCloud, batch: Any) -> None:
    machines = {"type": "EC2", "maxvCpus": 4, "subnets": ["subnet-1"], "instanceTypes": ["c5"]}

    def invalid() -> str:
        profile = strict_cloud.client("iam").create_instance_profile(InstanceProfileName=unique())["InstanceProfile"]
        name, resources = unique(), {**machines, "instanceRole": profile["Arn"]}
        batch.create_compute_environment(computeEnvironmentName=name, type="MANAGED", computeResources=resources)
        until(lambda: environment(batch, name)["status"] in ("VALID", "INVALID"))
        return name if environment(batch, name)["status"] == "INVALID" else ""

    name = until(invalid)
    assert "Invalid IamInstanceProfile" in environment(batch, name)["statusReason"]
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    seen = ComputeEnvironment(Cloud(session, LOCAL, strict_cloud.endpoint)).read(name)
    assert seen.phase == "ready" and seen.state and seen.state.trouble, "an update mends it"
    until(lambda: looked_again(batch, name))


def test_the_same_trouble_after_another_look_is_no_standstill() -> None:
    """Batch says it in the same words for as long as a new instance profile is not known everywhere."""
    said = {"status": "INVALID", "state": "ENABLED", "statusReason": "CLIENT_ERROR - Invalid IamInstanceProfile: arn"}

    class Told:
        region, read, write = "us-east-1", (lambda self, _: self), (lambda self, _: self)
        get_paginator = read

        def paginate(self, **_: Any) -> Any:
            return [{"computeEnvironments": [{**said, "computeEnvironmentName": "e", "computeEnvironmentArn": "a"}]}]

        def update_compute_environment(self, **_: Any) -> None:
            """It is INVALID again."""

    kind, seen = ComputeEnvironment(Told()), []  # type: ignore[arg-type]
    for _ in range(3):
        state = kind.read("e").state
        assert state is not None and state.trouble not in seen
        seen.append(state.trouble)
        kind.update("e", state, state, ())


def looked_again(batch: Any, name: str) -> bool:
    """Whether it is VALID once Batch has looked again."""
    passes(MODIFIED, batch.update_compute_environment, computeEnvironment=name, state="ENABLED")
    until(lambda: environment(batch, name)["status"] in ("VALID", "INVALID"))
    return bool(environment(batch, name)["status"] == "VALID")


def test_an_environment_whose_role_went_first_is_invalid_and_never_goes(
    strict_cloud: LocalCloud, batch: Any, role: str
) -> None:
    iam, name = strict_cloud.client("iam"), create(batch, unique(), serviceRole=role)
    until(lambda: environment(batch, name)["status"] in ("VALID", "INVALID"))
    disable_any(batch, name)
    passes("NoSuchEntity", iam.delete_role, RoleName=role.rpartition("/")[2])
    assert environment(batch, name)["status"] == "INVALID"
    assert "sts:AssumeRole" in environment(batch, name)["statusReason"]
    batch.delete_compute_environment(computeEnvironment=name)
    others = [create(batch, unique()) for _ in range(3)]
    for other in others:  # meanwhile others come and go
        until(lambda other=other: environment(batch, other)["status"] == "VALID")
        disable_any(batch, other)
        passes(RELATED, batch.delete_compute_environment, computeEnvironment=other)
        until(lambda other=other: environment(batch, other)["status"] == "")
    assert environment(batch, name)["status"] == "DELETING"


def disable_any(batch: Any, name: str) -> None:
    passes(MODIFIED, batch.update_compute_environment, computeEnvironment=name, state="DISABLED")
    until(lambda: environment(batch, name)["status"] in ("VALID", "INVALID"))


def test_the_linked_role_is_always_there(batch: Any, valid: str) -> None:
    assert environment(batch, valid)["serviceRole"].endswith("AWSServiceRoleForBatch")


def test_what_quotas_and_environments_have_no_room_for_waits(
    batch: Any, strict_cloud: LocalCloud, tmp_path: Path
) -> None:
    queues = {}
    for type, most in (("g4dn.xlarge", 64), ("c5.large", 1)):
        machines = {"type": "EC2", "maxvCpus": most, "instanceTypes": [type], "instanceRole": "i", "subnets": ["s"]}
        made = batch.create_compute_environment(
            computeEnvironmentName=unique(), type="MANAGED", computeResources=machines
        )["computeEnvironmentName"]
        until(lambda name=made: environment(batch, name)["status"] == "VALID")
        queues[type] = create_queue(batch, made)
        until(lambda type=type: queue(batch, queues[type])["status"] == "VALID")

    def submit(type: str, script: str) -> str:
        container = {"image": "x", "vcpus": 1, "memory": 512, "command": ["sh", "-c", script]}
        made = batch.register_job_definition(
            jobDefinitionName=unique(), type="container", containerProperties=container
        )["jobDefinitionArn"]
        return str(batch.submit_job(jobName="job", jobQueue=queues[type], jobDefinition=made)["jobId"])

    def status(job: str) -> str:
        return str(batch.describe_jobs(jobs=[job])["jobs"][0]["status"])

    flag, over = tmp_path / "flag", tmp_path / "over"
    gpus = submit("g4dn.xlarge", "true")
    first = submit("c5.large", f"while ! test -e {flag}; do sleep 0.02; done; touch {over}")
    second = submit("c5.large", f"test -e {over}")
    until(lambda: status(first) == "RUNNING")
    flag.touch()
    assert until(lambda: status(second) in ("SUCCEEDED", "FAILED") and status(second)) == "SUCCEEDED", "one at a time"
    assert status(gpus) == "RUNNABLE", "a new account has no vCPUs of that family"
    cloud = Cloud(
        boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1"),
        LOCAL,
        strict_cloud.endpoint,
    )
    (said,) = diagnose(cloud, queues["g4dn.xlarge"], [])
    assert "'Running On-Demand G and VT instances' is 0 vCPUs" in said and "--quota-code L-DB2E81BA" in said
    assert diagnose(cloud, queues["c5.large"], []) == []
    batch.terminate_job(jobId=gpus, reason="it would wait for ever")
