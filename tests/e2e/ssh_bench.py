"""A real SSH server on loopback, which stands for an instance of the embedded cloud."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

SSHD = Path("/usr/sbin/sshd")

CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME={folder}/home PATH={path}
"""


@dataclass(frozen=True)
class Server:
    """A running sshd.

    Attributes:
        home: the home directory that its sessions see.
        env: what names it to ``awsrun ssh``.
    """

    port: int
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {"AWSRUN_SSH_HOST": "127.0.0.1", "AWSRUN_SSH_PORT": str(self.port), "AWSRUN_SSH_USER": getuser()}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def sshd(folder: Path, public_key: str, path: str = os.environ["PATH"]) -> Iterator[Server]:
    """An sshd that takes one key; ``path`` is the PATH of its sessions."""
    home = folder / "home"
    home.mkdir(parents=True)
    (folder / "authorized_keys").write_text(public_key)
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # of its unprivileged part, else made by the service
    port = free_port()
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder, path=path))
    log = folder / "sshd.log"
    server = subprocess.Popen([SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)])
    try:
        end = time.monotonic() + 30
        while not answers(port):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield Server(port, home)
    finally:
        server.terminate()
        server.wait()
