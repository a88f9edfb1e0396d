"""What every VPC consists of, each a resource of its own in AWS: internet gateway, subnets, route tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.rights import Right, allow
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.holders import interfaces, named
from awsrun.resources.kind import REPLACE, Change, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import known, outputs_of
from awsrun.spec.references import RefTo, ResourceSpec

VPC_MISSING = frozenset({"InvalidVpcID.NotFound", "InvalidVpcId.NotFound"})
ANYWHERE = "0.0.0.0/0"
_TAKEN = frozenset({"Resource.AlreadyAssociated"})
ZONE_TAG = "awsrun:zone"  # which of the region's zones was asked for, by number

VpcRef = Annotated[str, RefTo("vpc")]


class InternetGatewaySpec(ResourceSpec):
    """An internet gateway, attached to a VPC."""

    kind: Literal["vpc.internet_gateway"] = "vpc.internet_gateway"
    vpc: VpcRef


@dataclass(frozen=True)
class InternetGatewayState(State):
    """``vpc_id``: what it is attached to; empty for nothing."""

    vpc_id: str


class InternetGateway(Ec2Kind[InternetGatewaySpec, InternetGatewayState]):
    kind = "vpc.internet_gateway"
    Spec = InternetGatewaySpec
    State = InternetGatewayState
    identity = "tags"
    listed = False
    absent = frozenset({"InvalidInternetGatewayID.NotFound", "InvalidInternetGatewayId.NotFound"})
    retry = VPC_MISSING | {"Gateway.NotAttached", "Resource.AlreadyAssociated"}  # it went or came meanwhile: read again
    blocked = frozenset({"DependencyViolation"})  # public addresses are still mapped

    lists = ("describe_internet_gateways", "InternetGateways")
    id_key = "InternetGatewayId"
    type_name = "internet-gateway"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateInternetGateway",
        "update": "AttachInternetGateway DetachInternetGateway",
        "delete": "DetachInternetGateway DeleteInternetGateway",
    }
    holders = "DescribeNetworkInterfaces"
    inside = False

    def lower(self, spec: InternetGatewaySpec, refs: Refs) -> InternetGatewayState:
        return InternetGatewayState(refs.output(spec.vpc, "id"))

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[InternetGatewayState]:
        attached = [
            one["VpcId"] for one in entry.get("Attachments", []) if one["State"] not in ("detaching", "detached")
        ]
        state = InternetGatewayState(attached[0] if attached else "")
        return Seen(state, "ready", outputs={"id": entry["InternetGatewayId"]})

    def create(self, state: InternetGatewayState, owner: Owner) -> str:
        answer = self.ec2.create_internet_gateway(TagSpecifications=self.tagged(owner))
        return str(answer["InternetGateway"]["InternetGatewayId"])

    def born(self, state: InternetGatewayState) -> InternetGatewayState:
        return InternetGatewayState("")

    def update(
        self, id: str, wanted: InternetGatewayState, seen: InternetGatewayState, changed: Collection[Change]
    ) -> None:
        if seen.vpc_id:
            self.ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=seen.vpc_id)
        self.ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=wanted.vpc_id)

    def delete(self, id: str, seen: Seen[InternetGatewayState]) -> None:
        if seen.state is not None and seen.state.vpc_id:
            self.ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=seen.state.vpc_id)
        self.ec2.delete_internet_gateway(InternetGatewayId=id)

    def holder(self, id: str, seen: Seen[InternetGatewayState]) -> str:
        if seen.state is None or not seen.state.vpc_id:
            return ""
        inside = interfaces(self.cloud, "vpc-id", seen.state.vpc_id)
        return named([one for one in inside if one.get("Association", {}).get("PublicIp")])


class SubnetSpec(ResourceSpec):
    """A subnet in one zone of the region.  ``public``: what starts in it gets a public address."""

    kind: Literal["vpc.subnet"] = "vpc.subnet"
    vpc: VpcRef
    cidr: str
    zone: int = Field(ge=0)
    public: bool = True


@dataclass(frozen=True)
class SubnetState(State):
    """``zone``: the number of the availability zone among the region's, by name."""

    vpc_id: Annotated[str, REPLACE]
    cidr: Annotated[str, REPLACE]
    zone: Annotated[int, REPLACE]
    public_addresses: bool


