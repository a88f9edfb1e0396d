"""What runs next: by the queue's priority, then in order of submission, then by index."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from awsrun.local.batch.environment import vcpus
from awsrun.local.batch.jobs import Job, Unit
from awsrun.local.batch.region import Region
from awsrun.local.batch.room import Place, Taken
from awsrun.local.batch.service import Batch

Chosen = tuple[str, Region, Job, Unit, Place]
"""A unit, with the name of its region, that region, and where it is to run."""


def choose(batch: Batch, taken: Mapping[str, Taken], free: int) -> list[Chosen]:
    """The next units, up to ``free``; one that there is no room for has all behind it in its queue wait, too.

    Args:
        taken: by what runs, for each region; what is chosen is added.
    """
    waiting = []
    for name, region in batch.regions.items():
        for order, job in enumerate(region.jobs.values()):
            queue = region.plane.queues.get(job.queue) if job.counts["RUNNABLE"] else None
            if queue is not None and any(region.plane.open_environments(queue)):
                waiting.append((-queue["priority"], job.created, order, name, region, job))
    chosen: list[Chosen] = []
    blocked = set[str]()
    most = len(waiting) if batch.room.limited else free
    for *_, name, region, job in heapq.nsmallest(most, waiting, key=lambda entry: entry[:3]):
        for unit in job.units if job.queue not in blocked else ():
            if unit.status != "RUNNABLE":
                continue
            found = place(batch, region, job, taken[name])
            if found is None:
                blocked.add(job.queue)
                break
            taken[name].add(found, vcpus(job))
            chosen.append((name, region, job, unit, found))
            if len(chosen) == free:
                return chosen
    return chosen


def place(batch: Batch, region: Region, job: Job, taken: Taken) -> Place | None:
    """Where a unit of a job may run; None where there is no room, or its queue is gone."""
    queue = region.plane.queues.get(job.queue)
    return batch.room.place(region.plane.open_environments(queue), vcpus(job), taken) if queue else None
