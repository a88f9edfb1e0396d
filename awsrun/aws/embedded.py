"""Finds the embedded cloud of this user, and starts it when it is not there.

The server is a process of its own: all that is known here is its state file and its health address.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request

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
            raise AwsrunError("the embedded cloud does not start", said, "awsrun local status; awsrun local reset")
    return found


def _running() -> str | None:
    """The endpoint in the state file, if the process that wrote it answers there."""
    try:
        state = json.loads((data_dir() / "local" / "server.json").read_text())
        url = str(state["endpoint"])
        with urllib.request.urlopen(f"{url}/_awsrun/health", timeout=5) as answer:
            health = json.loads(answer.read())
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return None
    return url if health.get("pid") == state.get("pid") else None
