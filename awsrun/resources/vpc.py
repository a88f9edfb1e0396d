"""A VPC: the network that jobs and servers run in.

It is a composite: VPC, internet gateway, public route table, one public subnet a zone, a default security group that
lets nothing in, and the free gateway endpoints of S3 and DynamoDB.  All that costs nothing.  If asked, it has private
subnets too, and what those need to reach AWS: a NAT gateway, or the interface endpoints that Batch and ECS call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal

from botocore.exceptions import ClientError
from pydantic import Field, field_validator, model_validator

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.elastic_ip import ElasticIpSpec
from awsrun.resources.holders import interfaces, named
from awsrun.resources.kind import ABSENT, REPLACE, UNKNOWN, Change, Outputs, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import arn
from awsrun.resources.security_group import Ingress, SecurityGroupSpec
from awsrun.resources.vpc_endpoint import FREE, PAID, EndpointSpec
from awsrun.resources.vpc_nat import NatGatewaySpec
from awsrun.resources.vpc_parts import InternetGatewaySpec, RouteTableSpec, SubnetSpec
from awsrun.spec.references import ResourceSpec

ZONES = 4  # CIDRs are carved for that many up front, so that raising max_azs moves nothing
# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html: VPCs and subnets are /16 to /28.
LARGEST, SMALLEST = 16, 28


class VpcSpec(ResourceSpec):
    """A network of its own. It costs nothing with public subnets alone."""

    outputs = ("id", "cidr", "security_group")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    """
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
        default=None, description="CIDRs of the public subnets, one a zone; carved from cidr unless given."
    )
    private: Literal["nat", "endpoints"] | None = Field(
        default=None,
        description="Private subnets too, one a zone, which reach the internet through a NAT gateway (nat, about "
        "$0.05 an hour, used or not) or AWS alone, through six interface endpoints (endpoints, about $0.06 an hour).",
    )
    private_per_az: bool = Field(
        default=False,
        description="A NAT gateway, or a set of endpoints, in every zone instead of the first alone: it outlives the "
        "loss of a zone and costs as many times.",
    )
    private_cidrs: list[str] | None = Field(
        default=None, description="CIDRs of the private subnets, one a zone; carved from cidr unless given."
    )

    @field_validator("cidr")
    @classmethod
    def _cidr(cls, value: str) -> str:
        return str(network(value))

    @field_validator("private", mode="before")
    @classmethod
    def _by_which_way(cls, value: object) -> object:
        if value is True:
            raise ValueError(
                "say how private subnets reach ECS, ECR and logs: nat (a NAT gateway, about $0.05 an hour, used or "
                "not, and $0.045 per GB) or endpoints (AWS alone, no internet: about $0.06 an hour)"
            )
        return None if value is False else value

    @model_validator(mode="after")
    def _carvable(self) -> VpcSpec:
        for field in ("private_cidrs", "private_per_az"):
            if getattr(self, field) and not self.private:
                raise ValueError(f"{field} is for private subnets: give private (nat or endpoints) too")
        given: list[tuple[str, IPv4Network]] = []
        for field, subnets in (("public_cidrs", self.subnets()), ("private_cidrs", self.private_subnets())):
            if len(subnets) < self.max_azs and (field == "public_cidrs" or self.private):
                raise ValueError(f"{field} has {len(subnets)} for max_azs: {self.max_azs}; give one a zone")
            given += [(field, subnet) for subnet in subnets]
        _apart(network(self.cidr), given)
        return self

    def subnets(self) -> list[IPv4Network]:
        """The public subnets' CIDRs, for all zones that there may ever be.

        The first half of the VPC is carved into one block a zone, the second half into the private subnets' blocks.

        Raises:
            ValueError: it is too small.
        """
        if self.public_cidrs is not None:
            return [network(cidr) for cidr in self.public_cidrs]
        return self._carved()[:ZONES]

    def private_subnets(self) -> list[IPv4Network]:
        """The private subnets' CIDRs, likewise; none where it has no private subnets."""
        if self.private is None:
            return []
        if self.private_cidrs is not None:
            return [network(cidr) for cidr in self.private_cidrs]
        return self._carved()[ZONES:]

    def _carved(self) -> list[IPv4Network]:
        whole = network(self.cidr)
        if whole.prefixlen + 3 > SMALLEST:
            raise ValueError(
                f"{whole} is too small: it is carved into eight, and AWS has no subnets smaller than /{SMALLEST}; "
                f"give /{SMALLEST - 3} or larger, or list the subnets in public_cidrs"
                + (" and private_cidrs" if self.private else "")
            )
        return list(whole.subnets(prefixlen_diff=3))


