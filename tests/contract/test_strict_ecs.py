"""ECS as hard as AWS's: clusters in use, tasks that are not found yet, client tokens, the first use in an account."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENT, LocalCloud
from tests.contract.strict_bench import passes, refused, unique, until

Run = Callable[..., list[str]]
LINKED = "InvalidParameterException:Unable to assume the service linked role"


@pytest.fixture
def ecs(strict_cloud: LocalCloud) -> Any:
    client = strict_cloud.client("ecs")
    passes(LINKED, client.create_cluster, clusterName="first-use")
    return client


@pytest.fixture
def cluster(ecs: Any) -> str:
    name = unique()
    ecs.create_cluster(clusterName=name)
    return name


@pytest.fixture
def task(ecs: Any) -> str:
    """A task definition."""
    container = {"name": "main", "image": "busybox", "memory": 128}
    made = ecs.register_task_definition(
        family=unique(), containerDefinitions=[container], cpu="256", memory="512", requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
    )  # fmt: skip
    return str(made["taskDefinition"]["taskDefinitionArn"])


@pytest.fixture
def run(strict_cloud: LocalCloud, ecs: Any, cluster: str, task: str) -> Run:
    """Runs tasks in the default VPC; returns their ARNs."""
    ec2 = strict_cloud.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    there = [{"Name": "vpc-id", "Values": [vpc]}]
    network = {
        "subnets": [ec2.describe_subnets(Filters=there)["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups(Filters=there)["SecurityGroups"][0]["GroupId"]],
    }

    def run(**more: Any) -> list[str]:
        request = {"cluster": cluster, "taskDefinition": task, "launchType": "FARGATE", **more}
        made = ecs.run_task(networkConfiguration={"awsvpcConfiguration": network}, **request)
        return [one["taskArn"] for one in made["tasks"]]

    return run


def test_a_cluster_goes_only_after_its_services_and_tasks(ecs: Any, cluster: str, task: str, run: Run) -> None:
    ecs.create_service(cluster=cluster, serviceName="web", taskDefinition=task, desiredCount=0)
    (arn,) = run()
    refused("ClusterContainsServicesException", ecs.delete_cluster, cluster=cluster)
    ecs.delete_service(cluster=cluster, service="web")
    refused("ClusterContainsTasksException", ecs.delete_cluster, cluster=cluster)
    ecs.stop_task(cluster=cluster, task=arn)
    ecs.delete_cluster(cluster=cluster)


def test_a_deleted_cluster_is_inactive_and_takes_nothing(ecs: Any, cluster: str, run: Run) -> None:
    ecs.delete_cluster(cluster=cluster)
    assert ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"] == "INACTIVE"
    refused("ClusterNotFoundException", run)
    refused("ClusterNotFoundException", run, cluster=unique())
    ecs.create_cluster(clusterName=cluster)
    assert ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"] == "ACTIVE"


def test_new_tasks_are_not_found_for_a_moment(ecs: Any, cluster: str, run: Run) -> None:
    def missing() -> str:
        (arn,) = run()
        found = ecs.describe_tasks(cluster=cluster, tasks=[arn])
        assert len(found["tasks"]) + len(found["failures"]) == 1
        return arn if found["failures"] == [{"arn": arn, "reason": "MISSING"}] else ""

    arn = until(missing)
    until(lambda: ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"])
    until(lambda: arn in ecs.list_tasks(cluster=cluster)["taskArns"])

    def listed() -> bool:
        return run()[0] in ecs.list_tasks(cluster=cluster)["taskArns"]

    assert not all(listed() for _ in range(20))


def test_a_token_runs_tasks_once_in_its_cluster(ecs: Any, cluster: str, run: Run) -> None:
    token, other = uuid.uuid4().hex, unique()
    first = run(clientToken=token, count=2)
    assert run(clientToken=token, count=2) == first
    refused("ConflictException", run, clientToken=token, count=3)
    ecs.create_cluster(clusterName=other)
    assert set(run(cluster=other, clientToken=token, count=2)).isdisjoint(first)
    until(lambda: len(ecs.list_tasks(cluster=cluster)["taskArns"]) == 2)


def test_a_token_makes_a_service_once(ecs: Any, cluster: str, task: str) -> None:
    def create(**more: Any) -> Any:
        return ecs.create_service(cluster=cluster, serviceName="web", taskDefinition=task, **more)["service"]

    token = uuid.uuid4().hex
    first = create(desiredCount=1, clientToken=token)
    assert create(desiredCount=1, clientToken=token) == first
    not_idempotent = "InvalidParameterException:not idempotent"
    refused(not_idempotent, create, desiredCount=2, clientToken=token)
    refused(not_idempotent, create, desiredCount=1)
    refused(not_idempotent, create, desiredCount=1, clientToken=uuid.uuid4().hex)


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """A strict cloud in whose account nobody used ECS."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    cloud = LocalCloud(tmp_path, env={**env, "AWSRUN_HOME": str(tmp_path)})
    cloud.retries = PATIENT
    cloud.start(strict=True, time_scale=0.5)
    yield cloud
    cloud.stop()


def test_the_first_use_makes_the_linked_role_and_fails_for_a_moment(own_cloud: LocalCloud) -> None:
    ecs, iam = own_cloud.client("ecs"), own_cloud.client("iam")
    refused(LINKED, ecs.create_cluster, clusterName="c")
    role = iam.get_role(RoleName="AWSServiceRoleForECS")["Role"]
    assert role["Path"] == "/aws-service-role/ecs.amazonaws.com/"
    own_cloud.kill()  # what a refused call left behind is kept too
    own_cloud.start()
    assert own_cloud.client("iam").get_role(RoleName="AWSServiceRoleForECS")["Role"] == role
    passes(LINKED, own_cloud.client("ecs").create_cluster, clusterName="c")
    own_cloud.kill()
    own_cloud.start()
    found = own_cloud.client("ecs").describe_clusters(clusters=["c"])["clusters"]
    assert [one["status"] for one in found] == ["ACTIVE"]
