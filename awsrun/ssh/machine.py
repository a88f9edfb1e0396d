"""The servers of stacks, as they are at this moment: addresses change whenever one is stopped and started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.tags import KIND, NAME, STACK, mapping
from awsrun.resources.ec2_refusals import REFUSALS, refusal
from awsrun.spec.mistakes import near
from awsrun.ssh.waiting import Wait

INSTANCE = "ec2.instance"
USER = "ec2-user"  # of Amazon Linux, where the stack's record says nothing
ALIVE = ("pending", "running", "stopping", "stopped")
STARTING = 300.0  # seconds until an instance has to be running


@dataclass(frozen=True)
class Machine:
    """One server.

    Attributes:
        id: ``i-...``.
        state: one of `ALIVE`.
        address: where the internet finds it; empty while it has none.
        private: where its own network finds it.
        key_pair: name of the key pair that it was started with; empty for none.
        groups: ids of its security groups.
        since: when it was started (last).
    """

    stack: str
    name: str
    id: str
    state: str
    type: str
    address: str
    private: str
    key_pair: str
    groups: tuple[str, ...]
    since: datetime

    @property
    def whole_name(self) -> str:
        """``STACK/NAME``."""
        return f"{self.stack}/{self.name}"


def machines(cloud: Cloud) -> list[Machine]:
    """The servers of all stacks, by name."""
    asked = [{"Name": f"tag:{KIND}", "Values": [INSTANCE]}, {"Name": "instance-state-name", "Values": list(ALIVE)}]
    return sorted(_described(cloud, Filters=asked), key=lambda one: one.whole_name)


def find(cloud: Cloud, name: str) -> Machine:
    """The server that ``NAME`` or ``STACK/NAME`` means.

    Raises:
        AwsrunError: there is none, or there are several.
    """
    every = machines(cloud)
    stack, _, short = name.rpartition("/")
    meant = [one for one in every if one.name == short and stack in ("", one.stack)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(one.whole_name for one in meant)
        raise AwsrunError(f"there are {len(meant)} servers called {name!r}", names, f"name one: {meant[0].whole_name}")
    known = {one.name for one in every} | {one.whole_name for one in every}
    why = f"servers here: {', '.join(one.whole_name for one in every)}{near(name, known)}" if every else "there is none"
    raise AwsrunError(
        f"no server is called {name!r} in {cloud.context}", why, "awsrun apply SPEC makes those of a spec"
    )


def again(cloud: Cloud, machine: Machine) -> Machine | None:
    """The same server as it is now; None where the server of AWS that answers does not know it (yet).

    Raises:
        AwsrunError: it is gone.
    """
    asked = [{"Name": "instance-id", "Values": [machine.id]}]
    found = next(_described(cloud, Filters=asked), None)
    if found is not None and found.state not in ALIVE:
        raise AwsrunError(f"{machine.name} ({machine.id}) is gone", "somebody terminated it", "awsrun apply SPEC")
    return found


def user(cloud: Cloud, machine: Machine) -> str:
    """Whom SSH logs in, as the stack's record says."""
    record = stacks.find(cloud, machine.stack)
    outputs: Mapping[str, Any] = record.outputs.get(machine.name, {}) if record is not None else {}
    return str(outputs.get("user") or USER)


def start(cloud: Cloud, machine: Machine, wait: Wait) -> Machine:
    """Start a stopped server, and come back when it runs.

    Raises:
        AwsrunError: EC2 has no machine for it, or it does not get there.
    """
    try:
        cloud.write("ec2").start_instances(InstanceIds=[machine.id])
    except ClientError as error:
        if matches(error, REFUSALS):
            raise refusal(error, cloud.region, machine.type, spot=False, there=True) from error
        raise
    return running(cloud, machine, wait)


def running(cloud: Cloud, machine: Machine, wait: Wait) -> Machine:
    """The server once it runs.

    Raises:
        AwsrunError: it does not get there.
    """
    return _in_state(cloud, machine, "running", wait)


def stopped(cloud: Cloud, machine: Machine, wait: Wait) -> Machine:
    """The server once it is stopped: what is stopping cannot be started."""
    return _in_state(cloud, machine, "stopped", wait)


def _in_state(cloud: Cloud, machine: Machine, state: str, wait: Wait) -> Machine:
    last = machine

    def there() -> Machine | None:
        nonlocal last
        last = again(cloud, machine) or last
        return last if last.state == state else None

    found = wait.until(there, STARTING, lambda: f"{machine.name} to be {state}")
    if found is None:
        why = f"after {STARTING / 60:.0f} minutes it is {last.state}"
        raise AwsrunError(f"{machine.name} ({machine.id}) is not {state}", why, "run the same again")
    return found


def _described(cloud: Cloud, **arguments: Any) -> Iterator[Machine]:
    for page in cloud.read("ec2").get_paginator("describe_instances").paginate(**arguments):
        for entry in (one for reservation in page["Reservations"] for one in reservation["Instances"]):
            tags = mapping(entry.get("Tags"))
            if STACK in tags and NAME in tags:
                yield _machine(entry, tags)


def _machine(entry: Mapping[str, Any], tags: Mapping[str, str]) -> Machine:
    return Machine(
        stack=tags[STACK],
        name=tags[NAME],
        id=entry["InstanceId"],
        state=entry["State"]["Name"],
        type=entry["InstanceType"],
        address=entry.get("PublicIpAddress", ""),
        private=entry.get("PrivateIpAddress", ""),
        key_pair=entry.get("KeyName", ""),
        groups=tuple(group["GroupId"] for group in entry.get("SecurityGroups", ())),
        since=entry["LaunchTime"],
    )
