"""EC2 under strict beside IAM and Lambda: profiles not known yet, interfaces that outlive functions, client tokens."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from strict_ec2_network import Network, again_if_late, code, does, in_time, refusal, until

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.resources.holders import named
from awsrun.resources.kind import ABSENT
from awsrun.resources.registry import kind
from tests.contract.strict_bench import unique


@pytest.fixture
def ec2(strict_cloud: Any) -> Any:
    return strict_cloud.client("ec2")


def patiently(call: Any, **arguments: Any) -> Any:
    """What a call answers once IAM, and those who ask it, know of everything."""

    def answer() -> Any:
        try:
            return call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] not in LATE:
                raise
            return None

    return until(answer, lambda found: found is not None)


LATE = {"NoSuchEntity", "InvalidParameterValueException", "InvalidParameterValue", "ResourceConflictException"}


def role(iam: Any, service: str) -> Any:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return iam.create_role(RoleName=unique(), AssumeRolePolicyDocument=trust)["Role"]


def test_an_instance_profile_is_not_known_to_ec2_at_first(strict_cloud: Any, ec2: Any) -> None:
    iam, network, name = strict_cloud.client("iam"), Network(ec2), unique()
    holder = role(iam, "ec2.amazonaws.com")["RoleName"]
    profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    start = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1, "SubnetId": network.subnet}

    def why(**given: str) -> str:
        with pytest.raises(ClientError) as refused:
            does(ec2.run_instances, **start, IamInstanceProfile=given)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
        return str(refused.value)

    assert "Invalid IAM Instance Profile name" in why(Name=name)
    assert "Invalid IAM Instance Profile ARN" in why(Arn=f"{profile}-other")
    until(lambda: "has no associated IAM Roles" in why(Name=name))
    patiently(iam.add_role_to_instance_profile, InstanceProfileName=name, RoleName=holder)
    started = patiently(ec2.run_instances, **start, IamInstanceProfile={"Arn": profile})["Instances"][0]
    assert started["IamInstanceProfile"]["Arn"] == profile


def test_an_endpoint_that_is_nobody_of_awsruns_is_named_with_what_deletes_it(strict_cloud: Any, ec2: Any) -> None:
    """GuardDuty makes one: https://github.com/hashicorp/terraform-provider-aws/issues/46747"""
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    network, cloud = Network(ec2), Cloud(session, LOCAL, strict_cloud.endpoint)
    made = does(
        ec2.create_vpc_endpoint, VpcId=network.vpc, ServiceName="com.amazonaws.us-east-1.guardduty-data",
        VpcEndpointType="Interface", SubnetIds=[network.subnet], SecurityGroupIds=[network.group],
    )  # fmt: skip
    id, (place, seen) = made["VpcEndpoint"]["VpcEndpointId"], (network.subnet, ABSENT)
    said = until(lambda: kind("vpc.subnet")(cloud).holder(place, seen), lambda found: "which" in found)
    assert "which GuardDuty made by itself" in said and f"delete-vpc-endpoints --vpc-endpoint-ids {id}" in said
    assert id in kind("vpc")(cloud).holder(network.vpc, ABSENT)
    does(ec2.create_tags, Resources=[id], Tags=[{"Key": "awsrun:stack", "Value": "s"}])
    said = until(lambda: kind("vpc.subnet")(cloud).holder(place, seen), lambda found: "which" not in found)
    assert said.endswith("it goes a few minutes after the endpoint is deleted")


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("app.py", "def handler(event, context): return event")
    return made.getvalue()


@again_if_late
def test_interfaces_of_a_function_outlive_it(hasty_cloud: Any) -> None:
    ec2, functions = hasty_cloud.client("ec2"), hasty_cloud.client("lambda")
    network, name = Network(ec2), unique()
    other = network.another_group()
    place = {"SubnetIds": [network.subnet], "SecurityGroupIds": [network.group]}
    common = {
        "Role": role(hasty_cloud.client("iam"), "lambda.amazonaws.com")["Arn"],
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Code": {"ZipFile": archive()},
    }
    for function in (name, f"{name}-too"):
        patiently(functions.create_function, FunctionName=function, VpcConfig=place, **common)
    held = network.interfaces()
    assert len(held) == 1, "functions in one subnet with one set of groups share an interface"
    assert (held[0]["InterfaceType"], held[0]["RequesterManaged"]) == ("lambda", True)
    assert held[0]["Description"].startswith(f"AWS Lambda VPC ENI-{name}-")
    id = held[0]["NetworkInterfaceId"]
    assert refusal(ec2.delete_network_interface, NetworkInterfaceId=id) == "InvalidNetworkInterface.InUse"

    patiently(
        functions.update_function_configuration,
        FunctionName=name,
        VpcConfig={"SubnetIds": [network.subnet], "SecurityGroupIds": [other]},
    )
    groups = [one["Groups"][0]["GroupId"] for one in network.interfaces()]
    assert sorted(groups) == sorted([network.group, other])
    for function in (name, f"{name}-too"):
        patiently(functions.delete_function, FunctionName=function)
    in_time(refusal(ec2.delete_security_group, GroupId=network.group), "DependencyViolation")
    in_time(refusal(ec2.delete_security_group, GroupId=other), "DependencyViolation")
    in_time(refusal(ec2.delete_subnet, SubnetId=network.subnet), "DependencyViolation")
    until(lambda: not network.interfaces())
    ec2.delete_security_group(GroupId=network.group)
    ec2.delete_security_group(GroupId=other)
    ec2.delete_subnet(SubnetId=network.subnet)


