"""ECS Fargate as a way to get workers: start them, say what stage they are in, stop them.  Each is a task of its own.

A run's tasks are found by the name of their group, which they were started by.  Nobody replaces a task that is lost:
workers that are left do (`awsrun.worker.relief`), and `awsrun resume`.  Tasks that have stopped are shown for an hour
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, code_of, matches, message_of, outcome
from awsrun.aws.quotas import FARGATE, FARGATE_SPOT, increase
from awsrun.jobs.workers.pace import Pace
from awsrun.jobs.workers.stages import STAGES, Stages
from awsrun.resources.ecs_task_definition import STREAMS
from awsrun.worker.fargate import MOST, Start, request
from awsrun.worker.protocol.runs import Run

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html: tasks, of each capacity by itself
LAUNCHES, LAUNCH_BURST = 20.0, 100
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
STOPS, STOP_BURST = 40.0, 100
YOUNG = 60.0  # seconds for which lists may not show what was started
_BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0)  # seconds, after a throttle, a lost answer or a role that is not known
_NO_ROOM = (5.0, 20.0)  # seconds until the rest is asked for again
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html: there is no code for it
_OVER_QUOTA = "limit on the number of vCPUs"
_DESCRIBED = 100  # tasks per DescribeTasks
_FALLEN = 5  # workers that failed say enough
_STAGE = {"PROVISIONING": "waiting", "PENDING": "starting", "ACTIVATING": "starting", "RUNNING": "running"}
# Roles that were made a moment ago, by an apply just before: https://github.com/pulumi/pulumi-awsx/issues/927
_NOT_YET = tuple(f"{code}:unable to assume the role" for code in ("ClientException", "InvalidParameterException"))
_GONE = ("InvalidParameterException:not found", "ClusterNotFoundException")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html: not a worker's own fault
_TAKEN_BACK = frozenset({"SpotInterruption", "TerminationNotice", "UserInitiated"})
_TERMINATED = 143  # exit code of a worker that was told to go

Task = Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """What came of asking for workers.

    Attributes:
        count: workers that ECS starts.
        unsure: workers of a call that was not answered: ECS starts them, or does not.
        reasons: why others are not started.
    """

    count: int = 0
    unsure: int = 0
    reasons: Sequence[str] = ()


def start(cloud: Cloud, run: Run, slot: int, count: int, sleep: Callable[[float], None] = time.sleep) -> Started:
    """Start ``count`` workers on the slots from ``slot`` on, ten a call, and never more.

    Those for which there is no room are asked for again, all of them, a little later and then once more.

    Raises:
        AwsrunError: ECS starts none.
    """
    pace, tries = Pace(LAUNCHES, LAUNCH_BURST, cloud.time_scale, sleep=sleep), int(run.engine.get("tries", 0))
    sizes = ((first, min(MOST, slot + count - first)) for first in range(slot, slot + count, MOST))
    wanted: Sequence[Start] = [Start(first, seats, seats, tries=tries) for first, seats in sizes]
    started, reasons = 0, dict[str, None]()
    for wait in (*_NO_ROOM, None):
        try:
            made, wanted, reasons = _round(cloud, run, wanted, pace, sleep)
        except Unasked as error:
            found = Started(started + error.started, error.unsure, [error.why])
            if not found.count and not found.unsure:
                raise
            return found
        started += made
        if not wanted:
            return Started(started)
        if wait is not None:
            sleep(wait * cloud.time_scale)
    if not started:
        raise AwsrunError(f"ECS starts no worker for {run.run}", "; ".join(reasons))
    return Started(started, 0, list(reasons))


class Unasked(AwsrunError):
    """ECS refuses a call for workers, or does not answer it.

    Args:
        unsure: of how many workers nobody knows whether they are started.

    Attributes:
        started: workers of calls just before this one.
    """

    def __init__(self, what: str, why: str, unsure: int = 0) -> None:
        super().__init__(what, why)
        self.unsure, self.started = unsure, 0


def _round(
    cloud: Cloud, run: Run, calls: Sequence[Start], pace: Pace, sleep: Callable[[float], None]
) -> tuple[int, Sequence[Start], dict[str, None]]:
    """How many workers some calls started, the calls for those that are missing, and why they are.

    Where there is no room for any of a call's, no further call is made: it would find none either.
    """
    started, missing, reasons = 0, list[Start](), dict[str, None]()
    for done, start in enumerate(calls):
        pace.take(start.count)
        try:
            answer = _call(cloud, run, start, sleep)
        except Unasked as error:
            error.started = started
            raise
        made = len(answer["tasks"])
        started += made
        if made < start.count:
            missing.append(replace(start, count=start.count - made, ask=start.ask + 1))
            said = [_explained(run, str(failed.get("reason", ""))) for failed in answer.get("failures", ())]
            reasons |= dict.fromkeys(said or ["ECS does not say why"])
        if not made:
            return started, [*missing, *calls[done + 1 :]], reasons
    return started, missing, reasons


def _explained(run: Run, reason: str) -> str:
    """What ECS says of tasks that it does not start; of a quota also which one it is, and how to have more."""
    if _OVER_QUOTA not in reason:
        return reason
    quota = FARGATE_SPOT if run.engine["capacity"] == "FARGATE_SPOT" else FARGATE
    command = increase(quota, "VCPUS", run.engine["region"])
    return f"{reason.partition('. ')[0]} ({quota.name}, of all tasks in {run.engine['region']}); for more: {command}"


def _call(cloud: Cloud, run: Run, start: Start, sleep: Callable[[float], None]) -> Mapping[str, Any]:
    """RunTask, until it is answered: the client token lets a repeat start nothing twice.

    Raises:
        Unasked: it is refused, or not answered.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    unsure = 0
    for wait in (*_BACKOFF, None):
        try:
            answer: Mapping[str, Any] = cloud.write("ecs").run_task(**request(run, start))
            return answer
        except (ClientError, BotoCoreError) as error:
            kind = "throttled" if matches(error, _NOT_YET) else outcome(error)
            unsure = start.count if kind == "unknown" else unsure
            if kind not in ("throttled", "unknown") or wait is None:
                code = code_of(error)
                why = f"{message_of(error)} ({code})" if code else message_of(error)
                raise Unasked(f"ECS does not start workers for {run.run}", why, unsure) from error
            sleep(wait * cloud.time_scale)
    raise AssertionError("unreachable")


