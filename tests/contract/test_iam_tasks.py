"""Who runs tasks must be allowed to hand over both roles of the definition; on spot or not, the task then runs as its
role."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud
from tests.contract.ecs_bench import Tasks
from tests.contract.strict_bench import refused, unique, until

PASSES = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
ASK = """
import boto3, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(boto3.client("sts").get_caller_identity()["Arn"], flush=True)
while len(sys.argv) > 1:
    time.sleep(0.05)
"""


@dataclass
class Place:
    """A cluster with both kinds of Fargate, and the two roles of what runs there.

    Attributes:
        asks: a definition whose task prints who it is.
        waits: one whose task then waits to be told to stop.
    """

    cloud: LocalCloud
    tasks: Tasks
    role: str
    execution_role: str
    asks: str = ""
    waits: str = ""

    def user(self, *statements: dict[str, Any]) -> Any:
        """An ECS client of somebody who may run tasks and has the rights given, no others."""
        iam, name = self.cloud.client("iam"), unique("user")
        run = {"Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": "*"}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_document(run, *statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        return session.client("ecs", endpoint_url=self.cloud.endpoint, config=Config(retries={"total_max_attempts": 1}))

    def request(self, definition: str, **more: Any) -> dict[str, Any]:
        """What RunTask takes for one task on spot."""
        network = {"networkConfiguration": self.tasks.network["networkConfiguration"]}
        where = {"cluster": self.tasks.name, "capacityProviderStrategy": SPOT, **network}
        return {**where, "taskDefinition": definition, **more}

    def output(self, arn: str) -> list[str]:
        """The first lines of a task."""
        return until(lambda: _or_nothing(lambda: self.tasks.output(arn)))


@pytest.fixture(scope="module")
def place(iam_cloud: LocalCloud) -> Iterator[Place]:
    tasks = Tasks(iam_cloud)
    found = Place(iam_cloud, tasks, _role(iam_cloud, "task"), _role(iam_cloud, "execution"))
    found.asks, found.waits = (_defined(found, *more) for more in ((), ("wait",)))
    yield found


def test_both_roles_are_handed_over_or_nothing_runs(place: Place) -> None:
    request = place.request(place.asks)
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Condition": PASSES}
    for allowed, missing in (
        ([], place.role),
        ([place.role], place.execution_role),
        ([place.execution_role], place.role),
    ):
        client = place.user(*([{**passing, "Resource": allowed}] if allowed else []))
        with pytest.raises(ClientError) as caught:
            client.run_task(**request)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        assert f"iam:PassRole on resource: {missing}" in str(caught.value)
    both = {**passing, "Resource": [place.role, place.execution_role]}
    to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    refused("AccessDeniedException:iam:PassRole", place.user({**both, "Condition": to_ec2}).run_task, **request)
    client = place.user(both)
    another = {"overrides": {"taskRoleArn": _role(place.cloud, "another")}}
    refused("AccessDeniedException:iam:PassRole", client.run_task, **request, **another)
    assert place.tasks.ecs.list_tasks(cluster=place.tasks.name)["taskArns"] == [], "nothing that was denied runs"

    (task,) = client.run_task(**request)["tasks"]
    assert task["capacityProviderName"] == "FARGATE_SPOT"
    ended = place.tasks.stopped(task["taskArn"])
    assert (ended["containers"][0]["exitCode"], ended["capacityProviderName"]) == (0, "FARGATE_SPOT")
    id = task["taskArn"].rpartition("/")[2]
    name = place.role.rpartition("/")[2]
    assert place.output(task["taskArn"]) == [f"arn:aws:sts::123456789012:assumed-role/{name}/{id}"]


def test_the_clusters_strategy_counts_where_the_call_has_none_and_spot_can_be_taken_back(place: Place) -> None:
    ecs, request = place.tasks.ecs, place.request(place.waits)
    del request["capacityProviderStrategy"]
    refused("InvalidParameterException", ecs.run_task, **request)  # there are no machines either
    ecs.put_cluster_capacity_providers(
        cluster=place.tasks.name, capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=SPOT
    )
    (spot,) = ecs.run_task(**request)["tasks"]
    (steady,) = ecs.run_task(**request, launchType="FARGATE")["tasks"]
    for task in (spot, steady):
        assert place.output(task["taskArn"])
    told = {name: place.tasks.reach(task["taskArn"], "RUNNING") for name, task in (("spot", spot), ("steady", steady))}
    assert told["spot"]["capacityProviderName"] == "FARGATE_SPOT"
    assert "capacityProviderName" not in told["steady"], "a launch type is no provider"
    assert _reclaimed(place, spot) == 204
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _reclaimed(place, steady)
    ended = place.tasks.stopped(spot["taskArn"])
    assert (ended["stopCode"], ended["containers"][0]["exitCode"]) == ("SpotInterruption", 7)
    ecs.stop_task(cluster=place.tasks.name, task=steady["taskArn"])
    assert place.tasks.stopped(steady["taskArn"])["stopCode"] == "UserInitiated"
    refused(
        "InvalidParameterException:not associated with the cluster", ecs.put_cluster_capacity_providers,
        cluster=place.tasks.name, capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=SPOT,
    )  # fmt: skip


def _defined(place: Place, *arguments: str) -> str:
    container = {
        "name": "main", "image": "python", "command": ["python", "-c", ASK, *arguments],
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": place.tasks.name, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p",
        }},
    }  # fmt: skip
    made = place.tasks.ecs.register_task_definition(
        family=unique(), containerDefinitions=[container], cpu="256", memory="512", networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"], taskRoleArn=place.role, executionRoleArn=place.execution_role,
    )  # fmt: skip
    return str(made["taskDefinition"]["taskDefinitionArn"])


def _role(cloud: LocalCloud, name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = cloud.client("iam").create_role(RoleName=unique(name), AssumeRolePolicyDocument=_document(trust))
    return str(made["Role"]["Arn"])


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _reclaimed(place: Place, task: dict[str, Any]) -> int:
    url = f"{place.cloud.endpoint}/_awsrun/spot/us-east-1/{task['taskArn'].rpartition('/')[2]}"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
        return int(answer.status)


def _or_nothing(read: Callable[[], list[str]]) -> list[str]:
    """What can be read; nothing yet where there is no stream."""
    try:
        return read()
    except ClientError:
        return []
