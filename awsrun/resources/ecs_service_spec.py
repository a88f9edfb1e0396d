"""What users may write of a service of ECS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from awsrun.resources.ecs import NAME_PATTERN
from awsrun.resources.ecs_task_definition_spec import TaskDefinitionSpec
from awsrun.resources.vpc import VpcSpec
from awsrun.spec.references import Misfit, RefTo, ResourceSpec


class ServiceSpec(ResourceSpec):
    """Tasks that are kept running, and paid, until the service goes: one that ends is started again."""

    outputs = ("arn", "name")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    tasks: {kind: ecs.cluster}
    web: {kind: ecs.task_definition, image: "public.ecr.aws/nginx/nginx:stable", vcpus: 0.25, memory_mib: 512}
    front: {kind: ecs.service, cluster: tasks, task_definition: web, vpc: network, desired_count: 2}
    """
    kind: Literal["ecs.service"] = "ecs.service"
    name: str | None = Field(default=None, max_length=255, pattern=NAME_PATTERN, description="Physical name.")
    cluster: Annotated[str, RefTo("ecs.cluster")] = Field(description="The cluster that it is in.")
    task_definition: Annotated[str, RefTo("ecs.task_definition")] = Field(
        description="What its tasks are; a change is rolled out task by task."
    )
    desired_count: int | None = Field(
        default=None,
        ge=0,
        le=5000,
        description="How many tasks run. Unless given: one when it is made, and then whatever others set.",
    )
    vpc: Annotated[str, RefTo("vpc")] = Field(description="The VPC in whose subnets its tasks run.")
    subnets: Literal["public", "private"] | None = Field(
        default=None,
        description="In which of its subnets: public (tasks have a public address; the security group lets nothing in) "
        "or private. Private where the VPC has private ones, unless given.",
    )
    security_groups: list[Annotated[str, RefTo("security_group")]] = Field(
        default=[], max_length=5, description="Security groups; the VPC's own, which lets nothing in, unless given."
    )
    spot: bool = Field(default=False, description="Spare capacity: much cheaper, taken back with two minutes' notice.")
    roll_back: bool = Field(
        default=True, description="A deployment whose tasks do not start is given up, and the one before comes back."
    )

    def within(self, stack: Mapping[str, ResourceSpec]) -> ServiceSpec:
        """Which subnets it is in is known."""
        network = stack[self.vpc]
        assert isinstance(network, VpcSpec)  # the reference was checked
        if self.subnets == "private" and not network.private:
            raise Misfit(
                "subnets",
                f"{self.vpc!r} has no private subnets. Tasks without a public address get their image only through a "
                f"NAT gateway or endpoints, which are paid by the hour: give {self.vpc!r} private: nat or private: "
                "endpoints; or leave them in public subnets, where the security group lets nothing in",
            )
        subnets = self.subnets or ("private" if network.private else "public")
        definition = stack.get(self.task_definition)
        shut_in = subnets == "private" and network.private == "endpoints"
        if shut_in and isinstance(definition, TaskDefinitionSpec) and (image := definition.from_internet()):
            raise Misfit(
                "task_definition",
                f"{image} comes from the internet, which the endpoints of {self.vpc!r} do not lead to: have "
                f"{self.task_definition!r} take its image from an ecr.repository, or give {self.vpc!r} private: nat",
            )
        return self.model_copy(update={"subnets": subnets})
