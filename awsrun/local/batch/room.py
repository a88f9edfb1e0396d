"""What Batch has room for: the maxvCpus of its environments, and the account's quotas of vCPUs.

A job that there is no room for stays RUNNABLE, and those behind it in its queue with it.  Nothing says why: the
environment stays VALID, the job has no statusReason ("Amazon EC2 instance limit reached" is among the causes without
one, https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html).  Of machines it is known only
whether the smallest of an environment is within the quota; jobs then take their own vCPUs, not whole machines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from awsrun.aws.quotas import FARGATE, FARGATE_SPOT, Quota, vcpus
from awsrun.local.batch.control import Record
from awsrun.prices.table import shipped


@dataclass(frozen=True)
class Place:
    """Where a job runs.

    Attributes:
        environment: its name.
        quota: the code of the one that it counts for; empty where none does.
    """

    environment: str
    quota: str = ""


class Taken:
    """vCPUs of what runs in a region, by name of environment and by code of quota."""

    def __init__(self) -> None:
        self._vcpus: dict[str, float] = defaultdict(float)

    def add(self, place: Place, vcpus: float) -> None:
        """Something of so many runs there."""
        for key in filter(None, (place.environment, place.quota)):
            self._vcpus[key] += vcpus

    def of(self, key: str) -> float:
        return self._vcpus[key]


@dataclass(frozen=True)
class Room:
    """What there is for all jobs of a region; by default, for any number of them.

    Attributes:
        quota: what the account has of a quota; None where nothing is limited.
    """

    quota: Callable[[Quota], float] | None = None

    @property
    def limited(self) -> bool:
        return self.quota is not None

    def place(self, environments: Iterable[Record], wanted: float, taken: Taken) -> Place | None:
        """The first place for a job of ``wanted`` vCPUs; None where it has to wait.

        Args:
            environments: those of its queue that are ENABLED, in their order.
            taken: by what runs in the region.
        """
        for environment in environments:
            name, resources = str(environment["computeEnvironmentName"]), environment.get("computeResources")
            if self.quota is None or resources is None:
                return Place(name)
            if taken.of(name) + wanted > resources["maxvCpus"]:
                continue
            for quota, machine in _machines(resources):
                most = self.quota(quota)
                if machine <= most and taken.of(quota.code) + wanted <= most:
                    return Place(name, quota.code)
        return None


def _machines(resources: Record) -> Iterator[tuple[Quota, int]]:
    """The quotas that an environment's machines count for, and the vCPUs of the smallest one of each."""
    kind = str(resources["type"])
    if kind.startswith("FARGATE"):
        yield (FARGATE_SPOT if kind == "FARGATE_SPOT" else FARGATE), 0
        return
    found: dict[Quota, int] = {}
    for type in resources["instanceTypes"]:
        quota = vcpus(type, kind == "SPOT")
        found[quota] = min(found.get(quota, _smallest(type)), _smallest(type))
    yield from found.items()


@cache
def _smallest(type: str) -> int:
    """vCPUs of the smallest machine of a type, a family or a bundle; 1 where none is known."""
    return min((one.vcpus for one in shipped("us-east-1").matching(type)), default=1)
