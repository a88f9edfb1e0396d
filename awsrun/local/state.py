"""Where the embedded cloud keeps its files, and the one that says where it answers.

The folder is the user's own (mode 0700); the snapshots in it are pickles and are read back by nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """What ``server.json`` says of a server that listens.

    Attributes:
        started: POSIX seconds.
        version: of awsrun, so that a newer one can tell that an older one still runs.
        options: how it behaves, see `awsrun.local.options`.
    """

    pid: int
    port: int
    endpoint: str
    started: float
    version: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The files below the data folder."""

    data: Path

    @property
    def server(self) -> Path:
        return self.data / "server.json"

    @property
    def port(self) -> Path:
        """The last port, kept over restarts so that endpoints stay valid."""
        return self.data / "port"

    @property
    def registry_port(self) -> Path:
        """The same of the image registry: job definitions name it."""
        return self.data / "registry-port"

    @property
    def sites_port(self) -> Path:
        """The same of the websites of buckets: people keep their addresses."""
        return self.data / "sites-port"

    @property
    def options(self) -> Path:
        """How the server is to behave from its next start on."""
        return self.data / "options.json"

    @property
    def journaled(self) -> Path:
        """How the server behaved that wrote the journals."""
        return self.store / "options.json"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def control_lock(self) -> Path:
        """Held by a command that starts, stops or resets."""
        return self.data / "control.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server as long as it lives; its process id is in it."""
        return self.data / "server.lock"

    @property
    def store(self) -> Path:
        """Snapshots, journals and blobs."""
        return self.data / "store"

    @property
    def registry(self) -> Path:
        """Layers of container images."""
        return self.store / "registry"

    @property
    def jobs(self) -> Path:
        """One folder per running attempt of a job."""
        return self.data / "jobs"

    @property
    def tasks(self) -> Path:
        """One folder per running container of a task of ECS."""
        return self.data / "tasks"

    @property
    def functions(self) -> Path:
        """Unpacked code of Lambda functions, and what they write."""
        return self.data / "functions"

    def make(self) -> None:
        """Make the folder, for this user alone."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)


def read(files: Files) -> Server | None:
    """What the last server wrote, whether or not it still lives."""
    try:
        loaded: Any = json.loads(files.server.read_text())
        return Server(**loaded)
    except (OSError, ValueError, TypeError):
        return None


def write(files: Files, server: Server) -> None:
    """Say where the server answers; a reader sees the old file or the new one, never half of it."""
    replace(files.server, json.dumps(asdict(server)).encode())
    replace(files.port, str(server.port).encode())


def replace(path: Path, content: bytes) -> None:
    """Write ``path`` aside (mode 0600) and move it into place: a reader finds a whole file or none, whatever threads
    and processes write it at once.

    Raises:
        OSError: the disk has no room for it; ``path`` is as it was.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except OSError:
        fresh.unlink()
        raise
    fresh.replace(path)


def last_port(path: Path) -> int:
    """The port that a server before this one wrote to ``path``, or 0 for any."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def remove(folder: Path) -> None:
    """Delete a folder, write-protected or not."""
    for place, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(place, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
