"""EC2 under strict: states that last, and who holds what meanwhile (see `awsrun.local.strict.ec2_states`)."""

from __future__ import annotations

from typing import Any

import pytest
from strict_ec2_network import Network, again_if_late, code, does, in_time, refusal, until


@pytest.fixture
def ec2(strict_cloud: Any) -> Any:
    return strict_cloud.client("ec2")


@pytest.fixture
def network(strict_cloud: Any) -> Network:
    return Network(strict_cloud.client("ec2"))


def nat_gateway(network: Network) -> tuple[str, str]:
    """A NAT gateway made now, and its address."""
    address = network.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = does(network.ec2.create_nat_gateway, SubnetId=network.subnet, AllocationId=address)["NatGateway"]
    assert made["State"] == "pending"
    return str(made["NatGatewayId"]), str(address)


def nat_state(ec2: Any, id: str) -> Any:
    return does(ec2.describe_nat_gateways, NatGatewayIds=[id])["NatGateways"][0]["State"]


def test_vpcs_and_subnets_are_pending_at_first(ec2: Any) -> None:
    made = ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]
    assert made["State"] == "pending"
    subnet = does(ec2.create_subnet, VpcId=made["VpcId"], CidrBlock="10.3.0.0/24")["Subnet"]
    assert subnet["State"] == "pending"
    until(lambda: ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"][0]["State"], lambda state: state == "available")


@again_if_late
def test_the_life_of_a_nat_gateway(ec2: Any) -> None:
    network = Network(ec2)
    gateway = network.gateway()
    nat, address = nat_gateway(network)
    pending = [{"Name": "state", "Values": ["pending"]}, {"Name": "subnet-id", "Values": [network.subnet]}]
    until(lambda: ec2.describe_nat_gateways(Filters=pending)["NatGateways"])
    until(lambda: nat_state(ec2, nat), lambda state: state == "available")
    assert ec2.describe_nat_gateways(Filters=pending)["NatGateways"] == []

    held = network.interfaces()[0]
    assert (held["InterfaceType"], held["RequesterManaged"], held["Groups"]) == ("nat_gateway", True, [])
    assert nat in held["Description"]
    association = held["Association"]["AssociationId"]
    assert refusal(ec2.disassociate_address, AssociationId=association) == "AuthFailure"

    does(ec2.delete_nat_gateway, NatGatewayId=nat)
    in_time(nat_state(ec2, nat), "deleting", "deleted")
    in_time(refusal(ec2.delete_subnet, SubnetId=network.subnet), "DependencyViolation")
    in_time(refusal(ec2.release_address, AllocationId=address), "AuthFailure")
    detach = {"InternetGatewayId": gateway, "VpcId": network.vpc}
    in_time(refusal(ec2.detach_internet_gateway, **detach), "DependencyViolation")
    until(lambda: nat_state(ec2, nat), lambda state: state == "deleted")
    until(lambda: not network.interfaces())
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(**detach)
    ec2.delete_subnet(SubnetId=network.subnet)
    assert nat_state(ec2, nat) == "deleted", "it is listed for an hour"


def test_a_nat_gateway_fails_without_an_internet_gateway(ec2: Any, network: Network) -> None:
    nat, _ = nat_gateway(network)
    until(lambda: nat_state(ec2, nat), lambda state: state == "failed")
    failed = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert failed["FailureCode"] == "Gateway.NotAttached"
    assert network.vpc in failed["FailureMessage"]


@again_if_late
def test_the_life_of_an_interface_endpoint(ec2: Any) -> None:
    network = Network(ec2)
    made = does(
        ec2.create_vpc_endpoint,
        VpcId=network.vpc,
        ServiceName="com.amazonaws.us-east-1.ecr.api",
        VpcEndpointType="Interface",
        SubnetIds=[network.subnet],
        SecurityGroupIds=[network.group],
    )["VpcEndpoint"]
    id = made["VpcEndpointId"]
    assert made["State"] == "pending"

    def state() -> Any:
        return does(ec2.describe_vpc_endpoints, VpcEndpointIds=[id])["VpcEndpoints"][0]["State"]

    def now() -> str:
        mine = [{"Name": "vpc-id", "Values": [network.vpc]}]
        found = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
        return str(found[0]["State"]) if found else "gone"

    until(state, lambda state: state == "available")
    held = network.interfaces()[0]
    assert held["InterfaceType"] == "vpc_endpoint"
    assert [group["GroupId"] for group in held["Groups"]] == [network.group]

    other = network.another_group()
    does(ec2.modify_vpc_endpoint, VpcEndpointId=id, AddSecurityGroupIds=[other], RemoveSecurityGroupIds=[network.group])
    ec2.delete_security_group(GroupId=network.group)
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[id])["Unsuccessful"] == []
    in_time(now(), "deleting", "gone")
    in_time(refusal(ec2.delete_security_group, GroupId=other), "DependencyViolation")
    in_time(refusal(ec2.delete_subnet, SubnetId=network.subnet), "DependencyViolation")
    until(lambda: code(lambda: ec2.describe_vpc_endpoints(VpcEndpointIds=[id])))
    ec2.delete_security_group(GroupId=other)
    ec2.delete_subnet(SubnetId=network.subnet)
    failed = ec2.delete_vpc_endpoints(VpcEndpointIds=[id])["Unsuccessful"]
    assert [one["Error"]["Code"] for one in failed] == ["InvalidVpcEndpoint.NotFound"]


