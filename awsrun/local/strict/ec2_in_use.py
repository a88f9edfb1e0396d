"""What EC2 will not delete or detach while something else is there.

Sources, below https://docs.aws.amazon.com/AWSEC2/latest/APIReference/: API_DeleteVpc.html, API_DeleteSubnet.html,
API_DeleteSecurityGroup.html (an interface, or a rule of another group), API_DeleteRouteTable.html,
API_ReleaseAddress.html (InvalidIPAddress.InUse), API_DeleteNetworkInterface.html, API_DisassociateRouteTable.html (not
the main table's).  Mapped addresses: https://github.com/hashicorp/terraform/issues/497.  The address of a NAT gateway
belongs to the gateway: https://github.com/genevieve/leftovers/issues/33.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Refused = tuple[str, str]  # code and message
_DEPENDENCY = "DependencyViolation"
_NOT_YOURS = ("AuthFailure", "You do not have permission to access the specified resource.")


def refused(backend: Any, action: str, form: Mapping[str, str]) -> Refused | None:
    """Why EC2 would not carry the call out; None where it would, and where what it names is not there."""
    check = _CHECKS.get(action)
    return check(backend, form) if check else None


def interfaces(backend: Any, vpc: str = "", subnet: str = "", group: str = "") -> Iterator[Any]:
    """moto's records of the network interfaces in a VPC or subnet, or with a security group."""
    for one in list(backend.enis.values()):
        there = subnet in ("", one.subnet.id) and vpc in ("", one.subnet.vpc_id)
        if there and (not group or any(known is not None and known.id == group for known in one.group_set)):
            yield one


def _vpc(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("VpcId", "")
    groups = backend.groups.get(id, {}).values()
    held = (
        any(True for _ in _subnets(backend, id))
        or any(gateway.vpc is not None and gateway.vpc.id == id for gateway in backend.internet_gateways.values())
        or any(table.vpc_id == id and not table.main_association_id for table in backend.route_tables.values())
        or any(group.name != "default" for group in groups)
        or any(one.vpc_id == id and one.state != "deleted" for one in backend.vpc_end_points.values())
    )
    return (_DEPENDENCY, f"The vpc '{id}' has dependencies and cannot be deleted.") if held else None


def _subnet(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("SubnetId", "")
    held = any(True for _ in interfaces(backend, subnet=id))
    return (_DEPENDENCY, f"The subnet '{id}' has dependencies and cannot be deleted.") if held else None


def _group(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("GroupId", "")
    group = next((groups[id] for groups in backend.groups.values() if id in groups), None)
    if group is None:
        return None
    if group.name == "default":
        return ("CannotDelete", f'the specified group: "{id}" name: "default" cannot be deleted by a user')
    held = any(True for _ in interfaces(backend, group=id)) or any(
        _names(other, id) for groups in backend.groups.values() for other in groups.values() if other.id != id
    )
    return (_DEPENDENCY, f"resource {id} has a dependent object") if held else None


def _gateway(backend: Any, form: Mapping[str, str]) -> Refused | None:
    vpc = form.get("VpcId", "")
    gateway = backend.internet_gateways.get(form.get("InternetGatewayId", ""))
    if gateway is None or gateway.vpc is None or gateway.vpc.id != vpc:
        return None
    if not any(one.public_ip for one in interfaces(backend, vpc=vpc)):
        return None
    said = f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching"
    return (_DEPENDENCY, f"{said} the gateway.")


def _route_table(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("RouteTableId", "")
    table = backend.route_tables.get(id)
    if table is None or not (table.associations or table.main_association_id):
        return None
    return (_DEPENDENCY, f"The routeTable '{id}' has dependencies and cannot be deleted.")


def _association(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("AssociationId", "")
    if not any(table.main_association_id == id for table in backend.route_tables.values()):
        return None
    return ("InvalidParameterValue", f"cannot disassociate the main route table association {id}")


def _address(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id, ip = form.get("AllocationId"), form.get("PublicIp")
    held = [one for one in backend.addresses if one.association_id and (one.allocation_id == id or one.public_ip == ip)]
    if not held:
        return None
    return _NOT_YOURS if _managed(held[0]) else ("InvalidIPAddress.InUse", f"Address {held[0].public_ip} is in use.")


def _disassociation(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("AssociationId", "")
    return _NOT_YOURS if any(one.association_id == id and _managed(one) for one in backend.addresses) else None


def _managed(address: Any) -> bool:
    return address.eni is not None and address.eni.requester_managed


def _interface(backend: Any, form: Mapping[str, str]) -> Refused | None:
    one = backend.enis.get(form.get("NetworkInterfaceId", ""))
    if one is None or one.status != "in-use":
        return None
    return ("InvalidNetworkInterface.InUse", f"Network interface '{one.id}' is currently in use.")


_CHECKS: dict[str, Callable[[Any, Mapping[str, str]], Refused | None]] = {
    "DeleteNetworkInterface": _interface,
    "DeleteRouteTable": _route_table,
    "DeleteSecurityGroup": _group,
    "DeleteSubnet": _subnet,
    "DeleteVpc": _vpc,
    "DetachInternetGateway": _gateway,
    "DisassociateAddress": _disassociation,
    "DisassociateRouteTable": _association,
    "ReleaseAddress": _address,
}


def _subnets(backend: Any, vpc: str) -> Iterator[Any]:
    return (one for zone in backend.subnets.values() for one in zone.values() if one.vpc_id == vpc)


def _names(group: Any, other: str) -> bool:
    """Whether a rule of ``group`` names the group ``other``."""
    rules = [*group.ingress_rules, *group.egress_rules]
    return any(rule.source_group and rule.source_group.get("GroupId") == other for rule in rules)
