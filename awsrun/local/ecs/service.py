"""The ECS API of every region: calls in, records out, and the events of the scheduler taken in."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from awsrun.local import clock
from awsrun.local.calls import Call, Reply
from awsrun.local.ecs import clusters, fleet, network, services
from awsrun.local.ecs.errors import EcsError, Record, page, tag_list, tags_of
from awsrun.local.ecs.listing import describe_tasks, list_tasks
from awsrun.local.ecs.region import Region, short
from awsrun.local.ecs.room import Room
from awsrun.local.ecs.task import Task, describe
from awsrun.local.errors import refusal
from awsrun.local.work import logs

ACCOUNT = network.ACCOUNT
SERVICES = 10  # of one DescribeServices, and of a page of ListServices
_MOTO = ("AccountSetting", "AccountSettings", "AccountSettingDefault")  # endings of what is left to moto


class Ecs:
    """ECS.  Every method is called with the world's lock held.

    Attributes:
        wake: called when there may be something to start or to end.
        room: what there is for tasks.
    """

    name = "ecs"

    def __init__(self) -> None:
        self.regions: dict[str, Region] = {}
        self.room = Room()
        self.wake: Callable[[], None] = lambda: None

    def handle(self, call: Call) -> Reply | None:
        service, region = call.scope
        if service != "ecs" or call.action.endswith(_MOTO):
            return None
        try:
            answer = self._dispatch(self.region(region), call.action, call.json)
        except EcsError as error:
            return refusal(call, error.code, error.message)
        except Exception as error:  # a bug of ours must not take the server down
            traceback.print_exc()
            return refusal(call, "ServerException", f"the embedded cloud failed: {error!r}", 500)
        if call.changes:
            self.wake()
        return Reply(200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(answer).encode())

    def apply(self, event: tuple[Any, ...]) -> None:
        kind, region, *rest = event
        if kind == "logs":
            task, index, group, stream, events, offset, make = rest
            logs.store(ACCOUNT, region, group, stream, events, offset, make)
            self.region(region).shipped(task, index, offset)
        elif kind == "service_step":
            services.step(self.region(region), self.room, *rest)
        else:
            getattr(self.region(region), kind)(*rest)

    def state(self) -> Any:
        return self.regions

    def restore(self, state: Any) -> None:
        self.regions = state

    def region(self, name: str) -> Region:
        return self.regions.setdefault(name, Region(ACCOUNT, name))

    def _dispatch(self, region: Region, action: str, body: Record) -> Record:
        at = int(clock.now() * 1000)
        definitions = region.definitions
        actions: dict[str, Callable[[], Record]] = {
            "CreateCluster": lambda: _cluster(region, region.create_cluster(body)),
            "DeleteCluster": lambda: _cluster(region, region.delete_cluster(body)),
            "DescribeClusters": lambda: _describe_clusters(region, body),
            "ListClusters": lambda: page("clusterArns", [one.arn for one in region.clusters.values()], body),
            "PutClusterCapacityProviders": lambda: _change(region, body, clusters.put_capacity),
            "UpdateCluster": lambda: _change(region, body, clusters.update),
            "UpdateClusterSettings": lambda: _change(region, body, clusters.update),
            "RegisterTaskDefinition": lambda: definitions.register(region.arn("task-definition/"), body, at),
            "DescribeTaskDefinition": lambda: definitions.describe(body),
            "DeregisterTaskDefinition": lambda: definitions.deregister(body, at),
            "DeleteTaskDefinitions": lambda: definitions.delete(body, region.in_use(), at),
            "ListTaskDefinitions": lambda: page("taskDefinitionArns", definitions.arns(body), body),
            "ListTaskDefinitionFamilies": lambda: page("families", definitions.names(body), body),
            "CreateService": lambda: _service(region, services.create(region, body, next(_ids()), at)),
            "UpdateService": lambda: _service(region, services.update(region, body, next(_ids()), at)),
            "DeleteService": lambda: _service(region, services.delete(region, body, at)),
            "DescribeServices": lambda: _describe_services(region, body),
            "ListServices": lambda: _list_services(region, body),
            "RunTask": lambda: _run(*region.run_task(body, _ids(), at, self.room)),
            "StopTask": lambda: {"task": describe(region.stop_task(body, at))},
            "DescribeTasks": lambda: describe_tasks(_shown(region, body), body),
            "ListTasks": lambda: list_tasks(_shown(region, body).values(), body),
            "TagResource": lambda: _tag(region, body),
            "UntagResource": lambda: _untag(region, body),
            "ListTagsForResource": lambda: {"tags": tag_list(region.tags(body["resourceArn"]))},
        }
        if action not in actions:
            raise EcsError(f"the embedded cloud's ECS has no {action}", "NotImplemented")
        return actions[action]()


def _ids() -> Iterator[str]:
    """Ids as tasks have them, the same again when the call is replayed."""
    from moto.moto_api._internal import mock_random

    while True:
        yield mock_random.uuid4().hex


def _cluster(region: Region, cluster: clusters.Cluster) -> Record:
    return {"cluster": clusters.describe(cluster, region.counts(cluster), ("TAGS", "SETTINGS"))}


def _change(region: Region, body: Record, change: Callable[[clusters.Cluster, Record], None]) -> Record:
    cluster = region.cluster(body)
    change(cluster, body)
    return _cluster(region, cluster)


def _describe_clusters(region: Region, body: Record) -> Record:
    names = body.get("clusters") or ["default"]
    if len(names) > 100:
        raise EcsError("Clusters cannot be more than 100.")
    told: Record = {"clusters": [], "failures": []}
    for name in names:
        found = region.clusters.get(short(name))
        if found is None:
            told["failures"].append({"arn": region.arn(f"cluster/{short(name)}"), "reason": "MISSING"})
        else:
            told["clusters"].append(clusters.describe(found, region.counts(found), body.get("include")))
    return told


def _service(region: Region, service: fleet.Service) -> Record:
    return {"service": fleet.describe(service, region.tasks_of(service), ("TAGS",))}


def _describe_services(region: Region, body: Record) -> Record:
    names, cluster = body.get("services") or [], region.cluster(body, active=False)
    if not 1 <= len(names) <= SERVICES:
        raise EcsError(f"Between 1 and {SERVICES} services can be described at a time.")
    told: Record = {"services": [], "failures": []}
    for name in names:
        found = region.services.get(f"{cluster.name}/{short(name)}")
        if found is None:
            arn = region.arn(f"service/{cluster.name}/{short(name)}")
            told["failures"].append({"arn": arn, "reason": "MISSING"})
        else:
            told["services"].append(fleet.describe(found, region.tasks_of(found), body.get("include")))
    return told


def _list_services(region: Region, body: Record) -> Record:
    """Those that are there: INACTIVE ones can be described, and are not listed."""
    cluster = region.cluster(body)
    mine = [one for one in region.services.values() if one.cluster == cluster.name and one.status != fleet.INACTIVE]
    return page("serviceArns", [one.arn for one in mine], {"maxResults": SERVICES, **body})


def _shown(region: Region, body: Record) -> dict[str, Task]:
    cluster, now = region.cluster(body, active=False), clock.now()
    return {id: task for id, task in region.tasks.items() if task.cluster == cluster.name and task.shown(now)}


def _run(tasks: list[Task], missing: list[str]) -> Record:
    failures = [{"reason": reason} for reason in missing]
    return {"tasks": [describe(task, ("TAGS",)) for task in tasks], "failures": failures}


def _tag(region: Region, body: Record) -> Record:
    region.tags(body["resourceArn"]).update(tags_of(body))
    return {}


def _untag(region: Region, body: Record) -> Record:
    tags = region.tags(body["resourceArn"])
    for key in body.get("tagKeys") or ():
        tags.pop(key, None)
    return {}
