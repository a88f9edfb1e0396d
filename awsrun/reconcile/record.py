"""What is written down of an applied stack: its outputs, and where jobs run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from awsrun.aws.names import runs_table
from awsrun.aws.stacks import StackRecord
from awsrun.reconcile.graph import Graph, Spec, group_of
from awsrun.reconcile.outlook import NOT_YET, combined
from awsrun.reconcile.plain import plain
from awsrun.reconcile.session import Session
from awsrun.resources.kind import Outputs
from awsrun.spec.references import references
from awsrun.spec.stack import MAX_VCPUS

_MACHINES = ("capacity", "instance_types")
_SIZE = ("vcpus", "gpus", "memory_mib", "architecture", "storage_gib")
_WORKER = (*_SIZE, "image", "container", "log_group", "stop_timeout")


def record_of(
    session: Session,
    graph: Graph,
    spec: Spec,
    outputs: Mapping[str, Outputs],
    before: StackRecord | None,
    complete: bool = True,
) -> StackRecord:
    """The record of a stack whose nodes put out ``outputs``; what is not there is left out.

    Args:
        before: the last record; it goes on telling of what was not looked at.
    """
    seen = {name: combined(session.kinds, graph, name, outputs) for name in graph.tops}
    known = {name: dict(found) for name, found in seen.items() if found is not NOT_YET}
    if not graph.whole:
        last = before or StackRecord(graph.stack)
        mine = {group_of(name) for name in graph.nodes}
        known = {name: dict(found) for name, found in last.outputs.items() if name not in mine} | known
        complete = complete and last.complete
    at = iso(session.clock.now())
    since = (before.since if before else "") or at
    where = _jobs(graph, spec.jobs, known) if spec.jobs is not None else {}
    return StackRecord(graph.stack, plain(known), plain(where), at, complete, plain(spec.variables), since)


def _jobs(graph: Graph, jobs: Any, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    place, definition, bucket = (
        outputs.get(name) for name in (jobs.queue or jobs.cluster, jobs.definition, jobs.bucket)
    )
    if place is None or definition is None or bucket is None:
        return {}  # the apply failed before one of them was there
    found = {"definition": definition["arn"], "bucket": bucket["name"], "table": runs_table(graph.stack)}
    found |= {key: definition[key] for key in _WORKER if key in definition}
    return found | (_on_queue(graph, jobs, place, outputs) if jobs.queue else _on_cluster(jobs, place, outputs))


def _on_queue(graph: Graph, jobs: Any, queue: Outputs, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    environments = {target for _, target, _ in references(graph.tops[jobs.queue])}
    cores = [outputs[name]["max_vcpus"] for name in environments if "max_vcpus" in outputs.get(name, {})]
    found = {"queue": queue["arn"], "max_vcpus": sum(cores)}
    for name in sorted(environments & outputs.keys()):  # all alike on one queue: EC2 or Fargate
        found |= {key: outputs[name][key] for key in _MACHINES if key in outputs[name]}
    return found


def _on_cluster(jobs: Any, cluster: Outputs, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    network = outputs.get(jobs.vpc)
    if network is None:
        return {}
    private = jobs.subnets == "private" or (jobs.subnets is None and "private_subnets" in network)
    return {
        "engine": "fargate",
        "cluster": cluster["arn"],
        "subnets": sorted(network["private_subnets" if private else "subnets"]),
        "security_groups": [network["security_group"]],
        "public": not private,
        "capacity": "FARGATE_SPOT" if jobs.spot else "FARGATE",
        "max_vcpus": MAX_VCPUS if jobs.max_vcpus is None else jobs.max_vcpus,
    }


def iso(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
