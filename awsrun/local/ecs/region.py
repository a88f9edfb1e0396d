"""ECS in one region: its records, and every change of a task's state.

``provisioned`` to ``shipped`` are events: the scheduler records them in the journal, which replays them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from awsrun.local.ecs import clusters, deploy, fleet, network, run
from awsrun.local.ecs.clusters import Cluster
from awsrun.local.ecs.definitions import Definitions
from awsrun.local.ecs.errors import EcsError, Record
from awsrun.local.ecs.fleet import Deployment, Service
from awsrun.local.ecs.room import Room
from awsrun.local.ecs.task import (
    DEPROVISIONING,
    KEPT,
    PENDING,
    PROVISIONING,
    RUNNING,
    STOPPED,
    STOPPING,
    USER,
    Task,
)


class Region:
    """What ECS knows in one region."""

    def __init__(self, account: str, name: str) -> None:
        self.account, self.name = account, name
        self.clusters: dict[str, Cluster] = {}
        self.definitions = Definitions()
        self.services: dict[str, Service] = {}  # by cluster/name
        self.tasks: dict[str, Task] = {}

    def arn(self, resource: str) -> str:
        return f"arn:aws:ecs:{self.name}:{self.account}:{resource}"

    # -- what there is ------------------------------------------------------------------------------------------------

    def cluster(self, body: Record, active: bool = True) -> Cluster:
        """The cluster that a call names, or ``default``.

        Raises:
            EcsError: there is none.
        """
        found = self.clusters.get(short(body.get("cluster") or "default"))
        if found is None or (active and not found.active):
            raise EcsError("Cluster not found.", "ClusterNotFoundException")
        return found

    def service(self, body: Record) -> Service:
        """The service that a call changes.

        Raises:
            EcsError: there is none.
        """
        found = self.services.get(f"{self.cluster(body).name}/{short(str(body.get('service', '')))}")
        if found is None:
            raise EcsError("Service not found.", "ServiceNotFoundException")
        return found

    def tasks_of(self, service: Service) -> list[Task]:
        """Those that are not over."""
        return [
            task
            for task in self.tasks.values()
            if task.service == service.name and task.cluster == service.cluster and not task.over
        ]

    def deployment_of(self, task: Task) -> tuple[Service, Deployment] | None:
        """What a task was started for; None for one of its own, or where that is not there any more."""
        service = self.services.get(f"{task.cluster}/{task.service}") if task.service else None
        found = (one for one in service.deployments if one.id == task.deployment) if service else iter(())
        deployment = next(found, None)
        return None if service is None or deployment is None else (service, deployment)

    def counts(self, cluster: Cluster) -> dict[str, int]:
        """Of running and pending tasks and active services."""
        mine = [task for task in self.tasks.values() if task.cluster == cluster.name]
        services = (one for one in self.services.values() if one.cluster == cluster.name)
        return {
            "running": sum(task.status == RUNNING for task in mine),
            "pending": sum(task.status in (PROVISIONING, PENDING) for task in mine),
            "services": sum(one.status == fleet.ACTIVE for one in services),
        }

    def in_use(self) -> set[str]:
        """ARNs of the task definitions that tasks and services still need."""
        living = {task.definition for task in self.tasks.values() if not task.over}
        served = (one for one in self.services.values() if one.status != fleet.INACTIVE)
        return living | {deployment.definition for one in served for deployment in one.deployments}

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a resource, to read or to change.

        Raises:
            EcsError: there is no such resource.
        """
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if kind == "task-definition":
            found: dict[str, str] = self.definitions.entry(name)["tags"]
            return found
        places: dict[str, Any] = {"cluster": self.clusters, "service": self.services, "task": self.tasks}
        one = places.get(kind, {}).get(short(name) if kind == "task" else name)
        if one is None or getattr(one, "status", "") in ("INACTIVE", STOPPED):
            raise EcsError("The specified resource is inactive. Specify an active resource and try again." if one
                           else "The specified resource was not found.")  # fmt: skip
        tags: dict[str, str] = one.tags
        return tags

    # -- calls --------------------------------------------------------------------------------------------------------

    def create_cluster(self, body: Record) -> Cluster:
        """CreateCluster: what is there already is left as it is."""
        name = body.get("clusterName") or "default"
        there = self.clusters.get(name)
        if there is None or not there.active:
            self.clusters[name] = clusters.make(self.arn(f"cluster/{name}"), name, body)
        return self.clusters[name]

    def delete_cluster(self, body: Record) -> Cluster:
        """DeleteCluster: only what nothing is in."""
        cluster = self.cluster(body)
        if any(one.cluster == cluster.name and one.status != fleet.INACTIVE for one in self.services.values()):
            said = "The Cluster cannot be deleted while Services are active."
            raise EcsError(said, "ClusterContainsServicesException")
        if any(task.cluster == cluster.name and not task.over for task in self.tasks.values()):
            said = "The Cluster cannot be deleted while Tasks are active."
            raise EcsError(said, "ClusterContainsTasksException")
        cluster.status = "INACTIVE"
        return cluster

    def run_task(self, body: Record, ids: Iterator[str], at: int, room: Room) -> tuple[list[Task], list[str]]:
        """RunTask: the tasks that there is room for, and why others are not there.

        There is one reason of a kind, however many tasks are missing, and it names none of them
        (https://github.com/gchq/sleeper/issues/904).
        """
        cluster, definition = self.cluster(body), self.definitions.runnable(str(body.get("taskDefinition", "")))
        kinds, place = run.check(cluster, definition, body)
        if body.get("propagateTags") == "TASK_DEFINITION":
            body = {**body, "inherited": self.definitions.entry(definition["taskDefinitionArn"])["tags"]}
        self._forget(at)
        cpu, _ = run.size(definition, body)
        made, missing = list[Task](), dict[str, None]()
        for kind, id in zip(kinds, ids, strict=False):
            if why := room.lacks(id) or room.forbids(kind, cpu, self.tasks.values()):
                missing[why] = None
                continue
            made.append(run.make(id, cluster, definition, body, kind, place, at))
            self.tasks[id] = made[-1]
        return made, list(missing)

    def stop_task(self, body: Record, at: int) -> Task:
        """StopTask: one that has no process yet is over at once, others when their processes are."""
        cluster = self.cluster(body)
        task = self.tasks.get(short(str(body.get("task", ""))))
        if task is None or task.cluster != cluster.name or not task.shown(at / 1000):
            raise EcsError("The referenced task was not found.")
        task.end(USER, body.get("reason") or "Task stopped by user", at)
        if task.status == PROVISIONING:
            self.over(task.id, at, [])
            self.stopped(task.id, at)
        return task

    # -- events -------------------------------------------------------------------------------------------------------

    def provisioned(self, task_id: str, at: int) -> None:
        """It has a place on this machine."""
        self.tasks[task_id].move(PENDING, at, "connectivityAt", "pullStartedAt")

    def unplaced(self, task_id: str, at: int) -> None:
        """The embedded cloud went down before anything of it was started: it waits for a place again."""
        task = self.tasks[task_id]
        task.move(PROVISIONING, at)
        task.times = {"createdAt": task.times["createdAt"]}
        for container in task.containers:
            container.status, container.shipped = PENDING, 0

    def running(self, task_id: str, at: int) -> None:
        """Its containers run."""
        task = self.tasks[task_id]
        for container in task.containers:
            container.status = RUNNING
        task.move(RUNNING, at, "pullStoppedAt", "startedAt")
        if (of := self.deployment_of(task)) is not None:
            deploy.note_run(of[1])

    def ending(self, task_id: str, at: int, code: str, reason: str) -> None:
        """Its end has begun: its containers are told to stop."""
        task = self.tasks[task_id]
        task.end(code, reason, at)
        if task.status in (PENDING, RUNNING):
            task.move(STOPPING, at)

    def over(self, task_id: str, at: int, ends: list[tuple[int | None, str]]) -> None:
        """Its containers are gone; exit code and reason of each."""
        task = self.tasks[task_id]
        for container, (code, reason) in zip(task.containers, ends, strict=False):
            container.exit_code, container.reason = code, reason
        for container in task.containers:
            container.status = STOPPED
        task.move(DEPROVISIONING, at, "executionStoppedAt")

    def stopped(self, task_id: str, at: int) -> None:
        """Nothing of it is left but its record."""
        task = self.tasks[task_id]
        for attachment in task.attachments:
            network.detach(self.name, attachment)
        task.move(STOPPED, at, "stoppedAt")
        if (of := self.deployment_of(task)) is not None:
            deploy.note_end(*of, task, at)
        self.definitions.forget(self.in_use())
        self._forget(at)

    def shipped(self, task_id: str, index: int, offset: int) -> None:
        """A container's output was sent to the logs up to ``offset``."""
        self.tasks[task_id].containers[index].shipped = offset

    # -- within -------------------------------------------------------------------------------------------------------

    def _forget(self, at: int) -> None:
        """Tasks that are over for an hour."""
        for id in [id for id, task in self.tasks.items() if task.over and at - task.times["stoppedAt"] >= KEPT]:
            del self.tasks[id]


def short(name_or_arn: str) -> str:
    """The name in an ARN, or a name as it is."""
    return name_or_arn.rpartition("/")[2]
