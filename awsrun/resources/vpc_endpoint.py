"""Endpoints of a VPC: ways to services of AWS that need no internet.

S3 and DynamoDB have *gateway* endpoints: entries of route tables, free.  Every other service has an *interface*
endpoint: a network interface in each of its subnets that answers under the service's own name, paid by the hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.prices.price import FREE as NOTHING
from awsrun.prices.price import Price, always, metered
from awsrun.prices.table import Prices
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import ABSENT, REPLACE, Change, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import known, outputs_of, partition
from awsrun.resources.vpc_parts import VPC_MISSING, VpcRef
from awsrun.spec.references import RefTo, ResourceSpec

FreeService = Literal["s3", "dynamodb"]
# What machines need that nothing else may reach: the ECS agent registers and polls (the first three; Fargate does
# without), images come from ECR (their layers from S3), output goes to logs.
# https://docs.aws.amazon.com/batch/latest/userguide/vpc-endpoint-considerations.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
PaidService = Literal["ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"]
FREE: tuple[FreeService, ...] = get_args(FreeService)
PAID: tuple[PaidService, ...] = get_args(PaidService)


class EndpointSpec(ResourceSpec):
    """A way from a VPC to one service.  Gateways have route tables, interfaces have subnets and a security group."""

    kind: Literal["vpc.endpoint"] = "vpc.endpoint"
    vpc: VpcRef
    service: FreeService | PaidService
    route_tables: list[Annotated[str, RefTo("vpc.route_table")]] = Field(default=[])
    subnets: list[Annotated[str, RefTo("vpc.subnet")]] = Field(default=[])
    security_group: Annotated[str, RefTo("security_group")] | None = None


@dataclass(frozen=True)
class EndpointState(State):
    """``service``: ``com.amazonaws.REGION.s3``.  ``private_dns``: it answers under the service's own name.

    ``subnets`` is sorted, and as long as it will be even before any of them is known: each is paid.
    """

    vpc_id: Annotated[str, REPLACE]
    service: Annotated[str, REPLACE]
    type: Annotated[str, REPLACE]
    route_tables: frozenset[str]
    subnets: tuple[str, ...]
    groups: frozenset[str]
    private_dns: bool


class Endpoint(Ec2Kind[EndpointSpec, EndpointState]):
    kind = "vpc.endpoint"
    Spec = EndpointSpec
    State = EndpointState
    identity = "token"
    listed = False
    absent = frozenset({"InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"})
    # There is one already for this service: on the same route table, or under the same name
    # (https://github.com/hashicorp/terraform-provider-aws/issues/17535).
    exists = frozenset({"RouteAlreadyExists", "InvalidParameter:conflicting DNS domain"})
    retry = VPC_MISSING | {
        "IncorrectState",  # an earlier change is under way
        "InvalidParameter:enableDnsHostnames",  # the VPC's own setting does not show yet
        "InvalidGroup.NotFound",
        "InvalidRoute.NotFound",
        "InvalidRouteTableID.NotFound",
        "InvalidRouteTableId.NotFound",
        "InvalidSecurityGroupID.NotFound",
        "InvalidSecurityGroupId.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidSubnetId.NotFound",
    }

    lists = ("describe_vpc_endpoints", "VpcEndpoints")
    id_key = "VpcEndpointId"
    type_name = "vpc-endpoint"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateVpcEndpoint",
        "update": "ModifyVpcEndpoint",
        "delete": "DeleteVpcEndpoints",
    }

    def rights(self, stack: str, specs: Mapping[str, EndpointSpec]) -> Iterable[Right]:
        """An interface's own name in the VPC is a private zone of Route 53, which EC2 ties to the VPC for the caller
        (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html, CreateVpcEndpoint)."""
        yield from super().rights(stack, specs)
        if any(spec.service in PAID for spec in specs.values()):
            zones = f"arn:{partition(self.cloud.region)}:route53:::hostedzone/*"
            for verb in ("create", "update"):
                yield allow(verb, "route53", "AssociateVPCWithHostedZone", zones)

    def lower(self, spec: EndpointSpec, refs: Refs) -> EndpointState:
        free = spec.service in FREE
        return EndpointState(
            vpc_id=refs.output(spec.vpc, "id"),
            service=f"com.amazonaws.{self.cloud.region}.{spec.service}",
            type="Gateway" if free else "Interface",
            route_tables=known(outputs_of(refs, spec.route_tables, "id"), frozenset),
            subnets=tuple(sorted((refs.output(subnet, "id") for subnet in spec.subnets), key=str)),
            groups=known(outputs_of(refs, [spec.security_group] if spec.security_group else [], "id"), frozenset),
            private_dns=not free,
        )

    def price(self, state: EndpointState, prices: Prices) -> Price:
        if state.type == "Gateway":
            return NOTHING
        hourly, zones = prices.rate("interface_endpoint_hour"), len(state.subnets)
        beside = metered((prices.rate("interface_endpoint_gb"), "per GB through it")).note
        where = "in one zone" if zones == 1 else f"in {zones} zones"
        return always(None if hourly is None else hourly * zones, f"{where}, {beside}" if beside else where)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[EndpointState]:
        """States: https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html#concepts-vpc-endpoints-states."""
        phases: dict[str, Phase] = {
            "pending": "pending",
            "pendingacceptance": "pending",
            "partial": "pending",
            "deleting": "deleting",
            "failed": "broken",
            "rejected": "broken",
            "expired": "broken",
        }
        status = str(entry["State"]).lower()
        if status == "deleted":
            return ABSENT
        interface = entry["VpcEndpointType"] == "Interface"
        state = EndpointState(
            vpc_id=entry["VpcId"],
            service=entry["ServiceName"],
            type=entry["VpcEndpointType"],
            route_tables=frozenset(entry.get("RouteTableIds", [])),
            subnets=tuple(sorted(entry.get("SubnetIds", []))),
            groups=frozenset(group["GroupId"] for group in entry.get("Groups", [])),
            private_dns=interface and bool(entry.get("PrivateDnsEnabled")),
        )
        why = entry.get("LastError", {}).get("Message", "")
        return Seen(state, phases.get(status, "ready"), why, {"id": entry["VpcEndpointId"]})

    def create(self, state: EndpointState, owner: Owner) -> str:
        answer = self.ec2.create_vpc_endpoint(
            VpcEndpointType=state.type,
            VpcId=state.vpc_id,
            ServiceName=state.service,
            ClientToken=owner.token,
            TagSpecifications=self.tagged(owner),
            **(_interface(state) if state.type == "Interface" else {"RouteTableIds": sorted(state.route_tables)}),
        )
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    def update(self, id: str, wanted: EndpointState, seen: EndpointState, changed: Collection[Change]) -> None:
        edits: dict[str, Any] = {}
        for field, parameter in (
            ("route_tables", "RouteTableIds"),
            ("subnets", "SubnetIds"),
            ("groups", "SecurityGroupIds"),
        ):
            new, old = set(getattr(wanted, field)), set(getattr(seen, field))
            edits |= {f"Add{parameter}": sorted(new - old), f"Remove{parameter}": sorted(old - new)}
        edits = {key: ids for key, ids in edits.items() if ids}
        if wanted.private_dns != seen.private_dns:
            edits["PrivateDnsEnabled"] = wanted.private_dns
        self.ec2.modify_vpc_endpoint(VpcEndpointId=id, **edits)

    def delete(self, id: str, seen: Seen[EndpointState]) -> None:
        """DeleteVpcEndpoints answers 200 also when it did not; what it says of ours is raised."""
        answer = self.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        for failed in answer.get("Unsuccessful", []):
            error = ClientError({"Error": failed["Error"]}, "DeleteVpcEndpoints")
            if not matches(error, self.absent):
                raise error


def _interface(state: EndpointState) -> dict[str, Any]:
    return {
        "SubnetIds": list(state.subnets),
        "SecurityGroupIds": sorted(state.groups),
        "PrivateDnsEnabled": state.private_dns,
    }
