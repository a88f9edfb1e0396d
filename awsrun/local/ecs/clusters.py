"""Clusters: a name for tasks and services, and which capacity they may use.

CreateCluster brings what is there already (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
API_CreateCluster.html); a deleted cluster stays INACTIVE for a while and can be made again (API_DeleteCluster.html).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from awsrun.local.ecs.errors import EcsError, Record, among, tag_list, tags_of

PROVIDERS = ("FARGATE", "FARGATE_SPOT")


@dataclass
class Cluster:
    """A cluster; ``strategy`` is its default capacity provider strategy."""

    name: str
    arn: str
    tags: dict[str, str]
    providers: list[str]
    strategy: list[Record]
    settings: list[Record]
    status: str = "ACTIVE"
    rest: Record = field(default_factory=dict)  # what is described as it was given

    @property
    def active(self) -> bool:
        return self.status == "ACTIVE"


def make(arn: str, name: str, body: Record) -> Cluster:
    """What CreateCluster makes."""
    providers, strategy = _capacity(body.get("capacityProviders") or [], body.get("defaultCapacityProviderStrategy"))
    settings = body.get("settings") or [{"name": "containerInsights", "value": "disabled"}]
    rest: Record = {key: body[key] for key in ("configuration", "serviceConnectDefaults") if key in body}
    return Cluster(name, arn, tags_of(body), providers, strategy, settings, rest=rest)


def put_capacity(cluster: Cluster, body: Record) -> None:
    """PutClusterCapacityProviders."""
    cluster.providers, cluster.strategy = _capacity(
        body.get("capacityProviders") or [], body.get("defaultCapacityProviderStrategy")
    )


def update(cluster: Cluster, body: Record) -> None:
    """UpdateCluster, UpdateClusterSettings."""
    cluster.settings = body.get("settings") or cluster.settings
    cluster.rest |= {key: body[key] for key in ("configuration", "serviceConnectDefaults") if key in body}


def describe(cluster: Cluster, counts: dict[str, int], include: Any = ()) -> Record:
    """What DescribeClusters says.

    Args:
        counts: of running and pending tasks and of active services.
    """
    told: Record = {
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": counts["running"],
        "pendingTasksCount": counts["pending"],
        "activeServicesCount": counts["services"],
        "statistics": [],
        "tags": tag_list(cluster.tags) if "TAGS" in (include or ()) else [],
        "settings": cluster.settings if "SETTINGS" in (include or ()) else [],
        "capacityProviders": cluster.providers,
        "defaultCapacityProviderStrategy": cluster.strategy,
    }
    if "CONFIGURATIONS" in (include or ()):
        told |= {key: value for key, value in cluster.rest.items() if key == "configuration"}
    return told


def checked(strategy: list[Record] | None, providers: list[str]) -> list[Record]:
    """A strategy with AWS's defaults filled in.

    Raises:
        EcsError: it names what the cluster does not have, or says too little.
    """
    found = [{"weight": 1 if len(strategy or ()) == 1 else 0, "base": 0, **entry} for entry in strategy or ()]
    for entry in found:
        if entry.get("capacityProvider") not in providers:
            raise EcsError(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
                "with the cluster. Associate the capacity provider with the cluster and try again."
            )
    if found and not any(entry["weight"] for entry in found):
        raise EcsError("At least one capacity provider in the strategy must have a weight greater than 0.")
    if sum(bool(entry["base"]) for entry in found) > 1:
        raise EcsError("Only one capacity provider in the strategy can have a base defined.")
    return found


def _capacity(providers: list[str], strategy: list[Record] | None) -> tuple[list[str], list[Record]]:
    for name in providers:
        among(name, "capacityProviders", PROVIDERS)  # there are no Auto Scaling groups here
    return list(providers), checked(strategy, providers)
