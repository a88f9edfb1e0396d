"""The roles that AWS's own services work with: made by AWS on first use, where the caller may.

https://docs.aws.amazon.com/batch/latest/userguide/using-service-linked-roles.html and, for spot,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import Pool

_MOST = 10.0  # seconds
_BATCH = ("AWSServiceRoleForBatch", "batch")
_ECS = ("AWSServiceRoleForECS", "ecs")
_SPOT = ("AWSServiceRoleForEC2Spot", "spot")


def linked_roles(cloud: Cloud, pools: Sequence[Pool]) -> Check:
    """Whether the roles that ``pools`` need are there."""
    return Check("linked-roles", _MOST, lambda: _look(cloud, pools), "iam:GetRole")


def wanted_roles(pools: Sequence[Pool]) -> list[tuple[str, str]]:
    """The roles that ``pools`` need, each with the short name of the service that it is of."""
    jobs = [_BATCH, _ECS] if not pools or any(not (pool.server or pool.tasks) for pool in pools) else []
    jobs = jobs or ([_ECS] if any(pool.fargate for pool in pools) else [])
    return jobs + ([_SPOT] if any(pool.spot and not pool.fargate for pool in pools) else [])


def _look(cloud: Cloud, pools: Sequence[Pool]) -> Iterator[Finding]:
    wanted = wanted_roles(pools)
    missing = [(role, service) for role, service in wanted if not _there(cloud, role)]
    if not missing:
        yield Finding("ok", "linked-roles", f"{', '.join(role for role, _ in wanted)} are there")
    for role, service in missing:
        hint = f"aws iam create-service-linked-role --aws-service-name {service}.amazonaws.com"
        why = "AWS makes it on first use, where the caller has iam:CreateServiceLinkedRole"
        yield Finding("note", "linked-roles", f"{role} is not in this account yet", why, f"to make it now: {hint}")


def _there(cloud: Cloud, role: str) -> bool:
    try:
        cloud.read("iam").get_role(RoleName=role)
    except ClientError as error:
        if matches(error, ("NoSuchEntity",)):
            return False
        raise
    return True
