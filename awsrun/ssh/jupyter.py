"""Jupyter on a server: started there once, reached through a tunnel as often as one likes.

It listens on the server's loopback alone and asks for the random token that Jupyter draws.  It runs in a session of its
own, so that it outlives connections; what it writes of itself (``jpserver-PID.json``,
https://jupyter-server.readthedocs.io/en/latest/operators/security.html and ``jupyter server list`` rest on the same
files) is how a later call finds it.  All of that is in one short script, which goes over standard input.
"""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from awsrun.aws.errors import AwsrunError
from awsrun.ssh.target import Target
from awsrun.ssh.waiting import Wait

Action = Literal["find", "start", "install", "stop"]
Absence = Literal["idle", "missing"]
IDLE, MISSING = 3, 4  # exit codes of the script: it does not run; it is not there
OPEN = 60.0  # seconds until a tunnel has to carry answers
PORT = 8888


@dataclass(frozen=True)
class Running:
    """A Jupyter that runs on a server.

    Attributes:
        port: on the server's loopback.
        path: of its first page, with a leading slash.
        token: empty where its owner's own configuration wants none.
    """

    port: int
    path: str
    token: str
    secure: bool

    def url(self, port: int) -> str:
        """Its address through a tunnel that begins at ``port`` here."""
        query = f"?token={self.token}" if self.token else ""
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{port}{self.path}{query}"


def find(target: Target) -> Running | Absence:
    """The one that runs; ``idle`` where one could be started, ``missing`` where none is installed."""
    code, said = _script(target, "find")
    absent: dict[int, Absence] = {IDLE: "idle", MISSING: "missing"}
    return absent[code] if code in absent else _running(target, code, said)


def install(target: Target) -> None:
    """Install JupyterLab for the user who logs in, which takes a minute or two.

    Raises:
        AwsrunError: it cannot be installed; pip has said why.
    """
    code, _ = _script(target, "install")
    if code:
        why = "its Python, or its way to PyPI, will not do"
        raise AwsrunError(f"JupyterLab could not be installed on {target.name}", why, f"awsrun ssh {target.name}")


def start(target: Target) -> Running:
    """The one that runs, started if need be.

    Raises:
        AwsrunError: it does not start; what it wrote has been shown.
    """
    return _running(target, *_script(target, "start"))


def stop(target: Target) -> bool:
    """End it; False where none ran.  What was not saved in it is lost."""
    code, said = _script(target, "stop")
    if code not in (0, IDLE):
        _running(target, code, said)
    return code == 0


def local_port(wanted: int | None) -> int:
    """The port here to tunnel from: ``wanted``, else `PORT` or the next that is free.

    Raises:
        AwsrunError: somebody else has the wanted one.
    """
    for port in (wanted,) if wanted is not None else range(PORT, PORT + 100):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    which = f"port {wanted} is" if wanted is not None else f"ports {PORT} to {PORT + 99} are"
    raise AwsrunError(f"{which} in use on this machine", "the tunnel begins there", "awsrun jupyter NAME --port PORT")


@contextmanager
def tunnel(target: Target, running: Running, port: int, wait: Wait) -> Iterator[subprocess.Popen[bytes]]:
    """A tunnel from ``port`` here to Jupyter, which answers through it; it closes with the block.

    Raises:
        AwsrunError: it does not get through.
    """
    command = target.command([f"127.0.0.1:{port}:127.0.0.1:{running.port}"], ["-N"])
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:

        def look() -> bool | None:
            return True if process.poll() is not None or _answers(running.url(port)) else None

        through = wait.until(look, OPEN, lambda: f"Jupyter on {target.name} to answer through the tunnel")
        if through is None or process.poll() is not None:
            raise AwsrunError(f"the tunnel to Jupyter on {target.name} does not get through", "ssh has said why")
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _script(target: Target, action: Action) -> tuple[int, str]:
    """Run the script there: exit code and standard output.

    Raises:
        AwsrunError: ``ssh`` does not get through.
    """
    script = files("awsrun.ssh").joinpath("jupyter.sh").read_text()
    command = target.command(remote=["sh", "-s", "--", action])
    done = subprocess.run(command, input=script, stdout=subprocess.PIPE, text=True)
    if done.returncode == 255:
        raise AwsrunError(f"cannot log in to {target.name}", "ssh has said why", f"awsrun ssh {target.name}")
    return done.returncode, done.stdout


def _running(target: Target, code: int, said: str) -> Running:
    try:
        if code == 0:
            found = json.loads(said)
            page = found["base_url"].rstrip("/") + "/"
            return Running(int(found["port"]), page, str(found["token"]), bool(found["secure"]))
    except (ValueError, KeyError):
        pass
    why = "it ended as it began" if code else f"it says of itself: {said[:200]}"
    hint = f"awsrun ssh {target.name} -- cat .local/share/awsrun/jupyter/log"
    raise AwsrunError(f"Jupyter does not start on {target.name}", why, hint)
