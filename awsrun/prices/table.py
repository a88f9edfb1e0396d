"""The figures: instance types and hourly rates of one region.

The shipped ones are AWS's public list prices, on demand, Linux, of the date in ``rates.json``: those of instances as
published through the Price List API for us-east-1 (the same that
https://github.com/aws/karpenter-provider-aws/blob/main/pkg/providers/pricing/zz_generated.pricing_aws.go records),
sizes as DescribeInstanceTypes answers, the rest from the pricing pages (https://aws.amazon.com/fargate/pricing/,
https://aws.amazon.com/vpc/pricing/, https://aws.amazon.com/ebs/pricing/, https://aws.amazon.com/s3/pricing/,
https://aws.amazon.com/dynamodb/pricing/on-demand/, https://aws.amazon.com/cloudwatch/pricing/,
https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/sqs/pricing/).  Other regions are
us-east-1 times a factor, rounded, of common types there: good for an estimate, and said to be one.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Rate = Literal[
    "fargate_vcpu_hour",
    "fargate_gb_hour",
    "fargate_arm_vcpu_hour",
    "fargate_arm_gb_hour",
    "fargate_storage_gb_hour",
    "public_ipv4_hour",
    "nat_gateway_hour",
    "nat_gateway_gb",
    "interface_endpoint_hour",
    "interface_endpoint_gb",
    "ebs_gp3_gb_month",
    "ebs_gp2_gb_month",
    "s3_gb_month",
    "dynamodb_gb_month",
    "dynamodb_million_writes",
    "dynamodb_million_reads",
    "ecr_gb_month",
    "logs_gb_ingested",
    "logs_gb_month",
    "lambda_million_requests",
    "lambda_gb_second",
    "lambda_arm_gb_second",
    "sqs_million_requests",
    "sqs_fifo_million_requests",
    "api_gateway_million_requests",
]
# Of a machine's memory, what the system and the ECS agent surely leave to jobs (7985 of 8192 MiB in AWS's example):
# https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
LEFT = 0.95
HOURS = 730  # in a month, as AWS's own calculator has it
# What Batch takes for these names, since November 2025:
# https://docs.aws.amazon.com/batch/latest/userguide/instance-type-compute-table.html
BUNDLES: Mapping[str, tuple[str, ...]] = {
    "optimal": ("m6i", "c6i", "r6i", "c7i"),
    "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}


@dataclass(frozen=True)
class Instance:
    """An EC2 instance type.

    Attributes:
        hourly: US dollars, on demand, Linux; None where the region's price is not known.
        memory_mib: of the machine; what is left for jobs is a few percent less.
        architecture: ``x86_64`` or ``arm64``.
    """

    type: str
    hourly: float | None
    vcpus: int
    memory_mib: int
    gpus: int
    architecture: str

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]

    def holds(self, vcpus: float, gpus: int, memory_mib: int) -> int:
        """How many jobs of this size one machine runs at once, with the memory that is left to jobs."""
        fits = [self.vcpus / vcpus, self.memory_mib * LEFT / memory_mib, *([self.gpus / gpus] if gpus else [])]
        return math.floor(min(fits))


@dataclass(frozen=True)
class Prices:
    """The figures of one region.  Lookups answer None (or nothing) for what the table does not have.

    Attributes:
        date: ISO, of the shipped table.
        source: where the figures come from, for people.
    """

    region: str
    date: str
    source: str
    instances: Mapping[str, Instance]
    rates: Mapping[str, float]

    def rate(self, name: Rate) -> float | None:
        """US dollars per what the name says; None where the region's price is not known."""
        return self.rates.get(name)

    def instance(self, type: str) -> Instance | None:
        """An instance type by its name (``g4dn.xlarge``)."""
        return self.instances.get(type)

    def matching(self, name: str) -> list[Instance]:
        """The types that Batch understands by ``name``: a type, a family (``c5``) or a bundle (``optimal``), smallest
        first.  Of families without bare metal, which Batch takes only where it is named."""
        if "." in name:
            found = self.instance(name)
            return [found] if found else []
        families = BUNDLES.get(name, (name,))
        listed = [one for one in self.instances.values() if one.family in families and ".metal" not in one.type]
        return sorted((self.instance(one.type) or one for one in listed), key=lambda one: (one.vcpus, one.type))


def shipped(region: str) -> Prices:
    """The shipped table for ``region``; of a region that it does not have, sizes without prices."""
    table = _rates()
    factors: Mapping[str, float] | None = table["regions"].get(region)
    instances = {one.type: replace(one, hourly=_there(one, factors)) for one in _instances()}
    rates = {name: usd * factors["other"] for name, usd in table["usd"].items()} if factors else {}
    rates |= {name: table["usd"][name] for name in table["everywhere_alike"]}
    home = f"AWS's list prices of {table['date']}"
    if factors is None:
        source = f"{home}, which do not have {region}"
    elif set(factors.values()) == {1.0}:
        source = f"{home}, {region}"
    else:
        source = f"{home}, estimated for {region} from {table['region']}"
    return Prices(region, table["date"], source, instances, rates)


def _there(one: Instance, factors: Mapping[str, float] | None) -> float | None:
    if factors is None or one.hourly is None:
        return None
    group = one.type[0] if one.type[0] in factors else "other"
    return round(one.hourly * factors[group], 6)


@cache
def _rates() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(__package__).joinpath("rates.json").read_text())
    return found


@cache
def _instances() -> tuple[Instance, ...]:
    lines: Iterable[dict[str, str]] = csv.DictReader(
        files(__package__).joinpath("instances.csv").read_text().splitlines()
    )
    return tuple(
        Instance(
            one["type"],
            float(one["usd_per_hour"]),
            int(one["vcpus"]),
            int(one["memory_mib"]),
            int(one["gpus"]),
            one["architecture"],
        )
        for one in lines
    )