class Subnet(Ec2Kind[SubnetSpec, SubnetState]):
    kind = "vpc.subnet"
    Spec = SubnetSpec
    State = SubnetState
    identity = "tags"
    listed = False
    absent = frozenset({"InvalidSubnetID.NotFound", "InvalidSubnetId.NotFound"})
    exists = frozenset({"InvalidSubnet.Conflict"})
    retry = VPC_MISSING
    blocked = frozenset({"DependencyViolation"})  # any network interface, such as that of a task that is ending

    lists = ("describe_subnets", "Subnets")
    id_key = "SubnetId"
    type_name = "subnet"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateSubnet",
        "update": "ModifySubnetAttribute",
        "delete": "DeleteSubnet",
    }
    holders = "DescribeNetworkInterfaces DescribeVpcEndpoints"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._known_zones: list[str] = []

    def lower(self, spec: SubnetSpec, refs: Refs) -> SubnetState:
        return SubnetState(refs.output(spec.vpc, "id"), spec.cidr, spec.zone, spec.public)

    def rights(self, stack: str, specs: Mapping[str, SubnetSpec]) -> Iterable[Right]:
        yield from super().rights(stack, specs)
        yield allow("create", "ec2", "DescribeAvailabilityZones")

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[SubnetState]:
        zone = entry["AvailabilityZone"]
        number = int(tags[ZONE_TAG]) if ZONE_TAG in tags else self._zones().index(zone)
        state = SubnetState(entry["VpcId"], entry["CidrBlock"], number, entry["MapPublicIpOnLaunch"])
        phase: Phase = "ready" if entry["State"] == "available" else "pending"
        return Seen(state, phase, outputs={"id": entry["SubnetId"], "zone": zone, "cidr": state.cidr})

    def prepare(self) -> None:
        self._zones()

    def create(self, state: SubnetState, owner: Owner) -> str:
        """The zone is chosen now and stays, whatever zones the region gets later."""
        there = self._zones()
        if state.zone >= len(there):
            raise AwsrunError(
                f"{self.cloud.region} has only {len(there)} availability zones for this account",
                ", ".join(there),
                f"max_azs: {len(there)}",
            )
        answer = self.ec2.create_subnet(
            VpcId=state.vpc_id,
            CidrBlock=state.cidr,
            AvailabilityZone=there[state.zone],
            TagSpecifications=self.tagged(owner, **{ZONE_TAG: str(state.zone)}),
        )
        return str(answer["Subnet"]["SubnetId"])

    def born(self, state: SubnetState) -> SubnetState:
        """https://docs.aws.amazon.com/vpc/latest/userguide/subnet-public-ip.html: only default subnets give them."""
        return replace(state, public_addresses=False)

    def update(self, id: str, wanted: SubnetState, seen: SubnetState, changed: Collection[Change]) -> None:
        self.ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": wanted.public_addresses})

    def delete(self, id: str, seen: Seen[SubnetState]) -> None:
        self.ec2.delete_subnet(SubnetId=id)

    def holder(self, id: str, seen: Seen[SubnetState]) -> str:
        return named(interfaces(self.cloud, "subnet-id", id), self.cloud)

    def _zones(self) -> list[str]:
        """`zones`, asked for once."""
        self._known_zones = self._known_zones or zones(self.cloud)
        return self._known_zones


def zones(cloud: Cloud) -> list[str]:
    """The zones that a region's subnets are in, by their number; local and wavelength zones have other types."""
    only = [{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    answer = cloud.read("ec2").describe_availability_zones(Filters=only)
    return sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])


class RouteTableSpec(ResourceSpec):
    """Routes of subnets: what is not in the VPC goes to the gateway, or nowhere without one."""

    kind: Literal["vpc.route_table"] = "vpc.route_table"
    vpc: VpcRef
    gateway: Annotated[str, RefTo("vpc.internet_gateway", "vpc.nat_gateway")] | None = None
    subnets: list[Annotated[str, RefTo("vpc.subnet")]]


@dataclass(frozen=True)
class RouteTableState(State):
    """``gateway``: where 0.0.0.0/0 goes; empty for nowhere."""

    vpc_id: Annotated[str, REPLACE]
    gateway: str
    subnets: frozenset[str]


