"""ECS in one region: its records, and every change of a task's or a service's state.

``provisioned`` to ``shipped``, and ``service_step``, are events: the scheduler records them in the journal, which
replays them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from awsrun.local import clock
from awsrun.local.ecs import clusters, deploy, fleet, network, run
from awsrun.local.ecs.clusters import Cluster
from awsrun.local.ecs.definitions import Definitions
from awsrun.local.ecs.errors import EcsError, Record
from awsrun.local.ecs.fleet import Deployment, Service
from awsrun.local.ecs.task import (
    DEPROVISIONING,
    KEPT,
    PENDING,
    PROVISIONING,
    RUNNING,
    STOPPED,
    STOPPING,
    Task,
)

SCHEDULER, USER, EXITED = "ServiceSchedulerInitiated", "UserInitiated", "EssentialContainerExited"
_ASKED_FOR = (SCHEDULER, USER)


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

    def run_task(self, body: Record, ids: Iterator[str], at: int) -> list[Task]:
        """RunTask."""
        cluster, definition = self.cluster(body), self.definitions.runnable(str(body.get("taskDefinition", "")))
        kinds, place = run.check(cluster, definition, body)
        if body.get("propagateTags") == "TASK_DEFINITION":
            body = {**body, "inherited": self.definitions.entry(definition["taskDefinitionArn"])["tags"]}
        made = [run.make(next(ids), cluster, definition, body, kind, place, at) for kind in kinds]
        self.tasks.update({task.id: task for task in made})
        self._forget(at)
        return made

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

    def create_service(self, body: Record, number: str, at: int) -> Service:
        """CreateService."""
        cluster, name = self.cluster(body), str(body.get("serviceName", ""))
        if not name or len(name) > 255:
            raise EcsError("Service name should not be null or empty, and has up to 255 characters.")
        there = self.services.get(f"{cluster.name}/{name}")
        if there is not None and there.status == fleet.DRAINING:
            raise EcsError("Unable to Start a service that is still Draining.")
        if there is not None and there.status == fleet.ACTIVE:
            raise EcsError("Creation of service was not idempotent.")
        if body.get("loadBalancers") or body.get("serviceRegistries"):
            raise EcsError("the embedded cloud has no load balancers and service registries")
        definition = self._deployable(cluster, body, body)
        deployment = self._deployment(number, definition["taskDefinitionArn"], fleet.request_of(body), at)
        service = Service(
            name=name,
            arn=self.arn(f"service/{cluster.name}/{name}"),
            cluster=cluster.name,
            cluster_arn=cluster.arn,
            desired=int(body.get("desiredCount") or 0),
            configuration=_configuration(body),
            tags={tag["key"]: tag.get("value", "") for tag in body.get("tags") or ()},
            propagate=body.get("propagateTags") or "NONE",
            managed_tags=bool(body.get("enableECSManagedTags")),
            created=at,
            deployments=[deployment],
        )
        self.services[f"{cluster.name}/{name}"] = service
        return service

    def update_service(self, body: Record, number: str, at: int) -> Service:
        """UpdateService: what changes how tasks are run is a new deployment."""
        service = self.service(body)
        if service.status != fleet.ACTIVE:
            raise EcsError("Service was not ACTIVE.", "ServiceNotActiveException")
        anew = fleet.deploys_anew(service, body)
        request = fleet.request_of(body, service.primary.request)
        if anew:
            whole = {**request, "taskDefinition": body.get("taskDefinition") or service.primary.definition}
            definition = self._deployable(self.cluster(body), whole, body)
        if body.get("desiredCount") is not None:
            service.desired, service.steady = int(body["desiredCount"]), False
        if body.get("deploymentConfiguration"):
            service.configuration = {**service.configuration, **body["deploymentConfiguration"]}
        service.propagate = body.get("propagateTags") or service.propagate
        if anew:
            service.deploy(self._deployment(number, definition["taskDefinitionArn"], request, at))
        return service

    def delete_service(self, body: Record, at: int) -> Service:
        """DeleteService: it drains until its tasks are gone."""
        service = self.service(body)
        if service.status == fleet.INACTIVE:
            raise EcsError("Service was not ACTIVE.", "ServiceNotActiveException")
        if service.desired and not body.get("force"):
            raise EcsError("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired = fleet.DRAINING, 0
        if not self.tasks_of(service):
            service.status = fleet.INACTIVE
        return service

    # -- events -------------------------------------------------------------------------------------------------------

    def provisioned(self, task_id: str, at: int) -> None:
        """It has a place on this machine."""
        self.tasks[task_id].move(PENDING, at, "connectivityAt", "pullStartedAt")

    def running(self, task_id: str, at: int) -> None:
        """Its containers run."""
        task = self.tasks[task_id]
        for container in task.containers:
            container.status = RUNNING
        task.move(RUNNING, at, "pullStoppedAt", "startedAt")
        if (deployment := self._deployment_of(task)) is not None:
            deployment.failures, deployment.ran = 0, True

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
        self._count_end(task, at)
        self.definitions.forget(self.in_use())
        self._forget(at)

    def shipped(self, task_id: str, index: int, offset: int) -> None:
        """A container's output was sent to the logs up to ``offset``."""
        self.tasks[task_id].containers[index].shipped = offset

    def service_step(self, key: str, at: int, step: deploy.Step, unique: str) -> None:
        """What `deploy.steps` said of a service is done.

        Args:
            unique: 32 hex digits, of the task or deployment that is made.
        """
        service, (what, about) = self.services[key], step
        with clock.moment(at / 1000, unique):
            if what == "start":
                self._start(service, unique, at)
            elif what == "stop":
                self.ending_by_service(about, at, service)
            elif what == "completed":
                self._complete(service, unique, at)
            elif what == "failed":
                self._fail(service, unique, at)
            elif what == "steady":
                service.steady = True
                service.say(at, unique, "has reached a steady state.")
            else:
                service.status, service.deployments = fleet.INACTIVE, service.deployments[:1]
                self.definitions.forget(self.in_use())

    def ending_by_service(self, task_id: str, at: int, service: Service) -> None:
        """The service wants the task gone; the scheduler ends its processes."""
        task = self.tasks[task_id]
        reason = f"Scaling activity initiated by (deployment {service.primary.id})"
        task.end(SCHEDULER, reason, at)
        if task.status == PROVISIONING:
            self.over(task_id, at, [])
            self.stopped(task_id, at)

    # -- within -------------------------------------------------------------------------------------------------------

    def _start(self, service: Service, unique: str, at: int) -> None:
        primary, cluster = service.primary, self.clusters[service.cluster]
        definition = self.definitions.record(primary.definition)
        try:
            (kind,) = run.capacity(cluster, definition, primary.request, 1)
            place = run.where(self.name, definition, primary.request)
        except EcsError as error:  # its subnet, or the cluster's capacity, is not there any more
            service.say(at, unique, f"was unable to place a task. Reason: {error.message}")
            self._count_failure(primary, at)
            return
        inherited = {"SERVICE": service.tags, "TASK_DEFINITION": self.definitions.entry(primary.definition)["tags"]}
        body = {
            **primary.request,
            "group": f"service:{service.name}",
            "startedBy": primary.id,
            "inherited": inherited.get(service.propagate, {}),
            "enableECSManagedTags": service.managed_tags,
            "turn": primary.started,
        }
        task = run.make(unique, cluster, definition, body, kind, place, at)
        task.service, task.deployment = service.name, primary.id
        self.tasks[task.id] = task
        primary.started += 1
        service.say(at, unique, f"has started 1 tasks: (task {task.id}).")

    def _complete(self, service: Service, unique: str, at: int) -> None:
        primary = service.primary
        primary.rollout, primary.updated = fleet.COMPLETED, at
        primary.reason = f"ECS deployment {primary.id} completed."
        service.deployments = [primary]
        service.say(at, unique, f"(deployment {primary.id}) deployment completed.")

    def _fail(self, service: Service, unique: str, at: int) -> None:
        failed = service.primary
        failed.rollout, failed.updated = fleet.FAILED, at
        failed.reason = "ECS deployment circuit breaker: tasks failed to start."
        service.say(at, unique, f"(deployment {failed.id}) deployment failed: tasks failed to start.")
        before = deploy.rolls_back_to(service)
        if before is not None:
            before.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {before.id}."
            before.rollout, before.updated = fleet.IN_PROGRESS, at
            service.deploy(before)
            service.say(at, f"{unique}-back", f"rolling back to deployment {before.id}.")

    def _count_end(self, task: Task, at: int) -> None:
        """A task that ended of itself: the next one waits the longer, the more of them do so soon."""
        deployment = self._deployment_of(task)
        if deployment is None or task.stop_code in _ASKED_FOR:
            return
        self.services[f"{task.cluster}/{task.service}"].steady = False
        if not task.ever_ran:
            self._count_failure(deployment, at)
        else:
            soon = at - task.times["startedAt"] < deploy.QUICK
            deployment.quick_ends = deployment.quick_ends + 1 if soon else 0
            deployment.next_start = at + int(1000 * deploy.pause(deployment.quick_ends))

    @staticmethod
    def _count_failure(deployment: Deployment, at: int) -> None:
        """A task that never ran."""
        deployment.failures += 0 if deployment.ran else 1
        deployment.quick_ends += 1
        deployment.next_start = at + int(1000 * deploy.pause(deployment.quick_ends))

    def _deployment_of(self, task: Task) -> Deployment | None:
        service = self.services.get(f"{task.cluster}/{task.service}") if task.service else None
        found = (one for one in service.deployments if one.id == task.deployment) if service else iter(())
        return next(found, None)

    def _deployable(self, cluster: Cluster, whole: Record, body: Record) -> Record:
        """The definition of a service's next deployment, checked with where and on what it is to run."""
        if not whole.get("taskDefinition"):
            raise EcsError("TaskDefinition can not be blank.")
        definition = self.definitions.runnable(str(whole["taskDefinition"]))
        run.capacity(cluster, definition, whole, 1)
        run.where(self.name, definition, whole)
        return definition

    @staticmethod
    def _deployment(number: str, definition: str, request: Record, at: int) -> Deployment:
        return Deployment(f"ecs-svc/{int(number[:15], 16)}", definition, request, at, at)

    def _forget(self, at: int) -> None:
        """Tasks that are over for an hour."""
        for id in [id for id, task in self.tasks.items() if task.over and at - task.times["stoppedAt"] >= KEPT]:
            del self.tasks[id]


def short(name_or_arn: str) -> str:
    """The name in an ARN, or a name as it is."""
    return name_or_arn.rpartition("/")[2]


def _configuration(body: Record) -> Record:
    given = body.get("deploymentConfiguration") or {}
    breaker = {"enable": False, "rollback": False}
    return {"deploymentCircuitBreaker": breaker, "maximumPercent": 200, "minimumHealthyPercent": 100, **given}