def test_a_gateway_endpoint_goes_even_after_its_route_table(ec2: Any, network: Network) -> None:
    table = does(ec2.create_route_table, VpcId=network.vpc)["RouteTable"]["RouteTableId"]
    service = "com.amazonaws.us-east-1.s3"
    made = does(ec2.create_vpc_endpoint, VpcId=network.vpc, ServiceName=service, RouteTableIds=[table])["VpcEndpoint"]
    id = made["VpcEndpointId"]
    does(ec2.delete_route_table, RouteTableId=table)
    until(lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[id]), lambda done: not done["Unsuccessful"])
    does(ec2.delete_subnet, SubnetId=network.subnet)
    does(ec2.delete_security_group, GroupId=network.group)
    until(lambda: code(lambda: ec2.delete_vpc(VpcId=network.vpc)) == "")


def instance_state(ec2: Any, id: str) -> Any:
    return does(ec2.describe_instances, InstanceIds=[id])["Reservations"][0]["Instances"][0]["State"]["Name"]


@again_if_late
def test_the_life_of_an_instance(ec2: Any) -> None:
    network = Network(ec2)
    id = network.instance()
    in_time(instance_state(ec2, id), "pending", "running")
    asked = [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "subnet-id", "Values": [network.subnet]}]
    in_time(str(len(ec2.describe_instances(Filters=asked)["Reservations"])), "0", "1")
    in_time(str(len(does(ec2.describe_instance_status, InstanceIds=[id])["InstanceStatuses"])), "0", "1")
    in_time(refusal(ec2.stop_instances, InstanceIds=[id]), "IncorrectInstanceState")
    until(lambda: ec2.describe_instances(Filters=asked)["Reservations"])

    bigger = {"InstanceId": id, "InstanceType": {"Value": "t3.large"}}
    does(ec2.stop_instances, InstanceIds=[id])
    in_time(instance_state(ec2, id), "stopping", "stopped")
    in_time(refusal(ec2.modify_instance_attribute, **bigger), "IncorrectInstanceState")
    in_time(refusal(ec2.start_instances, InstanceIds=[id]), "IncorrectInstanceState")
    until(lambda: instance_state(ec2, id), lambda state: state == "stopped")
    does(ec2.modify_instance_attribute, **bigger)
    does(ec2.start_instances, InstanceIds=[id])
    in_time(instance_state(ec2, id), "pending", "running")

    ended = does(ec2.terminate_instances, InstanceIds=[id])["TerminatingInstances"][0]
    in_time(ended["PreviousState"]["Name"], "pending", "running")
    assert ended["CurrentState"]["Name"] == "shutting-down"
    in_time(refusal(ec2.delete_security_group, GroupId=network.group), "DependencyViolation")
    in_time(refusal(ec2.delete_subnet, SubnetId=network.subnet), "DependencyViolation")
    until(lambda: instance_state(ec2, id), lambda state: state == "terminated")
    again = ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == "terminated"
    ec2.delete_security_group(GroupId=network.group)
    ec2.delete_subnet(SubnetId=network.subnet)
    assert instance_state(ec2, id) == "terminated", "it is listed for an hour"


def test_a_protected_instance_stays(ec2: Any, network: Network) -> None:
    id = network.instance(DisableApiTermination=True)
    assert refusal(ec2.terminate_instances, InstanceIds=[id]) == "OperationNotPermitted"
    until(lambda: instance_state(ec2, id), lambda state: state == "running")


def test_what_is_gone_is_forgotten_after_an_hour(hasty_cloud: Any) -> None:
    ec2 = hasty_cloud.client("ec2")
    network = Network(ec2)
    network.gateway()
    nat, _ = nat_gateway(network)
    instance = network.instance()
    does(ec2.delete_nat_gateway, NatGatewayId=nat)
    does(ec2.terminate_instances, InstanceIds=[instance])
    until(lambda: nat_state(ec2, nat), lambda state: state == "deleted")
    until(lambda: instance_state(ec2, instance), lambda state: state == "terminated")
    gone = until(lambda: code(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])))
    assert gone == "NatGatewayNotFound"
    gone = until(lambda: code(lambda: ec2.describe_instances(InstanceIds=[instance])))
    assert gone == "InvalidInstanceID.NotFound"
