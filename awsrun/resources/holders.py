"""Who holds a resource of EC2 that AWS will not delete: nearly always a network interface, which tells whose it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.tags import STACK, mapping

# What services write into the descriptions of their interfaces, whose these are, and when they go.  Lambda takes 20 to
# 40 minutes (https://github.com/hashicorp/terraform-provider-aws/pull/10347).
_ENDPOINT = r"VPC Endpoint Interface (vpce-\w+)"
_SERVICES = (
    (
        r"AWS Lambda VPC ENI-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Lambda function {}",
        "it usually lets go within 40 minutes of the function's end",
    ),
    (r"Interface for NAT Gateway (nat-\w+)", "NAT gateway {}", "it goes a few minutes after the gateway is deleted"),
    (_ENDPOINT, "endpoint {}", "it goes a few minutes after the endpoint is deleted"),
    (r"arn:[\w-]+:ecs:.*:attachment/([\w-]+)", "an ECS task ({})", "it usually lets go minutes after the task's end"),
    (r"ELB (?:\w+/)?([\w.-]+).*", "load balancer {}", "it goes minutes after the load balancer is deleted"),
)


def interfaces(cloud: Cloud, filter: str, value: str) -> list[Any]:
    """The network interfaces that a filter finds (``group-id``, ``subnet-id``, ``vpc-id``)."""
    pages = cloud.read("ec2").get_paginator("describe_network_interfaces")
    asked = [{"Name": filter, "Values": [value]}]
    return [one for page in pages.paginate(Filters=asked) for one in page["NetworkInterfaces"]]


def named(held: Sequence[Any], cloud: Cloud | None = None) -> str:
    """``eni-9 of Lambda function X; it usually lets go within 40 minutes``; empty where nothing holds.

    Args:
        cloud: where it may be asked whether an endpoint is a stack's at all.
    """
    if not held:
        return ""
    owner, when = (cloud and _foreign(cloud, held[0])) or _owner(held[0])
    more = f" and {len(held) - 1} more" if len(held) > 1 else ""
    return f"{held[0]['NetworkInterfaceId']} of {owner}{more}; {when}"


def _foreign(cloud: Cloud, interface: Any) -> tuple[str, str] | None:
    """Whose an interface is, and what to do, where it is of an endpoint that awsrun did not make.

    GuardDuty makes one in every VPC that it watches the machines of, and leaves it there
    (https://github.com/hashicorp/terraform-provider-aws/issues/46747).
    """
    found = re.fullmatch(_ENDPOINT, interface.get("Description", ""))
    if not found:
        return None
    try:
        listed = cloud.read("ec2").describe_vpc_endpoints(VpcEndpointIds=[found.group(1)])["VpcEndpoints"]
    except ClientError as error:
        if not matches(error, {"InvalidVpcEndpointId.NotFound"}):
            raise
        listed = []  # it is going already
    for endpoint in listed:
        if STACK not in mapping(endpoint.get("Tags")):
            id, service = endpoint["VpcEndpointId"], endpoint["ServiceName"]
            whose = "which GuardDuty made by itself" if "guardduty" in service else "which awsrun did not make"
            delete = f"delete it: aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {id} --region {cloud.region}"
            return f"endpoint {id} ({service}), {whose}", delete
    return None


def _owner(interface: Any) -> tuple[str, str]:
    """Whose an interface is, and when it goes."""
    said = interface.get("Description", "")
    free = interface.get("Status") == "available"  # its service let go of it, and could not delete it
    for pattern, owner, when in () if free else _SERVICES:
        if found := re.fullmatch(pattern, said):
            return owner.format(found.group(1)), when
    instance = interface.get("Attachment", {}).get("InstanceId")
    if instance:
        return f"instance {instance}", "it lets go when the instance is terminated"
    if interface.get("RequesterManaged"):
        return said or f"a service of AWS ({interface.get('RequesterId', 'unnamed')})", "the service has to let go"
    id = interface["NetworkInterfaceId"]
    whose = f"nobody ({said})" if said else "nobody"
    return whose, f"delete it: aws ec2 delete-network-interface --network-interface-id {id}"
