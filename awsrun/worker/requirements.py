"""Installs a run's requirements, once per worker, into a folder of their own."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TAIL = 4096
TRIES = 5
_NETWORK = ("Retrying (", "HTTP error", "timed out", "Connection")
"""What pip says where the package index did not answer: many workers ask it at one time."""


def install(file: Path, site: Path, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any] | None:
    """``pip install -r FILE`` into ``site``; why it failed, as a failure's record, or None.

    Args:
        sleep: waits some seconds until an index that does not answer is asked again, beyond pip's own repeats.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), "-r", str(file)]
    for again in range(1, TRIES + 1):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return None
        if again == TRIES or not any(said in done.stdout for said in _NETWORK):
            break
        print(f"[awsrun] the package index does not answer; try {again + 1} of {TRIES}", flush=True)
        sleep(random.uniform(0.5, 1.5) * 10 * again)
    message = f"the requirements in {file.name} cannot be installed (pip ended with code {done.returncode})"
    return {"type": "RequirementsFailed", "message": message, "traceback": done.stdout[-_TAIL:]}
