"""What the commands that log in to servers share: their options, and the way to one that answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from awsrun.cli.output import say

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud
    from awsrun.ssh.machine import Machine
    from awsrun.ssh.target import Override, Target
    from awsrun.ssh.waiting import Wait

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Login:
    """How to log in; None for what the stack says."""

    host: str | None
    port: int | None
    user: str | None
    key: Path | None
    yes: bool
    wait: float | None = None

    @property
    def override(self) -> Override:
        from awsrun.ssh.target import Override

        return Override(self.host, self.port, self.user, self.key)


def login_options(port: str) -> Callable[[F], F]:
    """``--host``, ``--user``, ``-i``, ``--wait``, ``--yes`` and, under the name ``port``, the port of the SSH server;
    the command gets them as ``host``, ``ssh_port``, ``user``, ``key``, ``wait`` and ``yes``."""
    options = (
        click.option(
            "--host",
            envvar="AWSRUN_SSH_HOST",
            show_envvar=True,
            help="Log in there instead of at the server's public address.",
        ),
        click.option(
            port,
            "ssh_port",
            type=click.IntRange(1, 65535),
            envvar="AWSRUN_SSH_PORT",
            show_envvar=True,
            help="The port of the SSH server (default: 22).",
        ),
        click.option(
            "--user",
            envvar="AWSRUN_SSH_USER",
            show_envvar=True,
            help="Whom to log in (default: as the server's image has it).",
        ),
        click.option(
            "-i",
            "key",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The private key (default: that of the server's key pair).",
        ),
        click.option(
            "--wait",
            metavar="SECONDS",
            type=click.FloatRange(0),
            help="How long it may take to answer (default: 300 after its start, else 15).",
        ),
        click.option("-y", "--yes", is_flag=True, help="Start a stopped server without asking."),
    )

    def decorated(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def reach(cloud: Cloud, name: str, login: Login, direct: bool = True) -> Target:
    """Where to log in to the server called ``name``, once it is up and answers; a stopped one is started, after asking.

    Args:
        direct: False where ``ssh`` goes through another machine, so that nobody here can see whether it answers.

    Raises:
        AwsrunError: there is none, it cannot be reached, or nobody wants it started.
    """
    from awsrun.ssh import machine as machines
    from awsrun.ssh import reach
    from awsrun.ssh import target as targets
    from awsrun.ssh.identity import identity

    with Progress() as wait:
        machine = machines.find(cloud, name)
        targets.check_is_machine(cloud, machine, login.override)
        key = login.key or identity(cloud, machine)  # before anything is started
        machine = _running(cloud, machine, login, wait)
        found = targets.target(cloud, machine, replace(login.override, key=key))
        if direct:
            reach.await_answer(cloud, machine, found, wait, own_address=login.host is None, limit=login.wait)
    found.prepare()
    return found


def _running(cloud: Cloud, machine: Machine, login: Login, wait: Wait) -> Machine:
    from awsrun.aws.errors import Stopped
    from awsrun.ssh import machine as machines

    if machine.state == "stopping":
        machine = machines.stopped(cloud, machine, wait)
    if machine.state == "stopped":
        _ask_to_start(cloud, machine, login.yes)
        try:
            return machines.start(cloud, machine, wait)
        except KeyboardInterrupt:
            raise Stopped(
                f"stopped: {machine.name} starts all the same",
                "it costs by the hour while it runs",
                f"to stop it: aws ec2 stop-instances --instance-ids {machine.id}",
            ) from None
    return machine if machine.state == "running" else machines.running(cloud, machine, wait)


def _ask_to_start(cloud: Cloud, machine: Machine, yes: bool) -> None:
    from awsrun.aws.errors import AwsrunError
    from awsrun.cli.ask import agreed

    costs = _cost(cloud, machine)
    say(f"{machine.name} ({machine.id}) is stopped; {costs}")
    if not agreed("Start it?", yes, f"{machine.name} would be started"):
        raise AwsrunError(
            f"{machine.name} stays stopped", "nobody wanted it started", f"awsrun ssh {machine.name} --yes"
        )


def _cost(cloud: Cloud, machine: Machine) -> str:
    """``it costs $0.010/h while it runs (t3.micro)``, its address included."""
    from awsrun.prices.price import dollars
    from awsrun.prices.refresh import PriceList
    from awsrun.prices.table import Prices

    def hourly(prices: Prices) -> float | None:
        known = prices.instance(machine.type)
        address = prices.rate("public_ipv4_hour")
        return None if known is None or known.hourly is None else known.hourly + (address or 0.0)

    price, _ = PriceList(cloud).quote(hourly)
    if price is None:
        return f"a {machine.type} costs by the hour while it runs, how much is not known here"
    where = "on AWS it costs" if cloud.context.name == "local" else "it costs"
    return f"{where} {dollars(price)}/h while it runs ({machine.type}, its public address included)"


class Progress:
    """Draws what is waited for, in one line that changes; where there is no terminal, each thing once."""

    def __enter__(self) -> Wait:
        from awsrun.cli.follow import Line
        from awsrun.ssh.waiting import Wait

        terminal = sys.stderr.isatty()
        self._line = Line(terminal)

        def tell(what: str, lasted: float) -> None:
            self._line.show(f"waiting for {what}" + (f" ({lasted:.0f} s)" if terminal else ""))

        return Wait(tell)

    def __exit__(self, *error: object) -> None:
        self._line.end()
