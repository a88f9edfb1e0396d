"""What the kinds of ECS share: tags by ARN, one list of clusters, and the calls that describe many at once.

Names of clusters and services: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from awsrun.resources.kind import Kind, State
from awsrun.resources.ours import arn
from awsrun.spec.references import ResourceSpec

S = TypeVar("S", bound=State)
P = TypeVar("P", bound=ResourceSpec)

NAME_PATTERN = r"^[A-Za-z0-9_-]+$"
CLUSTER_GONE = frozenset({"ClusterNotFoundException"})
# What tagging says of what is gone.
UNTAGGABLE = frozenset({"InvalidParameterException:is inactive", "InvalidParameterException:was not found"})
# The service-linked role is made on the first use in an account, and cannot be assumed for a moment.
FIRST_USE = frozenset({"InvalidParameterException:Unable to assume the service linked role"})


class EcsKind(Kind[P, S]):
    """Base of the kinds of ECS."""

    service = "ecs"

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        resource_arn = id if id.startswith("arn:") else self.arn(id)
        if set:
            self.ecs.tag_resource(resourceArn=resource_arn, tags=listed(set))
        if unset:
            self.ecs.untag_resource(resourceArn=resource_arn, tagKeys=sorted(unset))

    @property
    def ecs(self) -> Any:
        """The client for mutating calls."""
        return self.cloud.write("ecs")

    @property
    def looking(self) -> Any:
        """The client for reading calls."""
        return self.cloud.read("ecs")

    def ecs_arn(self, resource: str) -> str:
        """The ARN of something of ECS in this account and region."""
        return arn(self.cloud, "ecs", resource)

    def clusters(self) -> Iterator[Mapping[str, Any]]:
        """All clusters of the region, with their tags and settings."""
        pages = self.looking.get_paginator("list_clusters").paginate()
        arns = (one for page in pages for one in page["clusterArns"])
        yield from self.described("describe_clusters", "clusters", arns, 100, include=["TAGS", "SETTINGS"])

    def described(
        self, operation: str, key: str, names: Iterator[str], most: int, **more: Any
    ) -> Iterator[Mapping[str, Any]]:
        """What an operation says of ``names``, so many a call."""
        call: Callable[..., Any] = getattr(self.looking, operation)
        while some := list(islice(names, most)):
            yield from call(**{key: some}, **more)[key]


def tags_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The tags of what was described."""
    return {tag["key"]: tag.get("value", "") for tag in entry.get("tags") or ()}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as ECS takes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]
