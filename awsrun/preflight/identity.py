"""Who the credentials are, and whose account and region awsrun would work in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.preflight.check import Check, Finding

_MOST = 10.0  # seconds
_ASSUMED = re.compile(r"arn:([a-z-]+):sts::(\d+):assumed-role/([^/]+)/.*")


@dataclass(frozen=True)
class Principal:
    """Who is calling.

    Attributes:
        arn: as STS says it.
        entity: the ARN of the IAM user or role behind it, which policies are attached to; empty where there is none
            that could be asked about (the root user, a federated session).
    """

    arn: str
    entity: str = ""

    @property
    def root(self) -> bool:
        return self.arn.endswith(":root")


def identity(cloud: Cloud) -> Check:
    """Which account, region and identity the commands use."""
    return Check("identity", _MOST, lambda: _identity(cloud))


def principal(cloud: Cloud) -> Principal:
    """Who is calling.  An assumed role's session is turned into the role itself: the session's ARN leaves out the
    role's path, which GetRole tells where it may be called
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns)."""
    arn = str(cloud.read("sts").get_caller_identity()["Arn"])
    session = _ASSUMED.fullmatch(arn)
    if session is None:
        return Principal(arn, arn if ":user/" in arn and ":iam:" in arn else "")
    partition, account, role = session.groups()
    try:
        return Principal(arn, str(cloud.read("iam").get_role(RoleName=role)["Role"]["Arn"]))
    except ClientError:
        return Principal(arn, f"arn:{partition}:iam::{account}:role/{role}")


def _identity(cloud: Cloud) -> Iterator[Finding]:
    who = principal(cloud)
    pinned = f", account {cloud.account}, region {cloud.region}"
    yield Finding("ok", "identity", f"{who.arn}{pinned}")
    if who.root:
        why = "it may do everything, closing the account included"
        hint = "make a user or role with the least rights: awsrun policy SPEC -o policy.json"
        yield Finding("warning", "identity", "these are the credentials of the account's root user", why, hint)
