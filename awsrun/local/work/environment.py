"""What jobs and tasks find in their environment, and how many run at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# Of the server's own environment only what a program needs to find its way on this machine.
# fmt: off
_PASSED = frozenset({
    "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "no_proxy",
})
# fmt: on
_PASSED_PREFIXES = ("LC_", "PIP_", "UV_")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GIB_PER_SLOT = 1.5
ROOT = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
"""Credentials that may do everything."""


def slots(environ: Mapping[str, str] = os.environ) -> int:
    """How many jobs and tasks run at a time: cores, 1.5 GB of free memory each; ``AWSRUN_LOCAL_SLOTS`` overrides."""
    given = environ.get("AWSRUN_LOCAL_SLOTS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return max(1, min(cores(), int(free_gib() / GIB_PER_SLOT)))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def of_machine(shims: Path) -> dict[str, str]:
    """What a process finds of this machine, and a container does not.

    Args:
        shims: a folder with a ``python`` for interpreters that have none beside them.
    """
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    path = f"{interpreter_folder(shims)}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**passed, "PATH": path, "PYTHONUNBUFFERED": "1"}


def of_cloud(endpoint: str, region: str, total: int, together: int, credentials: Mapping[str, str]) -> dict[str, str]:
    """What every container finds in its environment, wherever it runs.

    Args:
        total: slots of this machine.
        together: how many of a kind run at once, which share the cores.
        credentials: variables by which AWS's clients find them.
    """
    threads = str(max(1, cores() // max(1, min(together, total))))
    return {
        **dict.fromkeys(_THREADS, threads),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWSRUN_LOCAL_SLOTS": str(total),
        **credentials,
    }


def interpreter_folder(shims: Path) -> Path:
    """Where ``python`` and ``python3`` are this very interpreter."""
    beside = Path(sys.executable).parent
    if all(os.access(beside / name, os.X_OK) for name in ("python", "python3")):
        return beside
    shims.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        script = shims / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        script.chmod(0o700)
    return shims


def free_gib() -> float:
    """Memory that this machine has left."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    except OSError:
        pass  # not Linux
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 / 2
    except (ValueError, OSError):
        return 4.0
