"""Stacks that were applied in other regions, so that nothing is forgotten there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud


def stacks_elsewhere(cloud: Cloud) -> Mapping[Cloud, list[str]]:
    """The stacks of this account in all its other regions: cloud there -> names; regions without any are left out.

    The embedded cloud is one region.
    """
    if cloud.context.name == "local":
        return {}
    listed = cloud.read("ec2").describe_regions()["Regions"]  # those that the account has switched on
    others = [cloud.elsewhere(name) for name in sorted(one["RegionName"] for one in listed) if name != cloud.region]
    for other in others:
        other.read("dynamodb")  # the session they share makes one client at a time
    with ThreadPoolExecutor(len(others) or 1) as pool:
        found = dict(zip(others, pool.map(stacks.names, others), strict=True))
    return {other: names for other, names in found.items() if names}
