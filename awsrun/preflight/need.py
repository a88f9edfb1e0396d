"""What a spec asks of an account."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from awsrun.aws.quotas import FARGATE, FARGATE_SPOT, Quota, vcpus
from awsrun.prices.table import shipped
from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
from awsrun.resources.ec2_instance_spec import InstanceSpec
from awsrun.resources.ecs_service_spec import ServiceSpec
from awsrun.resources.ecs_task_definition_spec import TaskDefinitionSpec
from awsrun.resources.elastic_ip import ElasticIpSpec
from awsrun.resources.lambda_function_spec import FunctionSpec
from awsrun.resources.vpc import VpcSpec
from awsrun.spec.references import ResourceSpec


@dataclass(frozen=True)
class Pool:
    """The machines of one compute environment, one server, or the tasks of one service of ECS.

    Attributes:
        types: as Batch takes them; none on Fargate.
        server: it is bought by the apply itself, and not when jobs come.
    """

    name: str
    types: tuple[str, ...]
    fargate: bool
    spot: bool
    max_vcpus: int
    server: bool = False

    def quotas(self) -> Mapping[Quota, tuple[str, ...]]:
        """The quotas that its vCPUs count for, and the types of each."""
        if self.fargate:
            return {FARGATE_SPOT if self.spot else FARGATE: ()}
        found: dict[Quota, tuple[str, ...]] = {}
        for one in self.types:
            quota = vcpus(one, self.spot)
            found[quota] = (*found.get(quota, ()), one)
        return found


def pools(resources: Mapping[str, ResourceSpec]) -> Iterator[Pool]:
    """The machines that a stack's compute environments buy, its servers, and the tasks that its services run."""
    for name, spec in resources.items():
        if isinstance(spec, ComputeEnvironmentSpec):
            types = () if spec.fargate else tuple(spec.instance_types or ["optimal"])
            yield Pool(name, types, spec.fargate, spec.spot, spec.max_vcpus)
        elif isinstance(spec, InstanceSpec):
            types = (spec.instance_type,)
            yield Pool(name, types, False, spec.spot, smallest(types)[0], server=True)
        elif isinstance(spec, ServiceSpec):
            task, count = resources[spec.task_definition], 1 if spec.desired_count is None else spec.desired_count
            assert isinstance(task, TaskDefinitionSpec)  # the reference was checked
            yield Pool(name, (), fargate=True, spot=spec.spot, max_vcpus=math.ceil(count * task.vcpus), server=True)


def networks(resources: Mapping[str, ResourceSpec]) -> tuple[int, int]:
    """How many VPCs a stack has, and how many Elastic IPs: its own, and those of the NAT gateways in them."""
    found = [spec for spec in resources.values() if isinstance(spec, VpcSpec)]
    gateways = (spec.max_azs if spec.private_per_az else 1 for spec in found if spec.private == "nat")
    addresses = sum(isinstance(spec, ElasticIpSpec) for spec in resources.values())
    return len(found), addresses + sum(gateways)


def reserved(resources: Mapping[str, ResourceSpec]) -> int:
    """How many executions at once a stack keeps for its own functions."""
    return sum(spec.reserved or 0 for spec in resources.values() if isinstance(spec, FunctionSpec))


def smallest(types: tuple[str, ...]) -> tuple[int, str]:
    """vCPUs and name of the smallest machine of these types; 1 where none is known."""
    known = [(one.vcpus, one.type) for name in types for one in shipped("us-east-1").matching(name)]
    return min(known, default=(1, ", ".join(types)))
