"""What workers cost by the hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.prices import machines
from awsrun.prices.refresh import PriceList
from awsrun.prices.table import Prices


def hourly(cloud: Cloud, jobs: Mapping[str, Any], workers: int) -> float | None:
    """US dollars per hour of ``workers`` workers, by list price on demand; None where that is not known.

    Args:
        jobs: of the stack's record.
    """
    vcpus, gpus, memory = float(jobs.get("vcpus") or 1), int(jobs.get("gpus") or 0), int(jobs.get("memory_mib") or 1)
    fargate = str(jobs.get("capacity", "")).startswith("FARGATE")

    def work(prices: Prices) -> float | None:
        if fargate:
            arm, disk = jobs.get("architecture") == "arm64", int(jobs.get("storage_gib") or machines.FREE_GIB)
            return machines.fargate_jobs(prices, workers, vcpus, memory, arm, disk, bool(jobs.get("public", True)))
        return machines.jobs(prices, jobs.get("instance_types") or (), workers, vcpus, gpus, memory)

    found, _ = PriceList(cloud).quote(work)
    return found
