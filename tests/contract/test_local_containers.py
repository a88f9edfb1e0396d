"""Jobs in containers: real ones, told of in Batch's words, found again by the next server, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from docker.errors import APIError

from tests import docker_engine
from tests.conftest import LocalCloud
from tests.contract.test_local_batch import Place

GATE = "trap 'exit 9' TERM; while ! test -e /go; do sleep 0.05; done"  # opened by `opened`


class Containers(Place):
    """Batch on a cloud that runs jobs in containers."""

    def __init__(self, cloud: LocalCloud, name: str = "boxes") -> None:
        super().__init__(cloud, name)
        self.cloud, self.engine = cloud, docker_engine.needed(base=True)

    def define(self, *command: str, memory: int = 256, image: str = docker_engine.BASE, **more: Any) -> str:
        needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": str(memory)}]
        return super().define(*command, containerProperties={"image": image, "resourceRequirements": needs}, **more)

    def script(self, text: str, **more: Any) -> str:
        """Submit a shell script; the job's id."""
        return self.submit(self.define("sh", "-c", text), **more)

    def containers(self) -> list[Any]:
        """Those of this cloud, by their label."""
        return docker_engine.containers(self.engine, self.cloud.home / "data" / "local")

    def started(self, lines: int = 1) -> Any:
        """The only container that runs, once it has said something; an earlier test's may be on its way out."""

        def found() -> Any:
            for one in self.containers():
                with contextlib.suppress(APIError):
                    if one.status == "running" and one.logs().count(b"\n") >= lines:
                        return one
            return None

        return eventually(found)

    def gone(self) -> None:
        """All of them are, a moment after their end was told."""
        eventually(lambda: not self.containers())

    def shipped(self, job: str) -> list[str]:
        """The output that is in the logs so far."""
        try:
            return self.output(self.describe(job))
        except ClientError:
            return []

    def again(self) -> None:
        """After the server came back."""
        self.batch, self.logs = self.cloud.client("batch"), self.cloud.client("logs")


