"""The way out of private subnets: a NAT gateway in a public subnet, with an Elastic IP that the internet sees.

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


class NatGatewaySpec(ResourceSpec):
    """A NAT gateway.  ``gateway``: the internet gateway of its VPC, without which it fails."""

    kind: Literal["vpc.nat_gateway"] = "vpc.nat_gateway"
    subnet: Annotated[str, RefTo("vpc.subnet")]
    address: Annotated[str, RefTo("elastic_ip")]
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
