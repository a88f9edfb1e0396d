"""``awsrun jupyter``: notebooks on a server of a stack, in the browser here."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import machine_names
from awsrun.cli.machines import Login, Progress, login_options, reach
from awsrun.cli.output import connect, context_option, say
from awsrun.cli.ssh import check_ssh

if TYPE_CHECKING:
    from awsrun.ssh.jupyter import Running
    from awsrun.ssh.target import Target


@click.command()
@click.argument("name", shell_complete=machine_names)
@click.option("--port", type=click.IntRange(1, 65535), help="The port here (default: 8888, or the next that is free).")
@click.option("--open", "browse", is_flag=True, help="Open it in the browser, too.")
@click.option("--stop", "ending", is_flag=True, help="End the Jupyter that runs there; what is not saved is lost.")
@login_options("--ssh-port")
@context_option
def jupyter(
    name: str,
    port: int | None,
    browse: bool,
    ending: bool,
    host: str | None,
    ssh_port: int | None,
    user: str | None,
    key: Path | None,
    wait: float | None,
    yes: bool,
    context: str | None,
) -> int:
    """Start Jupyter on the server NAME (or STACK/NAME), and make it answer on this machine alone, at the URL printed.

    \b
      awsrun jupyter gpu
      awsrun jupyter gpu --port 9000 --open
      awsrun jupyter gpu --stop

    It goes on when the connection is lost, or ends with Ctrl-C: the same command finds it again.  Where the server has
    none, JupyterLab is installed for its user.
    """
    from awsrun.ssh import jupyter as jupyters

    check_ssh("awsrun jupyter")
    login = Login(host, ssh_port, user, key, yes, wait)
    target = reach(connect(context), name, login)
    if ending:
        say(f"Jupyter on {name} has ended" if jupyters.stop(target) else f"no Jupyter of awsrun runs on {name}")
        return 0
    here = jupyters.local_port(port)
    return _serve(target, _started(target), here, browse)


def _started(target: Target) -> Running:
    from awsrun.ssh import jupyter as jupyters

    found = jupyters.find(target)
    if isinstance(found, jupyters.Running):
        say(f"Jupyter runs on {target.name} already")
        return found
    if found == "missing":
        say(f"there is no Jupyter on {target.name}: installing JupyterLab for {target.user} (a minute or two) ...")
        jupyters.install(target)
    say(f"starting Jupyter on {target.name} ...")
    return jupyters.start(target)


def _serve(target: Target, running: Running, port: int, browse: bool) -> int:
    """Keep the tunnel open until Ctrl-C or until it breaks; the exit code."""
    from awsrun.ssh import jupyter as jupyters

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as open_:
            with Progress() as wait:
                process = open_.enter_context(jupyters.tunnel(target, running, port, wait))
            click.echo(running.url(port))
            say("Ctrl-C closes the tunnel; Jupyter goes on there")
            if browse:
                click.launch(running.url(port))
            process.wait()
    except KeyboardInterrupt:
        _say_goodbye(target)
        return 130
    say(click.style(f"the connection to {target.name} is lost", fg="yellow"))
    _say_goodbye(target)
    return 1


def _say_goodbye(target: Target) -> None:
    say(f"Jupyter goes on on {target.name}")
    say(f"  back to it: awsrun jupyter {target.name}\n  end it:     awsrun jupyter {target.name} --stop")


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
