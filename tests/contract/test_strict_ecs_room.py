"""Fargate has room for some of what is asked for, and throttles and loses calls: awsrun starts as many workers as it
says, and never more than were asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import AwsrunError
from awsrun.jobs.workers import fargate
from awsrun.worker.protocol.runs import Run
from tests.conftest import PATIENT, LocalCloud
from tests.contract.ecs_bench import Tasks
from tests.contract.strict_bench import passes, until

FIRST_USE = "InvalidParameterException:Unable to assume the service linked role"
THROTTLED = "InvalidParameterException:(ErrorCode: Throttling)"
SPOT, ON_DEMAND = "L-36FBB829", "L-3032A538"  # codes of quotas
NO_ROOM = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


@pytest.fixture
def short_of_room(tmp_path: Path) -> Iterator[LocalCloud]:
    cloud = LocalCloud.at(tmp_path)
    cloud.retries = PATIENT
    many = {SPOT: 100, ON_DEMAND: 100}
    cloud.start(strict=True, time_scale=0.02, throttle=0.1, lose=0.1, scarce=0.3, quotas=many)
    yield cloud
    cloud.stop()


class Sweep:
    """Asks for workers as awsrun does."""

    def __init__(self, cloud: LocalCloud, tasks: Tasks, definition: str) -> None:
        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
        self.cloud, self.tasks, self.definition = Cloud(session, LOCAL, cloud.endpoint), tasks, definition

    def start(self, name: str, count: int) -> fargate.Started:
        place = self.tasks.network["networkConfiguration"]["awsvpcConfiguration"]
        engine = {
            "cluster": self.tasks.name, "definition": self.definition, "container": "main", "capacity": "FARGATE_SPOT",
            "subnets": place["subnets"], "security_groups": [], "public": True, "table": "t", "region": "us-east-1",
            "tags": {"awsrun:stack": "s"}, "groups": [{"job": f"{name}/w0", "workers": count, "slot": 0}],
        }  # fmt: skip
        run = Run(name, "job.py", "f", {}, 100, bucket="b", code_key="k", code_hash="h", engine=engine)
        return fargate.start(self.cloud, run, 0, count)

    @property
    def there(self) -> int:
        """How many tasks of the cluster run or will."""
        (cluster,) = self.tasks.ecs.describe_clusters(clusters=[self.tasks.name])["clusters"]
        return int(cluster["runningTasksCount"] + cluster["pendingTasksCount"])


def spot_tasks(sweep: Sweep) -> list[Any]:
    """Those of the cluster on spot that run or will."""
    tasks = sweep.tasks.ecs.get_paginator("list_tasks").paginate(cluster=sweep.tasks.name)
    arns = [arn for page in tasks for arn in page["taskArns"]]
    pages = [arns[first : first + 100] for first in range(0, len(arns), 100)]
    found = [
        one for page in pages for one in sweep.tasks.ecs.describe_tasks(cluster=sweep.tasks.name, tasks=page)["tasks"]
    ]
    return [one for one in found if one.get("capacityProviderName") == "FARGATE_SPOT"]


def events(tasks: Tasks, service: str) -> list[Any]:
    """What ECS says of a service, once it knows it."""
    found = tasks.ecs.describe_services(cluster=tasks.name, services=[service])["services"]
    return list(found and found[0]["events"])


def test_workers_are_as_many_as_is_said_and_never_more(short_of_room: LocalCloud) -> None:
    passes(FIRST_USE, short_of_room.client("ecs").create_cluster, clusterName="first-use")
    tasks = Tasks(short_of_room)
    definition = tasks.define("sleep", "600", stopTimeout=2)

    def some() -> dict[str, Any]:
        asked = {"cluster": tasks.name, "taskDefinition": definition, "count": 10, "clientToken": uuid.uuid4().hex}
        answer: dict[str, Any] = passes(THROTTLED, tasks.ecs.run_task, **asked, **tasks.network)
        again = passes(THROTTLED, tasks.ecs.run_task, **asked, **tasks.network)
        assert [one["taskArn"] for one in again["tasks"]] == [one["taskArn"] for one in answer["tasks"]]
        assert len(answer["tasks"]) + 10 * bool(answer["failures"]) >= 10
        return answer if answer["failures"] else {}

    assert until(some)["failures"] == [{"reason": NO_ROOM}], "one, however many tasks are missing"
    sweep, before = Sweep(short_of_room, tasks, definition), Sweep(short_of_room, tasks, definition).there
    for number in range(2):
        made = sweep.start(f"r{number}", 35)
        more = sweep.there - before
        assert made.count <= more <= made.count + made.unsure <= 35
        assert made.count == 35 or made.reasons
        before += more

    short_of_room.kill()
    short_of_room.start(scarce=1.0, throttle=0.0, lose=0.0)
    sweep = Sweep(short_of_room, Tasks(short_of_room, tasks.name), definition)
    assert sweep.there == before, "who found no room finds none in a replay"
    with pytest.raises(AwsrunError) as caught:
        sweep.start("r9", 25)
    assert NO_ROOM in caught.value.why
    assert sweep.there == before

    spot = len(spot_tasks(sweep))
    short_of_room.kill()
    short_of_room.start(scarce=0.0, quotas={SPOT: spot / 4 + 0.6, ON_DEMAND: 0})
    tasks = Tasks(short_of_room, tasks.name)
    sweep = Sweep(short_of_room, tasks, definition)
    assert (sweep.there, len(spot_tasks(sweep))) == (before, spot), "what there was room for stays"
    made = sweep.start("r10", 5)
    assert made.count == 2, "tasks of a quarter of a vCPU, and 0.6 vCPUs left"
    (reason,) = made.reasons
    assert "limit on the number of vCPUs" in reason and f"--quota-code {SPOT} " in reason
    assert len(spot_tasks(sweep)) == spot + 2
    answer = tasks.ecs.run_task(cluster=tasks.name, taskDefinition=definition, **tasks.network)
    assert not answer["tasks"] and "vCPUs" in answer["failures"][0]["reason"], "on demand is a quota of its own"
    tasks.ecs.create_service(
        cluster=tasks.name, serviceName="s", taskDefinition=definition, desiredCount=1, **tasks.network
    )
    said = until(lambda: events(tasks, "s"))
    assert "was unable to place a task. Reason: You’ve reached the limit on the number of vCPUs" in said[-1]["message"]
