"""Services of a region: made, changed and deleted by calls, kept going step by step as `deploy` says.

What a step does is an event: the scheduler records it in the journal, which replays it.
"""

from __future__ import annotations

from awsrun.local import clock
from awsrun.local.ecs import deploy, fleet, run
from awsrun.local.ecs.clusters import Cluster
from awsrun.local.ecs.errors import EcsError, Record
from awsrun.local.ecs.fleet import Deployment, Service
from awsrun.local.ecs.region import Region
from awsrun.local.ecs.room import Room
from awsrun.local.ecs.task import PROVISIONING, SCHEDULER


def create(region: Region, body: Record, number: str, at: int) -> Service:
    """CreateService."""
    cluster, name = region.cluster(body), str(body.get("serviceName", ""))
    if not name or len(name) > 255:
        raise EcsError("Service name should not be null or empty, and has up to 255 characters.")
    there = region.services.get(f"{cluster.name}/{name}")
    if there is not None and there.status == fleet.DRAINING:
        raise EcsError("Unable to Start a service that is still Draining.")
    if there is not None and there.status == fleet.ACTIVE:
        raise EcsError("Creation of service was not idempotent.")
    if body.get("loadBalancers") or body.get("serviceRegistries"):
        raise EcsError("the embedded cloud has no load balancers and service registries")
    definition = _deployable(region, cluster, body)
    deployment = _deployment(number, definition["taskDefinitionArn"], fleet.request_of(body), at)
    service = Service(
        name=name,
        arn=region.arn(f"service/{cluster.name}/{name}"),
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
    region.services[f"{cluster.name}/{name}"] = service
    return service


def update(region: Region, body: Record, number: str, at: int) -> Service:
    """UpdateService: what changes how tasks are run is a new deployment."""
    service = region.service(body)
    if service.status != fleet.ACTIVE:
        raise EcsError("Service was not ACTIVE.", "ServiceNotActiveException")
    anew = fleet.deploys_anew(service, body)
    request = fleet.request_of(body, service.primary.request)
    if anew:
        whole = {**request, "taskDefinition": body.get("taskDefinition") or service.primary.definition}
        definition = _deployable(region, region.cluster(body), whole)
    if body.get("desiredCount") is not None:
        service.desired, service.steady = int(body["desiredCount"]), False
    if body.get("deploymentConfiguration"):
        service.configuration = {**service.configuration, **body["deploymentConfiguration"]}
    service.propagate = body.get("propagateTags") or service.propagate
    if anew:
        service.deploy(_deployment(number, definition["taskDefinitionArn"], request, at))
    return service


def delete(region: Region, body: Record, at: int) -> Service:
    """DeleteService: it drains until its tasks are gone."""
    service = region.service(body)
    if service.status == fleet.INACTIVE:
        raise EcsError("Service was not ACTIVE.", "ServiceNotActiveException")
    if service.desired and not body.get("force"):
        raise EcsError("The service cannot be stopped while it is scaled above 0.")
    service.status, service.desired = fleet.DRAINING, 0
    if not region.tasks_of(service):
        service.status = fleet.INACTIVE
    return service


def step(region: Region, room: Room, key: str, at: int, step: deploy.Step, unique: str) -> None:
    """What `deploy.steps` said of a service is done.

    Args:
        unique: 32 hex digits, of the task or deployment that is made.
    """
    service, (what, about) = region.services[key], step
    with clock.moment(at / 1000, unique):
        if what == "start":
            _start(region, room, service, unique, at)
        elif what == "stop":
            _stop(region, about, at, service)
        elif what == "completed":
            _complete(service, unique, at)
        elif what == "failed":
            _fail(service, unique, at)
        elif what == "steady":
            service.steady = True
            service.say(at, unique, "has reached a steady state.")
        else:
            service.status, service.deployments = fleet.INACTIVE, service.deployments[:1]
            region.definitions.forget(region.in_use())


def _stop(region: Region, task_id: str, at: int, service: Service) -> None:
    """The service wants the task gone; the scheduler ends its processes."""
    task = region.tasks[task_id]
    reason = f"Scaling activity initiated by (deployment {service.primary.id})"
    task.end(SCHEDULER, reason, at)
    if task.status == PROVISIONING:
        region.over(task_id, at, [])
        region.stopped(task_id, at)


def _start(region: Region, room: Room, service: Service, unique: str, at: int) -> None:
    primary, cluster = service.primary, region.clusters[service.cluster]
    definition = region.definitions.record(primary.definition)
    try:
        (kind,) = run.capacity(cluster, definition, primary.request, 1)
        place = run.where(region.name, definition, primary.request)
        if why := room.forbids(kind, definition["cpu"], region.tasks.values()):
            raise EcsError(why)
    except EcsError as error:  # its subnet, or the cluster's capacity, is not there any more
        service.say(at, unique, f"was unable to place a task. Reason: {error.message}")
        deploy.note_failure(primary, at)
        return
    inherited = {"SERVICE": service.tags, "TASK_DEFINITION": region.definitions.entry(primary.definition)["tags"]}
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
    region.tasks[task.id] = task
    primary.started += 1
    service.say(at, unique, f"has started 1 tasks: (task {task.id}).")


def _complete(service: Service, unique: str, at: int) -> None:
    primary = service.primary
    primary.rollout, primary.updated = fleet.COMPLETED, at
    primary.reason = f"ECS deployment {primary.id} completed."
    service.deployments = [primary]
    service.say(at, unique, f"(deployment {primary.id}) deployment completed.")


def _fail(service: Service, unique: str, at: int) -> None:
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


def _deployable(region: Region, cluster: Cluster, whole: Record) -> Record:
    """The definition of a service's next deployment, checked with where and on what it is to run."""
    if not whole.get("taskDefinition"):
        raise EcsError("TaskDefinition can not be blank.")
    definition = region.definitions.runnable(str(whole["taskDefinition"]))
    run.capacity(cluster, definition, whole, 1)
    run.where(region.name, definition, whole)
    return definition


def _deployment(number: str, definition: str, request: Record, at: int) -> Deployment:
    return Deployment(f"ecs-svc/{int(number[:15], 16)}", definition, request, at, at)


def _configuration(body: Record) -> Record:
    given = body.get("deploymentConfiguration") or {}
    breaker = {"enable": False, "rollback": False}
    return {"deploymentCircuitBreaker": breaker, "maximumPercent": 200, "minimumHealthyPercent": 100, **given}
