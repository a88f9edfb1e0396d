"""The longest chain of calls of a create, each of which needs what the one before it did: the least time for it.

What counts, call by call, is what any engine must do in a row that keeps these rules: it looks before it shows a plan;
it takes a lock, which lives in a table that has to be made first; what it is about to make is written down first (a
client token with its very request, so that these intents wait for the ids they name); a resource is done when AWS shows
it as it is wanted; what needs it is begun then.  Calls that need nothing of each other count once.  Neither the start
of the process nor the server's own time is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import awsrun
from awsrun.aws.clients import Cloud
from awsrun.reconcile.graph import build
from awsrun.resources.registry import Kinds

SLACK = 0.005  # seconds: the proxy notes the end of a call a moment after the client has its answer
BEFORE = (
    "GetCallerIdentity",
    "Scan",  # is there a stack of this name?
    "DescribeVpcs",  # and all other lists beside it, and whether there is room for its machines: the plan
    "CreateTable",
    "DescribeTable",
    "PutItem",  # the lock
    "BatchWriteItem",  # what is about to be made
)
AFTER = ("BatchWriteItem", "UpdateItem")  # what is there now; the lock is given back
EACH: Mapping[str, tuple[str, ...]] = {
    "vpc": ("CreateVpc", "ModifyVpcAttribute", "DescribeVpcs"),
    "vpc.internet_gateway": ("CreateInternetGateway", "AttachInternetGateway", "DescribeInternetGateways"),
    "vpc.subnet": ("CreateSubnet", "ModifySubnetAttribute", "DescribeSubnets"),
    "vpc.route_table": ("PutItem", "CreateRouteTable", "CreateRoute", "DescribeRouteTables"),
    "vpc.endpoint": ("PutItem", "CreateVpcEndpoint", "DescribeVpcEndpoints"),
    "security_group": ("CreateSecurityGroup", "DescribeSecurityGroups"),
    "iam.role": ("CreateRole", "AttachRolePolicy", "GetRole"),
    "iam.instance_profile": ("CreateInstanceProfile", "AddRoleToInstanceProfile", "GetInstanceProfile"),
    "batch.compute_environment": ("Createcomputeenvironment", "Describecomputeenvironments"),
    "batch.job_queue": ("Createjobqueue", "Describejobqueues"),
}


def critical_path(spec: str) -> list[str]:
    """The calls of the longest chain, in their order.  Kinds that are not in EACH end no long chain here."""
    stack = awsrun.load(spec)
    nodes = build(stack, Kinds(Cloud(None, None, None))).nodes  # type: ignore[arg-type]  # no call is made
    longest: dict[str, list[str]] = {}
    for name, node in nodes.items():  # each after those it needs
        before = max((longest[one] for one in node.after), key=len, default=[])
        longest[name] = [*before, *EACH.get(node.kind, ())]
    return [*BEFORE, *max(longest.values(), key=len), *AFTER]


def check(path: Iterable[str], calls: Iterable[tuple[str, float, float]]) -> None:
    """Each call of the path was really sent, after the answer of the one before it: (name, start, end) on the wire.

    Raises:
        SystemExit: it was not, so that the path says nothing about what was measured.
    """
    listed, now = sorted(calls, key=lambda call: call[1]), 0.0
    for name in path:
        ends = [end for called, start, end in listed if called == name and start >= now - SLACK]
        if not ends:
            raise SystemExit(f"{name} of the critical path was not sent when it should have been")
        now = min(ends)
