"""Whether jobs fit the machines they are for, with what the system leaves of the memory.

A size that no machine has at all is refused where the spec is read; this is about the last few percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import pools
from awsrun.prices.table import LEFT, shipped
from awsrun.resources.batch_job_definition_spec import JobDefinitionSpec, usual_shared
from awsrun.spec.references import ResourceSpec


def fit(resources: Mapping[str, ResourceSpec]) -> Check:
    """Whether each job definition on EC2 fits some machine of some environment."""
    return Check("fit", 1.0, lambda: _look(resources))


def _look(resources: Mapping[str, ResourceSpec]) -> Iterator[Finding]:
    types = {type for pool in pools(resources) for type in pool.types}
    offered = [one for type in types for one in shipped("us-east-1").matching(type)]
    known = bool(types) and all(shipped("us-east-1").matching(type) for type in types)
    for name, spec in resources.items():
        if not isinstance(spec, JobDefinitionSpec) or spec.fargate or not known:
            continue
        shared = spec.shared_memory_mib or usual_shared(spec.memory_mib)
        holding = [one for one in offered if one.holds(spec.vcpus, spec.gpus, spec.memory_mib)]
        if holding and not any(one.holds(spec.vcpus, spec.gpus, spec.memory_mib + shared) for one in holding):
            most = max(holding, key=lambda one: one.memory_mib)
            what = (
                f"{name} asks for {spec.memory_mib} MiB and {shared} MiB of /dev/shm, about all that a {most.type} has"
            )
            why = f"ECS may count both, and has {int(most.memory_mib * LEFT)} MiB: such jobs may stay RUNNABLE for ever"
            yield Finding("warning", "fit", what, why, "in the spec: less memory_mib, or less shared_memory_mib")
        elif holding:
            smallest = min(holding, key=lambda one: (one.hourly or 0.0, one.vcpus))
            count = smallest.holds(spec.vcpus, spec.gpus, spec.memory_mib)
            yield Finding("ok", "fit", f"{name}: {count} at once on a {smallest.type}")
        else:
            most = max(offered, key=lambda one: one.memory_mib)
            what = f"{name} asks for {spec.memory_mib} MiB, about all that a {most.type} has ({most.memory_mib} MiB)"
            why = "the system and the ECS agent keep some of it: such jobs may stay RUNNABLE for ever"
            yield Finding(
                "warning", "fit", what, why, f"in the spec: memory_mib: {int(most.memory_mib * LEFT)} or less"
            )