def stages(cloud: Cloud, run: Run, now: float) -> Stages:
    """A run's workers by stage: a list per group, one of what stopped, and a call per hundred tasks.

    Args:
        now: seconds since the epoch; what was asked for a moment ago and is not listed yet counts as ``submitted``.
    """
    groups: list[Mapping[str, Any]] = list(run.engine.get("groups", ()))
    tasks = list(_tasks(cloud, run)) if groups else []
    counts: Counter[str] = Counter()
    reasons: dict[str, None] = {}
    for task in tasks:
        stage, why = _stage(task)
        counts[stage] += 1
        reasons |= {why: None} if why else {}
    found = Counter(task["startedBy"] for task in tasks)
    for group in groups:
        if now - float(group.get("at", 0)) < YOUNG:
            counts["submitted"] += max(0, int(group.get("started", group["workers"])) - found[group["job"]])
        reasons |= dict.fromkeys(group.get("reasons", ()))
    born = min((task["createdAt"].timestamp() for task in tasks), default=0.0)
    return Stages({stage: counts[stage] for stage in STAGES if counts[stage]}, tuple(reasons), born)


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
    _stop(cloud, run, list(_living(cloud, run)), reason)


def dismiss(cloud: Cloud, run: Run, reason: str) -> int:
    """Stop those of a run's tasks that have not begun; how many they were.

    ECS has no call that stops only what does not run yet: a task that comes to run between the look and the call gets
    SIGTERM as in `stop`, so this is for a run that is over.  A task is billed from the pull of its image on
    (https://aws.amazon.com/fargate/pricing/).
    """
    living = _described(cloud, run, _living(cloud, run))
    waiting = [task for task in living if _stage(task)[0] in ("waiting", "starting")]
    _stop(cloud, run, [str(task["taskArn"]) for task in waiting], reason)
    return len(waiting)


def _stop(cloud: Cloud, run: Run, tasks: Sequence[str], reason: str) -> None:
    from botocore.exceptions import ClientError

    ecs, pace = cloud.read("ecs"), Pace(STOPS, STOP_BURST, cloud.time_scale)

    def one(task: str) -> None:
        try:
            ecs.stop_task(cluster=run.engine["cluster"], task=task, reason=reason)
        except ClientError as error:
            if not matches(error, _GONE):
                raise

    for first in range(0, len(tasks), 8):
        some = tasks[first : first + 8]
        pace.take(len(some))
        cloud.together(*(partial(one, task) for task in some))


def streams(run: Run, tasks: Iterable[str]) -> dict[str, list[str]]:
    """Task id -> its log stream
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html)."""
    return {task: [f"{STREAMS}/{run.engine['container']}/{task}"] for task in tasks}


def fallen(cloud: Cloud, run: Run) -> list[str]:
    """Ids of a few tasks that ran and failed."""
    tasks = _described(cloud, run, _stopped(cloud, run))
    failed = (task for task in tasks if _stage(task)[0] == "failed" and "startedAt" in task)
    return [str(task["taskArn"]).rpartition("/")[2] for task, _ in zip(failed, range(_FALLEN), strict=False)]


def _tasks(cloud: Cloud, run: Run) -> Iterator[Task]:
    """The run's tasks that ECS shows, described; some that are new it may list and not describe yet."""
    return _described(cloud, run, dict.fromkeys([*_living(cloud, run), *_stopped(cloud, run)]))


def _described(cloud: Cloud, run: Run, arns: Iterable[str]) -> Iterator[Task]:
    """Those of some tasks that are the run's."""
    groups, every = {str(group["job"]) for group in run.engine.get("groups", ())}, list(arns)
    for first in range(0, len(every), _DESCRIBED):
        some = every[first : first + _DESCRIBED]
        described = cloud.read("ecs").describe_tasks(cluster=run.engine["cluster"], tasks=some)["tasks"]
        yield from (task for task in described if task.get("startedBy") in groups)


def _living(cloud: Cloud, run: Run) -> Iterator[str]:
    """The run's tasks that run or are to."""
    for group in run.engine.get("groups", ()):
        yield from _listed(cloud, run, startedBy=str(group["job"]))


def _stopped(cloud: Cloud, run: Run) -> Iterator[str]:
    """Tasks of the run's definition, whatever revision and run, that have stopped or are to."""
    family = str(run.engine["definition"]).rpartition("/")[2].partition(":")[0]
    return _listed(cloud, run, family=family, desiredStatus="STOPPED")


def _listed(cloud: Cloud, run: Run, **wanted: str) -> Iterator[str]:
    """Tasks of the cluster, those that are to run unless said otherwise.

    By whom they were started is a filter that goes with no other
    (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html).
    """
    from botocore.exceptions import ClientError

    pages = cloud.read("ecs").get_paginator("list_tasks").paginate(cluster=run.engine["cluster"], **wanted)
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
