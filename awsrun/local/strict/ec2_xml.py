"""EC2's answers as trees: what stands where in each, and answers of our own in the same shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from awsrun.local.calls import Call, Reply

_SPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_NAMED = re.compile(rb' xmlns="[^"]*"')
_HEADERS = [("Content-Type", "text/xml;charset=UTF-8")]

# Operation -> the set of what it lists, and the field with the id of each.
LISTS = {
    "DescribeAddresses": ("addressesSet", "allocationId"),
    "DescribeInstances": ("reservationSet/item/instancesSet", "instanceId"),
    "DescribeInstanceStatus": ("instanceStatusSet", "instanceId"),
    "DescribeInternetGateways": ("internetGatewaySet", "internetGatewayId"),
    "DescribeKeyPairs": ("keySet", "keyPairId"),
    "DescribeLaunchTemplates": ("launchTemplates", "launchTemplateId"),
    "DescribeNatGateways": ("natGatewaySet", "natGatewayId"),
    "DescribeNetworkInterfaces": ("networkInterfaceSet", "networkInterfaceId"),
    "DescribeRouteTables": ("routeTableSet", "routeTableId"),
    "DescribeSecurityGroups": ("securityGroupInfo", "groupId"),
    "DescribeSubnets": ("subnetSet", "subnetId"),
    "DescribeTags": ("tagSet", "resourceId"),
    "DescribeVolumes": ("volumeSet", "volumeId"),
    "DescribeVpcEndpoints": ("vpcEndpointSet", "vpcEndpointId"),
    "DescribeVpcs": ("vpcSet", "vpcId"),
}
# Operation -> where its answer has what was made, and the field with its id.
CREATES = {
    "AllocateAddress": (".", "allocationId"),
    "CreateInternetGateway": ("internetGateway", "internetGatewayId"),
    "CreateKeyPair": (".", "keyPairId"),
    "CreateLaunchTemplate": ("launchTemplate", "launchTemplateId"),
    "CreateNatGateway": ("natGateway", "natGatewayId"),
    "CreateNetworkInterface": ("networkInterface", "networkInterfaceId"),
    "CreateRouteTable": ("routeTable", "routeTableId"),
    "CreateSecurityGroup": (".", "groupId"),
    "CreateSubnet": ("subnet", "subnetId"),
    "CreateVolume": (".", "volumeId"),
    "CreateVpc": ("vpc", "vpcId"),
    "CreateVpcEndpoint": ("vpcEndpoint", "vpcEndpointId"),
    "ImportKeyPair": (".", "keyPairId"),
    "RunInstances": ("instancesSet/item", "instanceId"),
}


def tree(reply: Reply) -> Element:
    """The body of an answer, without its namespace."""
    return ElementTree.fromstring(_NAMED.sub(b"", reply.content, count=1))


def with_tree(reply: Reply, root: Element) -> Reply:
    """``reply`` with another body."""
    root.set("xmlns", _SPACE)
    return Reply(reply.status, reply.headers, b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root))


def answer(call: Call, content: str) -> Reply:
    """A successful answer to ``call``: ``content`` is XML."""
    name = f"{call.action}Response"
    whole = f'<{name} xmlns="{_SPACE}"><requestId>0</requestId>{content}</{name}>'
    return Reply(200, list(_HEADERS), whole.encode())


def made(action: str, root: Element) -> Iterator[tuple[str, Element]]:
    """Id and element of what a create call made."""
    where, field = CREATES.get(action, ("", ""))
    for entry in root.findall(where) if where else ():
        if id := entry.findtext(field):
            yield id, entry


def listed(action: str, root: Element) -> Iterator[tuple[Element, str, Element]]:
    """Set, id and element of all that a list shows; the elements may be removed from their sets meanwhile."""
    where, field = LISTS.get(action, ("", ""))
    for group in root.findall(where) if where else ():
        for entry in list(group):
            yield group, entry.findtext(field, ""), entry


def without_empty_reservations(root: Element) -> None:
    """Instances are listed within what they were started by, which goes with the last of them."""
    for reservations in root.findall("reservationSet"):
        for one in reservations.findall("item"):
            if one.find("instancesSet/item") is None:
                reservations.remove(one)


def put(entry: Element, field: str, text: str) -> None:
    """Set the text of a field, made where it is missing."""
    found = entry.find(field)
    if found is None:
        found = ElementTree.SubElement(entry, field)
    found.text = text
