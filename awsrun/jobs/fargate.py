"""ECS Fargate as a way to get workers: start them, say what stage they are in, stop them.  Each is a task of its own.

A run's tasks are found by the name of their group, which they were started by.  Nobody replaces a task that is lost:
workers that are left do (`awsrun.worker.relief`), and `awsrun resume`.  Tasks that have stopped are shown for an hour
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, code_of, matches, message_of, outcome
from awsrun.jobs.pace import Pace
from awsrun.jobs.stages import STAGES, Stages
from awsrun.resources.ecs_task_definition import STREAMS
from awsrun.worker.fargate import MOST, Start, request
from awsrun.worker.runs import Run

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html: tasks, of each capacity by itself
LAUNCHES, LAUNCH_BURST = 20.0, 100
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
STOPS, STOP_BURST = 40.0, 100
YOUNG = 60.0  # seconds for which lists may not show what was started
_BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds, after a throttle or a lost answer
_NO_ROOM = (5.0, 20.0)  # seconds until the rest of a call is asked for again
_DESCRIBED = 100  # tasks per DescribeTasks
_FALLEN = 5  # workers that failed say enough
_STAGE = {"PROVISIONING": "waiting", "PENDING": "starting", "ACTIVATING": "starting", "RUNNING": "running"}
_GONE = ("InvalidParameterException:not found", "ClusterNotFoundException")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html: not a worker's own fault
_TAKEN_BACK = frozenset({"SpotInterruption", "TerminationNotice", "UserInitiated"})
_TERMINATED = 143  # exit code of a worker that was told to go

Task = Mapping[str, Any]


def start(
    cloud: Cloud, run: Run, slot: int, count: int, sleep: Callable[[float], None] = time.sleep
) -> tuple[int, list[str]]:
    """Start ``count`` workers on the slots from ``slot`` on, ten a call; how many were, and why others were not.

    Raises:
        AwsrunError: ECS refuses, and none was started.
    """
    pace = Pace(LAUNCHES, LAUNCH_BURST, cloud.time_scale, sleep=sleep)
    started, reasons = 0, dict[str, None]()
    for first in range(slot, slot + count, MOST):
        seats = min(MOST, slot + count - first)
        try:
            made, why = _fill(cloud, run, Start(first, seats, seats), pace, sleep)
        except AwsrunError as error:
            if not started:
                raise
            return started, [*reasons, error.why]
        started += made
        reasons |= dict.fromkeys(why)
        if not made:  # there is no room: more calls would find none either
            break
    if not started:
        raise AwsrunError(f"ECS starts no worker for {run.run}", "; ".join(reasons))
    return started, list(reasons)


def _fill(
    cloud: Cloud, run: Run, start: Start, pace: Pace, sleep: Callable[[float], None]
) -> tuple[int, Sequence[str]]:
    """One call's workers; those for which there was no room are asked for again, a little later."""
    made = 0
    for wait in (*_NO_ROOM, None):
        pace.take(start.count)
        answer = _call(cloud, run, start, sleep)
        made += len(answer["tasks"])
        missing = start.count - len(answer["tasks"])
        reasons = [str(failed.get("reason", "")) for failed in answer.get("failures", ())]
        if not missing or wait is None:
            return made, reasons if missing else ()
        sleep(wait * cloud.time_scale)
        start = replace(start, count=missing, ask=start.ask + 1)
    raise AssertionError("unreachable")


def _call(cloud: Cloud, run: Run, start: Start, sleep: Callable[[float], None]) -> Mapping[str, Any]:
    """RunTask, until it is answered: the client token lets a repeat start nothing twice."""
    from botocore.exceptions import BotoCoreError, ClientError

    for wait in (*_BACKOFF, None):
        try:
            answer: Mapping[str, Any] = cloud.write("ecs").run_task(**request(run, start))
            return answer
        except (ClientError, BotoCoreError) as error:
            if outcome(error) not in ("throttled", "unknown") or wait is None:
                code = code_of(error)
                why = f"{message_of(error)} ({code})" if code else message_of(error)
                raise AwsrunError(f"ECS does not start workers for {run.run}", why) from error
            sleep(wait)
    raise AssertionError("unreachable")


