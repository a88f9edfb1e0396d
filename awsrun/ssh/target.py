"""Where ``ssh`` is to go, and the command line that takes it there.

It is the system's own ``ssh``, with the user's own configuration.  Host keys are remembered by the instance's id in a
file of its own: AWS gives an address to one server after another, each with another host key, and none of them is an
attack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.aws.paths import data_dir
from awsrun.ssh import machine as machines
from awsrun.ssh.identity import identity
from awsrun.ssh.machine import Machine

PORT = 22
ALIVE_EVERY, ALIVE_MISSES = 30, 4  # seconds between two signs of life; how many may be missing


@dataclass(frozen=True)
class Override:
    """What a user wants instead of what the stack says; None for what the stack says."""

    host: str | None = None
    port: int | None = None
    user: str | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Target:
    """Where to log in.

    Attributes:
        name: for messages.
        id: under which its host key is remembered.
        key: the private key; None for those that ``ssh`` finds by itself.
    """

    name: str
    id: str
    host: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path

    def command(
        self, forwards: Sequence[str] = (), options: Sequence[str] = (), remote: Sequence[str] = ()
    ) -> list[str]:
        """The command line of ``ssh``.

        Args:
            forwards: what stands after ``-L``.
            options: of ``ssh``, before its own.
            remote: the command to run there; empty for a shell.
        """
        settings = {
            "HostKeyAlias": self.id,
            "UserKnownHostsFile": _quoted(self.known_hosts),
            "StrictHostKeyChecking": "accept-new",
            "ServerAliveInterval": str(ALIVE_EVERY),
            "ServerAliveCountMax": str(ALIVE_MISSES),
        }
        if self.key is not None:
            settings |= {"IdentityFile": _quoted(self.key), "IdentitiesOnly": "yes"}
        if forwards:
            settings["ExitOnForwardFailure"] = "yes"
        found = ["ssh", *options]
        for key, value in settings.items():
            found += ["-o", f"{key}={value}"]
        for forward in forwards:
            found += ["-L", forward]
        return [*found, "-p", str(self.port), "-l", self.user, "--", self.host, *remote]

    def prepare(self) -> None:
        """Make the folder of the file that ``ssh`` remembers the host key in."""
        self.known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def target(cloud: Cloud, machine: Machine, override: Override) -> Target:
    """Where to log in to a running server.

    Raises:
        AwsrunError: it has no address, or this machine does not have its key.
    """
    return Target(
        name=machine.name,
        id=machine.id,
        host=override.host or _address(machine),
        port=override.port or PORT,
        user=override.user or machines.user(cloud, machine),
        key=override.key or identity(cloud, machine),
        known_hosts=data_dir() / "known_hosts" / machine.id,
    )


def check_is_machine(cloud: Cloud, machine: Machine, override: Override) -> None:
    """Refuse what cannot be reached however long one waits.

    Raises:
        AwsrunError: an instance of the embedded cloud, for which no real machine stands.
    """
    if cloud.context.name == "local" and not override.host:
        raise AwsrunError(
            f"nothing runs behind {machine.name} ({machine.id}): this is the embedded cloud",
            "it keeps an instance's record and states, and its addresses are made up",
            "on AWS it is a real server (awsrun use aws, awsrun apply SPEC); or name a machine that stands for it: "
            f"awsrun ssh {machine.name} --host HOST [--port N] [--user NAME]",
        )


def _address(machine: Machine) -> str:
    if machine.address:
        return machine.address
    raise AwsrunError(
        f"{machine.name} ({machine.id}) has no public address",
        "it is in a private subnet" if machine.state == "running" else f"it is {machine.state}",
        f"from within its network: awsrun ssh {machine.name} --host {machine.private}"
        if machine.private
        else f"awsrun ssh {machine.name} starts it",
    )


def _quoted(path: Path) -> str:
    """A path as ssh_config takes it, spaces and per cent signs included."""
    return '"' + str(path).replace("%", "%%") + '"'
