"""Stacks that were applied in other regions, so that nothing is forgotten there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import DENIED, code_of, matches


@dataclass(frozen=True)
class Elsewhere:
    """The other regions of an account.

    Attributes:
        stacks: cloud there -> names of its stacks; regions without any are left out.
        unseen: regions that could not be looked into -> the code of the error.
    """

    stacks: Mapping[Cloud, list[str]] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)


def elsewhere(cloud: Cloud) -> Elsewhere:
    """What there is in all other regions; the embedded cloud is one region.

    Organisations close regions for their accounts
    (https://docs.aws.amazon.com/controltower/latest/controlreference/primary-region-deny-policy.html), and some session
    tokens are not good for regions that were switched on by hand
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html): both are listed all the
    same, and say no to every call.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if cloud.context.name == "local":
        return Elsewhere()

    def look(other: Cloud) -> tuple[list[str], str]:
        try:
            return stacks.names(other), ""
        except (BotoCoreError, ClientError) as error:
            return [], code_of(error) or type(error).__name__

    try:
        listed = cloud.read("ec2").describe_regions()["Regions"]  # those that the account has switched on
    except ClientError as error:
        if not matches(error, DENIED):  # who may look after one stack alone need not be able to list regions
            raise
        return Elsewhere(unseen={"any other region": code_of(error)})
    others = [cloud.elsewhere(name) for name in sorted(one["RegionName"] for one in listed) if name != cloud.region]
    for other in others:
        other.read("dynamodb")  # the session they share makes one client at a time
    with ThreadPoolExecutor(len(others) or 1) as pool:
        found = dict(zip(others, pool.map(look, others), strict=True))
    return Elsewhere(
        {other: names for other, (names, _) in found.items() if names},
        {other.region: code for other, (_, code) in found.items() if code},
    )
