"""Whether the account's quotas leave room for what a spec asks for.

A new account has no vCPUs of the GPU families: everything can be applied, and jobs stay RUNNABLE for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.quotas import ADDRESSES, CONCURRENCY, VPCS, Quota, increase
from awsrun.aws.tags import STACK
from awsrun.preflight.check import Check, Finding, side_by_side
from awsrun.preflight.need import Pool, smallest

_MOST = 10.0  # seconds
_AT_ONCE = 8
# Lambda leaves so many to functions that reserve none, or all where the account has fewer:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
_UNRESERVED = 100


def vcpu_quotas(cloud: Cloud, pools: Sequence[Pool]) -> Check:
    """Whether there are vCPUs for the machines of ``pools``."""
    return Check("quotas", _MOST, lambda: _vcpus(cloud, pools), "servicequotas:GetServiceQuota")


def vpc_quota(cloud: Cloud, stack: str, wanted: int) -> Check:
    """Whether there is room for the VPCs that ``stack`` has ``wanted`` of, some of which may be there already."""
    return Check("vpcs", _MOST, lambda: _vpcs(cloud, stack, wanted), "servicequotas:GetServiceQuota, ec2:DescribeVpcs")


def address_quota(cloud: Cloud, stack: str, wanted: int) -> Check:
    """Whether there is room for the Elastic IPs of ``stack`` and its NAT gateways."""
    needs = "servicequotas:GetServiceQuota, ec2:DescribeAddresses"
    return Check("addresses", _MOST, lambda: _addresses(cloud, stack, wanted), needs)


def concurrency_quota(cloud: Cloud, stack: str, reserved: int) -> Check:
    """Whether the functions of ``stack`` may keep ``reserved`` executions for themselves."""
    needs = "servicequotas:GetServiceQuota"
    return Check("functions", _MOST, lambda: _concurrency(cloud, stack, reserved), needs)


def value(cloud: Cloud, quota: Quota) -> float:
    """What the account has of ``quota`` in this region; AWS's default where it never had a value of its own."""
    client = cloud.read("service-quotas")
    which = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        return float(client.get_service_quota(**which)["Quota"]["Value"])
    except ClientError as error:
        if not matches(error, ("NoSuchResourceException",)):
            raise
    return float(client.get_aws_default_service_quota(**which)["Quota"]["Value"])


def _vcpus(cloud: Cloud, pools: Sequence[Pool]) -> Iterator[Finding]:
    asked = sorted({quota for pool in pools for quota in pool.quotas()}, key=lambda one: one.code)
    values = side_by_side(lambda quota: value(cloud, quota), asked, _AT_ONCE)
    have = dict(zip(asked, values, strict=True))
    for pool in pools:
        yield from _pool(cloud, pool, have)


def _pool(cloud: Cloud, pool: Pool, have: Mapping[Quota, float]) -> Iterator[Finding]:
    quotas = pool.quotas()
    least = {quota: (1, "a task") if pool.fargate else smallest(types) for quota, types in quotas.items()}
    usable = [quota for quota in quotas if have[quota] >= least[quota][0]]
    for quota in quotas.keys() - set(usable):
        vcpus, type = least[quota]
        what = (
            f"the quota {quota.name!r} is {have[quota]:g} vCPUs in {cloud.region}; {pool.name} needs {vcpus} ({type})"
        )
        if usable:
            yield Finding(
                "warning",
                "quotas",
                what,
                "Batch will use its other types only",
                increase(quota, pool.max_vcpus, cloud.region),
            )
        else:
            why = "apply will succeed, and jobs will stay RUNNABLE for ever"
            if pool.server and pool.fargate:
                why = f"no task of {pool.name} will start"
            elif pool.tasks:
                why = "apply will succeed, and ECS will start no worker"
            elif pool.server:
                why = f"EC2 will not start {pool.name}: VcpuLimitExceeded"
            yield Finding("error", "quotas", what, why, increase(quota, pool.max_vcpus, cloud.region))
    room = sum(have[quota] for quota in usable)
    if usable and room < pool.max_vcpus:
        names = " and ".join(repr(quota.name) for quota in usable)
        what = f"{pool.name} asks for up to {pool.max_vcpus} vCPUs; {names} allows {room:g} in {cloud.region}"
        rest = f"the rest of {pool.name} will not start" if pool.server else "the other jobs will wait for their turn"
        why = f"{rest} (what runs elsewhere in the account counts, too)"
        yield Finding("warning", "quotas", what, why, increase(usable[0], pool.max_vcpus, cloud.region))
    elif usable:
        names = " and ".join(f"{have[quota]:g} ({quota.name})" for quota in usable)
        yield Finding("ok", "quotas", f"{pool.name} asks for up to {pool.max_vcpus} vCPUs, of {names}")


def _vpcs(cloud: Cloud, stack: str, wanted: int) -> Iterator[Finding]:
    def listed() -> Sequence[Any]:
        pages = cloud.read("ec2").get_paginator("describe_vpcs").paginate()
        return [one for page in pages for one in page["Vpcs"]]

    return _room(cloud, "vpcs", "VPCs", VPCS, stack, listed, wanted, "CreateVpc will answer VpcLimitExceeded")


def _addresses(cloud: Cloud, stack: str, wanted: int) -> Iterator[Finding]:
    def listed() -> Sequence[Any]:
        found: Sequence[Any] = cloud.read("ec2").describe_addresses()["Addresses"]
        return found

    why = "AllocateAddress will answer AddressLimitExceeded"
    return _room(cloud, "addresses", "Elastic IPs", ADDRESSES, stack, listed, wanted, why)


def _concurrency(cloud: Cloud, stack: str, reserved: int) -> Iterator[Finding]:
    have = value(cloud, CONCURRENCY)
    if reserved + min(have, _UNRESERVED) <= have:
        yield Finding("ok", "functions", f"{stack} reserves {reserved} of {have:g} concurrent executions")
        return
    what = f"functions of {stack} reserve {reserved} executions at once; {cloud.region} has {have:g} for all functions"
    why = f"Lambda keeps {_UNRESERVED} for functions that reserve none: PutFunctionConcurrency will be refused"
    hint = f"take `reserved` out, or: {increase(CONCURRENCY, reserved + _UNRESERVED, cloud.region)}"
    yield Finding("error", "functions", what, why, hint)


def _room(
    cloud: Cloud,
    check: str,
    things: str,
    quota: Quota,
    stack: str,
    listed: Callable[[], Sequence[Any]],
    wanted: int,
    why: str,
) -> Iterator[Finding]:
    """Whether ``wanted`` things fit beside those that are there, some of which may be the stack's own already."""
    asks: Sequence[Callable[[], Any]] = (listed, lambda: value(cloud, quota))
    there, most = side_by_side(lambda ask: ask(), asks, _AT_ONCE)
    ours = sum({"Key": STACK, "Value": stack} in one.get("Tags", []) for one in there)
    after = len(there) + max(0, wanted - ours)
    if after <= most:
        yield Finding("ok", check, f"{after} of {most:g} {things} in {cloud.region} once {stack} is there")
        return
    what = f"{cloud.region} has {len(there)} of the {most:g} {things} that the account may have; {stack} makes {after}"
    yield Finding(
        "error", check, what, why, f"delete one that is not needed, or: {increase(quota, after, cloud.region)}"
    )
