"""Tasks of ECS in containers of their image: entry points, exit codes, output, stops, images that are not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import docker_engine
from tests.conftest import LocalCloud
from tests.contract.ecs_bench import Tasks
from tests.contract.strict_bench import until


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    docker_engine.needed(base=True)
    cloud = LocalCloud.at(tmp_path_factory.mktemp("boxes"))
    cloud.start(containers=True)
    yield Tasks(cloud)
    cloud.stop()


def test_a_task_is_its_image(tasks: Tasks) -> None:
    script = "import os; print(os.path.exists('/.dockerenv'), os.environ['A'], flush=True); raise SystemExit(5)"
    definition = tasks.define(
        script, image=docker_engine.BASE, entryPoint=["python", "-c"], environment=[{"name": "A", "value": "b"}]
    )
    arn = tasks.run(definition)
    ended = tasks.stopped(arn)
    assert (ended["containers"][0]["exitCode"], tasks.output(arn)) == (5, ["True b"])

    endless = tasks.run(tasks.define("sh", "-c", "trap 'exit 9' TERM; cat /proc/1/comm; while :; do sleep 0.05; done",
                                     image=docker_engine.BASE, stopTimeout=5,
                                     linuxParameters={"initProcessEnabled": True}))  # fmt: skip
    tasks.reach(endless, "RUNNING")
    group, stream = tasks.name, f"p/main/{endless.rpartition('/')[2]}"
    until(lambda: tasks.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"])
    tasks.ecs.stop_task(cluster=tasks.name, task=endless)
    assert tasks.stopped(endless)["containers"][0]["exitCode"] == 9, "the init process hands on SIGTERM"
    assert tasks.output(endless) == ["docker-init"]


def test_an_image_that_is_not_there_is_told(tasks: Tasks) -> None:
    ended = tasks.stopped(tasks.run(tasks.define("true", image="127.0.0.1:1/none:latest")))
    assert ended["stopCode"] == "TaskFailedToStart" and ended["stoppedReason"].startswith("CannotPullContainerError")
    assert "startedAt" not in ended