def stages(cloud: Cloud, run: Run, now: float) -> Stages:
    """A run's workers by stage: two lists per group and a call per hundred tasks.

    Args:
        now: seconds since the epoch; what was asked for a moment ago and is not listed yet counts as ``submitted``.
    """
    groups: list[Mapping[str, Any]] = list(run.engine.get("groups", ()))
    counts: Counter[str] = Counter()
    reasons: dict[str, None] = {}
    born = []
    for group in groups:
        found = list(_tasks(cloud, run, [group]))
        for task in found:
            stage, why = _stage(task)
            counts[stage] += 1
            reasons |= {why: None} if why else {}
            born.append(task["createdAt"].timestamp())
        if now - float(group.get("at", 0)) < YOUNG:
            counts["submitted"] += max(0, int(group["workers"]) - len(found))
        reasons |= dict.fromkeys(group.get("reasons", ()))
    return Stages({stage: counts[stage] for stage in STAGES if counts[stage]}, tuple(reasons), min(born, default=0.0))


def diagnose(cloud: Cloud, run: Run) -> list[str]:
    """Why workers do not start, beside what is known of those that failed."""
    found = []
    cluster = run.engine["cluster"]
    for entry in cloud.read("ecs").describe_clusters(clusters=[cluster])["clusters"]:
        if entry["status"] != "ACTIVE":
            found.append(f"cluster {entry['clusterName']} is {entry['status']}")
        missing = run.engine["capacity"] not in entry["capacityProviders"]
        found += [f"cluster {entry['clusterName']} has no {run.engine['capacity']}"] if missing else []
    if run.engine["capacity"] == "FARGATE_SPOT":
        found.append(
            "spot is spare capacity, which comes and goes: with `spot: false` in the spec workers start sooner"
        )
    return found


def stop(cloud: Cloud, run: Run, reason: str) -> None:
    """Stop a run's tasks: they get SIGTERM and a while; one that has ended is left as it is."""
    from botocore.exceptions import ClientError

    ecs, pace = cloud.read("ecs"), Pace(STOPS, STOP_BURST, cloud.time_scale)

    def one(task: str) -> None:
        try:
            ecs.stop_task(cluster=run.engine["cluster"], task=task, reason=reason)
        except ClientError as error:
            if not matches(error, _GONE):
                raise

    for group in run.engine.get("groups", ()):
        listed = list(_listed(cloud, run, str(group["job"]), "RUNNING"))
        for first in range(0, len(listed), 8):
            some = listed[first : first + 8]
            pace.take(len(some))
            cloud.together(*(partial(one, task) for task in some))


def streams(run: Run, tasks: Iterable[str]) -> dict[str, list[str]]:
    """Task id -> its log stream
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html)."""
    return {task: [f"{STREAMS}/{run.engine['container']}/{task}"] for task in tasks}


def fallen(cloud: Cloud, run: Run) -> list[str]:
    """Ids of a few tasks that ran and failed."""
    tasks = _tasks(cloud, run, run.engine.get("groups", ()), ("STOPPED",))
    failed = (task for task in tasks if _stage(task)[0] == "failed" and "startedAt" in task)
    return [str(task["taskArn"]).rpartition("/")[2] for task, _ in zip(failed, range(_FALLEN), strict=False)]


def _tasks(
    cloud: Cloud, run: Run, groups: Iterable[Mapping[str, Any]], wanted: Sequence[str] = ("RUNNING", "STOPPED")
) -> Iterator[Task]:
    """The tasks of groups that ECS shows, described; some that are new it may list and not describe yet."""
    for group in groups:
        arns = list(dict.fromkeys(arn for one in wanted for arn in _listed(cloud, run, str(group["job"]), one)))
        for first in range(0, len(arns), _DESCRIBED):
            some = arns[first : first + _DESCRIBED]
            yield from cloud.read("ecs").describe_tasks(cluster=run.engine["cluster"], tasks=some)["tasks"]


def _listed(cloud: Cloud, run: Run, group: str, wanted: str) -> Iterator[str]:
    from botocore.exceptions import ClientError

    pages = cloud.read("ecs").get_paginator("list_tasks").paginate(
        cluster=run.engine["cluster"], startedBy=group, desiredStatus=wanted
    )  # fmt: skip
    try:
        for page in pages:
            yield from page["taskArns"]
    except ClientError as error:
        if not matches(error, _GONE):
            raise


def _stage(task: Task) -> tuple[str, str]:
    """A task's stage, and what ECS says where it failed."""
    if task["desiredStatus"] != "STOPPED":
        return _STAGE.get(task["lastStatus"], "running"), ""
    codes = {container.get("exitCode") for container in task.get("containers", ())}
    if task.get("stopCode") in _TAKEN_BACK or codes <= {0, _TERMINATED}:
        return "ended", ""
    if task["lastStatus"] != "STOPPED" and codes == {None}:  # it is ending, and has not said how
        return "ended", ""
    said = [str(one["reason"]) for one in task.get("containers", ()) if one.get("reason")]
    never = "startedAt" not in task
    return "failed", (said or [str(task.get("stoppedReason", ""))])[0] if said or never else ""
