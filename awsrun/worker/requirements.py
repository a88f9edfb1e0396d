"""Installs a run's requirements, once per worker, into a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

_TAIL = 4096


def install(file: Path, site: Path) -> dict[str, Any] | None:
    """``pip install -r FILE`` into ``site``; why it failed, as a failure's record, or None."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), "-r", str(file)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode == 0:
        return None
    message = f"the requirements in {file.name} cannot be installed (pip ended with code {done.returncode})"
    return {"type": "RequirementsFailed", "message": message, "traceback": done.stdout[-_TAIL:]}
