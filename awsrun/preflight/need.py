"""What a spec asks of an account.

Resources are told apart by what their kind is called: a plan waits for what it imports, and only the kinds that the
spec has are imported already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from awsrun.aws.quotas import FARGATE, FARGATE_SPOT, Quota, vcpus
from awsrun.prices.table import shipped
from awsrun.spec.references import ResourceSpec
from awsrun.spec.stack import MAX_VCPUS, JobsSpec

if TYPE_CHECKING:
    from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
    from awsrun.resources.ec2_instance_spec import InstanceSpec
    from awsrun.resources.ecs_service_spec import ServiceSpec
    from awsrun.resources.ecs_task_definition_spec import TaskDefinitionSpec
    from awsrun.resources.lambda_function_spec import FunctionSpec
    from awsrun.resources.vpc import VpcSpec


@dataclass(frozen=True)
class Pool:
    """The machines of one compute environment, one server, or the tasks of one service of ECS.

    Attributes:
        types: as Batch takes them; none on Fargate.
        server: it is bought by the apply itself, and not when jobs come.
        tasks: jobs are tasks of ECS there, without Batch.
        zones: the numbers of the region's zones that its machines may be in; empty for any.
    """

    name: str
    types: tuple[str, ...]
    fargate: bool
    spot: bool
    max_vcpus: int
    server: bool = False
    tasks: bool = False
    zones: tuple[int, ...] = ()

    def quotas(self) -> Mapping[Quota, tuple[str, ...]]:
        """The quotas that its vCPUs count for, and the types of each."""
        if self.fargate:
            return {FARGATE_SPOT if self.spot else FARGATE: ()}
        found: dict[Quota, tuple[str, ...]] = {}
        for one in self.types:
            quota = vcpus(one, self.spot)
            found[quota] = (*found.get(quota, ()), one)
        return found


def pools(resources: Mapping[str, ResourceSpec], jobs: JobsSpec | None = None) -> Iterator[Pool]:
    """The machines that a stack's compute environments buy, its servers, and the tasks that its services run.

    Args:
        jobs: where its jobs run, which on a cluster are tasks too.
    """
    for name, spec in resources.items():
        if spec.kind == "batch.compute_environment":
            environment = cast("ComputeEnvironmentSpec", spec)
            types = () if environment.fargate else tuple(environment.instance_types or ["optimal"])
            network = cast("VpcSpec", resources[environment.vpc])
            zones = tuple(range(network.max_azs))
            yield Pool(name, types, environment.fargate, environment.spot, environment.max_vcpus, zones=zones)
        elif spec.kind == "ec2.instance":
            server = cast("InstanceSpec", spec)
            types = (server.instance_type,)
            zones = (int(server.subnet.rpartition("-")[2]),)
            yield Pool(name, types, False, server.spot, smallest(types)[0], server=True, zones=zones)
        elif spec.kind == "ecs.service":
            service = cast("ServiceSpec", spec)
            task = cast("TaskDefinitionSpec", resources[service.task_definition])
            most = math.ceil((1 if service.desired_count is None else service.desired_count) * task.vcpus)
            yield Pool(name, (), fargate=True, spot=service.spot, max_vcpus=most, server=True)

    if jobs is not None and jobs.cluster:
        yield Pool(jobs.cluster, (), True, bool(jobs.spot), jobs.max_vcpus or MAX_VCPUS, tasks=True)


def networks(resources: Mapping[str, ResourceSpec]) -> tuple[int, int]:
    """How many VPCs a stack has, and how many Elastic IPs: its own, and those of the NAT gateways in them."""
    found = [cast("VpcSpec", spec) for spec in resources.values() if spec.kind == "vpc"]
    gateways = (spec.max_azs if spec.private_per_az else 1 for spec in found if spec.private == "nat")
    addresses = sum(spec.kind == "elastic_ip" for spec in resources.values())
    return len(found), addresses + sum(gateways)


def reserved(resources: Mapping[str, ResourceSpec]) -> int:
    """How many executions at once a stack keeps for its own functions."""
    functions = (cast("FunctionSpec", spec) for spec in resources.values() if spec.kind == "lambda.function")
    return sum(function.reserved or 0 for function in functions)


def smallest(types: tuple[str, ...]) -> tuple[int, str]:
    """vCPUs and name of the smallest machine of these types; 1 where none is known."""
    known = [(one.vcpus, one.type) for name in types for one in shipped("us-east-1").matching(name)]
    return min(known, default=(1, ", ".join(types)))
