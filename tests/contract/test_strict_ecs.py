"""ECS as hard as AWS's: clusters in use, tasks that are not found yet, client tokens, the first use in an account."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENT, LocalCloud
from tests.contract.strict_bench import passes, refused, sometimes, unique, until

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
    container = {"name": "main", "image": "busybox", "memory": 128, "command": ["sleep", "600"], "stopTimeout": 2}
    made = ecs.register_task_definition(
        family=unique(), containerDefinitions=[container], cpu="256", memory="512", requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
    )  # fmt: skip
    return str(made["taskDefinition"]["taskDefinitionArn"])


@pytest.fixture
def network(strict_cloud: LocalCloud) -> Any:
    """Of the default VPC."""
    ec2 = strict_cloud.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    there = [{"Name": "vpc-id", "Values": [vpc]}]
    place = {
        "subnets": [ec2.describe_subnets(Filters=there)["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups(Filters=there)["SecurityGroups"][0]["GroupId"]],
    }
    return {"launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": place}}


@pytest.fixture
def run(ecs: Any, cluster: str, task: str, network: Any) -> Iterator[Run]:
    """Runs tasks in the default VPC; returns their ARNs."""
    ran: list[tuple[str, str]] = []

    def run(**more: Any) -> list[str]:
        made = ecs.run_task(**{"cluster": cluster, "taskDefinition": task, **network, **more})
        ran.extend((one["clusterArn"], one["taskArn"]) for one in made["tasks"])
        return [one["taskArn"] for one in made["tasks"]]

    yield run
    for where, arn in ran:
        with contextlib.suppress(ecs.exceptions.ClusterNotFoundException):
            ecs.stop_task(cluster=where, task=arn)


def test_a_cluster_goes_only_after_its_services_and_tasks(
    ecs: Any, cluster: str, task: str, run: Run, network: Any
) -> None:
    ecs.create_service(cluster=cluster, serviceName="web", taskDefinition=task, desiredCount=0, **network)
    (arn,) = run()
    refused("ClusterContainsServicesException", ecs.delete_cluster, cluster=cluster)
    ecs.delete_service(cluster=cluster, service="web")
    refused("ClusterContainsTasksException", ecs.delete_cluster, cluster=cluster)
    ecs.stop_task(cluster=cluster, task=arn)
    passes("ClusterContainsTasksException", ecs.delete_cluster, cluster=cluster)  # its interface is given back first


def test_a_cluster_whose_capacity_changes_is_busy(ecs: Any) -> None:
    def change(name: str) -> None:
        ecs.create_cluster(clusterName=name)
        ecs.put_cluster_capacity_providers(
            cluster=name, capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=[]
        )
        ecs.delete_cluster(cluster=name)

    name = sometimes("UpdateInProgressException", change)
    passes("UpdateInProgressException", ecs.delete_cluster, cluster=name)


def test_a_deleted_cluster_is_inactive_and_takes_nothing(ecs: Any, cluster: str, run: Run) -> None:
    ecs.delete_cluster(cluster=cluster)
    (gone,) = until(lambda: ecs.describe_clusters(clusters=[cluster])["clusters"])
    assert gone["status"] == "INACTIVE"
    refused("ClusterNotFoundException", run)
    refused("ClusterNotFoundException", run, cluster=unique())
    ecs.create_cluster(clusterName=cluster)
    (again,) = until(lambda: ecs.describe_clusters(clusters=[cluster])["clusters"])
    assert again["status"] == "ACTIVE"


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


def test_a_role_that_is_new_cannot_be_assumed_for_a_moment(strict_cloud: LocalCloud, ecs: Any, run: Run) -> None:
    iam, container = strict_cloud.client("iam"), {"name": "main", "image": "busybox", "command": ["true"]}

    def start(family: str) -> None:
        made = iam.create_role(RoleName=family, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        ecs.register_task_definition(
            family=family, containerDefinitions=[container], cpu="256", memory="512", networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"], taskRoleArn=made,
        )  # fmt: skip
        run(taskDefinition=family)

    family = sometimes("ClientException:unable to assume the role", start)
    passes("ClientException:unable to assume the role", run, taskDefinition=family)


def test_a_service_goes_to_other_capacity_with_a_new_deployment_only(
    ecs: Any, cluster: str, task: str, network: Any
) -> None:
    network.pop("launchType")
    passes("UpdateInProgressException", ecs.put_cluster_capacity_providers, cluster=cluster,
           capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=[])  # fmt: skip
    there, spot = [{"capacityProvider": "FARGATE", "weight": 1}], [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    ecs.create_service(cluster=cluster, serviceName="web", taskDefinition=task, desiredCount=0,
                       capacityProviderStrategy=there, **network)  # fmt: skip

    def update(**more: Any) -> None:
        ecs.update_service(cluster=cluster, service="web", **more)

    update(capacityProviderStrategy=there)
    refused("InvalidParameterException:force a new deployment", update, capacityProviderStrategy=spot)
    update(capacityProviderStrategy=spot, forceNewDeployment=True)


def test_a_token_makes_a_service_once(ecs: Any, cluster: str, task: str, network: Any) -> None:
    def create(**more: Any) -> Any:
        return ecs.create_service(cluster=cluster, serviceName="web", taskDefinition=task, **network, **more)["service"]

    token = uuid.uuid4().hex
    first = create(desiredCount=0, clientToken=token)
    assert create(desiredCount=0, clientToken=token) == first
    not_idempotent = "InvalidParameterException:not idempotent"
    refused(not_idempotent, create, desiredCount=2, clientToken=token)
    refused(not_idempotent, create, desiredCount=0)
    refused(not_idempotent, create, desiredCount=0, clientToken=uuid.uuid4().hex)


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
