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
NO_ROOM = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


@pytest.fixture
def short_of_room(tmp_path: Path) -> Iterator[LocalCloud]:
    cloud = LocalCloud.at(tmp_path)
    cloud.retries = PATIENT
    cloud.start(strict=True, time_scale=0.02, throttle=0.1, lose=0.1, scarce=0.3)
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
