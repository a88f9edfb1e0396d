"""ListTasks and DescribeTasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from awsrun.local.ecs.errors import EcsError, Record, among, page
from awsrun.local.ecs.task import Task, describe

MOST = 100  # tasks of one DescribeTasks
_OTHERS = ("family", "serviceName", "containerInstance", "launchType", "desiredStatus")


def list_tasks(tasks: Iterable[Task], body: Record) -> Record:
    """ListTasks of one cluster: those that are to run, unless asked otherwise
    (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html)."""
    among(body.get("desiredStatus"), "desiredStatus", ("RUNNING", "PENDING", "STOPPED"))
    among(body.get("launchType"), "launchType", ("EC2", "FARGATE", "EXTERNAL"))
    if body.get("startedBy") and any(body.get(name) for name in _OTHERS):
        # "It must be the only filter that you use"; the words: https://github.com/aws/aws-sdk-go-v2/issues/1893
        raise EcsError("cannot specify startedBy with other arguments")
    wanted = body.get("desiredStatus") or "RUNNING"
    tests = {
        "family": lambda task, value: task.family == value,
        "serviceName": lambda task, value: task.service == value.rpartition("/")[2],
        "startedBy": lambda task, value: task.started_by == value,
        "launchType": lambda task, value: task.launch_type == value,
        "containerInstance": lambda task, value: False,  # there are none
    }
    asked: list[Any] = [(test, body[name]) for name, test in tests.items() if body.get(name)]
    found = [task.arn for task in tasks if task.desired == wanted and all(test(task, value) for test, value in asked)]
    return page("taskArns", found, body)


def describe_tasks(tasks: dict[str, Task], body: Record) -> Record:
    """DescribeTasks.

    Args:
        tasks: those of the cluster that are shown, by id.
    """
    names = body.get("tasks") or []
    if not names:
        raise EcsError("Tasks cannot be empty.")
    if len(names) > MOST:
        raise EcsError(f"Tasks cannot be more than {MOST}.")
    told: Record = {"tasks": [], "failures": []}
    for name in names:
        task = tasks.get(name.rpartition("/")[2])
        if task is None:
            told["failures"].append({"arn": name, "reason": "MISSING"})
        else:
            told["tasks"].append(describe(task, body.get("include")))
    return told
