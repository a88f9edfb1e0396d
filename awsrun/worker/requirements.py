"""Installs a run's requirements, once per worker, into an environment of their own.

It lies over what the image has: what is there already and fits is not fetched again.  With ``--target`` pip ignores
what is installed (https://github.com/pypa/pip/blob/main/src/pip/_internal/commands/install.py), so a file that names
``lightning`` would bring another PyTorch with all of CUDA to each worker, of other versions than the image's.
"""

from __future__ import annotations

import random
import site as sites
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
        site: a new folder; what is installed is in `packages` of it.
        sleep: waits some seconds until an index that does not answer is asked again, beyond pip's own repeats.
    """
    command = [*_pip(site), "--quiet", "--disable-pip-version-check", "-r", str(file)]
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


def packages(site: Path) -> Path:
    """The folder from which what is installed in ``site`` can be imported."""
    return site / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _pip(site: Path) -> list[str]:
    """``pip install`` in a virtual environment that shows the packages of this interpreter; in one of its own, too."""
    inside = sys.prefix != sys.base_prefix
    options = ["--without-pip", *([] if inside else ["--system-site-packages"])]
    made = subprocess.run([sys.executable, "-m", "venv", *options, str(site)], capture_output=True)
    if made.returncode:  # an image without the module
        return [sys.executable, "-m", "pip", "install", "--target", str(packages(site))]
    if inside:
        shown = [f"import site; site.addsitedir({path!r})\n" for path in sites.getsitepackages()]
        (packages(site) / "image.pth").write_text("".join(shown))
    return [str(site / "bin" / "python"), "-m", "pip", "install"]
