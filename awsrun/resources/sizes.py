"""Whether a job can run on machines of some types at all."""

from __future__ import annotations

from collections.abc import Collection

from awsrun.prices.table import Instance, shipped


def too_large(types: Collection[str], vcpus: float, gpus: int, memory_mib: int) -> tuple[str, str] | None:
    """Which field no machine can meet, and why; None where one can, or where it cannot be told.

    That a job leaves something of the memory to the system is not asked here: how much that is differs a little.

    Args:
        types: as Batch takes them; with one that the shipped table does not have, nothing can be told.
    """
    known = {type: shipped("us-east-1").matching(type) for type in types}
    offered = [one for listed in known.values() for one in listed]
    if not all(known.values()) or any(_holds(one, vcpus, gpus, memory_mib) for one in offered):
        return None
    for field, asked, most in (
        ("gpus", gpus, max(one.gpus for one in offered)),
        ("vcpus", vcpus, max(one.vcpus for one in offered)),
        ("memory_mib", memory_mib, max(one.memory_mib for one in offered) - 1),
    ):
        if asked > most:
            return field, f"no machine of {', '.join(sorted(types))} has {_said(field, asked, most)}"
    largest = max(offered, key=lambda one: (one.gpus >= gpus, one.memory_mib))
    return "memory_mib", (
        f"no machine of {', '.join(sorted(types))} has {vcpus:g} vCPUs, {gpus} GPUs and more than {memory_mib} MiB at "
        f"once ({largest.type}: {largest.vcpus}, {largest.gpus}, {largest.memory_mib})"
    )


def _holds(one: Instance, vcpus: float, gpus: int, memory_mib: int) -> bool:
    return one.vcpus >= vcpus and one.gpus >= gpus and one.memory_mib > memory_mib


def _said(field: str, asked: float, most: float) -> str:
    if field == "memory_mib":
        return f"more than {asked:g} MiB of memory, of which the system keeps some (the largest: {most + 1:g})"
    return f"{asked:g} {'GPUs' if field == 'gpus' else 'vCPUs'} (the largest: {most:g})"
