"""What an identity must be allowed to plan, apply and tear down a stack: what its kinds need, and the engine itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.image_names import ImageName
from awsrun.aws.names import runs_table, stack_table
from awsrun.aws.rights import Right, allow
from awsrun.prices import refresh
from awsrun.reconcile import graph as graphs
from awsrun.reconcile.graph import Spec
from awsrun.resources.iam_role import role_arn
from awsrun.resources.kind import Kind
from awsrun.resources.ours import arn, partition
from awsrun.spec.references import ResourceSpec

_LOOK = frozenset({"find", "read"})
_DELETE = frozenset({"delete", "empty", "lock"})
VERBS: Mapping[str, frozenset[str]] = {
    "plan": _LOOK | {"price"},  # drift, status and outputs too
    "apply": _LOOK | _DELETE | {"price", "create", "update", "tag", "record"},
    "adopt": _LOOK | {"create", "tag", "adopt", "record", "lock", "price"},
    "teardown": _LOOK | _DELETE | {"drop"},
}


def rights(spec: Spec, kinds: Mapping[str, Kind[Any, Any]], cloud: Cloud, command: str) -> Iterator[Right]:
    """What ``command``, one of `VERBS`, needs for a stack.  Calls nothing.

    Of kinds that the spec does not have only what finding takes: a first apply and every teardown look for everything.
    """
    specs: dict[str, dict[str, ResourceSpec]] = {}
    for node in graphs.build(spec, kinds).nodes.values():
        specs.setdefault(node.kind, {})[node.name] = node.spec
    for name in kinds:
        verbs = VERBS[command] if name in specs else {"find"}
        yield from (right for right in kinds[name].rights(spec.stack, specs.get(name, {})) if right.verb in verbs)
    yield from (right for right in engine(cloud, spec.stack) if right.verb in VERBS[command])


def where_jobs_run(spec: Spec, kinds: Mapping[str, Kind[Any, Any]], cloud: Cloud) -> Mapping[str, str]:
    """The ARNs of what a stack's jobs use, by the names that the stack's record has for them; empty without jobs."""
    if spec.jobs is None:
        return {}
    found = {}
    for role in ("queue", "cluster", "definition", "bucket"):
        name = getattr(spec.jobs, role)
        if name is not None:
            kind = kinds[spec.resources[name].kind]
            found[role] = kind.arn(kind.physical(spec.stack, name, spec.resources[name]))
    nodes = graphs.build(spec, kinds).nodes
    logs = getattr(nodes[spec.jobs.definition].spec, "log_group", None)
    if logs:
        kind = kinds[nodes[logs].kind]
        found["log_group"] = kind.arn(kind.physical(spec.stack, logs, nodes[logs].spec))
    if repository := _repository(nodes, nodes[spec.jobs.definition].spec, spec.stack, kinds, cloud):
        found["repository"] = repository
    for role in ("role", "execution_role") if spec.jobs.cluster else ():  # whoever runs a task passes them
        name = getattr(nodes[spec.jobs.definition].spec, role)
        if name:
            physical = kinds["iam.role"].physical(spec.stack, name, nodes[name].spec)
            found[role] = role_arn(cloud, spec.stack, physical)
    return found | {"table": arn(cloud, "dynamodb", f"table/{runs_table(spec.stack)}")}


def _repository(
    nodes: Mapping[str, Any], definition: Any, stack: str, kinds: Mapping[str, Kind[Any, Any]], cloud: Cloud
) -> str:
    """The ARN of the repository in ECR that workers' image comes from; empty where it comes from elsewhere."""
    name = nodes[definition.built].spec.repository if definition.built else definition.repository
    if name:
        kind = kinds[nodes[name].kind]
        return kind.arn(kind.physical(stack, name, nodes[name].spec))
    image = ImageName.parse(definition.image or "")
    if not image.account:
        return ""
    return f"arn:{partition(cloud.region)}:ecr:{image.region}:{image.account}:repository/{image.repository}"


def engine(cloud: Cloud, stack: str) -> Iterator[Right]:
    """What is needed whatever the stack consists of: its own two tables (see `awsrun.reconcile.table` and
    `awsrun.reconcile.lock`), and prices."""
    own, runs = (arn(cloud, "dynamodb", f"table/{name}") for name in (stack_table(stack), runs_table(stack)))
    yield allow("find", "dynamodb", "ListTables")
    yield allow("read", "dynamodb", "GetItem Scan", own)
    yield allow("lock", "dynamodb", "GetItem PutItem UpdateItem", own)
    yield allow("record", "dynamodb", "BatchWriteItem DeleteItem", own)
    yield allow("create", "dynamodb", "CreateTable DescribeTable TagResource", own, runs)
    yield allow("drop", "dynamodb", "DeleteTable DescribeTable", own, runs)
    yield from refresh.rights()
