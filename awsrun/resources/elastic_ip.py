"""Elastic IPs: public addresses that stay the same, of servers and of NAT gateways.

Paid by the hour whether they are used or not (https://aws.amazon.com/vpc/pricing/).  Who uses one says so (`elastic_ip`
of a server, ``address`` of a NAT gateway) and has to let go of it before it can be released.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from awsrun.prices.price import Price, always
from awsrun.prices.table import Prices
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import Owner, Refs, Seen, State
from awsrun.spec.references import ResourceSpec


class ElasticIpSpec(ResourceSpec):
    """A public address that stays the same. It costs by the hour, used or not."""

    outputs = ("address", "id")
    example = """
    address: {kind: elastic_ip}
    """

    kind: Literal["elastic_ip"] = "elastic_ip"


@dataclass(frozen=True)
class ElasticIpState(State):
    """Nothing about it can be chosen: AWS picks the address."""


class ElasticIp(Ec2Kind[ElasticIpSpec, ElasticIpState]):
    kind = "elastic_ip"
    Spec = ElasticIpSpec
    State = ElasticIpState
    identity = "tags"  # AllocateAddress takes no client token
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
        for entry in self._list(AllocationIds=[id]):
            if entry.get("InstanceId"):
                return f"instance {entry['InstanceId']}; it lets go when it is terminated or disassociated"
        return "the NAT gateway that has it; it lets go within a few minutes of the gateway's end"

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """DescribeAddresses has no pages."""
        yield from self.cloud.read("ec2").describe_addresses(**arguments)["Addresses"]
