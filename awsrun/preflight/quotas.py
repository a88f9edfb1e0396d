"""Whether the account's quotas leave room for what a spec asks for.

A new account has no vCPUs of the GPU families: everything can be applied, and jobs stay RUNNABLE for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.quotas import VPCS, Quota
from awsrun.aws.tags import STACK
from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import Pool, smallest

_MOST = 10.0  # seconds


def vcpu_quotas(cloud: Cloud, pools: Sequence[Pool]) -> Check:
    """Whether there are vCPUs for the machines of ``pools``."""
    return Check("quotas", _MOST, lambda: _vcpus(cloud, pools), "servicequotas:GetServiceQuota")


def vpc_quota(cloud: Cloud, stack: str, wanted: int) -> Check:
    """Whether there is room for the VPCs that ``stack`` has ``wanted`` of, some of which may be there already."""
    return Check("vpcs", _MOST, lambda: _vpcs(cloud, stack, wanted), "servicequotas:GetServiceQuota, ec2:DescribeVpcs")


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
    with ThreadPoolExecutor(max(1, len(asked))) as threads:
        have = dict(zip(asked, threads.map(lambda one: value(cloud, one), asked), strict=True))
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
            yield Finding("warning", "quotas", what, "Batch will use its other types only", _ask(cloud, quota, pool))
        else:
            why = "apply will succeed, and jobs will stay RUNNABLE for ever"
            yield Finding("error", "quotas", what, why, _ask(cloud, quota, pool))
    room = sum(have[quota] for quota in usable)
    if usable and room < pool.max_vcpus:
        names = " and ".join(repr(quota.name) for quota in usable)
        what = f"{pool.name} asks for up to {pool.max_vcpus} vCPUs; {names} allows {room:g} in {cloud.region}"
        why = "the other jobs will wait for their turn (what runs elsewhere in the account counts, too)"
        yield Finding("warning", "quotas", what, why, _ask(cloud, usable[0], pool))
    elif usable:
        names = " and ".join(f"{have[quota]:g} ({quota.name})" for quota in usable)
        yield Finding("ok", "quotas", f"{pool.name} asks for up to {pool.max_vcpus} vCPUs, of {names}")


def _ask(cloud: Cloud, quota: Quota, pool: Pool) -> str:
    return _increase(cloud, quota, pool.max_vcpus)


def _increase(cloud: Cloud, quota: Quota, desired: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {quota.code} "
        f"--desired-value {desired} --region {cloud.region}"
    )


def _vpcs(cloud: Cloud, stack: str, wanted: int) -> Iterator[Finding]:
    most = value(cloud, VPCS)
    pages = cloud.read("ec2").get_paginator("describe_vpcs").paginate()
    there = [{tag["Key"]: tag["Value"] for tag in one.get("Tags", [])} for page in pages for one in page["Vpcs"]]
    ours = sum(tags.get(STACK) == stack for tags in there)
    after = len(there) + max(0, wanted - ours)
    if after <= most:
        yield Finding("ok", "vpcs", f"{after} of {most:g} VPCs in {cloud.region} once {stack} is there")
        return
    what = (
        f"{cloud.region} has {len(there)} of the {most:g} VPCs that the account may have; {stack} makes {after} of it"
    )
    hint = f"delete one that is not needed, or: {_increase(cloud, VPCS, after)}"
    yield Finding("error", "vpcs", what, "CreateVpc will answer VpcLimitExceeded", hint)