def _apart(whole: IPv4Network, subnets: Sequence[tuple[str, IPv4Network]]) -> None:
    """Subnets lie within the VPC, each apart from the others.

    Args:
        subnets: the field that each comes from, and its CIDR.

    Raises:
        ValueError: one does not.
    """
    for index, (field, subnet) in enumerate(subnets):
        if not subnet.subnet_of(whole):
            raise ValueError(f"{field}: {subnet} is not within {whole}")
        for _, other in subnets[:index]:
            if subnet.overlaps(other):
                raise ValueError(f"{field}: {subnet} overlaps {other}")


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
    holders = "DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints"
    inside = False

    def expand(self, name: str, spec: VpcSpec) -> Mapping[str, ResourceSpec]:
        subnets = {
            f"{name}/public-{zone}": SubnetSpec(vpc=name, cidr=str(cidr), zone=zone)
            for zone, cidr in enumerate(spec.subnets()[: spec.max_azs])
        }
        gateway, routes = f"{name}/gateway", f"{name}/routes"
        private = private_nodes(name, spec)
        tables = [routes, *(node for node, part in private.items() if isinstance(part, RouteTableSpec))]
        endpoints = {
            f"{name}/{service}": EndpointSpec(vpc=name, service=service, route_tables=tables) for service in FREE
        }
        return {
            name: spec,
            gateway: InternetGatewaySpec(vpc=name),
            **subnets,
            routes: RouteTableSpec(vpc=name, gateway=gateway, subnets=list(subnets)),
            f"{name}/security-group": SecurityGroupSpec(vpc=name, description=f"Default of {name}: lets nothing in"),
            **endpoints,
            **private,
        }

    def combine(self, name: str, outputs: Mapping[str, Outputs]) -> Outputs:
        found = {
            **outputs.get(name, {}),
            "subnets": _ids(outputs, f"{name}/public-"),
            "security_group": outputs.get(f"{name}/security-group", {}).get("id", UNKNOWN),
        }
        if f"{name}/private-0" in outputs:
            found["private_subnets"] = _ids(outputs, f"{name}/private-")
        return found

    def lower(self, spec: VpcSpec, refs: Refs) -> VpcState:
        return VpcState(spec.cidr, dns_hostnames=True)

    def rights(self, stack: str, specs: Mapping[str, VpcSpec]) -> Iterable[Right]:
        """A list of VPCs leaves their attributes out, so those of any stack's VPC are read."""
        yield from super().rights(stack, specs)
        yield allow("find", "ec2", "DescribeVpcAttribute", arn(self.cloud, "ec2", "vpc/*"))

    def read(self, id: str) -> Seen[VpcState]:
        try:
            entries, hostnames = self.cloud.together(
                lambda: list(self._list(VpcIds=[id])), lambda: self._dns_hostnames(id)
            )
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        return self._seen(entries[0], hostnames) if entries else ABSENT

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[VpcState]:
        return self._seen(entry, self._dns_hostnames(entry["VpcId"]))

    def _dns_hostnames(self, id: str) -> bool | None:
        """None while AWS does not find the VPC."""
        try:
            answer = self.cloud.read("ec2").describe_vpc_attribute(VpcId=id, Attribute="enableDnsHostnames")
        except ClientError as error:
            if not matches(error, self.absent):
                raise
            return None
        return bool(answer["EnableDnsHostnames"]["Value"])

    def _seen(self, entry: Mapping[str, Any], dns_hostnames: bool | None) -> Seen[VpcState]:
        id = entry["VpcId"]
        if dns_hostnames is None:
            return Seen(None, "pending", "AWS does not show it everywhere yet", {"id": id, "cidr": entry["CidrBlock"]})
        state = VpcState(entry["CidrBlock"], dns_hostnames)
        phase: Phase = "ready" if entry["State"] == "available" else "pending"
        return Seen(state, phase, outputs={"id": id, "cidr": state.cidr})

    def create(self, state: VpcState, owner: Owner) -> str:
        answer = self.ec2.create_vpc(CidrBlock=state.cidr, TagSpecifications=self.tagged(owner))
        return str(answer["Vpc"]["VpcId"])

    def born(self, state: VpcState) -> VpcState:
        """https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html: false unless it is the default."""
        return replace(state, dns_hostnames=False)

    def update(self, id: str, wanted: VpcState, seen: VpcState, changed: Collection[Change]) -> None:
        self.ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": wanted.dns_hostnames})

    def delete(self, id: str, seen: Seen[VpcState]) -> None:
        self.ec2.delete_vpc(VpcId=id)

    def holder(self, id: str, seen: Seen[VpcState]) -> str:
        """An interface, or whatever else is left in it that is not awsrun's to delete."""
        ec2, inside = self.cloud.read("ec2"), [{"Name": "vpc-id", "Values": [id]}]
        held = named(interfaces(self.cloud, "vpc-id", id), self.cloud)
        rest = [one["SubnetId"] for one in ec2.describe_subnets(Filters=inside)["Subnets"]]
        groups = ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
        rest += [f"{one['GroupId']} ({one['GroupName']})" for one in groups if one["GroupName"] != "default"]
        return held or (f"{', '.join(rest)}; it goes when they are deleted" if rest else "")


