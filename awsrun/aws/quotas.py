"""The quotas of AWS that a stack may run into, with the values of an account that nobody has raised.

Codes and default values: https://docs.aws.amazon.com/general/latest/gr/ec2-service.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html.  A quota of vCPUs is of one account in
one region, over all its instances of those families.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One quota.

    Attributes:
        service, code: as Service Quotas names it.
        default: in an account that nobody has raised it in.
    """

    service: str
    code: str
    name: str
    default: float


def _ec2(code: str, name: str, default: float = 0.0) -> Quota:
    return Quota("ec2", code, name, default)


VPCS = Quota("vpc", "L-F678F1CE", "VPCs per Region", 5)
ADDRESSES = Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5)
# Of an account that has run much; a new one begins with 10:
# https://github.com/aws-samples/sample-one-click-generative-ai-solutions/issues/3
CONCURRENCY = Quota("lambda", "L-B99A9384", "Concurrent executions", 10)
FARGATE = Quota("fargate", "L-3032A538", "Fargate On-Demand vCPU resource count", 6)
FARGATE_SPOT = Quota("fargate", "L-36FBB829", "Fargate Spot vCPU resource count", 6)
# Family letters -> on demand, spot; all other families are "standard".
_FAMILIES: Mapping[str, tuple[Quota, Quota]] = {
    "g": (
        _ec2("L-DB2E81BA", "Running On-Demand G and VT instances"),
        _ec2("L-3819A6DF", "All G and VT Spot Instance Requests"),
    ),
    "p": (
        _ec2("L-417A185B", "Running On-Demand P instances"),
        _ec2("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
    ),
    "p5": (_ec2("L-417A185B", "Running On-Demand P instances"), _ec2("L-C4BD4855", "All P5 Spot Instance Requests")),
    "inf": (
        _ec2("L-1945791B", "Running On-Demand Inf instances"),
        _ec2("L-B5D1601B", "All Inf Spot Instance Requests"),
    ),
    "trn": (
        _ec2("L-2C3B7624", "Running On-Demand Trn instances"),
        _ec2("L-6B0D517C", "All Trn Spot Instance Requests"),
    ),
    "dl": (_ec2("L-6E869C2A", "Running On-Demand DL instances"), _ec2("L-85EED4F7", "All DL Spot Instance Requests")),
    "f": (_ec2("L-74FC7D96", "Running On-Demand F instances"), _ec2("L-88CF9481", "All F Spot Instance Requests")),
    "x": (_ec2("L-7295265B", "Running On-Demand X instances"), _ec2("L-E3A00192", "All X Spot Instance Requests")),
}
_STANDARD = (
    _ec2("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5),
    _ec2("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5),
)
_LETTERS = {"gr": "g", "vt": "g"}
KNOWN: Mapping[tuple[str, str], Quota] = {
    (one.service, one.code): one
    for one in (
        VPCS,
        ADDRESSES,
        CONCURRENCY,
        FARGATE,
        FARGATE_SPOT,
        *_STANDARD,
        *(quota for pair in _FAMILIES.values() for quota in pair),
    )
}


def increase(quota: Quota, desired: float | str, region: str) -> str:
    """The command that asks AWS for more."""
    return (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {quota.code} "
        f"--desired-value {desired} --region {region}"
    )


def vcpus(instance_type: str, spot: bool) -> Quota:
    """The quota that the vCPUs of an instance type, a family or one of Batch's bundles (``optimal``) count for."""
    found = re.match(r"([a-z]+)(\d*)", instance_type)
    letters, generation = found.groups() if found else ("", "")
    key = f"{letters}{generation}" if letters == "p" and generation == "5" else _LETTERS.get(letters, letters)
    return _FAMILIES.get(key, _STANDARD)[spot]
