"""EC2 under strict: what is in use does not go (see `awsrun.local.strict.ec2_in_use` for sources)."""

from __future__ import annotations

from typing import Any

import pytest
from strict_ec2_network import Network, code, does, refusal, until


@pytest.fixture
def ec2(strict_cloud: Any) -> Any:
    return strict_cloud.client("ec2")


@pytest.fixture
def network(strict_cloud: Any) -> Network:
    return Network(strict_cloud.client("ec2"))


def test_a_vpc_stays_while_anything_is_in_it(ec2: Any, network: Network) -> None:
    def blocked() -> str:
        return refusal(ec2.delete_vpc, VpcId=network.vpc)

    gateway = network.gateway()
    table = does(ec2.create_route_table, VpcId=network.vpc)["RouteTable"]["RouteTableId"]
    for delete in (
        lambda: does(ec2.delete_subnet, SubnetId=network.subnet),
        lambda: does(ec2.delete_security_group, GroupId=network.group),
        lambda: does(ec2.delete_route_table, RouteTableId=table),
        lambda: does(ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=network.vpc),
    ):
        assert blocked() == "DependencyViolation"
        delete()
    does(ec2.delete_vpc, VpcId=network.vpc)
    assert code(lambda: ec2.delete_vpc(VpcId=network.vpc)) == "InvalidVpcID.NotFound"


def test_a_gateway_endpoint_holds_its_vpc(ec2: Any, network: Network) -> None:
    service = "com.amazonaws.us-east-1.s3"
    made = does(ec2.create_vpc_endpoint, VpcId=network.vpc, ServiceName=service)
    endpoint = made["VpcEndpoint"]["VpcEndpointId"]
    does(ec2.delete_subnet, SubnetId=network.subnet)
    does(ec2.delete_security_group, GroupId=network.group)
    assert refusal(ec2.delete_vpc, VpcId=network.vpc) == "DependencyViolation"
    until(lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint]), lambda done: not done["Unsuccessful"])
    until(lambda: code(lambda: ec2.delete_vpc(VpcId=network.vpc)) == "")


def test_an_interface_holds_its_subnet_and_its_group(ec2: Any, network: Network) -> None:
    made = does(ec2.create_network_interface, SubnetId=network.subnet, Groups=[network.group])
    assert refusal(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    assert refusal(ec2.delete_security_group, GroupId=network.group) == "DependencyViolation"
    does(ec2.delete_network_interface, NetworkInterfaceId=made["NetworkInterface"]["NetworkInterfaceId"])
    does(ec2.delete_security_group, GroupId=network.group)
    does(ec2.delete_subnet, SubnetId=network.subnet)


def test_a_group_is_not_called_like_an_id(ec2: Any, network: Network) -> None:
    named = {"GroupName": "sg-web", "Description": "d", "VpcId": network.vpc}
    assert refusal(ec2.create_security_group, **named) == "InvalidParameterValue"


def test_a_group_stays_while_a_rule_of_another_names_it(ec2: Any, network: Network) -> None:
    other = network.another_group()
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": network.group}]}]
    does(ec2.authorize_security_group_ingress, GroupId=other, IpPermissions=rule)
    does(ec2.authorize_security_group_ingress, GroupId=network.group, IpPermissions=rule)
    assert refusal(ec2.delete_security_group, GroupId=network.group) == "DependencyViolation"
    does(ec2.revoke_security_group_ingress, GroupId=other, IpPermissions=rule)
    does(ec2.delete_security_group, GroupId=network.group)


def test_the_default_group_stays(ec2: Any, network: Network) -> None:
    mine = [{"Name": "vpc-id", "Values": [network.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    default = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]["GroupId"]
    assert refusal(ec2.delete_security_group, GroupId=default) == "CannotDelete"


def test_a_route_table_stays_while_a_subnet_uses_it(ec2: Any, network: Network) -> None:
    tables = [does(ec2.create_route_table, VpcId=network.vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    for table, subnet in zip(tables, (network.subnet, another_subnet(network)), strict=True):
        does(ec2.associate_route_table, RouteTableId=table, SubnetId=subnet)
    assert refusal(ec2.delete_route_table, RouteTableId=tables[0]) == "DependencyViolation"
    found = does(ec2.describe_route_tables, RouteTableIds=[tables[0]])["RouteTables"][0]["Associations"]
    does(ec2.disassociate_route_table, AssociationId=found[0]["RouteTableAssociationId"])
    does(ec2.delete_route_table, RouteTableId=tables[0])

    does(ec2.delete_subnet, SubnetId=subnet)
    does(ec2.delete_route_table, RouteTableId=tables[1])  # the association went with the subnet


def another_subnet(network: Network) -> str:
    return str(does(network.ec2.create_subnet, VpcId=network.vpc, CidrBlock="10.0.2.0/24")["Subnet"]["SubnetId"])


def test_the_main_route_table_stays(ec2: Any, network: Network) -> None:
    main = [{"Name": "vpc-id", "Values": [network.vpc]}, {"Name": "association.main", "Values": ["true"]}]
    found = ec2.describe_route_tables(Filters=main)["RouteTables"][0]
    association = found["Associations"][0]["RouteTableAssociationId"]
    assert refusal(ec2.delete_route_table, RouteTableId=found["RouteTableId"]) == "DependencyViolation"
    assert refusal(ec2.disassociate_route_table, AssociationId=association) == "InvalidParameterValue"


def test_an_internet_gateway_stays_while_addresses_are_mapped(ec2: Any, network: Network) -> None:
    gateway = network.gateway()
    public = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = does(ec2.create_network_interface, SubnetId=network.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    held = does(ec2.associate_address, AllocationId=public, NetworkInterfaceId=made)["AssociationId"]
    asked = {"InternetGatewayId": gateway, "VpcId": network.vpc}
    assert refusal(ec2.detach_internet_gateway, **asked) == "DependencyViolation"
    assert refusal(ec2.release_address, AllocationId=public) == "InvalidIPAddress.InUse"
    does(ec2.disassociate_address, AssociationId=held)
    does(ec2.release_address, AllocationId=public)
    does(ec2.detach_internet_gateway, **asked)
    does(ec2.delete_internet_gateway, InternetGatewayId=gateway)


def test_an_interface_in_use_stays(ec2: Any, network: Network) -> None:
    network.instance()
    held = network.interfaces()[0]["NetworkInterfaceId"]
    assert refusal(ec2.delete_network_interface, NetworkInterfaceId=held) == "InvalidNetworkInterface.InUse"
