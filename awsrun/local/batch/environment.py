"""What a job finds in its environment beside what everything finds here."""

from __future__ import annotations

from collections.abc import Mapping

from awsrun.local.batch.definitions import needs
from awsrun.local.batch.jobs import Job, Unit
from awsrun.local.work import environment
from awsrun.local.work.machine import Order


def of(
    job: Job,
    unit: Unit,
    endpoint: str,
    region: str,
    total: int,
    places: tuple[str, str],
    credentials: Mapping[str, str],
) -> dict[str, str]:
    """What a unit's next attempt finds in its environment, wherever it runs.

    Args:
        total: slots of this machine.
        places: names of the job queue and of the compute environment.
        credentials: variables by which AWS's clients find them.
    """
    found = environment.of_cloud(endpoint, region, total, job.size or 1, credentials)
    found.update({entry["name"]: entry.get("value", "") for entry in job.container["environment"]})
    found.update(
        AWS_BATCH_JOB_ID=unit.id,
        AWS_BATCH_JOB_ATTEMPT=str(unit.number),
        AWS_BATCH_JQ_NAME=places[0],
        AWS_BATCH_CE_NAME=places[1],
    )
    if unit.index is not None:
        found.update(AWS_BATCH_JOB_ARRAY_INDEX=str(unit.index), AWS_BATCH_JOB_ARRAY_SIZE=str(job.size))
    return found


def vcpus(job: Job) -> float:
    """How many each unit of a job wants."""
    return float(needs(job.container).get("VCPU", job.container.get("vcpus") or 1))


def order(job: Job, region: str, variables: Mapping[str, str]) -> Order:
    """What is to be run of a job."""
    container, wanted = job.container, needs(job.container)
    return Order(
        container["image"],
        container["command"],
        region,
        variables,
        vcpus=vcpus(job),
        memory_mib=int(float(wanted.get("MEMORY", container.get("memory") or 0))),
        shared_memory_mib=int((container.get("linuxParameters") or {}).get("sharedMemorySize") or 0),
        gpus=int(wanted.get("GPU", 0)),
        user=container.get("user"),
        init=bool((container.get("linuxParameters") or {}).get("initProcessEnabled")),
    )
