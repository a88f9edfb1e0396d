"""What strict EC2 has put off survives the death of the server: everything hangs on the journal's clock."""

from __future__ import annotations

import os
import signal
from typing import Any

from strict_ec2_network import Network, code, does, until


def killed_and_back(cloud: Any) -> Any:
    """The server dies without a word and comes back; a client of the new one."""
    os.kill(cloud.status()["pid"], signal.SIGKILL)
    until(lambda: not cloud.status()["running"])
    cloud.start()
    return cloud.client("ec2")


def test_what_was_put_off_happens_after_a_crash_too(fresh_cloud: Any) -> None:
    fresh_cloud.start(strict=True, time_scale=0.05)
    ec2 = fresh_cloud.client("ec2")
    network = Network(ec2)
    gateway = network.gateway()
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = does(ec2.create_nat_gateway, SubnetId=network.subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    instance = network.instance()
    before = {one["NetworkInterfaceId"]: one["InterfaceType"] for one in network.interfaces()}

    def state() -> Any:
        return does(ec2.describe_nat_gateways, NatGatewayIds=[nat])["NatGateways"][0]["State"]

    assert state() == "pending"
    ec2 = killed_and_back(fresh_cloud)
    found = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [network.subnet]}])
    assert {one["NetworkInterfaceId"]: one["InterfaceType"] for one in found["NetworkInterfaces"]} == before
    until(state, lambda state: state == "available")
    does(ec2.delete_nat_gateway, NatGatewayId=nat)
    does(ec2.terminate_instances, InstanceIds=[instance])
    assert state() == "deleting"

    ec2 = killed_and_back(fresh_cloud)
    until(state, lambda state: state == "deleted")
    until(lambda: code(lambda: ec2.delete_subnet(SubnetId=network.subnet)) == "")
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=network.vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_security_group(GroupId=network.group)
    ec2.delete_vpc(VpcId=network.vpc)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]

    ec2 = killed_and_back(fresh_cloud)
    log = (fresh_cloud.home / "data" / "local" / "server.log").read_text()
    assert "replayed POST" not in log, "what was carried out is carried out again"
    assert address not in str(ec2.describe_addresses()) and network.vpc not in str(ec2.describe_vpcs())
    assert does(ec2.describe_vpcs, VpcIds=[vpc])["Vpcs"]
