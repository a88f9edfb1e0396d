"""Which checks matter: for a plan, and for ``awsrun doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from awsrun.aws.clients import Cloud
from awsrun.aws.rights import Right
from awsrun.preflight.account_plan import account_plan
from awsrun.preflight.check import Check
from awsrun.preflight.identity import identity
from awsrun.preflight.linked_roles import linked_roles
from awsrun.preflight.need import networks, pools, reserved
from awsrun.preflight.offerings import offerings
from awsrun.preflight.permissions import permissions
from awsrun.preflight.quotas import address_quota, concurrency_quota, vcpu_quotas, vpc_quota
from awsrun.spec.references import ResourceSpec
from awsrun.spec.stack import JobsSpec

Resources = Mapping[str, ResourceSpec]
_IMAGE = "ecr.image"


def of_machine(resources: Resources, abroad: bool) -> list[Check]:
    """Checks that take no cloud; of a Docker engine where ``resources`` have images to build.

    Args:
        abroad: for AWS, which has no other way to run jobs than in an image.
    """
    from awsrun.preflight.fit import fit  # neither is for plans, which wait for what they import
    from awsrun.preflight.machine import docker, machine

    images = [name for name, spec in resources.items() if spec.kind == _IMAGE]
    return machine() + ([docker(images, abroad)] if images else []) + ([fit(resources)] if resources else [])


def of_account(
    cloud: Cloud, stack: str, resources: Resources, jobs: JobsSpec | None, rights: Iterable[Right], source: str
) -> list[Check]:
    """Checks of credentials and account, and of all that a stack needs of it; without resources of the account alone.

    Args:
        jobs: where those of the stack run.
        rights: what the commands on the stack need.
        source: the spec's path, for hints.
    """
    found = [identity(cloud), *of_stack(cloud, stack, resources, jobs, rights, source)]
    wanted = list(pools(resources, jobs))
    return found + ([linked_roles(cloud, wanted)] if wanted or not resources else [])


def of_stack(
    cloud: Cloud, stack: str, resources: Resources, jobs: JobsSpec | None, rights: Iterable[Right], source: str
) -> list[Check]:
    """Those that a plan makes, too: whether there is room for the stack, and whether the caller may make it."""
    wanted, (vpcs, addresses) = list(pools(resources, jobs)), networks(resources)
    found = [vcpu_quotas(cloud, wanted)] if wanted else []
    found += [offerings(cloud, wanted), account_plan(cloud, wanted)] if any(pool.types for pool in wanted) else []
    found += [vpc_quota(cloud, stack, vpcs)] if vpcs else []
    found += [address_quota(cloud, stack, addresses)] if addresses else []
    found += [concurrency_quota(cloud, stack, kept)] if (kept := reserved(resources)) else []
    return found + ([permissions(cloud, rights, source)] if rights else [])
