"""Private subnets in a stack's life: made, kept, changed, gone; what is there is checked with the ``aws`` command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

from awsrun.aws.clients import connect
from awsrun.reconcile import api

SPECS = Path(__file__).parents[2] / "specs"
READS = ("Describe", "List", "Get", "Head", "Scan", "BatchGet", "Query")
NETWORK = """\
stack: inner
resources:
  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 2}
  burst: {kind: batch.compute_environment, vpc: network, fargate: true, max_vcpus: 4}
  queue: {kind: batch.job_queue, compute_environments: [burst]}
"""


def private(how: str) -> str:
    return NETWORK.replace("max_azs: 2}", f"max_azs: 2, {how}}}")


@pytest.fixture
def life(fresh_cloud: Any, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell beside an embedded cloud of its own."""
    shell.env |= {"AWSRUN_HOME": str(fresh_cloud.home)}
    for name in ("AWS_ENDPOINT_URL", "AWSRUN_CONTEXT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWSRUN_HOME", str(fresh_cloud.home))
    return shell


class World:
    """What is on the server, asked of it directly."""

    def __init__(self, cloud: Any) -> None:
        self.ec2, self.batch = cloud.client("ec2"), cloud.client("batch")

    def subnets(self, public: bool) -> set[str]:
        mine = [{"Name": "default-for-az", "Values": ["false"]}]
        found = self.ec2.describe_subnets(Filters=mine)["Subnets"]
        return {one["SubnetId"] for one in found if one["MapPublicIpOnLaunch"] == public}

    def machines(self) -> set[str]:
        (one,) = self.batch.describe_compute_environments()["computeEnvironments"]
        return set(one["computeResources"]["subnets"])

    def way_out(self) -> dict[str, str]:
        """Subnet -> where what is not in the VPC goes."""
        found: dict[str, str] = {}
        for table in self.ec2.describe_route_tables()["RouteTables"]:
            default = [one for one in table["Routes"] if one.get("DestinationCidrBlock") == "0.0.0.0/0"]
            target = (default[0].get("NatGatewayId") or default[0].get("GatewayId", "")) if default else "nowhere"
            found |= {one["SubnetId"]: target for one in table["Associations"] if "SubnetId" in one}
        return found

    def interfaces(self) -> list[Any]:
        listed = self.ec2.describe_vpc_endpoints()["VpcEndpoints"]
        return [one for one in listed if one["State"] != "deleted" and one["VpcEndpointType"] == "Interface"]


