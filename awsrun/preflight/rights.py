"""What an identity must be allowed so that plans and ``awsrun doctor`` can check the account; a check that is denied is
left out, and nothing else suffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.aws.clients import Cloud
from awsrun.aws.quotas import ADDRESSES, CONCURRENCY, VPCS
from awsrun.aws.rights import Right, allow
from awsrun.preflight.linked_roles import wanted_roles
from awsrun.preflight.need import networks, pools, reserved
from awsrun.resources.ours import arn
from awsrun.resources.rights import iam_arn
from awsrun.spec.references import ResourceSpec
from awsrun.spec.stack import JobsSpec


def rights(cloud: Cloud, resources: Mapping[str, ResourceSpec], jobs: JobsSpec | None) -> Iterator[Right]:
    """What the checks of a stack with these ``resources`` call.

    A user may ask what it may do itself, and not what others may.  For roles IAM has no way to say that: they go
    without the check of permissions.
    """
    machines = list(pools(resources, jobs))
    quotas = {quota for pool in machines for quota in pool.quotas()}
    vpcs, addresses = networks(resources)
    if vpcs:
        quotas.add(VPCS)
        yield allow("check", "ec2", "DescribeVpcs")
    if addresses:
        quotas.add(ADDRESSES)
        yield allow("check", "ec2", "DescribeAddresses")
    if reserved(resources):
        quotas.add(CONCURRENCY)
    if any(pool.types for pool in machines):
        yield allow("check", "ec2", "DescribeAvailabilityZones DescribeInstanceTypeOfferings DescribeInstanceTypes")
        yield allow("check", "freetier", "GetAccountPlanState")
    if quotas:
        values = sorted(arn(cloud, "servicequotas", f"{quota.service}/{quota.code}") for quota in quotas)
        yield allow("check", "servicequotas", "GetServiceQuota", *values)
        yield allow("check", "servicequotas", "GetAWSDefaultServiceQuota")
    if machines:
        roles = wanted_roles(machines)
        there = [iam_arn(cloud, f"role/aws-service-role/{name}.amazonaws.com/{role}") for role, name in roles]
        missing = [iam_arn(cloud, f"role/{role}") for role, _ in roles]  # IAM knows a path only of what is there
        yield allow("check", "iam", "GetRole", *there, *missing)
    yield allow("check", "pricing", "GetProducts")
    himself = [iam_arn(cloud, f"user/{path}${{aws:username}}") for path in ("", "*/")]
    yield allow("check", "iam", "SimulatePrincipalPolicy", *himself)
