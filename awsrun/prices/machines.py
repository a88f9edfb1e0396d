"""What a pool of vCPUs comes to: machines of given types, or Fargate."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from awsrun.prices.price import Price
from awsrun.prices.table import HOURS, Instance, Prices

ROOT_GB = 30  # of the ECS images: https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
FREE_GIB = 20  # disk of a Fargate task that is not billed: https://aws.amazon.com/fargate/pricing/
FARGATE_GB_PER_VCPU = 8  # the most memory that Fargate sells per vCPU, from 0.5 vCPU on
SPOT = "as spot usually well below that"


@dataclass(frozen=True)
class _Fleet:
    count: int
    instance: Instance
    hourly: float

    def __str__(self) -> str:
        return f"{self.count} × {self.instance.type}"


def ec2(
    prices: Prices,
    types: Collection[str],
    idle_vcpus: int,
    most_vcpus: int,
    spot: bool = False,
    public: bool = True,
    disk_gb: int = ROOT_GB,
) -> Price:
    """Machines of ``types`` (as Batch takes them: types, families, ``optimal``), each with a root disk (gp3).

    Which of several types Batch buys is its own choice, so ``full`` is that of the dearest way to fill ``most_vcpus``
    and ``idle`` that of the dearest way to keep ``idle_vcpus``.  Spot is priced as on demand, which it never exceeds.

    Args:
        public: each machine has a public IPv4 address.
    """
    unknown = [name for name in sorted(types) if not prices.matching(name)]
    unknown += [one.type for name in types for one in prices.matching(name) if one.hourly is None]
    if unknown:
        shown = ", ".join(unknown[:3]) + (" …" if len(unknown) > 3 else "")
        return Price(None if idle_vcpus else 0.0, None, f"price of {shown} not known")
    beside = (prices.rate("public_ipv4_hour") or 0.0) * public + disk_gb * (
        prices.rate("ebs_gp3_gb_month") or 0
    ) / HOURS
    full = _fleets(prices, types, most_vcpus, beside)
    idle = _fleets(prices, types, idle_vcpus, beside)
    dearest, cheapest = max(full, key=lambda one: one.hourly), min(full, key=lambda one: one.hourly)
    note = str(dearest) if len(full) == 1 else f"{cheapest} to {dearest}"
    note += f", each with {'a public IPv4 address and ' if public else ''}a {disk_gb} GB disk"
    return Price(max(one.hourly for one in idle), dearest.hourly, f"{note}; {SPOT}" if spot else note)


def server(prices: Prices, type: str, disk_gb: int, disk_type: str, spot: bool, public: bool, stops: bool) -> Price:
    """One machine that somebody works on, with a root disk.

    Args:
        disk_gb: 0 where that is not known.
        disk_type: ``gp3`` or ``gp2``.
        public: it has a public IPv4 address of its own, while it runs.
        stops: it is stopped while nothing uses it, which leaves the disk.
    """
    instance = prices.instance(type)
    if instance is None or instance.hourly is None:
        return Price(None, None, f"price of {type} not known")
    rate = prices.rate("ebs_gp2_gb_month" if disk_type == "gp2" else "ebs_gp3_gb_month")
    disk = disk_gb * (rate or 0.0) / HOURS
    full = instance.hourly + disk + (prices.rate("public_ipv4_hour") or 0.0) * public
    parts = ["a public IPv4 address"] * public + [f"a {disk_gb} GB disk" if disk_gb else "a disk that is not counted"]
    note = f"{type} with {' and '.join(parts)}"
    if stops:
        note += "; stopped when idle, which leaves the disk"
    return Price(disk if stops else full, full, f"{note}; {SPOT}" if spot else note)


def jobs(
    prices: Prices, types: Collection[str], count: int, vcpus: float, gpus: int, memory_mib: int, public: bool = True
) -> float | None:
    """US dollars per hour of the cheapest machines of ``types`` that run ``count`` jobs of this size at once.

    None where a price is not known, or no type is large enough.
    """
    beside = _beside(prices, public, ROOT_GB)
    offered = [(one, one.holds(vcpus, gpus, memory_mib)) for name in types for one in prices.matching(name)]
    if any(one.hourly is None for one, _ in offered):
        return None
    return min((math.ceil(count / n) * ((one.hourly or 0.0) + beside) for one, n in offered if n), default=None)


def fargate_jobs(
    prices: Prices,
    count: int,
    vcpus: float,
    memory_mib: int,
    arm: bool = False,
    storage_gib: int = FREE_GIB,
    public: bool = True,
) -> float | None:
    """US dollars per hour of ``count`` tasks; None where the price is not known."""
    one = fargate_task(prices, vcpus, memory_mib, arm, storage_gib, public)
    return None if one is None else count * one


def fargate_task(
    prices: Prices, vcpus: float, memory_mib: int, arm: bool = False, storage_gib: int = FREE_GIB, public: bool = True
) -> float | None:
    """US dollars per hour of one task, with a disk beyond what is free; None where the price is not known."""
    vcpu = prices.rate("fargate_arm_vcpu_hour" if arm else "fargate_vcpu_hour")
    memory = prices.rate("fargate_arm_gb_hour" if arm else "fargate_gb_hour")
    disk = prices.rate("fargate_storage_gb_hour")
    if vcpu is None or memory is None or disk is None:
        return None
    address = (prices.rate("public_ipv4_hour") or 0.0) * public
    return vcpus * vcpu + memory_mib / 1024 * memory + (storage_gib - FREE_GIB) * disk + address


def fargate(prices: Prices, most_vcpus: int, spot: bool = False, public: bool = True) -> Price:
    """Tasks of one vCPU or more, with the most memory that Fargate sells with them."""
    vcpu, memory = prices.rate("fargate_vcpu_hour"), prices.rate("fargate_gb_hour")
    if vcpu is None or memory is None:
        return Price(0.0, None, "price of Fargate not known")
    address = (prices.rate("public_ipv4_hour") or 0.0) * public
    note = f"{most_vcpus} vCPUs with {FARGATE_GB_PER_VCPU} GB each"
    hourly = most_vcpus * (vcpu + FARGATE_GB_PER_VCPU * memory + address)
    return Price(0.0, hourly, f"{note}; {SPOT}" if spot else note)


def _beside(prices: Prices, public: bool, disk_gb: int) -> float:
    """What each machine costs beside itself, per hour."""
    disk = disk_gb * (prices.rate("ebs_gp3_gb_month") or 0.0) / HOURS
    return disk + (prices.rate("public_ipv4_hour") or 0.0) * public


def _fleets(prices: Prices, types: Collection[str], vcpus: int, beside: float) -> list[_Fleet]:
    """The ways to have ``vcpus`` with machines of one type each; none larger than needed, where there are smaller."""
    offered = [one for name in sorted(types) for one in prices.matching(name)]
    fitting = [one for one in offered if one.vcpus <= vcpus] or [min(offered, key=lambda one: one.vcpus)]
    counts = [(math.ceil(vcpus / one.vcpus), one) for one in fitting]
    return [_Fleet(count, one, count * ((one.hourly or 0.0) + beside)) for count, one in counts]
