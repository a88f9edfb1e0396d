"""NAT gateways, addresses and endpoints of the embedded cloud, by what a client sees: most fails on plain moto."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud


@pytest.fixture
def ec2(local_cloud: LocalCloud) -> Any:
    return local_cloud.client("ec2")


@pytest.fixture
def subnet(ec2: Any) -> dict[str, str]:
    """A subnet of a VPC of its own, with an internet gateway."""
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.0.0/24")["Subnet"]
    return {"vpc": vpc, "gateway": gateway, "id": made["SubnetId"]}


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def nat(ec2: Any, subnet: str, address: str, **tags: str) -> Any:
    specifications = [{"ResourceType": "natgateway", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]
    more = {"TagSpecifications": specifications} if tags else {}
    return ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, **more)["NatGateway"]


def interfaces(ec2: Any, subnet: str) -> list[dict[str, Any]]:
    found = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])
    return list(found["NetworkInterfaces"])


def test_a_nat_gateway_is_found_by_its_tags_and_no_other(ec2: Any, subnet: dict[str, str]) -> None:
    mine, other = uuid.uuid4().hex, uuid.uuid4().hex
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = nat(ec2, subnet["id"], address, owner=mine)
    by_tag = {name: [{"Name": "tag:owner", "Values": [name]}] for name in (mine, other)}
    found = ec2.describe_nat_gateways(Filter=by_tag[mine])["NatGateways"]
    assert [one["NatGatewayId"] for one in found] == [made["NatGatewayId"]]
    assert ec2.describe_nat_gateways(Filter=by_tag[other])["NatGateways"] == []
    (reached,) = found[0]["NatGatewayAddresses"]
    assert reached["AllocationId"] == address and reached["PublicIp"]


def test_an_unknown_nat_gateway_is_an_error(ec2: Any) -> None:
    for call in (
        lambda: ec2.describe_nat_gateways(NatGatewayIds=["nat-0123456789abcdef0"]),
        lambda: ec2.delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == "NatGatewayNotFound"


def test_a_deleted_nat_gateway_lets_go_of_its_address_and_subnet(ec2: Any, subnet: dict[str, str]) -> None:
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    id = nat(ec2, subnet["id"], address)["NatGatewayId"]
    assert ec2.describe_addresses(AllocationIds=[address])["Addresses"][0].get("AssociationId")
    assert len(interfaces(ec2, subnet["id"])) == 1
    ec2.delete_nat_gateway(NatGatewayId=id)
    assert ec2.describe_nat_gateways(NatGatewayIds=[id])["NatGateways"][0]["State"] == "deleted", "it stays listed"
    assert not ec2.describe_addresses(AllocationIds=[address])["Addresses"][0].get("AssociationId")
    assert interfaces(ec2, subnet["id"]) == []


def test_what_cannot_be_ends_as_a_failed_nat_gateway(ec2: Any, subnet: dict[str, str]) -> None:
    first, second = (ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2))
    nat(ec2, subnet["id"], first)
    taken = nat(ec2, subnet["id"], first)
    ec2.detach_internet_gateway(VpcId=subnet["vpc"], InternetGatewayId=subnet["gateway"])
    shut = nat(ec2, subnet["id"], second)
    for made, why in ((taken, "Resource.AlreadyAssociated"), (shut, "Gateway.NotAttached")):
        (seen,) = ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
        assert (seen["State"], seen["FailureCode"]) == ("failed", why)
        assert seen["FailureMessage"]
    assert len(interfaces(ec2, subnet["id"])) == 1, "those that failed hold nothing"
    ec2.delete_nat_gateway(NatGatewayId=taken["NatGatewayId"])


def test_a_subnet_has_one_route_table(ec2: Any, subnet: dict[str, str]) -> None:
    first, second = (ec2.create_route_table(VpcId=subnet["vpc"])["RouteTable"]["RouteTableId"] for _ in range(2))
    association = ec2.associate_route_table(RouteTableId=first, SubnetId=subnet["id"])["AssociationId"]
    assert ec2.associate_route_table(RouteTableId=first, SubnetId=subnet["id"])["AssociationId"] == association
    with pytest.raises(ClientError) as caught:
        ec2.associate_route_table(RouteTableId=second, SubnetId=subnet["id"])
    assert code(caught) == "Resource.AlreadyAssociated"


def endpoint(ec2: Any, subnet: dict[str, str], service: str, **more: Any) -> Any:
    return ec2.create_vpc_endpoint(VpcId=subnet["vpc"], ServiceName=f"com.amazonaws.us-east-1.{service}", **more)[
        "VpcEndpoint"
    ]


def described(ec2: Any, id: str) -> Any:
    return ec2.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]


def test_an_interface_endpoint_has_interfaces_in_its_subnets_and_groups(ec2: Any, subnet: dict[str, str]) -> None:
    second = ec2.create_subnet(VpcId=subnet["vpc"], CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="e", Description="e", VpcId=subnet["vpc"])["GroupId"]
    made = endpoint(ec2, subnet, "ecs", VpcEndpointType="Interface", SubnetIds=[subnet["id"]], SecurityGroupIds=[group])
    id = made["VpcEndpointId"]
    assert made["PrivateDnsEnabled"] is True
    (interface,) = interfaces(ec2, subnet["id"])
    assert [one["GroupId"] for one in interface["Groups"]] == [group]

    ec2.modify_vpc_endpoint(
        VpcEndpointId=id, AddSubnetIds=[second], RemoveSubnetIds=[subnet["id"]], PrivateDnsEnabled=False
    )
    seen = described(ec2, id)
    assert (seen["SubnetIds"], seen["PrivateDnsEnabled"]) == ([second], False)
    assert interfaces(ec2, subnet["id"]) == []
    (moved,) = interfaces(ec2, second)
    assert seen["NetworkInterfaceIds"] == [moved["NetworkInterfaceId"]]
    assert [one["GroupId"] for one in moved["Groups"]] == [group]

    ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    assert interfaces(ec2, second) == []


def test_a_service_has_one_endpoint_under_its_own_name(ec2: Any, subnet: dict[str, str]) -> None:
    first = endpoint(ec2, subnet, "logs", VpcEndpointType="Interface", SubnetIds=[subnet["id"]])
    with pytest.raises(ClientError, match="conflicting DNS domain") as caught:
        endpoint(ec2, subnet, "logs", VpcEndpointType="Interface", SubnetIds=[subnet["id"]])
    assert code(caught) == "InvalidParameter"
    endpoint(ec2, subnet, "logs", VpcEndpointType="Interface", SubnetIds=[subnet["id"]], PrivateDnsEnabled=False)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[first["VpcEndpointId"]])
    endpoint(ec2, subnet, "logs", VpcEndpointType="Interface", SubnetIds=[subnet["id"]])


def routes_to(ec2: Any, table: str, gateway: str) -> int:
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    return sum(route.get("GatewayId") == gateway for route in routes)


def test_a_gateway_endpoint_is_a_route_in_each_of_its_tables(ec2: Any, subnet: dict[str, str]) -> None:
    one, two = (ec2.create_route_table(VpcId=subnet["vpc"])["RouteTable"]["RouteTableId"] for _ in range(2))
    made = endpoint(ec2, subnet, "s3", RouteTableIds=[one])
    id = made["VpcEndpointId"]
    assert (made["VpcEndpointType"], made["PrivateDnsEnabled"]) == ("Gateway", False)
    with pytest.raises(ClientError) as caught:
        endpoint(ec2, subnet, "s3", RouteTableIds=[one])
    assert code(caught) == "RouteAlreadyExists"
    ec2.modify_vpc_endpoint(VpcEndpointId=id, AddRouteTableIds=[two], RemoveRouteTableIds=[one])
    assert (routes_to(ec2, one, id), routes_to(ec2, two, id)) == (0, 1)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    assert routes_to(ec2, two, id) == 0
