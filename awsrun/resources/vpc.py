"""A VPC with public subnets: the network that jobs and servers run in, free while idle.

It is a composite: VPC, internet gateway, public route table, one subnet a zone, a default security group that lets
nothing in, and the free gateway endpoints of S3 and DynamoDB.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.aws.rights import Right, allow
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import REPLACE, UNKNOWN, Change, Outputs, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import arn
from awsrun.resources.security_group import SecurityGroupSpec
from awsrun.resources.vpc_parts import EndpointSpec, InternetGatewaySpec, RouteTableSpec, SubnetSpec
from awsrun.spec.references import ResourceSpec

ZONES = 4  # CIDRs are carved for that many up front, so that raising max_azs moves nothing
# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html: VPCs and subnets are /16 to /28.
LARGEST, SMALLEST = 16, 28


class VpcSpec(ResourceSpec):
    """A network of its own with public subnets. It costs nothing."""

    kind: Literal["vpc"] = "vpc"
    cidr: str = Field(
        default="10.0.0.0/16", description="Its private addresses, /16 to /25 (to /28 with public_cidrs)."
    )
    max_azs: int = Field(
        default=2,
        ge=1,
        le=ZONES,
        description="In how many availability zones there is a subnet. Raising it moves nothing.",
    )
    public_cidrs: list[str] | None = Field(
        default=None, description="CIDRs of the subnets, one a zone; carved from cidr unless given."
    )
    private: bool = Field(
        default=False, description="Private subnets: not offered, since they need NAT gateways, which cost while idle."
    )

    @field_validator("cidr")
    @classmethod
    def _cidr(cls, value: str) -> str:
        return str(network(value))

    @field_validator("private")
    @classmethod
    def _public_only(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "private subnets are not offered: to reach ECS, ECR and logs they need a NAT gateway (about $0.045 an "
                "hour each, used or not) or eight paid endpoints; public subnets whose security group lets nothing in "
                "are free"
            )
        return value

    @model_validator(mode="after")
    def _carvable(self) -> VpcSpec:
        whole, subnets = network(self.cidr), self.subnets()
        if len(subnets) < self.max_azs:
            raise ValueError(f"public_cidrs has {len(subnets)} for max_azs: {self.max_azs}; give one a zone")
        for index, subnet in enumerate(subnets):
            if not subnet.subnet_of(whole):
                raise ValueError(f"public_cidrs: {subnet} is not within {whole}")
            for other in subnets[:index]:
                if subnet.overlaps(other):
                    raise ValueError(f"public_cidrs: {subnet} overlaps {other}")
        return self

    def subnets(self) -> list[IPv4Network]:
        """The subnets' CIDRs, for all zones that there may ever be.

        The first half of the VPC is carved into one block a zone; the second half is left for what may come.

        Raises:
            ValueError: it is too small.
        """
        if self.public_cidrs is not None:
            return [network(cidr) for cidr in self.public_cidrs]
        whole = network(self.cidr)
        if whole.prefixlen + 3 > SMALLEST:
            raise ValueError(
                f"{whole} is too small: it is carved into eight, and AWS has no subnets smaller than /{SMALLEST}; "
                f"give /{SMALLEST - 3} or larger, or list public_cidrs"
            )
        return list(whole.subnets(prefixlen_diff=3))[:ZONES]


def network(cidr: str) -> IPv4Network:
    """A CIDR that AWS takes for a VPC or subnet.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        found = IPv4Network(cidr)
    except ValueError as error:
        try:
            nearest = f"; did you mean {IPv4Network(cidr, strict=False)}?"
        except ValueError:
            nearest = ", such as 10.10.0.0/23"
        raise ValueError(f"{cidr!r} is not a CIDR ({error}){nearest}") from None
    if not LARGEST <= found.prefixlen <= SMALLEST:
        raise ValueError(f"{cidr} has a prefix of /{found.prefixlen}; AWS takes /{LARGEST} to /{SMALLEST}")
    if found.is_multicast or found.is_loopback or found.is_link_local or found.network_address.packed[0] == 0:
        raise ValueError(f"{cidr} is not usable in a VPC; take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return found


@dataclass(frozen=True)
class VpcState(State):
    cidr: Annotated[str, REPLACE]
    dns_hostnames: bool


class Vpc(Ec2Kind[VpcSpec, VpcState]):
    kind = "vpc"
    Spec = VpcSpec
    State = VpcState
    identity = "tags"
    absent = frozenset({"InvalidVpcID.NotFound", "InvalidVpcId.NotFound"})
    blocked = frozenset({"DependencyViolation"})  # anything that is in it

    lists = ("describe_vpcs", "Vpcs")
    id_key = "VpcId"
    type_name = "vpc"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateVpc",
        "update": "ModifyVpcAttribute",
        "delete": "DeleteVpc",
    }
    inside = False

    def expand(self, name: str, spec: VpcSpec) -> Mapping[str, ResourceSpec]:
        subnets = {
            f"{name}/public-{zone}": SubnetSpec(vpc=name, cidr=str(cidr), zone=zone)
            for zone, cidr in enumerate(spec.subnets()[: spec.max_azs])
        }
        gateway, routes = f"{name}/gateway", f"{name}/routes"
        endpoints = {
            f"{name}/{service}": EndpointSpec(vpc=name, service=service, route_tables=[routes])
            for service in ("s3", "dynamodb")
        }
        return {
            name: spec,
            gateway: InternetGatewaySpec(vpc=name),
            **subnets,
            routes: RouteTableSpec(vpc=name, gateway=gateway, subnets=list(subnets)),
            f"{name}/security-group": SecurityGroupSpec(vpc=name, description=f"Default of {name}: lets nothing in"),
            **endpoints,
        }

    def combine(self, name: str, outputs: Mapping[str, Outputs]) -> Outputs:
        public = sorted(node for node in outputs if node.startswith(f"{name}/public-"))
        ids = [outputs[node].get("id", UNKNOWN) for node in public]
        there = ids and not any(one is UNKNOWN for one in ids)
        return {
            **outputs.get(name, {}),
            "subnets": ids if there else UNKNOWN,
            "security_group": outputs.get(f"{name}/security-group", {}).get("id", UNKNOWN),
        }

    def lower(self, spec: VpcSpec, refs: Refs) -> VpcState:
        return VpcState(spec.cidr, dns_hostnames=True)

    def rights(self, stack: str, specs: Mapping[str, VpcSpec]) -> Iterable[Right]:
        """A list of VPCs leaves their attributes out, so those of any stack's VPC are read."""
        yield from super().rights(stack, specs)
        yield allow("find", "ec2", "DescribeVpcAttribute", arn(self.cloud, "ec2", "vpc/*"))

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[VpcState]:
        ec2 = self.cloud.read("ec2")
        hostnames = ec2.describe_vpc_attribute(VpcId=entry["VpcId"], Attribute="enableDnsHostnames")
        state = VpcState(entry["CidrBlock"], hostnames["EnableDnsHostnames"]["Value"])
        phase: Phase = "ready" if entry["State"] == "available" else "pending"
        return Seen(state, phase, outputs={"id": entry["VpcId"], "cidr": state.cidr})

    def create(self, state: VpcState, owner: Owner) -> str:
        answer = self.ec2.create_vpc(CidrBlock=state.cidr, TagSpecifications=self.tagged(owner))
        return str(answer["Vpc"]["VpcId"])

    def update(self, id: str, wanted: VpcState, seen: VpcState, changed: Collection[Change]) -> None:
        self.ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": wanted.dns_hostnames})

    def delete(self, id: str, seen: Seen[VpcState]) -> None:
        self.ec2.delete_vpc(VpcId=id)
