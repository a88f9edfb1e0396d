"""Tasks of the embedded ECS really run: output, exit codes, stops, overrides, listings; services keep them running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LocalCloud
from tests.contract.ecs_bench import Tasks
from tests.contract.strict_bench import refused, until

INVALID = "InvalidParameterException"


@pytest.fixture(scope="module")
def tasks(local_cloud: LocalCloud) -> Tasks:
    return Tasks(local_cloud)


def test_a_task_runs_and_tells_its_exit_code_its_times_and_its_output(tasks: Tasks) -> None:
    code = "import os, sys; print('hello', os.environ['WHO']); print(os.environ['AWS_REGION']); sys.exit(3)"
    definition = tasks.define("python", "-c", code, environment=[{"name": "WHO", "value": "nobody"}])
    override = {"name": "main", "environment": [{"name": "WHO", "value": "you"}]}
    arn = tasks.run(
        definition, overrides={"containerOverrides": [override]}, startedBy="me", tags=[{"key": "a", "value": "1"}]
    )
    ended = tasks.stopped(arn)
    (container,) = ended["containers"]
    assert (container["exitCode"], ended["stopCode"]) == (3, "EssentialContainerExited")
    assert ended["stoppedReason"] == "Essential container in task exited"
    moments = ["createdAt", "pullStartedAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt"]
    assert [ended[one] for one in moments] == sorted(ended[one] for one in moments)
    assert (ended["startedBy"], ended["tags"]) == ("me", [{"key": "a", "value": "1"}])
    assert tasks.output(arn) == ["hello you", "us-east-1"]
    assert [one["status"] for one in ended["attachments"]] == ["DELETED"]


def test_a_task_knows_itself(tasks: Tasks) -> None:
    ask = "import json, os, urllib.request as u; uri = os.environ['ECS_CONTAINER_METADATA_URI_V4']; "
    ask += "get = lambda path: json.load(u.urlopen(uri + path)); "
    arn = tasks.run(tasks.define("python", "-c", ask + "print(get('')['LogOptions']['awslogs-stream']); "
                                 "print(get('/task')['TaskARN'])"))  # fmt: skip
    assert tasks.stopped(arn)["containers"][0]["exitCode"] == 0
    assert tasks.output(arn) == [f"p/main/{arn.rpartition('/')[2]}", arn]


@pytest.mark.parametrize(("command", "code"), [("trap 'exit 7' TERM", 7), ("trap '' TERM", 137), (":", 143)])
def test_a_stopped_task_gets_sigterm_and_then_sigkill(tasks: Tasks, command: str, code: int) -> None:
    script = f"{command}; echo up; while :; do sleep 0.05; done"
    arn = tasks.run(tasks.define("sh", "-c", script, stopTimeout=2))
    until(lambda: tasks.describe(arn)["lastStatus"] == "RUNNING" and _written(tasks, arn))
    tasks.ecs.stop_task(cluster=tasks.name, task=arn, reason="enough")
    assert tasks.describe(arn)["desiredStatus"] == "STOPPED"
    ended = tasks.stopped(arn)
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "enough")
    assert ended["containers"][0]["exitCode"] == code


def _written(tasks: Tasks, arn: str) -> bool:
    try:
        return tasks.output(arn) == ["up"]
    except tasks.logs.exceptions.ResourceNotFoundException:
        return False


def test_a_task_ends_with_its_essential_container(tasks: Tasks, tmp_path: Path) -> None:
    side = {"name": "side", "image": "busybox", "command": ["sh", "-c", f"touch {tmp_path}/up; sleep 600"]}
    script = f"while ! test -e {tmp_path}/up; do sleep 0.02; done; exit 5"
    ended = tasks.stopped(tasks.run(tasks.define("sh", "-c", script, others=[side])))
    assert [one["exitCode"] for one in ended["containers"]] == [5, 143]


def test_what_cannot_start_says_why(tasks: Tasks) -> None:
    ended = tasks.stopped(tasks.run(tasks.define("true", group="/no/such/group")))
    assert ended["stopCode"] == "TaskFailedToStart"
    assert ended["stoppedReason"].startswith("ResourceInitializationError") and "exitCode" not in ended["containers"][0]
    assert "startedAt" not in ended
    missing = tasks.stopped(tasks.run(tasks.define("no-such-command")))
    assert missing["containers"][0]["exitCode"] == 127


def test_calls_that_aws_refuses(tasks: Tasks) -> None:
    definition = tasks.define("true")
    long = {"name": "main", "environment": [{"name": "A", "value": "x" * 8192}]}
    refused(f"{INVALID}:at most 8192", tasks.run, definition=definition, overrides={"containerOverrides": [long]})
    refused(f"{INVALID}:between 1 and 10", tasks.run, definition=definition, count=11)
    other = {"name": "other", "command": ["true"]}
    refused(f"{INVALID}:named other", tasks.run, definition=definition, overrides={"containerOverrides": [other]})
    refused("ClientException:No Fargate", tasks.run, definition=definition, overrides={"cpu": "256", "memory": "4096"})
    refused(f"{INVALID}:Network Configuration", tasks.run, definition=definition, networkConfiguration={})
    strategy = [{"capacityProvider": "FARGATE", "weight": 1}]
    refused(f"{INVALID}:both a launch type", tasks.run, definition=definition, capacityProviderStrategy=strategy)
    refused("ClientException:TaskDefinition not found", tasks.run, definition="none")
    refused(f"{INVALID}:more than 100", tasks.ecs.describe_tasks, cluster=tasks.name, tasks=["x"] * 101)
    tasks.ecs.deregister_task_definition(taskDefinition=definition)
    refused("ClientException:inactive", tasks.run, definition=definition)
    size = {"family": "f", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256"}
    one = [{"name": "main", "image": "b"}]
    register = tasks.ecs.register_task_definition
    refused("ClientException:No Fargate", register, memory="8192", containerDefinitions=one, **size)


def test_tasks_are_listed_by_what_they_are_page_by_page(local_cloud: LocalCloud) -> None:
    tasks = Tasks(local_cloud)
    spread = [
        {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 2},
    ]
    network = {"launchType": "", "capacityProviderStrategy": spread}
    definition = tasks.define("sleep", "600", family="listed", stopTimeout=2)
    del network["launchType"]
    more = {key: value for key, value in tasks.network.items() if key != "launchType"}
    made = tasks.ecs.run_task(
        cluster=tasks.name, taskDefinition="listed", count=7, startedBy="s", propagateTags="TASK_DEFINITION",
        **network, **more,
    )["tasks"]  # fmt: skip
    names = [one["capacityProviderName"] for one in made]
    assert (names.count("FARGATE"), names.count("FARGATE_SPOT"), names[0]) == (3, 4, "FARGATE")
    arns = {one["taskArn"] for one in made}
    pages = list(tasks.ecs.get_paginator("list_tasks").paginate(cluster=tasks.name, PaginationConfig={"PageSize": 3}))
    assert [len(page["taskArns"]) for page in pages] == [3, 3, 1]
    assert {arn for page in pages for arn in page["taskArns"]} == arns

    def listed(**asked: Any) -> set[str]:
        return set(tasks.ecs.list_tasks(cluster=tasks.name, **asked)["taskArns"])

    assert listed(family="listed") == listed(startedBy="s") == listed(launchType="FARGATE") == arns
    assert not listed(family="liste") and not listed(startedBy="t") and not listed(desiredStatus="STOPPED")
    alone = "InvalidParameterException:cannot specify startedBy with other arguments"
    refused(alone, listed, startedBy="s", desiredStatus="RUNNING")
    refused(alone, listed, startedBy="s", family="listed")
    # More than this machine has room for: the rest waits, and ends at once when it is stopped.
    until(lambda: tasks.ecs.describe_clusters(clusters=[tasks.name])["clusters"][0]["runningTasksCount"])
    for arn in arns:
        tasks.ecs.stop_task(cluster=tasks.name, task=arn)
    assert listed(desiredStatus="STOPPED") == arns and not listed()
    for arn in arns:
        tasks.stopped(arn)
    assert tasks.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]["status"] == "ACTIVE"


def test_a_service_replaces_what_ends_and_rolls_back_what_does_not_start(
    local_cloud: LocalCloud, tmp_path: Path
) -> None:
    tasks = Tasks(local_cloud)
    good = tasks.define("sh", "-c", f"echo $$ >>{tmp_path}/starts; exec sleep 600", stopTimeout=2)
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    tasks.ecs.create_service(
        cluster=tasks.name, serviceName="web", taskDefinition=good, desiredCount=1, deploymentConfiguration=breaker,
        propagateTags="SERVICE", tags=[{"key": "team", "value": "a"}], **tasks.network,
    )  # fmt: skip
    tasks.settled("web")
    (first,) = tasks.ecs.list_tasks(cluster=tasks.name, serviceName="web")["taskArns"]
    assert tasks.describe(first)["tags"] == [{"key": "team", "value": "a"}]
    until(lambda: (tmp_path / "starts").exists() and (tmp_path / "starts").read_text().endswith("\n"))
    tasks.ecs.stop_task(cluster=tasks.name, task=first)
    tasks.stopped(first)
    tasks.settled("web")
    (second,) = tasks.ecs.list_tasks(cluster=tasks.name, serviceName="web")["taskArns"]
    assert second != first

    bad = tasks.define("true", group="/no/such/group")
    tasks.ecs.update_service(cluster=tasks.name, service="web", taskDefinition=bad)
    back = tasks.settled("web", lambda found: any("rolling back" in event["message"] for event in found["events"]))
    assert back["taskDefinition"] == good
    assert tasks.ecs.list_tasks(cluster=tasks.name, serviceName="web")["taskArns"] == [second]
    refused(f"{INVALID}:scaled above 0", tasks.ecs.delete_service, cluster=tasks.name, service="web")
    refused("ClusterContainsServicesException", tasks.ecs.delete_cluster, cluster=tasks.name)
    tasks.ecs.update_service(cluster=tasks.name, service="web", desiredCount=0)
    tasks.ecs.delete_service(cluster=tasks.name, service="web")
    until(lambda: tasks.service("web")["status"] == "INACTIVE")
    assert tasks.stopped(second)["stopCode"] == "ServiceSchedulerInitiated"
    tasks.ecs.delete_cluster(cluster=tasks.name)


def test_deleted_definitions_go_once_nothing_needs_them(tasks: Tasks) -> None:
    definition = tasks.define("sleep", "600", stopTimeout=2)
    arn = tasks.run(definition)
    failures = tasks.ecs.delete_task_definitions(taskDefinitions=[definition])["failures"]
    assert "still in ACTIVE" in failures[0]["reason"]
    tasks.ecs.deregister_task_definition(taskDefinition=definition)
    tasks.ecs.delete_task_definitions(taskDefinitions=[definition])
    described = tasks.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert described["status"] == "DELETE_IN_PROGRESS"
    tasks.ecs.stop_task(cluster=tasks.name, task=arn)
    tasks.stopped(arn)
    refused("ClientException:Unable to describe", tasks.ecs.describe_task_definition, taskDefinition=definition)


def test_what_jobs_are_given_can_be_given_to_tasks(tasks: Tasks) -> None:
    """A worker's command and environment: quotes, line ends, a few KiB."""
    script = "import json, os\nprint(json.dumps(os.environ['SPEC']))"
    value = 'ä "quoted" \\ $HOME\n' * 200
    override = {"name": "main", "command": ["python", "-c", script], "environment": [{"name": "SPEC", "value": value}]}
    arn = tasks.run(tasks.define("true"), overrides={"containerOverrides": [override]})
    assert tasks.stopped(arn)["containers"][0]["exitCode"] == 0
    assert json.loads(tasks.output(arn)[0]) == value
