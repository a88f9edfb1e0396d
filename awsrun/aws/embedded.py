"""Finds the embedded cloud of this user, starts it when it is not there, and asks how fast its time runs.

The server is a process of its own: all that is known here is its state file and its health address.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from awsrun import __version__
from awsrun.aws.errors import AwsrunError
from awsrun.aws.paths import data_dir


def endpoint() -> str:
    """The URL of the embedded cloud, started if need be.

    Raises:
        AwsrunError: it cannot be started; the reason is what the start command said.
    """
    found = _running()
    if found is None:
        started = subprocess.run([sys.executable, "-m", "awsrun.local", "start"], capture_output=True, text=True)
        found = _running()
        if found is None:
            said = (started.stderr or started.stdout).strip()
            raise AwsrunError(said or "the embedded cloud does not start", "" if said else "it does not say why")
    return found


def is_aws(endpoint_url: str | None) -> bool:
    """Whether calls to ``endpoint_url`` (None: where boto3 sends them by itself) reach AWS, not an emulator."""
    host = urlparse(endpoint_url or "").hostname or ""
    return not host or host.endswith(("amazonaws.com", "amazonaws.com.cn"))


def time_scale(endpoint_url: str | None) -> float:
    """Seconds there for one second of AWS: 1 for AWS itself, 0 for an emulator that answers and shows all at once."""
    if endpoint_url is None or is_aws(endpoint_url):
        return 1.0
    about = _about(endpoint_url)
    return float(about.get("time_scale", 0.0)) if about.get("strict") else 0.0


def sites(endpoint_url: str | None) -> str:
    """Where the embedded cloud shows the websites of its buckets (``http://127.0.0.1:PORT``); empty for AWS, whose
    websites have names of their own, and for other emulators."""
    return "" if endpoint_url is None or is_aws(endpoint_url) else str(_about(endpoint_url).get("sites", ""))


def runs_images(endpoint_url: str | None) -> bool:
    """Whether jobs run in containers of their image there: on AWS they do, on the embedded cloud where it was asked to;
    another emulator is taken at its word."""
    if endpoint_url is None or is_aws(endpoint_url):
        return True
    return bool(_about(endpoint_url).get("containers", True))


def about() -> dict[str, Any]:
    """What the embedded cloud of this user says of itself (``version``, ``strict`` ...); nothing where none runs."""
    url = _running()
    return _about(url) if url else {}


def outdated() -> str:
    """Why the embedded cloud that runs is not of this version of awsrun; empty where it is, or none runs.

    Of an editable install the version says little: there, code of it that was written since it was started counts.
    """
    state = _state()
    if not state:
        return ""
    if (version := state.get("version")) != __version__:
        return f"the embedded cloud that runs is of awsrun {version}, this is {__version__}"
    now = time.time()  # a file from the future is no news at every command
    written = [at for at in _written(Path(__file__).parent.parent / "local") if at <= now]
    if max(written, default=0.0) > float(state.get("started", now)):
        return "the embedded cloud that runs was started before its code was changed"
    return ""


def _written(folder: Path) -> Iterator[float]:
    """When each Python file below ``folder`` was written last, POSIX seconds."""
    for place, _, names in os.walk(folder):
        yield from (os.stat(os.path.join(place, name)).st_mtime for name in names if name.endswith(".py"))


def _state() -> dict[str, Any]:
    """What the last server wrote of itself, whether or not it still lives; nothing where there was none."""
    try:
        found = json.loads((data_dir() / "local" / "server.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _running() -> str | None:
    """The endpoint in the state file, if the process that wrote it answers there."""
    state = _state()
    url = str(state.get("endpoint", ""))
    return url if url and _about(url).get("pid") == state.get("pid") else None


def _about(url: str) -> dict[str, Any]:
    """What the embedded cloud at ``url`` says of itself; nothing where there is none."""
    where = urlparse(url)
    make = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = make(where.hostname or "", where.port, timeout=5)
    try:
        connection.request("GET", "/_awsrun/health")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, HTTPException):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
