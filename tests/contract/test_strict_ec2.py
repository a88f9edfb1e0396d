"""EC2 under strict: what was just made does not show everywhere (see `awsrun.local.strict.ec2_visible` for sources)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from strict_ec2_network import Network, code, does, until


@pytest.fixture
def ec2(strict_cloud: Any) -> Any:
    return strict_cloud.client("ec2")


@pytest.fixture(scope="module")
def network(strict_cloud: Any) -> Network:
    return Network(strict_cloud.client("ec2"))


def first_answers(make: Callable[[], str], use: Callable[[str], Any], attempts: int = 40) -> Iterator[str]:
    """What calls that name something answer right after it was made, over and over."""
    for _ in range(attempts):
        id = make()
        yield code(lambda: use(id))  # noqa: B023 - called at once


def vpc(ec2: Any, network: Network) -> str:
    return str(ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"])


def group(ec2: Any, network: Network) -> str:
    return network.another_group()


def table(ec2: Any, network: Network) -> str:
    return str(ec2.create_route_table(VpcId=network.vpc)["RouteTable"]["RouteTableId"])


def gateway(ec2: Any, network: Network) -> str:
    return str(ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])


def address(ec2: Any, network: Network) -> str:
    return str(ec2.allocate_address(Domain="vpc")["AllocationId"])


def endpoint(ec2: Any, network: Network) -> str:
    made = ec2.create_vpc_endpoint(VpcId=network.vpc, ServiceName="com.amazonaws.us-east-1.s3")
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def instance(ec2: Any, network: Network) -> str:
    return network.instance()


CASES = [
    (vpc, "describe_vpcs", "VpcIds", "InvalidVpcID.NotFound"),
    (vpc, "modify_vpc_attribute", "VpcId", "InvalidVpcID.NotFound"),
    (group, "describe_security_groups", "GroupIds", "InvalidGroup.NotFound"),
    (table, "describe_route_tables", "RouteTableIds", "InvalidRouteTableID.NotFound"),
    (gateway, "describe_internet_gateways", "InternetGatewayIds", "InvalidInternetGatewayID.NotFound"),
    (address, "describe_addresses", "AllocationIds", "InvalidAllocationID.NotFound"),
    (endpoint, "describe_vpc_endpoints", "VpcEndpointIds", "InvalidVpcEndpointId.NotFound"),
    (instance, "describe_instances", "InstanceIds", "InvalidInstanceID.NotFound"),
    (instance, "create_tags", "Resources", "InvalidInstanceID.NotFound"),
]


@pytest.mark.parametrize(("make", "operation", "field", "missing"), CASES)
def test_a_call_that_names_what_was_just_made_may_not_find_it(
    ec2: Any, network: Network, make: Any, operation: str, field: str, missing: str
) -> None:
    more = {
        "modify_vpc_attribute": {"EnableDnsHostnames": {"Value": True}},
        "create_tags": {"Tags": [{"Key": "a", "Value": "b"}]},
    }

    def use(id: str) -> Any:
        return getattr(ec2, operation)(**{field: id if field == "VpcId" else [id]}, **more.get(operation, {}))

    seen: list[str] = []

    def making() -> str:
        seen.append(make(ec2, network))
        return seen[-1]

    assert missing in first_answers(making, use)
    does(use, id=seen[0])


def test_a_route_to_a_gateway_that_was_just_made(ec2: Any, network: Network) -> None:
    routes = table(ec2, network)
    does(ec2.describe_route_tables, RouteTableIds=[routes])

    def use(id: str) -> Any:
        return ec2.create_route(RouteTableId=routes, DestinationCidrBlock="0.0.0.0/0", GatewayId=id)

    assert "InvalidGatewayID.NotFound" in first_answers(lambda: gateway(ec2, network), use)


def test_launch_templates_are_looked_for_by_id_and_by_name(ec2: Any, network: Network) -> None:
    names = iter(range(100))

    def make() -> str:
        name = f"template-{next(names)}"
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.micro"})
        return name

    def use(name: str) -> Any:
        return ec2.describe_launch_templates(LaunchTemplateNames=[name])

    assert "InvalidLaunchTemplateName.NotFoundException" in first_answers(make, use)
    found = until(lambda: ec2.describe_launch_templates()["LaunchTemplates"])
    assert found[0]["LaunchTemplateName"] == "template-0"


def test_lists_show_what_is_new_after_a_while(ec2: Any, network: Network) -> None:
    mark = {"Key": "made-for", "Value": "lists"}
    asked = [{"Name": "tag:made-for", "Values": ["lists"]}]
    made, shown = set(), []
    for number in range(12):
        tags = [{"ResourceType": "subnet", "Tags": [mark]}]
        cidr = f"10.0.{100 + number}.0/24"
        made.add(ec2.create_subnet(VpcId=network.vpc, CidrBlock=cidr, TagSpecifications=tags)["Subnet"]["SubnetId"])
        shown.append(len(ec2.describe_subnets(Filters=asked)["Subnets"]) == number + 1)
    assert not all(shown), "a list showed each new subnet at once"
    found = until(lambda: ec2.describe_subnets(Filters=asked)["Subnets"], lambda found: len(found) == len(made))
    assert {one["SubnetId"] for one in found} == made
    assert made <= {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}


def test_filters_learn_of_added_tags_after_a_while(ec2: Any, network: Network) -> None:
    asked = []
    for number in range(12):
        ec2.create_tags(Resources=[network.vpc], Tags=[{"Key": f"late-{number}", "Value": "yes"}])
        asked.append([{"Name": f"tag:late-{number}", "Values": ["yes"]}])
        if not ec2.describe_vpcs(Filters=asked[-1])["Vpcs"]:
            break
    else:
        raise AssertionError("each tag was found at once")
    tags = ec2.describe_vpcs(VpcIds=[network.vpc])["Vpcs"][0]["Tags"]
    assert {"Key": f"late-{number}", "Value": "yes"} in tags, "it is there, only filters do not know"
    until(lambda: ec2.describe_vpcs(Filters=asked[-1])["Vpcs"])


def test_what_one_call_saw_the_next_may_not(ec2: Any) -> None:
    """Right after it was found for the first time, it is at times not found again."""

    def flapped() -> bool:
        id = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        does(ec2.describe_vpcs, VpcIds=[id])
        return "InvalidVpcID.NotFound" in {code(lambda: ec2.describe_vpcs(VpcIds=[id])) for _ in range(10)}

    assert any(flapped() for _ in range(20))