def test_the_private_spec_lives_and_dies(life: Shell, fresh_cloud: Any) -> None:
    world, text = World(fresh_cloud), (SPECS / "private.yaml").read_text()
    life.awsrun("apply", life.write(text))
    assert world.machines() == world.subnets(public=False) != set()
    assert {world.way_out()[subnet] for subnet in world.machines()} == {"nowhere"}
    reached = {one["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for one in world.interfaces()}
    assert reached == {"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"}
    assert life.listed(fresh_cloud.endpoint, "nats", "addresses") == {}, "no NAT gateway was asked for"

    cloud = connect("local")
    again = api.apply(api.load(life.folder / "spec.yaml"), cloud)
    assert again.applied == again.failed == ()
    assert [call for call in cloud.calls if not call.split(".")[1].startswith(READS)] == []

    life.awsrun("teardown", "private", "--yes")
    assert life.listed(fresh_cloud.endpoint) == {}


LEFT = ("vpcs", "nats", "addresses", "endpoints", "interfaces", "subnets", "groups", "templates", "environments")


class Stack:
    """One stack, driven from Python: as the command does it, without the start of a process each time."""

    def __init__(self, life: Shell) -> None:
        self.life, self.cloud = life, connect("local")

    def spec(self, text: str) -> Any:
        return api.load(self.life.folder / self.life.write(text))

    def plan(self, text: str) -> dict[str, Any]:
        return {one.name: one for one in api.plan(self.spec(text), self.cloud).changes}

    def apply(self, text: str) -> None:
        assert api.apply(self.spec(text), self.cloud).failed == ()

    def end(self, endpoint: str) -> None:
        gone = api.teardown("inner", self.cloud)
        assert gone.left == gone.kept == ()
        assert self.life.listed(endpoint, *LEFT) == {}


def test_private_subnets_come_change_and_go(life: Shell, fresh_cloud: Any) -> None:
    """From public subnets to a NAT gateway, to one in each zone, to endpoints, and back."""
    world, stack = World(fresh_cloud), Stack(life)
    stack.apply(NETWORK)
    public = world.subnets(public=True)
    assert world.machines() == public and len(public) == 2

    one_nat = private("private: nat")
    assert stack.plan(one_nat)["burst"].action == "replace", "it moves to other subnets"
    stack.apply(one_nat)
    hidden = world.machines()
    assert hidden == world.subnets(public=False) and len(hidden) == 2
    assert world.subnets(public=True) == public, "what was there stays"
    listed = life.listed(fresh_cloud.endpoint, "nats", "addresses")
    assert [len(listed["nats"]), len(listed["addresses"])] == [1, 1]
    assert {world.way_out()[one] for one in hidden} == set(listed["nats"])
    assert stack.plan(one_nat) == {}

    stack.apply(private("private: nat, private_per_az: true"))
    listed = life.listed(fresh_cloud.endpoint, "nats", "addresses")
    assert [len(listed["nats"]), len(listed["addresses"])] == [2, 2]
    assert {world.way_out()[one] for one in hidden} == set(listed["nats"])
    assert world.machines() == hidden, "machines did not move"

    stack.apply(private("private: endpoints"))
    assert life.listed(fresh_cloud.endpoint, "nats", "addresses") == {}
    assert {world.way_out()[one] for one in hidden} == {"nowhere"}
    assert {len(one["SubnetIds"]) for one in world.interfaces()} == {1}, "in one zone, which all zones can use"

    stack.apply(NETWORK)
    assert (world.machines(), world.subnets(public=False)) == (public, set())
    assert world.interfaces() == []
    stack.end(fresh_cloud.endpoint)


def test_a_failed_nat_gateway_is_made_again(life: Shell, fresh_cloud: Any) -> None:
    """Its address is held by a gateway of somebody else: apply says so; the next one replaces what failed."""
    world, stack, spec = World(fresh_cloud), Stack(life), private("private: nat")
    stack.apply(spec)
    (mine,) = world.ec2.describe_nat_gateways()["NatGateways"]
    (address,) = world.ec2.describe_addresses()["Addresses"]
    world.ec2.delete_nat_gateway(NatGatewayId=mine["NatGatewayId"])
    foreign = world.ec2.create_nat_gateway(SubnetId=mine["SubnetId"], AllocationId=address["AllocationId"])[
        "NatGateway"
    ]
    failed = {one.name: one.error.why for one in api.apply(stack.spec(spec), stack.cloud).failed}
    assert "Resource.AlreadyAssociated" in failed["network/nat"]

    world.ec2.delete_nat_gateway(NatGatewayId=foreign["NatGatewayId"])
    assert "it is broken: Resource.AlreadyAssociated" in stack.plan(spec)["network/nat"].why
    stack.apply(spec)
    assert stack.plan(spec) == {}
    stack.end(fresh_cloud.endpoint)


def test_a_nat_gateway_that_moves_keeps_its_address(life: Shell, fresh_cloud: Any) -> None:
    """Its subnet is replaced, so it is too: two gateways cannot have one address, so the old one goes first."""
    world, stack = World(fresh_cloud), Stack(life)
    stack.apply(private("private: nat").replace("max_azs: 2", "max_azs: 1"))
    (before,) = world.ec2.describe_addresses()["Addresses"]
    moved = private('private: nat, public_cidrs: ["10.10.0.192/26"]').replace("max_azs: 2", "max_azs: 1")
    assert stack.plan(moved)["network/nat"].action == "replace"
    stack.apply(moved)
    (after,) = world.ec2.describe_addresses()["Addresses"]
    assert after["PublicIp"] == before["PublicIp"], "whoever let it in knows it"
    (nat,) = life.listed(fresh_cloud.endpoint, "nats")["nats"]
    (listed,) = world.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"]
    assert {listed["SubnetId"]} == world.subnets(public=True)
    assert {world.way_out()[one] for one in world.machines()} == {nat}


def test_on_a_cloud_as_hard_as_aws(life: Shell, fresh_cloud: Any) -> None:
    """Gateways and endpoints take their time, hold what they use, and show late; it ends the same."""
    options = {"strict": True, "time_scale": 0.005}
    fresh_cloud.control("start", "--options", json.dumps(options))
    stack, reasons = Stack(life), set[str]()
    for how in ("private: nat", "private: endpoints"):
        text = private(how)
        done = api.apply(stack.spec(text), stack.cloud, observer=lambda event: reasons.add(event.why))
        assert done.failed == (), how
        assert stack.plan(text) == {}, how
    gone = api.teardown("inner", stack.cloud, observer=lambda event: reasons.add(event.why))
    assert gone.left == gone.kept == ()
    assert life.listed(fresh_cloud.endpoint, *LEFT) == {}
    assert not [why for why in reasons if why.startswith("You do not have permission")], "AWS's words for: in use"
