"""Clusters of ECS: a name under which Fargate tasks and services run.  They cost nothing.

CreateCluster answers with the cluster that has the name already, whoever's it is
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html), so no error says that it is taken:
the engine looks first.  A deleted one stays INACTIVE for a while and counts as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from awsrun.aws.rights import Right, allow, equals
from awsrun.aws.tags import NAME
from awsrun.resources.ecs import CLUSTER_GONE, FIRST_USE, NAME_PATTERN, UNTAGGABLE, EcsKind, listed, tags_of
from awsrun.resources.kind import ABSENT, Change, Found, Owner, Phase, Refs, Seen
from awsrun.resources.kind import State as KindState
from awsrun.resources.ours import ours
from awsrun.resources.rights import explicit, iam_arn, named
from awsrun.spec.references import ResourceSpec

PROVIDERS = frozenset({"FARGATE", "FARGATE_SPOT"})
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html
PHASES: Mapping[str, Phase] = {
    "ACTIVE": "ready",
    "PROVISIONING": "pending",
    "DEPROVISIONING": "deleting",
    "FAILED": "broken",
    "INACTIVE": "absent",
}


class ClusterSpec(ResourceSpec):
    """A name under which Fargate tasks and services run. It costs nothing; deleting it stops the tasks in it."""

    outputs = ("arn", "name")
    example = """
    tasks: {kind: ecs.cluster}
    """
    kind: Literal["ecs.cluster"] = "ecs.cluster"
    name: str | None = Field(default=None, max_length=255, pattern=NAME_PATTERN, description="Physical name.")
    insights: bool = Field(
        default=False, description="Metrics of every task in CloudWatch (Container Insights), which are billed."
    )


@dataclass(frozen=True)
class ClusterState(KindState):
    providers: frozenset[str]
    insights: bool


class Cluster(EcsKind[ClusterSpec, ClusterState]):
    kind = "ecs.cluster"
    Spec = ClusterSpec
    State = ClusterState
    identity = "name"
    name_limit = 255
    absent = CLUSTER_GONE | UNTAGGABLE
    # Its capacity providers are being changed.
    retry = FIRST_USE | {"UpdateInProgressException"}
    blocked = frozenset(
        {
            "ClusterContainsServicesException",
            "ClusterContainsTasksException",
            "ClusterContainsContainerInstancesException",
        }
    )

    def lower(self, spec: ClusterSpec, refs: Refs) -> ClusterState:
        return ClusterState(PROVIDERS, spec.insights)

    def arn(self, physical: str) -> str:
        return self.ecs_arn(f"cluster/{physical}")

    def rights(self, stack: str, specs: Mapping[str, ClusterSpec]) -> Iterable[Right]:
        """The first use of an account makes ECS's service-linked role
        (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html)."""
        whole = named(self, f"{stack}-*", specs)
        yield allow("find", "ecs", "ListClusters")
        yield allow("find", "ecs", "DescribeClusters", self.arn("*"))
        yield allow("create", "ecs", "CreateCluster TagResource", *whole)
        yield allow("update", "ecs", "PutClusterCapacityProviders UpdateClusterSettings", *whole)
        yield allow("tag", "ecs", "TagResource UntagResource", *whole)
        yield allow("delete", "ecs", "DeleteCluster", *whole)
        yield allow("delete", "ecs", "ListServices ListTasks")
        clusters = (f"{stack}-*", *explicit(specs.values()))
        yield allow("delete", "ecs", "StopTask", *(self.ecs_arn(f"task/{name}/*") for name in clusters))
        linked = iam_arn(self.cloud, "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
        only = equals("iam:AWSServiceName", "ecs.amazonaws.com")
        yield allow("create", "iam", "CreateServiceLinkedRole", linked, when=[only])

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        for entry in self.clusters():
            tags, seen = tags_of(entry), self._seen(entry)
            if ours(tags, stack) and seen.phase != "absent":
                yield Found(tags[NAME], entry["clusterName"], tags, seen)

    def read(self, id: str) -> Seen[ClusterState]:
        found = self.looking.describe_clusters(clusters=[id], include=["SETTINGS"])["clusters"]
        return self._seen(found[0]) if found else ABSENT

    def create(self, state: ClusterState, owner: Owner) -> str:
        self.ecs.create_cluster(
            clusterName=owner.physical,
            capacityProviders=sorted(state.providers),
            settings=_settings(state),
            tags=listed(owner.tags),
        )
        return owner.physical

    def update(self, id: str, wanted: ClusterState, seen: ClusterState, changed: Collection[Change]) -> None:
        fields = {change.field for change in changed}
        if "insights" in fields:
            self.ecs.update_cluster_settings(cluster=id, settings=_settings(wanted))
        if "providers" in fields:
            self.ecs.put_cluster_capacity_providers(
                cluster=id, capacityProviders=sorted(wanted.providers), defaultCapacityProviderStrategy=[]
            )

    def delete(self, id: str, seen: Seen[ClusterState]) -> None:
        """Stops what still runs in it, page by page, then deletes: a forgotten task would be paid for ever."""
        running = [] if self.looking.list_services(cluster=id, maxResults=1)["serviceArns"] else self._tasks(id)
        for task in running:
            self.ecs.stop_task(cluster=id, task=task, reason="awsrun deletes the cluster")
        if not running:
            self.ecs.delete_cluster(cluster=id)

    def holder(self, id: str, seen: Seen[ClusterState]) -> str:
        """A service or a task that is in it still."""
        services = self.looking.list_services(cluster=id, maxResults=1)["serviceArns"]
        if services:
            return f"service {_last(services[0])}; it goes when that is deleted and has drained"
        tasks = self._tasks(id)
        return f"task {_last(tasks[0])}; it was told to stop" if tasks else "a task that is ending, within a minute"

    def _tasks(self, id: str) -> list[str]:
        """ARNs of tasks that are to run; one page."""
        return list(self.looking.list_tasks(cluster=id)["taskArns"])

    def _seen(self, entry: Mapping[str, Any]) -> Seen[ClusterState]:
        phase = PHASES[entry["status"]]
        if phase == "absent":
            return ABSENT
        insights = {one["name"]: one["value"] for one in entry.get("settings") or ()}.get("containerInsights")
        state = ClusterState(frozenset(entry.get("capacityProviders") or ()), insights in ("enabled", "enhanced"))
        updating = entry.get("attachmentsStatus") == "UPDATE_IN_PROGRESS"
        outputs = {"arn": entry["clusterArn"], "name": entry["clusterName"]}
        return Seen(state, "pending" if updating else phase, outputs=outputs)


def _settings(state: ClusterState) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": "enabled" if state.insights else "disabled"}]


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
