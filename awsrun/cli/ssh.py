"""``awsrun ssh``: into a server of a stack."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awsrun.cli.complete import machine_names
from awsrun.cli.machines import Login, login_options, reach
from awsrun.cli.output import connect, context_option, say

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud


@click.command()
@click.argument("name", shell_complete=machine_names)
@click.argument("remote", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-L", "forwards", multiple=True, metavar="PORT:HOST:PORT", help="Forward a port, as ssh does (repeatable)."
)
@click.option("-N", "--no-command", is_flag=True, help="Run nothing there: for forwarding alone, until Ctrl-C.")
@click.option("-t", "--tty", is_flag=True, help="Give COMMAND a terminal (htop, vim).")
@click.option("-o", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of ssh_config (repeatable).")
@login_options("--port")
@click.option("--print", "as_text", is_flag=True, help="Print the command line of ssh instead of running it.")
@click.option(
    "--let-me-in", is_flag=True, help="First move the server's rules for your address to the one that you have now."
)
@context_option
def ssh(
    name: str,
    remote: Sequence[str],
    forwards: Sequence[str],
    no_command: bool,
    tty: bool,
    settings: Sequence[str],
    host: str | None,
    ssh_port: int | None,
    user: str | None,
    key: Path | None,
    wait: float | None,
    yes: bool,
    as_text: bool,
    let_me_in: bool,
    context: str | None,
) -> None:
    """Log in to the server NAME (or STACK/NAME), or run COMMAND there, with the system's ssh.

    \b
      awsrun ssh web
      awsrun ssh web -- nvidia-smi
      awsrun ssh web -L 8931:localhost:8888 -L 6006:localhost:6006

    Address, user and key are those of the stack; a stopped server is started (after asking).  Exit code: that of ssh,
    which is COMMAND's, or 255 where there is no connection.
    """
    from awsrun.ssh import machine as machines
    from awsrun.ssh.reach import let_me_in as move

    login, cloud = Login(host, ssh_port, user, key, yes, wait), connect(context)
    options = [flag for flag, given in (("-N", no_command), ("-t", tty)) if given]
    options += [part for one in settings for part in ("-o", one)]
    if let_me_in:
        say(f"{name} lets in {move(cloud, machines.find(cloud, name))} now")
    if as_text:
        click.echo(_text(cloud, name, login, forwards, options, remote))
        return
    check_ssh("awsrun ssh")
    proxied = any(one.lower().startswith(("proxyjump", "proxycommand")) for one in settings)
    command = reach(cloud, name, login, direct=not proxied).command(forwards, options, remote)
    os.execvp(command[0], command)


def _text(
    cloud: Cloud, name: str, login: Login, forwards: Sequence[str], options: Sequence[str], remote: Sequence[str]
) -> str:
    from awsrun.ssh import machine as machines
    from awsrun.ssh.target import check_is_machine, target

    machine = machines.find(cloud, name)
    check_is_machine(cloud, machine, login.override)
    found = target(cloud, machine, login.override)
    found.prepare()
    return shlex.join(found.command(forwards, options, remote))


def check_ssh(command: str) -> None:
    """Raises AwsrunError where there is no ``ssh``."""
    from awsrun.aws.errors import AwsrunError

    if shutil.which("ssh") is None:
        why = f"{command} uses the system's own"
        raise AwsrunError("there is no ssh on this machine", why, "apt-get install openssh-client (or the like)")