def eventually(found: Callable[[], Any], seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return what


def opened(container: Any) -> None:
    """Let a job through its `GATE`."""
    assert container.exec_run(["touch", "/go"]).exit_code == 0


def containers_on(cloud: LocalCloud) -> LocalCloud:
    docker_engine.needed(base=True)
    cloud.start(containers=True)
    return cloud


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    docker_engine.needed(base=True)
    home = tmp_path_factory.mktemp("containers")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    cloud = LocalCloud(home, env={**clean, "AWSRUN_HOME": str(home), "VIRTUAL_ENV": "/of/the/host"})
    cloud.start(containers=True)
    place = Containers(cloud)
    yield place
    cloud.stop()
    assert place.containers() == []


def test_a_job_sees_its_image_and_batchs_variables_and_nothing_of_the_host(boxes: Containers) -> None:
    script = (
        "import os, urllib.request; print(os.path.exists('/.dockerenv'), os.environ['PATH'], 'VIRTUAL_ENV' in "
        "os.environ); print(os.environ['AWS_BATCH_JOB_ARRAY_INDEX'], os.environ['AWS_BATCH_JOB_ATTEMPT'], "
        "os.environ['AWS_BATCH_JQ_NAME'], os.environ['AWS_REGION']); "
        "print(urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_awsrun/health').status)"
    )
    job = boxes.submit(boxes.define("python3", "-c", script), arrayProperties={"size": 2})
    assert boxes.finished(job)["status"] == "SUCCEEDED"
    child = boxes.describe(f"{job}:1")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert boxes.output(child) == [f"True {path} False", "1 1 boxes us-east-1", "200"]
    boxes.gone()


def test_exit_code_and_output_are_told(boxes: Containers) -> None:
    ended = boxes.finished(boxes.script("echo one; echo two >&2; printf three; exit 3"))
    assert (ended["status"], ended["container"]["exitCode"]) == ("FAILED", 3)
    assert ended["statusReason"] == "Essential container in task exited"
    assert sorted(boxes.output(ended)) == ["one", "three", "two"]


def test_memory_is_limited_and_its_end_is_named(boxes: Containers) -> None:
    hungry = boxes.define("python3", "-c", "a = bytearray(200 << 20)", memory=64)
    ended = boxes.finished(boxes.submit(hungry))
    assert ended["container"]["exitCode"] == 137
    assert ended["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    more_than_there_is = boxes.define("python3", "-c", "a = bytearray(200 << 20)", memory=1 << 30)
    assert boxes.finished(boxes.submit(more_than_there_is))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("image", "command", "reason"),
    [
        ("127.0.0.1:9/nowhere:1", "true", "CannotPullContainerError: Error response from daemon: "),
        (docker_engine.BASE, "/no/such/program", "CannotStartContainerError: Error response from daemon: "),
    ],
)
def test_what_does_not_start_says_why(boxes: Containers, image: str, command: str, reason: str) -> None:
    job = boxes.submit(boxes.define(command, image=image), retryStrategy={"attempts": 2})
    ended = boxes.finished(job)
    assert (ended["status"], ended["statusReason"]) == ("FAILED", "Task failed to start")
    assert len(ended["attempts"]) == 2
    for attempt in ended["attempts"]:
        assert attempt["container"]["reason"].startswith(reason)
        assert "exitCode" not in attempt["container"]


def test_an_image_that_was_never_pushed_is_asked_for_in_the_clouds_own_registry(boxes: Containers) -> None:
    made = boxes.cloud.client("ecr").create_repository(repositoryName="empty")["repository"]
    ended = boxes.finished(boxes.submit(boxes.define("true", image=f"{made['repositoryUri']}:1")))
    assert "Requested image not found" in ended["container"]["reason"]


def test_a_job_that_is_terminated_gets_a_signal_first(boxes: Containers) -> None:
    job = boxes.script("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    boxes.started()
    boxes.batch.terminate_job(jobId=job, reason="enough")
    ended = boxes.finished(job)
    assert (ended["statusReason"], ended["container"]["exitCode"]) == ("enough", 5)
    assert boxes.output(ended) == ["up", "bye"]
    boxes.gone()


def test_a_running_job_runs_over_a_kill_of_the_server(fresh_cloud: LocalCloud) -> None:
    boxes = Containers(containers_on(fresh_cloud))
    job = boxes.script(f"echo before; {GATE}; echo after; exit 4")
    container = boxes.started()
    eventually(lambda: boxes.shipped(job) == ["before"])
    kill(boxes)
    fresh_cloud.start()
    boxes.again()
    assert boxes.describe(job)["status"] == "RUNNING"
    opened(container)
    ended = boxes.finished(job)
    assert (ended["container"]["exitCode"], len(ended["attempts"])) == (4, 1)
    assert boxes.output(ended) == ["before", "after"]
    boxes.gone()


def test_a_job_that_ended_or_vanished_while_no_server_was_there(fresh_cloud: LocalCloud) -> None:
    boxes = Containers(containers_on(fresh_cloud))
    job = boxes.script(f"echo up; {GATE}; echo alone; exit 6")
    container = boxes.started()
    kill(boxes)
    opened(container)
    container.wait()
    fresh_cloud.start()
    boxes.again()
    ended = boxes.finished(job)
    assert ended["container"]["exitCode"] == 6 and boxes.output(ended) == ["up", "alone"]

    job = boxes.script("echo up; test $AWS_BATCH_JOB_ATTEMPT = 2 || sleep 60", retryStrategy={"attempts": 2})
    container = boxes.started()
    kill(boxes)
    container.remove(force=True)
    fresh_cloud.start()
    boxes.again()
    ended = boxes.finished(job)
    assert ended["status"] == "SUCCEEDED" and ended["attempts"][0]["statusReason"].startswith("Host EC2")


def test_how_it_runs_jobs_lasts_until_it_is_told_otherwise(fresh_cloud: LocalCloud) -> None:
    boxes = Containers(containers_on(fresh_cloud))
    job = boxes.script(f'echo up; test -z "$PYTHONUNBUFFERED" || exit 7; {GATE}')
    first = boxes.started()
    fresh_cloud.stop()
    boxes.gone()
    fresh_cloud.start()  # in containers, as before: the job starts again
    boxes.again()
    assert boxes.started().id != first.id
    fresh_cloud.start(containers=False)
    boxes.again()
    assert boxes.finished(job)["container"]["exitCode"] == 7
    boxes.gone()


def test_a_reset_leaves_no_container_even_of_a_server_that_was_killed(fresh_cloud: LocalCloud) -> None:
    boxes = Containers(containers_on(fresh_cloud))
    boxes.script("echo up; sleep 60")
    boxes.started()
    kill(boxes)
    assert len(boxes.containers()) == 1
    assert fresh_cloud.control("reset").returncode == 0
    boxes.gone()


def test_without_an_engine_containers_are_refused(tmp_path: Path) -> None:
    env = {**os.environ, "AWSRUN_HOME": str(tmp_path), "DOCKER_HOST": "unix:///nowhere.sock"}
    refused = LocalCloud(tmp_path, env=env).control("start", "--options", '{"containers": true}')
    assert refused.returncode == 1 and "no Docker engine answers here" in refused.stderr
    assert not LocalCloud(tmp_path, env=env).status()["running"]


def kill(boxes: Containers) -> None:
    """kill -9 of the server, and wait until it is gone."""
    pid = int(boxes.cloud.status()["pid"])
    os.kill(pid, 9)
    eventually(lambda: not boxes.cloud.status()["running"])
