"""What is to be done about a service next: tasks to start and to stop, deployments that are there or have failed.

`steps` is a pure function of records and time; `services.step` carries out what it says.  Rolling updates:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html; the circuit breaker's threshold:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentCircuitBreaker.html; tasks that end again
and again are started ever more slowly:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from awsrun.local.ecs.fleet import COMPLETED, DRAINING, FAILED, IN_PROGRESS, INACTIVE, Deployment, Service
from awsrun.local.ecs.task import PROVISIONING, RUNNING, SCHEDULER, USER, Task

Step = tuple[Literal["start", "stop", "completed", "failed", "steady", "inactive"], Any]
FEWEST, MOST = 3, 200  # failures that a circuit breaker waits for
QUICK = 60_000  # milliseconds: what ends sooner is started again more slowly
FIRST, LAST = 1.0, 27 * 60.0  # seconds between starts, at least and at most
_ASKED_FOR = (SCHEDULER, USER)


def steps(service: Service, tasks: Sequence[Task], now: int, room: bool) -> list[Step]:
    """What comes next, if anything.

    Args:
        tasks: of the service, those that are not over.
        now: milliseconds.
        room: whether this machine has a slot free: where it has none, old tasks make way for new ones.
    """
    if service.status == INACTIVE:
        return []
    living = [task for task in tasks if task.desired == RUNNING]
    if service.status == DRAINING:
        return [("stop", task.id) for task in living] or ([] if tasks else [("inactive", None)])
    primary = service.primary
    if _broken(service, primary):
        return [("failed", primary.id)]
    mine = [task for task in living if task.deployment == primary.id]
    old = sorted((task for task in living if task.deployment != primary.id), key=lambda task: task.status == RUNNING)
    found: list[Step] = [("stop", task.id) for task in mine[service.desired :]]
    missing = service.desired - len(mine)
    if missing > 0 and now >= primary.next_start and primary.rollout != FAILED:
        found += [("start", None)] * max(0, min(missing, max(service.most, 1) - len(living)))
    found += [("stop", task.id) for task in old[: _to_spare(service, mine, old, room)]]
    if found:
        return found
    there = len(tasks) == len(mine) == service.desired and all(task.status == RUNNING for task in mine)
    if there and primary.rollout == IN_PROGRESS:
        return [("completed", primary.id)]
    return [("steady", None)] if there and not service.steady else []


def note_run(deployment: Deployment) -> None:
    """A task has come to run: what failed before it is forgotten, and not counted any more."""
    deployment.failures, deployment.ran = 0, True


def note_end(service: Service, deployment: Deployment, task: Task, at: int) -> None:
    """A task is over; where it ended of itself, the next one waits the longer, the more of them do so soon."""
    if task.stop_code in _ASKED_FOR:
        return
    service.steady = False
    if not task.ever_ran:
        note_failure(deployment, at)
    else:
        soon = at - task.times["startedAt"] < QUICK
        deployment.quick_ends = deployment.quick_ends + 1 if soon else 0
        deployment.next_start = at + int(1000 * pause(deployment.quick_ends))


def note_failure(deployment: Deployment, at: int) -> None:
    """A task never ran."""
    deployment.failures += 0 if deployment.ran else 1
    deployment.quick_ends += 1
    deployment.next_start = at + int(1000 * pause(deployment.quick_ends))


def pause(quick_ends: int) -> float:
    """Seconds until the next start, after so many tasks in a row that were soon over."""
    return 0.0 if quick_ends == 0 else min(LAST, FIRST * 2.0 ** (quick_ends - 1))


def rolls_back_to(service: Service) -> Deployment | None:
    """The last deployment that got there, which a failed one gives way to; None where that just ends."""
    before = (one for one in service.deployments[1:] if one.rollout == COMPLETED)
    return next(before, None) if service.breaker.get("rollback") else None


def _broken(service: Service, primary: Deployment) -> bool:
    """Whether the circuit breaker ends the deployment."""
    threshold = min(MOST, max(FEWEST, service.desired // 2))
    return bool(service.breaker.get("enable")) and primary.rollout == IN_PROGRESS and primary.failures >= threshold


def _to_spare(service: Service, mine: Sequence[Task], old: Sequence[Task], room: bool) -> int:
    """How many of the old tasks, those that do not run first, may go now."""
    if service.primary.rollout == FAILED:
        return 0
    running = sum(task.status == RUNNING for task in (*mine, *old))
    waiting = sum(task.status == PROVISIONING for task in mine)
    useless = sum(task.status != RUNNING for task in old)
    return useless + max(0, running - service.least, 0 if room else waiting)
