"""What the strict EC2 tests share: patience with a cloud that lags, and networks."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError

T = TypeVar("T")
_NUMBERS = itertools.count(1)


def until(what: Callable[[], T], wanted: Callable[[T], bool] = bool, seconds: float = 30.0) -> T:
    """``what()`` once ``wanted`` of it; NotFound errors meanwhile are the lag that is being tested elsewhere."""
    limit = time.monotonic() + seconds
    while True:
        try:
            found = what()
            if wanted(found):
                return found
            last: Any = found
        except ClientError as error:
            if "NotFound" not in error.response["Error"]["Code"]:
                raise
            last = error
        assert time.monotonic() < limit, f"still {last}"
        time.sleep(0.02)


def does(call: Callable[..., T], **arguments: Any) -> T:
    """The answer of a call that names what may not be visible yet."""
    return until(lambda: call(**arguments), lambda _: True)


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """The code that EC2 refuses a call with, once it sees what the call names; empty where it carries it out."""
    return code(lambda: does(call, **arguments))


def code(call: Callable[[], Any]) -> str:
    """The code that a call is refused with right now; empty where it is carried out."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


class TooLate(Exception):
    """What was to be seen is over: a busy machine has slept through it."""


def in_time(found: str, wanted: str, later: str = "") -> None:
    """``found`` is ``wanted``; where it is what comes ``later``, the test has to begin anew."""
    if found == later:
        raise TooLate(f"{later!r} instead of {wanted!r}")
    assert found == wanted


def again_if_late(test: Callable[..., None]) -> Callable[..., None]:
    """A test of what lasts only moments here: begun anew, a few times, where a moment was missed."""

    @functools.wraps(test)
    def begun(*arguments: Any, **fixtures: Any) -> None:
        for _ in range(4):
            try:
                return test(*arguments, **fixtures)
            except TooLate:
                continue
        return test(*arguments, **fixtures)

    return begun


class Network:
    """A VPC with a subnet and a security group, all visible."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = does(ec2.create_subnet, VpcId=self.vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.group = self.another_group()
        until(lambda: ec2.describe_subnets(SubnetIds=[self.subnet])["Subnets"][0]["State"], lambda s: s == "available")

    def another_group(self) -> str:
        name = f"group-{next(_NUMBERS)}"
        return str(does(self.ec2.create_security_group, GroupName=name, Description="test", VpcId=self.vpc)["GroupId"])

    def gateway(self) -> str:
        """An internet gateway, attached."""
        id = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        does(self.ec2.attach_internet_gateway, InternetGatewayId=id, VpcId=self.vpc)
        return str(id)

    def instance(self, **more: Any) -> str:
        started = does(
            self.ec2.run_instances,
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnet,
            SecurityGroupIds=[self.group],
            **more,
        )
        return str(started["Instances"][0]["InstanceId"])

    def interfaces(self) -> list[Any]:
        mine = [{"Name": "subnet-id", "Values": [self.subnet]}]
        return list(self.ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"])
