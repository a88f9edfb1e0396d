"""How large a worker is: as the stack's definition says, or as a submit asks, if there are machines for that."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.site import Site
from awsrun.resources.fargate import SIZES
from awsrun.resources.sizes import too_large
from awsrun.worker.fargate import KIND

_UNITS = {"": 1, "m": 1, "g": 1024}


@dataclass(frozen=True)
class Size:
    """What a submit asks for beside the definition; None for what it leaves as it is."""

    vcpus: float | None = None
    memory_mib: int | None = None
    gpus: int | None = None

    def __bool__(self) -> bool:
        return any(part is not None for part in (self.vcpus, self.memory_mib, self.gpus))


def mebibytes(value: Any) -> Any:
    """``8192``, ``"8192"``, ``"8GB"`` or ``"512m"`` as MiB; what is no text is left as it is.

    Raises:
        ValueError: a text that is no amount of memory.
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([mg]?)(?:i?b)?", value.strip().lower())
    if not found:
        raise ValueError(f"{value!r} is no amount of memory: write 8192 (MiB), 512MB or 8GB")
    return int(float(found[1]) * _UNITS[found[2]])


def sized(jobs: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """The stack's record of jobs with workers of this size.

    Raises:
        AwsrunError: the stack has no machine that holds such a worker; names the nearest that there is.
    """
    if not size:
        return dict(jobs)
    given = {"vcpus": size.vcpus, "memory_mib": size.memory_mib, "gpus": size.gpus}
    found = {**jobs, **{name: value for name, value in given.items() if value is not None}}
    vcpus, memory, gpus = float(found.get("vcpus") or 1), int(found.get("memory_mib") or 1), int(found.get("gpus") or 0)
    most = float(found.get("max_vcpus") or vcpus)
    if vcpus > most:
        raise AwsrunError(f"a worker of {vcpus:g} vCPUs does not fit", f"the stack runs at most {most:g} vCPUs at once")
    if str(jobs.get("capacity", "")).startswith("FARGATE") or jobs.get("engine") == KIND:
        _check_fargate(vcpus, memory, gpus)
    elif vcpus != int(vcpus):
        raise AwsrunError(
            f"a worker of {vcpus:g} vCPUs does not fit", "machines give whole vCPUs", f"--vcpus {math.ceil(vcpus)}"
        )
    elif (types := jobs.get("instance_types")) and (wrong := too_large(types, vcpus, gpus, memory)):
        option = {"vcpus": "--vcpus", "gpus": "--gpus", "memory_mib": "--memory"}[wrong[0]]
        raise AwsrunError("no machine of the stack holds such a worker", wrong[1], f"ask for less with {option}")
    return found


def resized(site: Site, size: Size) -> Site:
    """The stack with workers of this size.

    Raises:
        AwsrunError: as `sized`.
    """
    _, jobs = site.live()
    return replace(site, jobs=sized(jobs, size))


def recorded(jobs: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """What a run's record keeps of its workers' size: everything where anything was asked for, else nothing."""
    return {key: jobs[key] for key in ("vcpus", "memory_mib", "gpus") if jobs.get(key)} if size else {}


def nearest(vcpus: float, memory_mib: int) -> tuple[float, int] | None:
    """The smallest size of Fargate that holds this; None where there is none."""
    fitting = (
        (offered, memory)
        for offered, memories in SIZES.items()
        if offered >= vcpus
        for memory in memories
        if memory >= memory_mib
    )
    return min(fitting, default=None)


def _check_fargate(vcpus: float, memory_mib: int, gpus: int) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html"""
    if gpus:
        raise AwsrunError(
            "Fargate has no GPUs",
            "they need machines: a batch.compute_environment with instance_types",
            "leave --gpus out",
        )
    if memory_mib in SIZES.get(vcpus, ()):
        return
    found = nearest(vcpus, memory_mib)
    largest = max(SIZES)
    why = f"the largest is {largest:g} vCPUs with {max(SIZES[largest])} MiB"
    if found is None:
        raise AwsrunError(f"Fargate has no worker of {vcpus:g} vCPUs with {memory_mib} MiB", why)
    offered = SIZES.get(vcpus)
    why = f"with {vcpus:g} vCPUs it has {offered[0]} to {offered[-1]} MiB" if offered else (
        f"it has {', '.join(f'{size:g}' for size in SIZES)} vCPUs"
    )  # fmt: skip
    raise AwsrunError(
        f"Fargate has no worker of {vcpus:g} vCPUs with {memory_mib} MiB",
        why,
        f"the nearest that holds it: --vcpus {found[0]:g} --memory {found[1]}",
    )
