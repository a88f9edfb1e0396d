"""What users may write of a compute environment of Batch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.resources.architecture import ARM, platform
from awsrun.resources.batch import NAME_PATTERN
from awsrun.resources.ec2_launch_template import LEAST
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.vpc import VpcSpec
from awsrun.spec.references import Misfit, RefTo, ResourceSpec

INSTANCE_TYPE = r"^([a-z][a-z0-9-]*[a-z0-9](\.[a-z0-9-]+)?|default_(x86_64|arm64))$"
BURSTABLE = r"t\d"  # Batch has none of them: https://github.com/opensupplyhub/open-supply-hub/pull/1058
GPU_FAMILY = r"(g|gr|p)\d"
GPU_DISK = 100  # GiB: an image with CUDA and PyTorch takes some 20, twice that while it is unpacked
SERVICE_POLICY = "service-role/AWSBatchServiceRole"


class ComputeEnvironmentSpec(ResourceSpec):
    """Machines for jobs, bought when jobs wait and given back when none do."""

    outputs = ("arn", "name")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    compute: {kind: batch.compute_environment, vpc: network, instance_types: [g4dn.xlarge], max_vcpus: 64}
    """
    kind: Literal["batch.compute_environment"] = "batch.compute_environment"
    name: str | None = Field(default=None, max_length=128, pattern=NAME_PATTERN, description="Physical name.")
    vpc: Annotated[str, RefTo("vpc")] = Field(description="The VPC in whose subnets the machines run.")
    subnets: Literal["public", "private"] | None = Field(
        default=None,
        description="In which of its subnets: public (the security group lets nothing in) or private (machines have no "
        "public address). Private where the VPC has private ones, unless given.",
    )
    instance_types: list[Annotated[str, Field(pattern=INSTANCE_TYPE)]] | None = Field(
        default=None,
        description="EC2 instance types (g4dn.xlarge), families (c5), optimal (the default) or default_arm64. All x86, "
        "or all ARM; none that are burstable (t3). Not with fargate.",
    )
    spot: bool = Field(default=False, description="Spare capacity: much cheaper, taken back with two minutes' notice.")
    fargate: bool = Field(default=False, description="Containers without instances, instead of instance_types.")
    max_vcpus: int = Field(ge=1, le=1_000_000, description="Most vCPUs at once. Changed in place.")
    min_vcpus: int = Field(default=0, ge=0, description="vCPUs kept running, and paid, without jobs. Changed in place.")
    security_groups: list[Annotated[str, RefTo("security_group")]] = Field(
        default=[], max_length=5, description="Security groups; the VPC's own, which lets nothing in, unless given."
    )
    instance_profile: Annotated[str, RefTo("iam.instance_profile")] | None = Field(
        default=None, description="What the instances may do; a profile with the least that ECS needs unless given."
    )
    service_role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None,
        description="What Batch itself may do here, where a role of your own must say so: an iam.role with service: "
        f"batch and managed_policies: [{SERVICE_POLICY}]. Batch's service-linked role unless given.",
    )
    disk_gib: int | None = Field(
        default=None,
        ge=LEAST,
        le=16384,
        description=f"Root disk of an instance in GiB, where images lie; {GPU_DISK} with GPU instance types, whose "
        f"images are large, and {LEAST} else, unless given. It is encrypted. A change replaces the environment.",
    )
    launch_template: Annotated[str, RefTo("ec2.launch_template")] | None = Field(
        default=None, description="How the instances start, where several environments share that; instead of disk_gib."
    )

    @field_validator("instance_types")
    @classmethod
    def _some(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and not value:
            raise ValueError("name at least one instance type, or leave the field out for optimal")
        if burstable := [one for one in value or () if re.match(BURSTABLE, one)]:
            raise ValueError(
                f"Batch has no burstable machines ({', '.join(burstable)}): take m5.large or the like, or leave the "
                "field out for optimal"
            )
        # https://github.com/aws/aws-cdk/issues/31148
        arm = [one for one in value or () if platform(one) == ARM]
        if value and arm and len(arm) < len(value):
            rest = ", ".join(one for one in value if one not in arm)
            raise ValueError(
                f"{', '.join(arm)} {'has' if len(arm) == 1 else 'have'} ARM processors, and Batch takes no others "
                f"beside them ({rest}): make two environments, each with a queue of its own"
            )
        return value

    @model_validator(mode="after")
    def _possible(self) -> ComputeEnvironmentSpec:
        if self.min_vcpus > self.max_vcpus:
            raise ValueError(f"min_vcpus ({self.min_vcpus}) is more than max_vcpus ({self.max_vcpus})")
        for field in ("instance_types", "min_vcpus", "instance_profile", "disk_gib", "launch_template"):
            if self.fargate and getattr(self, field):
                raise ValueError(f"Fargate has no instances: leave {field} out, or fargate")
        if self.disk_gib and self.launch_template:
            raise ValueError("the launch_template says how large the disk is: leave disk_gib out")
        return self

    def disk(self) -> int:
        """Of an instance, in GiB, as far as no launch template says it."""
        gpus = any(re.match(GPU_FAMILY, one) for one in self.instance_types or ())
        return self.disk_gib or (GPU_DISK if gpus else LEAST)

    def within(self, stack: Mapping[str, ResourceSpec]) -> ComputeEnvironmentSpec:
        """Which subnets it is in is known.  Those of a VPC that pays for private ones are used."""
        role = stack.get(self.service_role or "")
        if isinstance(role, RoleSpec) and "batch" not in role.services:
            raise Misfit(
                "service_role",
                f"Batch may not assume {self.service_role!r}: give it service: batch and managed_policies: "
                f"[{SERVICE_POLICY}]; or leave service_role out, and Batch uses a role of its own",
            )
        network = self.network(stack)
        if self.subnets == "private" and not network.private:
            raise Misfit(
                "subnets",
                f"{self.vpc!r} has no private subnets. Machines without a public address reach ECS, ECR and logs only "
                f"through a NAT gateway or endpoints, which are paid by the hour: give {self.vpc!r} private: nat or "
                "private: endpoints; or leave them in public subnets, where the security group lets nothing in",
            )
        return self.model_copy(update={"subnets": self.subnets or ("private" if network.private else "public")})

    def machines(self) -> str:
        """What it has, in words: the environments of a queue must have the same."""
        if self.fargate:
            return "Fargate"
        return "ARM machines" if platform((self.instance_types or ["optimal"])[0]) == ARM else "x86 machines"

    def network(self, stack: Mapping[str, ResourceSpec]) -> VpcSpec:
        """The spec of its VPC."""
        network = stack[self.vpc]
        assert isinstance(network, VpcSpec)  # the reference was checked
        return network

    def shut_in(self, stack: Mapping[str, ResourceSpec]) -> bool:
        """Whether its machines reach AWS alone, and not the internet."""
        return self.within(stack).subnets == "private" and self.network(stack).private == "endpoints"
