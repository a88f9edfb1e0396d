"""The network interface that a task has in its subnet while it lives: nobody but ECS may delete it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
"""

from __future__ import annotations

from typing import Any

from awsrun.local.ecs.errors import EcsError, Record, need

ACCOUNT = "123456789012"


def check(region: str, configuration: Record | None) -> Record:
    """The awsvpcConfiguration of a call; its subnets and groups are there.

    Raises:
        EcsError: they are not.
    """
    found: Record = (configuration or {}).get("awsvpcConfiguration") or {}
    if not found:
        raise EcsError("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    need(found, "subnets")
    ec2 = _ec2(region)
    for subnet in found["subnets"]:
        if not any(subnet in zone for zone in ec2.subnets.values()):
            raise EcsError(
                f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
    for group in found.get("securityGroups") or ():
        if ec2.get_security_group_from_id(group) is None:
            raise EcsError(
                f"Error retrieving security group information for [{group}]: The security group '{group}' does not "
                "exist (ErrorCode: InvalidGroup.NotFound)"
            )
    return found


def attach(region: str, configuration: Record, attachment: str, turn: int) -> Record:
    """Make an interface; the task's attachment.  Called within a `clock.moment`.

    Args:
        attachment: its id.
        turn: tasks take the subnets in turn.
    """
    ec2 = _ec2(region)
    subnet = ec2.get_subnet(configuration["subnets"][turn % len(configuration["subnets"])])
    ids = configuration.get("securityGroups") or [ec2.get_default_security_group(subnet.vpc_id).id]
    groups = [found for found in (ec2.get_security_group_from_id(one) for one in ids) if found is not None]
    interface = ec2.create_network_interface(subnet, None)
    interface.description = f"arn:aws:ecs:{region}:{ACCOUNT}:attachment/{attachment}"
    interface.requester_managed = True
    interface.status = "in-use"
    interface._group_set = groups
    details = {
        "subnetId": subnet.id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        "privateDnsName": interface.private_dns_name,
        "privateIPv4Address": interface.private_ip_address,
    }
    return {
        "id": attachment,
        "type": "ElasticNetworkInterface",
        "status": "ATTACHED",
        "details": [{"name": name, "value": value} for name, value in details.items() if value],
    }


def detach(region: str, attachment: Record) -> None:
    """The task is over: its interface goes."""
    attachment["status"] = "DELETED"
    for detail in attachment["details"]:
        if detail["name"] == "networkInterfaceId":
            _ec2(region).enis.pop(detail["value"], None)


def _ec2(region: str) -> Any:
    from moto.backends import get_backend

    found: Any = get_backend("ec2")
    return found[ACCOUNT][region]
