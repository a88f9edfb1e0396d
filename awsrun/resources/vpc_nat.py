"""The way out of private subnets: a NAT gateway in a public subnet, and the address under which the internet sees it.

Both are paid by the hour, used or not.  A gateway holds its address until it is `deleted`, so the address goes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from awsrun.prices.price import Price, always, metered
from awsrun.prices.table import Prices
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import ABSENT, REPLACE, Owner, Phase, Refs, Seen, State
from awsrun.spec.references import RefTo, ResourceSpec


class ElasticIpSpec(ResourceSpec):
    """A public address that stays the same."""

    kind: Literal["vpc.elastic_ip"] = "vpc.elastic_ip"


@dataclass(frozen=True)
class ElasticIpState(State):
    """Nothing about it can be chosen: AWS picks the address."""


class ElasticIp(Ec2Kind[ElasticIpSpec, ElasticIpState]):
    kind = "vpc.elastic_ip"
    Spec = ElasticIpSpec
    State = ElasticIpState
    identity = "tags"  # AllocateAddress takes no client token
    listed = False
    absent = frozenset({"InvalidAllocationID.NotFound", "InvalidAddress.NotFound", "InvalidAddressID.NotFound"})
    # While a NAT gateway has it, and for a moment after, ReleaseAddress says AuthFailure
    # (https://github.com/kubernetes/kops/issues/1604, https://github.com/eformat/sno-for-100/issues/9).
    blocked = frozenset({"AuthFailure:permission to access the specified resource", "InvalidIPAddress.InUse"})

    lists = ("describe_addresses", "Addresses")
    id_key = "AllocationId"
    type_name = "elastic-ip"
    actions: ClassVar[Mapping[str, str]] = {"create": "AllocateAddress", "delete": "ReleaseAddress"}
    inside = False

    def lower(self, spec: ElasticIpSpec, refs: Refs) -> ElasticIpState:
        return ElasticIpState()

    def price(self, state: ElasticIpState, prices: Prices) -> Price:
        return always(prices.rate("public_ipv4_hour"), "a public IPv4 address")

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[ElasticIpState]:
        return Seen(ElasticIpState(), "ready", outputs={"id": entry["AllocationId"], "address": entry["PublicIp"]})

    def create(self, state: ElasticIpState, owner: Owner) -> str:
        answer = self.ec2.allocate_address(Domain="vpc", TagSpecifications=self.tagged(owner))
        return str(answer["AllocationId"])

    def delete(self, id: str, seen: Seen[ElasticIpState]) -> None:
        self.ec2.release_address(AllocationId=id)

    def holder(self, id: str, seen: Seen[ElasticIpState]) -> str:
        """AWS's own words, of a permission that is missing, would send users looking for one."""
        return "the NAT gateway that has it; it lets go within a few minutes of the gateway's end"

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """DescribeAddresses has no pages."""
        yield from self.cloud.read("ec2").describe_addresses(**arguments)["Addresses"]


class NatGatewaySpec(ResourceSpec):
    """A NAT gateway.  ``gateway``: the internet gateway of its VPC, without which it fails."""

    kind: Literal["vpc.nat_gateway"] = "vpc.nat_gateway"
    subnet: Annotated[str, RefTo("vpc.subnet")]
    address: Annotated[str, RefTo("vpc.elastic_ip")]
    gateway: Annotated[str, RefTo("vpc.internet_gateway")]


@dataclass(frozen=True)
class NatGatewayState(State):
    """``address``: the id of its Elastic IP's allocation."""

    subnet_id: Annotated[str, REPLACE]
    address: Annotated[str, REPLACE]


class NatGateway(Ec2Kind[NatGatewaySpec, NatGatewayState]):
    """States and reasons of failure: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html.

    What is wrong with a request shows only later, as a gateway that `failed`; AWS takes that away within the hour.
    A deleted one stays listed about as long.
    """

    kind = "vpc.nat_gateway"
    Spec = NatGatewaySpec
    State = NatGatewayState
    identity = "token"
    listed = False
    alone = True  # the old one holds the address
    usual = 120.0
    absent = frozenset({"NatGatewayNotFound", "InvalidNatGatewayID.NotFound"})
    retry = frozenset({"InvalidSubnetID.NotFound", "InvalidSubnetId.NotFound", "InvalidAllocationID.NotFound"})
    blocked = frozenset({"DependencyViolation"})

    lists = ("describe_nat_gateways", "NatGateways")
    id_key = "NatGatewayId"
    type_name = "natgateway"
    actions: ClassVar[Mapping[str, str]] = {"create": "CreateNatGateway", "delete": "DeleteNatGateway"}

    def lower(self, spec: NatGatewaySpec, refs: Refs) -> NatGatewayState:
        return NatGatewayState(refs.output(spec.subnet, "id"), refs.output(spec.address, "id"))

    def price(self, state: NatGatewayState, prices: Prices) -> Price:
        beside = metered((prices.rate("nat_gateway_gb"), "per GB through it"))
        return always(prices.rate("nat_gateway_hour"), beside.note)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[NatGatewayState]:
        phases: dict[str, Phase] = {"pending": "pending", "failed": "broken", "deleting": "deleting"}
        if entry["State"] == "deleted":
            return ABSENT
        addresses = [one["AllocationId"] for one in entry.get("NatGatewayAddresses", []) if one.get("AllocationId")]
        state = NatGatewayState(entry["SubnetId"], addresses[0] if addresses else "")
        why = ": ".join(entry[key] for key in ("FailureCode", "FailureMessage") if entry.get(key))
        return Seen(state, phases.get(entry["State"], "ready"), why, {"id": entry["NatGatewayId"]})

    def create(self, state: NatGatewayState, owner: Owner) -> str:
        answer = self.ec2.create_nat_gateway(
            SubnetId=state.subnet_id,
            AllocationId=state.address,
            ConnectivityType="public",
            ClientToken=owner.token,
            TagSpecifications=self.tagged(owner),
        )
        return str(answer["NatGateway"]["NatGatewayId"])

    def delete(self, id: str, seen: Seen[NatGatewayState]) -> None:
        self.ec2.delete_nat_gateway(NatGatewayId=id)

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """DescribeNatGateways alone calls its filters ``Filter``."""
        if "Filters" in arguments:
            arguments["Filter"] = arguments.pop("Filters")
        yield from super()._list(**arguments)
