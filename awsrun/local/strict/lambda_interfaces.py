"""Network interfaces that Lambda keeps in a VPC for its functions, and for a good while after them.

One for each subnet with each set of security groups, shared by the functions that have both
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html); no one but Lambda can delete it, and Lambda takes
20 to 40 minutes after the last function has let go
(https://github.com/hashicorp/terraform-provider-aws/pull/10347, https://github.com/pulumi/pulumi-aws/pull/4392).  It
does so as the function's role: where that is gone by then, the interface stays, and somebody has to delete it
(https://repost.aws/knowledge-center/lambda-eni-find-delete,
https://github.com/terraform-aws-modules/terraform-aws-lambda/issues/310).
"""

from __future__ import annotations

import uuid
from typing import Any

from awsrun.local.strict.ec2_interfaces import own
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.rules import backend

LINGERS = (20 * 60.0, 40 * 60.0)  # seconds, at least and at most

_KIND = "lambda"
_Place = tuple[str, frozenset[str]]  # subnet, security groups


def follow(ledger: Ledger, region: str) -> None:
    """Make the interfaces that the functions of now need, and let the others linger."""
    records, needed = backend("ec2", region), _needed(region)
    there = {_place(one): one for one in records.enis.values() if one.interface_type == _KIND}
    for place, function in needed.items():
        if place not in there:
            _make(records, place, function)
    for place, interface in there.items():
        key = ("ec2", region, interface.id, "lingers")
        if place not in needed and not ledger.phase(key):
            seconds = LINGERS[0] + ledger.lag(key, LINGERS[1] - LINGERS[0])
            ledger.enter(key, "lingers", seconds)
            ledger.later(seconds, "ec2", "unused", region, interface.id)


def drop_unused(region: str, id: str) -> None:
    """Lambda deletes an interface, or lets go of it, unless a function has come to need it meanwhile."""
    enis = backend("ec2", region).enis
    if id not in enis or _place(enis[id]) in _needed(region):
        return
    roles = {role.arn for role in backend("iam", "aws").roles.values()}
    if getattr(enis[id], "made_as", "") in roles:
        del enis[id]
    else:
        enis[id].status, enis[id].requester_managed = "available", False


def _needed(region: str) -> dict[_Place, Any]:
    """Where functions of a region want interfaces, each with one of them."""
    places = {}
    for function in backend("lambda", region).list_functions():
        config = function.vpc_config or {}
        for subnet in config.get("SubnetIds") or ():
            places[subnet, frozenset(config.get("SecurityGroupIds") or ())] = function
    return places


def _place(interface: Any) -> _Place:
    return interface.subnet.id, frozenset(group.id for group in interface._group_set)


def _make(records: Any, place: _Place, function: Any) -> None:
    from moto.moto_api._internal import mock_random

    subnet, groups = place
    number = uuid.UUID(int=mock_random.getrandbits(128), version=4)  # the same again when the call is replayed
    made = records.create_network_interface(records.get_subnet(subnet), None)
    found = [records.get_security_group_from_id(group) for group in sorted(groups)]
    said = f"AWS Lambda VPC ENI-{function.function_name}-{number}"
    own(made, _KIND, said, [group for group in found if group is not None])
    made.made_as = function.role