class RouteTable(Ec2Kind[RouteTableSpec, RouteTableState]):
    kind = "vpc.route_table"
    Spec = RouteTableSpec
    State = RouteTableState
    identity = "token"
    listed = False
    absent = frozenset({"InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"})
    retry = VPC_MISSING | {
        "InvalidGatewayID.NotFound",
        "InvalidInternetGatewayID.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidSubnetId.NotFound",
        "RouteAlreadyExists",
        "Resource.AlreadyAssociated",
        "InvalidAssociationID.NotFound",
        "InvalidNatGatewayID.NotFound",
        "InvalidRoute.NotFound",
    }
    blocked = frozenset({"DependencyViolation"})

    lists = ("describe_route_tables", "RouteTables")
    id_key = "RouteTableId"
    type_name = "route-table"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateRouteTable",
        "update": "AssociateRouteTable CreateRoute DeleteRoute DisassociateRouteTable ReplaceRoute "
        "ReplaceRouteTableAssociation",
        "delete": "DisassociateRouteTable DeleteRouteTable",
    }

    def lower(self, spec: RouteTableSpec, refs: Refs) -> RouteTableState:
        subnets = known(outputs_of(refs, spec.subnets, "id"), frozenset)
        gateway = refs.output(spec.gateway, "id") if spec.gateway else ""
        return RouteTableState(refs.output(spec.vpc, "id"), gateway, subnets)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[RouteTableState]:
        default = [route for route in entry["Routes"] if route.get("DestinationCidrBlock") == ANYWHERE]
        targets = [route.get("GatewayId") or route.get("NatGatewayId") or "another target" for route in default]
        gateway = targets[0] if targets else ""
        state = RouteTableState(entry["VpcId"], gateway, frozenset(_associations(entry)))
        return Seen(state, "ready", outputs={"id": entry["RouteTableId"]})

    def create(self, state: RouteTableState, owner: Owner) -> str:
        answer = self.ec2.create_route_table(
            VpcId=state.vpc_id, ClientToken=owner.token, TagSpecifications=self.tagged(owner)
        )
        return str(answer["RouteTable"]["RouteTableId"])

    def born(self, state: RouteTableState) -> RouteTableState:
        return replace(state, gateway="", subnets=frozenset())

    def update(self, id: str, wanted: RouteTableState, seen: RouteTableState, changed: Collection[Change]) -> None:
        self.cloud.together(
            lambda: self._route(id, seen.gateway, wanted.gateway),
            *(partial(self._associate, id, subnet) for subnet in sorted(wanted.subnets - seen.subnets)),
        )
        self._disassociate(id, seen.subnets - wanted.subnets)

    def delete(self, id: str, seen: Seen[RouteTableState]) -> None:
        if seen.state is not None:
            self._disassociate(id, seen.state.subnets)
        self.ec2.delete_route_table(RouteTableId=id)

    def _route(self, id: str, old: str, new: str) -> None:
        """Send what is not in the VPC to ``new`` instead of ``old``; empty is nowhere."""
        if new == old:
            return
        if not new:
            self.ec2.delete_route(RouteTableId=id, DestinationCidrBlock=ANYWHERE)
            return
        target = "NatGatewayId" if new.startswith("nat-") else "GatewayId"
        put = self.ec2.replace_route if old else self.ec2.create_route
        put(RouteTableId=id, DestinationCidrBlock=ANYWHERE, **{target: new})

    def _associate(self, id: str, subnet: str) -> None:
        """A subnet has one table: if a hand gave it another one, that association is moved here."""
        try:
            self.ec2.associate_route_table(RouteTableId=id, SubnetId=subnet)
        except ClientError as error:
            elsewhere = [{"Name": "association.subnet-id", "Values": [subnet]}]
            others = [_associations(entry) for entry in self._list(Filters=elsewhere)] if matches(error, _TAKEN) else []
            if not others:
                raise
            self.ec2.replace_route_table_association(AssociationId=others[0][subnet], RouteTableId=id)

    def _disassociate(self, id: str, subnets: Collection[str]) -> None:
        if subnets:
            associations = _associations(next(self._list(RouteTableIds=[id])))
            for subnet in sorted(subnets):
                if subnet in associations:
                    self.ec2.disassociate_route_table(AssociationId=associations[subnet])


def _associations(entry: Mapping[str, Any]) -> dict[str, str]:
    """Subnet -> association of a route table."""
    listed: Iterable[Mapping[str, Any]] = entry.get("Associations", [])
    return {
        one["SubnetId"]: one["RouteTableAssociationId"]
        for one in listed
        if "SubnetId" in one and one.get("AssociationState", {}).get("State") not in ("disassociating", "disassociated")
    }
