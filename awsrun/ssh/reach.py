"""Whether a server answers at its SSH port; if not, whether its security groups are why."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from ipaddress import ip_network
from typing import Any, Literal

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import NAME, mapping
from awsrun.resources.address import my_address
from awsrun.resources.security_group import ADDRESS_TAG, SecurityGroup
from awsrun.ssh.machine import Machine
from awsrun.ssh.target import Target
from awsrun.ssh.waiting import Wait

Answer = Literal["yes", "no", "silence"]
CONNECT = 5.0  # seconds until a packet that is dropped counts as lost
BOOT = 300.0  # seconds within which a server that was just started has to answer
UP = 15.0  # the same of one that has been up for longer
YOUNG = 600.0  # seconds of running that count as just started


def answers(host: str, port: int, timeout: float = CONNECT) -> Answer:
    """Whether an SSH server is there; ``silence`` where packets are lost, as security groups lose them."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            return "yes" if connection.recv(4) == b"SSH-" else "no"
    except TimeoutError:
        return "silence"
    except OSError:
        return "no"


def await_answer(
    cloud: Cloud, machine: Machine, target: Target, wait: Wait, own_address: bool = True, limit: float | None = None
) -> None:
    """Come back once the server answers.

    Args:
        own_address: False where a user named another address, of which AWS's rules say nothing.
        limit: seconds; by default as long as one may take that was started when this one was.

    Raises:
        AwsrunError: its security groups do not let this machine in, or it does not answer in time.
    """
    looked = False

    def look() -> bool | None:
        nonlocal looked
        answer = answers(target.host, target.port)
        if answer == "silence" and own_address and not looked:
            looked = True
            check_let_in(cloud, machine, target.port)
        return True if answer == "yes" else None

    if limit is None:
        young = (datetime.now(timezone.utc) - machine.since).total_seconds() < YOUNG
        limit = BOOT if young and cloud.context.name == "aws" else UP
    if wait.until(look, limit, lambda: f"{machine.name} to answer at {target.host} port {target.port}") is None:
        raise AwsrunError(
            f"{machine.name} does not answer at {target.host} port {target.port}",
            f"no SSH server was there within {limit:.0f} s",
            f"what it says itself: aws ec2 get-console-output --latest --instance-id {machine.id}; "
            f"to wait longer: awsrun ssh {machine.name} --wait 600",
        )


def check_let_in(cloud: Cloud, machine: Machine, port: int) -> None:
    """See whether the server's security groups let this machine in.

    Raises:
        AwsrunError: they do not, with what to type.
    """
    if not machine.groups:
        return
    mine = my_address(cloud)
    groups = cloud.read("ec2").describe_security_groups(GroupIds=list(machine.groups))["SecurityGroups"]
    rules = [rule for group in groups for rule in group.get("IpPermissions", ()) if _covers(rule, port)]
    if any(_contains(source, mine) for source in _sources(rules)):
        return
    for group in groups:
        recorded = mapping(group.get("Tags")).get(ADDRESS_TAG)
        if recorded and recorded in _sources(rule for rule in rules if rule in group["IpPermissions"]):
            raise AwsrunError(
                f"{machine.name} lets SSH in from {_short(recorded)}, and your address is {_short(mine)} now",
                "it has changed since the rule was made",
                f"awsrun ssh {machine.name} --let-me-in",
            )
    names = ", ".join(mapping(group.get("Tags")).get(NAME) or group["GroupId"] for group in groups)
    known = ", ".join(_sources(rules)) or "nobody"
    raise AwsrunError(
        f"{machine.name} does not let your address in at port {port}",
        f"that is {_short(mine)}; its security group ({names}) lets in: {known}",
        f"in the spec, ingress: [{{port: {port}, from: my-address}}]; then awsrun apply SPEC",
    )


def let_me_in(cloud: Cloud, machine: Machine) -> str:
    """Move the rules that were made for this machine's former address to its present one, which is returned.

    Raises:
        AwsrunError: no group of the server has such a rule.
    """
    kind, mine = SecurityGroup(cloud), ""
    for group in machine.groups:
        mine = kind.follow_me(group) or mine
    if not mine:
        raise AwsrunError(
            f"no security group of {machine.name} has a rule for your own address",
            "only rules that say from: my-address follow it",
            "in the spec, ingress: [{port: 22, from: my-address}]; then awsrun apply SPEC",
        )
    return _short(mine)


def _covers(rule: Mapping[str, Any], port: int) -> bool:
    if rule["IpProtocol"] == "-1":
        return True
    return bool(rule["IpProtocol"] == "tcp" and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535))


def _sources(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for rule in rules:
        found += [one["CidrIp"] for one in rule.get("IpRanges", ())]
        found += [one["CidrIpv6"] for one in rule.get("Ipv6Ranges", ())]
    return found


def _contains(source: str, address: str) -> bool:
    outer, inner = ip_network(source), ip_network(address)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _short(cidr: str) -> str:
    """The address of a network of one."""
    return cidr.removesuffix("/32").removesuffix("/128")
