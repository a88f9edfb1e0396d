"""Whether the account's plan has the machines that a spec names.

An account on AWS's free plan, as new ones may be, starts a handful of small instance types and no others: everything
can be applied, and jobs stay RUNNABLE for ever (https://github.com/aws-samples/eks-workshop-v2/issues/1644).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import Pool
from awsrun.resources.ours import partition

HOME = "us-east-1"  # the only region of the Free Tier API
_MOST = 10.0  # seconds
_ELIGIBLE = [{"Name": "free-tier-eligible", "Values": ["true"]}]


def account_plan(cloud: Cloud, pools: Sequence[Pool]) -> Check:
    """Whether the account's plan has machines of ``pools``."""
    needs = "freetier:GetAccountPlanState, ec2:DescribeInstanceTypes"
    return Check("account-plan", _MOST, lambda: _look(cloud, pools), needs)


def _look(cloud: Cloud, pools: Sequence[Pool]) -> Iterator[Finding]:
    if _plan(cloud) != "FREE":
        return
    pages = cloud.read("ec2").get_paginator("describe_instance_types").paginate(Filters=_ELIGIBLE)
    eligible = sorted(str(one["InstanceType"]) for page in pages for one in page["InstanceTypes"])
    there = {*eligible, *(type.partition(".")[0] for type in eligible)}
    hint = "aws freetier upgrade-account-plan --account-plan-type PAID --region us-east-1; or, of those that it has: "
    for pool in pools:
        missing = [type for type in pool.types if type not in there]
        if not missing:
            continue
        what = f"the account is on AWS's free plan, which has no {', '.join(missing)}: {pool.name} names them"
        if len(missing) < len(pool.types):
            yield Finding("warning", "account-plan", what, "Batch may choose them in vain", hint + ", ".join(eligible))
        else:
            why = "EC2 will not start it" if pool.server else "apply will succeed, and jobs will stay RUNNABLE for ever"
            yield Finding("error", "account-plan", what, why, hint + ", ".join(eligible))


def _plan(cloud: Cloud) -> str:
    """``FREE``, ``PAID``; empty for accounts that are older than plans, or in a partition that has none."""
    if partition(cloud.region) != "aws":
        return ""
    try:
        return str(cloud.elsewhere(HOME).read("freetier").get_account_plan_state()["accountPlanType"])
    except ClientError as error:
        if matches(error, ("ResourceNotFoundException",)):
            return ""
        raise
