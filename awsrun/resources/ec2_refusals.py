"""Why EC2 has no machine for somebody, and what helps.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html.  Some of these come as a 500 although
nothing was started: InsufficientInstanceCapacity
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, server errors).
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError, code_of, matches, message_of
from awsrun.aws.quotas import vcpus

_CAPACITY = frozenset({"InsufficientInstanceCapacity", "InsufficientCapacity", "SpotMaxPriceTooLow"})
_QUOTA = frozenset({"VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "InstanceLimitExceeded"})
# Of accounts that are new (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html), or on AWS's
# free plan (https://github.com/aws-samples/eks-workshop-v2/issues/1644).
_ACCOUNT = frozenset({"PendingVerification", "InvalidParameterCombination:not eligible for Free Tier"})
REFUSALS = _CAPACITY | _QUOTA | _ACCOUNT | {"Unsupported"}


def refusal(error: ClientError, region: str, type: str, spot: bool, there: bool = False) -> AwsrunError:
    """One of `REFUSALS`, as a user reads it.

    Args:
        there: it is to start again what is there, and whose disk another zone does not have.
    """
    code, why = code_of(error), message_of(error)
    bought = f"{type} {'as spot ' if spot else ''}".rstrip()
    if code in _QUOTA:
        quota = vcpus(type, spot)
        hint = (
            f"ask for more: aws service-quotas request-service-quota-increase --service-code {quota.service} "
            f"--quota-code {quota.code} --desired-value N --region {region}"
        )
        return AwsrunError(f"the account may not have {bought} in {region}", f"{code}: {why}", hint)
    if matches(error, _ACCOUNT):
        pending = code == "PendingVerification"
        hint = "try again in some minutes, at most four hours" if pending else "t3.micro; or upgrade the account's plan"
        return AwsrunError(f"EC2 does not give this account {bought} yet", f"{code}: {why}", hint)
    zone = "" if there else "another zone (subnet: public-1, with max_azs: 2), "
    where = f"{zone}another instance_type"
    if code == "Unsupported":
        return AwsrunError(f"EC2 does not have {bought} there", f"{code}: {why}", where)
    later = " or spot: false" if spot else ""
    return AwsrunError(
        f"EC2 has no {bought} to give at the moment", f"{code}: {why}", f"try again later, or {where}{later}"
    )