def test_an_interface_of_a_function_whose_role_is_gone_stays(hasty_cloud: Any) -> None:
    ec2, functions, iam = (hasty_cloud.client(name) for name in ("ec2", "lambda", "iam"))
    network, name, trusted = Network(ec2), unique(), role(hasty_cloud.client("iam"), "lambda.amazonaws.com")
    patiently(
        functions.create_function, FunctionName=name, Role=trusted["Arn"], Runtime="python3.12",
        Handler="app.handler", Code={"ZipFile": archive()},
        VpcConfig={"SubnetIds": [network.subnet], "SecurityGroupIds": [network.group]},
    )  # fmt: skip
    patiently(functions.delete_function, FunctionName=name)
    iam.delete_role(RoleName=trusted["RoleName"])
    until(lambda: network.interfaces()[0]["Status"] == "available")
    (left,) = network.interfaces()
    assert named([left]).endswith(f"delete-network-interface --network-interface-id {left['NetworkInterfaceId']}")
    assert refusal(ec2.delete_security_group, GroupId=network.group) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=left["NetworkInterfaceId"])
    ec2.delete_security_group(GroupId=network.group)


TOKENS = [
    ("create_route_table", "RouteTable", "RouteTableId", {}, {}),
    ("create_volume", "", "VolumeId", {"AvailabilityZone": "us-east-1a", "Size": 1}, {"Size": 2}),
    (
        "create_launch_template",
        "LaunchTemplate",
        "LaunchTemplateId",
        {"LaunchTemplateData": {"InstanceType": "t3.micro"}},
        {"LaunchTemplateData": {"InstanceType": "t3.small"}},
    ),
    ("create_vpc_endpoint", "VpcEndpoint", "VpcEndpointId", {}, {"ServiceName": "com.amazonaws.us-east-1.dynamodb"}),
    (
        "create_nat_gateway",
        "NatGateway",
        "NatGatewayId",
        {"ConnectivityType": "private"},
        {"ConnectivityType": "public"},
    ),
]


@pytest.mark.parametrize(("operation", "part", "field", "more", "other"), TOKENS)
def test_a_client_token_makes_one_thing(
    ec2: Any, operation: str, part: str, field: str, more: dict[str, Any], other: dict[str, Any]
) -> None:
    network, token = Network(ec2), unique()
    places = {
        "create_route_table": {"VpcId": network.vpc},
        "create_vpc_endpoint": {"VpcId": network.vpc, "ServiceName": "com.amazonaws.us-east-1.s3"},
        "create_nat_gateway": {"SubnetId": network.subnet},
        "create_launch_template": {"LaunchTemplateName": unique()},
    }
    request = {"ClientToken": token, **places.get(operation, {}), **more}
    create = getattr(ec2, operation)

    def made(answer: Any) -> str:
        return str((answer[part] if part else answer)[field])

    first = made(does(create, **request))
    assert made(does(create, **request)) == first
    changed = other or {"TagSpecifications": [{"ResourceType": "route-table", "Tags": [{"Key": "a", "Value": "b"}]}]}
    assert refusal(create, **{**request, **changed}) == "IdempotentParameterMismatch"
    assert made(does(create, **{**request, "ClientToken": unique(), **_another_name(operation)})) != first


def _another_name(operation: str) -> dict[str, Any]:
    return {"LaunchTemplateName": unique()} if operation == "create_launch_template" else {}


def test_a_client_token_outlives_its_instance(hasty_cloud: Any) -> None:
    ec2 = hasty_cloud.client("ec2")
    network, token = Network(ec2), unique()
    first = network.instance(ClientToken=token)
    does(ec2.terminate_instances, InstanceIds=[first])
    until(lambda: code(lambda: ec2.delete_subnet(SubnetId=network.subnet)) == "")
    assert network.instance(ClientToken=token) == first, "the answer of then, though it is terminated"
