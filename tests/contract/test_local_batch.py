"""The embedded Batch: jobs are real processes, and everything AWS says about them is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud

PATIENCE = 40.0  # seconds, far more than any of these takes


class Place:
    """A queue with an environment and a log group, and shorthands."""

    def __init__(self, cloud: LocalCloud, name: str) -> None:
        self.name, self.batch, self.logs = name, cloud.client("batch"), cloud.client("logs")
        ec2 = cloud.client("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        self.group = f"/test/{name}"
        self.logs.create_log_group(logGroupName=self.group)
        self.batch.create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={
                "type": "FARGATE",
                "maxvCpus": 8,
                "subnets": [subnet],
                "securityGroupIds": [group],
            },
        )
        self.batch.create_job_queue(
            jobQueueName=name, priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": name}]
        )

    def define(self, *command: str, **more: Any) -> str:
        properties = {
            "image": "x",
            "command": list(command),
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": self.group}},
            **more.pop("containerProperties", {}),
        }
        made = self.batch.register_job_definition(
            jobDefinitionName=self.name, type="container", containerProperties=properties, **more
        )
        return str(made["jobDefinitionArn"])

    def submit(self, definition: str, **more: Any) -> str:
        job = self.batch.submit_job(jobName="job", jobQueue=self.name, jobDefinition=definition, **more)
        return str(job["jobId"])

    def run(self, *command: str, **more: Any) -> dict[str, Any]:
        return self.finished(self.submit(self.define(*command), **more))

    def describe(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.batch.describe_jobs(jobs=[job])["jobs"][0]
        return found

    def wait(self, job: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if until(found := self.describe(job)):
                return found
            time.sleep(0.05)
        raise AssertionError(self.describe(job))

    def finished(self, job: str) -> dict[str, Any]:
        return self.wait(job, lambda found: found["status"] in ("SUCCEEDED", "FAILED"))

    def running(self, job: str) -> dict[str, Any]:
        return self.wait(job, lambda found: found["status"] == "RUNNING")

    def output(self, job: dict[str, Any]) -> list[str]:
        stream = job["container"]["logStreamName"]
        return [
            event["message"]
            for event in self.logs.get_log_events(logGroupName=self.group, logStreamName=stream, startFromHead=True)[
                "events"
            ]
        ]


@pytest.fixture(scope="module")
def place(local_cloud: LocalCloud) -> Place:
    return Place(local_cloud, "contract")


def test_a_job_runs_and_its_output_is_in_the_logs(place: Place) -> None:
    job = place.run("python", "-c", "import sys; print('hello'); print('and', file=sys.stderr); print('bye', end='')")
    assert job["status"] == "SUCCEEDED" and job["container"]["exitCode"] == 0
    assert place.output(job) == ["hello", "and", "bye"]
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert job["container"]["logStreamName"].startswith("contract/default/")
    assert len(job["attempts"]) == 1


def test_a_failing_job_tells_its_exit_code(place: Place) -> None:
    job = place.run("sh", "-c", "exit 7")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 7)


def test_parameters_environment_and_overrides(place: Place) -> None:
    definition = place.define(
        "sh",
        "-c",
        "echo Ref::word $COLOUR $SIZE $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JQ_NAME $AWS_BATCH_CE_NAME $AWS_BATCH_JOB_ID",
        parameters={"word": "default"},
        containerProperties={"environment": [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "5"}]},
    )
    job = place.finished(
        place.submit(
            definition,
            parameters={"word": "given"},
            containerOverrides={"environment": [{"name": "SIZE", "value": "6"}]},
        )
    )
    assert place.output(job) == [f"given red 6 1 contract contract {job['jobId']}"]


def test_python_is_this_interpreter_and_finds_the_cloud(place: Place) -> None:
    import sys

    code = (
        "import sys, boto3; print(sys.prefix);"
        "print(boto3.client('batch').describe_job_queues(jobQueues=['contract'])['jobQueues'][0]['jobQueueName'])"
    )
    assert place.output(place.run("python3", "-c", code)) == [sys.prefix, "contract"]


def test_a_job_works_in_an_empty_folder_of_its_own(place: Place) -> None:
    job = place.run("sh", "-c", "ls -A | wc -l; touch mine $TMPDIR/mine; pwd; echo $TMPDIR")
    count, where, temporary = place.output(job)
    assert count.strip() == "0"
    import os

    place.wait(job["jobId"], lambda _: not os.path.exists(where) and not os.path.exists(temporary))


def test_an_array_has_indexes_and_rolls_up(place: Place) -> None:
    definition = place.define("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX; test $AWS_BATCH_JOB_ARRAY_INDEX != 3")
    job = place.submit(definition, arrayProperties={"size": 5})
    parent = place.finished(job)
    assert parent["status"] == "FAILED"
    assert parent["arrayProperties"]["size"] == 5
    assert {k: v for k, v in parent["arrayProperties"]["statusSummary"].items() if v} == {"SUCCEEDED": 4, "FAILED": 1}
    children = place.batch.describe_jobs(jobs=[f"{job}:{index}" for index in range(5)])["jobs"]
    assert [child["arrayProperties"]["index"] for child in children] == [0, 1, 2, 3, 4]
    assert [place.output(child) for child in children] == [["0"], ["1"], ["2"], ["3"], ["4"]]
    assert children[3]["container"]["exitCode"] == 1
    failed = place.batch.list_jobs(arrayJobId=job, jobStatus="FAILED")["jobSummaryList"]
    assert [child["jobId"] for child in failed] == [f"{job}:3"]


def test_retries_until_attempts_are_used_up(place: Place) -> None:
    job = place.run("sh", "-c", "echo $AWS_BATCH_JOB_ATTEMPT; exit 1", retryStrategy={"attempts": 3})
    assert job["status"] == "FAILED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 1]
    assert place.output(job) == ["3"]


def test_a_retry_may_succeed(place: Place) -> None:
    job = place.run("sh", "-c", "test $AWS_BATCH_JOB_ATTEMPT = 2", retryStrategy={"attempts": 3})
    assert job["status"] == "SUCCEEDED" and len(job["attempts"]) == 2


@pytest.mark.parametrize(
    ("code", "attempts", "reason"),
    [(5, 1, "the rule says exit"), (6, 3, "the rule says retry"), (9, 3, "no rule matches: retried")],
)
def test_evaluate_on_exit(place: Place, code: int, attempts: int, reason: str) -> None:
    rules = [{"onExitCode": "5", "action": "EXIT"}, {"onExitCode": "6*", "action": "RETRY"}]
    job = place.run("sh", "-c", f"exit {code}", retryStrategy={"attempts": 3, "evaluateOnExit": rules})
    assert len(job["attempts"]) == attempts, reason


def test_dependencies(place: Place) -> None:
    slow, failing, after = place.define("sleep", "0.4"), place.define("false"), place.define("true")
    first = place.submit(slow)
    second = place.submit(after, dependsOn=[{"jobId": first}])
    assert place.describe(second)["status"] == "PENDING"
    one, two = place.finished(first), place.finished(second)
    assert two["status"] == "SUCCEEDED" and two["startedAt"] >= one["stoppedAt"]
    third = place.submit(failing)
    fourth = place.submit(after, dependsOn=[{"jobId": third}])
    fifth = place.submit(after, dependsOn=[{"jobId": fourth}])
    assert place.finished(fifth)["status"] == "FAILED"
    assert "attempts" not in place.describe(fourth) or place.describe(fourth)["attempts"] == []


def test_sequential_and_n_to_n(place: Place) -> None:
    nap = place.define("sleep", "0.1")
    first = place.submit(nap, arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
    second = place.submit(nap, arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    assert place.finished(second)["status"] == "SUCCEEDED"
    jobs = {name: [place.describe(f"{name}:{index}") for index in range(3)] for name in (first, second)}
    for before, later in zip(jobs[first], jobs[first][1:], strict=False):
        assert later["startedAt"] >= before["stoppedAt"]
    for mine, other in zip(jobs[second], jobs[first], strict=True):
        assert mine["startedAt"] >= other["stoppedAt"]


def test_terminate_sends_sigterm_and_keeps_the_reason(place: Place) -> None:
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: (print('told'), sys.exit(3)));"
        "print('up'); time.sleep(60)"
    )
    job = place.submit(place.define("python", "-c", code), retryStrategy={"attempts": 5})
    place.wait(job, lambda found: found["status"] == "RUNNING" and place_has(place, found, "up"))
    place.batch.terminate_job(jobId=job, reason="because")
    ended = place.finished(job)
    assert (ended["status"], ended["statusReason"], ended["container"]["exitCode"]) == ("FAILED", "because", 3)
    assert place.output(ended) == ["up", "told"] and len(ended["attempts"]) == 1


def place_has(place: Place, job: dict[str, Any], line: str) -> bool:
    try:
        return line in place.output(job)
    except ClientError:
        return False


def test_terminating_a_parent_ends_all_children(place: Place) -> None:
    job = place.submit(place.define("sleep", "60"), arrayProperties={"size": 40})
    place.wait(job, lambda found: found["arrayProperties"]["statusSummary"]["RUNNING"] > 0)
    assert place.describe(job)["status"] == "PENDING"
    place.batch.terminate_job(jobId=job, reason="enough")
    parent = place.finished(job)
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 40 and parent["statusReason"] == "enough"


def test_cancel_ends_what_has_not_started_only(place: Place) -> None:
    nap = place.define("sleep", "1")
    running = place.submit(nap)
    place.running(running)
    waiting = place.submit(nap, dependsOn=[{"jobId": running}])
    place.batch.cancel_job(jobId=running, reason="no")
    place.batch.cancel_job(jobId=waiting, reason="no")
    assert place.describe(waiting)["status"] == "PENDING", "until what it waits for is over"
    assert place.describe(waiting)["isCancelled"] and not place.describe(running)["isCancelled"]
    assert place.finished(running)["status"] == "SUCCEEDED"
    ended = place.finished(waiting)
    assert (ended["status"], ended["statusReason"], ended["attempts"]) == ("FAILED", "no", [])


def test_cancelling_a_parent_ends_the_children_that_have_not_started(place: Place, tmp_path: Path) -> None:
    code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)"
    gate = tmp_path / "gate"
    job = place.submit(place.define("python", "-c", code, str(gate)), arrayProperties={"size": 40})

    def count(status: str) -> int:
        return int(place.describe(job)["arrayProperties"]["statusSummary"][status])

    place.wait(job, lambda found: found["arrayProperties"]["statusSummary"]["RUNNING"] > 0)
    for _ in range(2):
        place.batch.cancel_job(jobId=job, reason="no")
    assert (count("RUNNABLE"), place.describe(job)["status"]) == (0, "PENDING"), "some still run"
    running = count("RUNNING")
    assert running > 0 and count("FAILED") == 40 - running
    gate.touch()
    parent = place.finished(job)
    assert (parent["status"], count("SUCCEEDED"), count("FAILED")) == ("FAILED", running, 40 - running)
    place.batch.cancel_job(jobId=job, reason="of one that is over")
    place.batch.cancel_job(jobId="of-none", reason="no")
    assert place.describe(job)["status"] == "FAILED"


def test_listing_shows_running_jobs_unless_asked(place: Place) -> None:
    job = place.submit(place.define("sleep", "60"))
    place.running(job)
    listed = place.batch.list_jobs(jobQueue="contract")["jobSummaryList"]
    assert job in [entry["jobId"] for entry in listed] and {entry["status"] for entry in listed} == {"RUNNING"}
    named = place.batch.list_jobs(jobQueue="contract", filters=[{"name": "JOB_NAME", "values": ["jo*"]}])
    assert len(named["jobSummaryList"]) > len(listed)
    place.batch.terminate_job(jobId=job, reason="over")
    place.finished(job)


def test_a_large_array_is_cheap(place: Place) -> None:
    job = place.submit(place.define("sleep", "60"), arrayProperties={"size": 10_000})
    assert place.describe(job)["arrayProperties"]["statusSummary"]["RUNNABLE"] > 9_000
    place.batch.terminate_job(jobId=job, reason="over")
    assert place.finished(job)["arrayProperties"]["statusSummary"]["FAILED"] == 10_000


def test_a_disabled_environment_keeps_jobs_waiting(place: Place) -> None:
    place.batch.update_compute_environment(computeEnvironment="contract", state="DISABLED")
    job = place.submit(place.define("true"))
    time.sleep(0.3)
    assert place.describe(job)["status"] == "RUNNABLE"
    place.batch.update_compute_environment(computeEnvironment="contract", state="ENABLED")
    assert place.finished(job)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jobQueue": "nowhere"}, "does not exist"),
        ({"jobDefinition": "nothing"}, "not ACTIVE"),
        ({"arrayProperties": {"size": 1}}, "between 2 and 10000"),
        ({"timeout": {"attemptDurationSeconds": 5}}, "at least 60"),
        ({"dependsOn": [{"jobId": "none"}]}, "does not exist"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "needs an array"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
    ],
)
def test_refused_as_aws_does(place: Place, change: dict[str, Any], says: str) -> None:
    request = {"jobName": "job", "jobQueue": "contract", "jobDefinition": place.define("true"), **change}
    with pytest.raises(ClientError, match=says) as caught:
        place.batch.submit_job(**request)
    assert caught.value.response["Error"]["Code"] == "ClientException"