def private_nodes(name: str, spec: VpcSpec) -> dict[str, ResourceSpec]:
    """What a VPC has besides for its private subnets; nothing where it has none."""
    subnets = {
        f"{name}/private-{zone}": SubnetSpec(vpc=name, cidr=str(cidr), zone=zone, public=False)
        for zone, cidr in enumerate(spec.private_subnets()[: spec.max_azs])
    }
    if spec.private == "nat":
        return {**subnets, **_nat(name, list(subnets), spec.private_per_az)}
    if spec.private == "endpoints":
        return {**subnets, **_endpoints(name, list(subnets), spec)}
    return {}


def _nat(name: str, subnets: list[str], per_az: bool) -> dict[str, ResourceSpec]:
    """A NAT gateway and a route table, for all zones or for each."""
    nodes: dict[str, ResourceSpec] = {}
    for suffix, zone, routed in (
        [(f"-{z}", z, [one]) for z, one in enumerate(subnets)] if per_az else [("", 0, subnets)]
    ):
        address, nat = f"{name}/nat-address{suffix}", f"{name}/nat{suffix}"
        nodes[address] = ElasticIpSpec()
        nodes[nat] = NatGatewaySpec(subnet=f"{name}/public-{zone}", address=address, gateway=f"{name}/gateway")
        nodes[f"{name}/nat-routes{suffix}"] = RouteTableSpec(vpc=name, gateway=nat, subnets=routed)
    return nodes


def _endpoints(name: str, subnets: list[str], spec: VpcSpec) -> dict[str, ResourceSpec]:
    """A route table that leads nowhere but to S3 and DynamoDB, and an endpoint for each other service."""
    routes, group = f"{name}/endpoint-routes", f"{name}/endpoints"
    https = Ingress.model_validate({"port": 443, "from": spec.cidr})
    return {
        routes: RouteTableSpec(vpc=name, subnets=subnets),
        group: SecurityGroupSpec(vpc=name, description=f"Endpoints of {name}: HTTPS from within", ingress=[https]),
        **{
            f"{name}/{service.replace('.', '-')}": EndpointSpec(
                vpc=name, service=service, subnets=subnets if spec.private_per_az else subnets[:1], security_group=group
            )
            for service in PAID
        },
    }


def _ids(outputs: Mapping[str, Outputs], prefix: str) -> Any:
    """The ids of the subnets whose names start like that, in their order; UNKNOWN until all are known."""
    ids = [outputs[node].get("id", UNKNOWN) for node in sorted(outputs) if node.startswith(prefix)]
    return ids if ids and not any(one is UNKNOWN for one in ids) else UNKNOWN
