"""This machine: versions, disk, the embedded cloud, a Docker engine where images are built."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from awsrun import __version__
from awsrun.aws import embedded
from awsrun.aws.paths import data_dir
from awsrun.preflight.check import Check, Finding

_LEAST, _ENOUGH = 200e6, 2e9  # bytes free on the disk
_OLDEST_PYTHON = (3, 10)
_OLDEST_BOTO3 = (1, 40)
DOCKER_SOCKET = "/var/run/docker.sock"


def machine() -> list[Check]:
    """What every command needs."""
    return [
        Check("versions", 5.0, _versions),
        Check("disk", 5.0, lambda: _disk(data_dir())),
        Check("embedded-cloud", 10.0, _embedded),
    ]


def docker(images: list[str]) -> Check:
    """A Docker engine, for the resources that are images to build."""
    return Check("docker", 5.0, lambda: _docker(images, os.environ.get("DOCKER_HOST", f"unix://{DOCKER_SOCKET}")))


def _versions() -> Iterator[Finding]:
    import boto3

    said = f"Python {platform.python_version()}, boto3 {boto3.__version__}, awsrun {__version__}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("error", "versions", said, "awsrun needs Python 3.10 or newer", "install a newer Python")
    elif tuple(int(part) for part in boto3.__version__.split(".")[:2]) < _OLDEST_BOTO3:
        yield Finding("error", "versions", said, "awsrun needs boto3 1.40 or newer", "pip install --upgrade boto3")
    else:
        yield Finding("ok", "versions", said)


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free at {there}"
    if free < _LEAST:
        why = "the embedded cloud, exported runs and image builds are written there"
        yield Finding("error", "disk", said, why, "make room, or: export AWSRUN_HOME=/elsewhere")
    elif free < _ENOUGH:
        why = "image builds and large results may not fit"
        yield Finding("warning", "disk", said, why, "make room, or: export AWSRUN_HOME=/elsewhere")
    else:
        yield Finding("ok", "disk", said)


def _embedded() -> Iterator[Finding]:
    about = embedded.about()
    if not about:
        yield Finding("ok", "embedded-cloud", "not running; it starts by itself when a local command needs it")
    elif about.get("version") != __version__:
        what = f"the embedded cloud that runs is of awsrun {about.get('version')}, this is {__version__}"
        yield Finding("warning", "embedded-cloud", what, "they may not fit", "awsrun local stop; awsrun local start")
    else:
        yield Finding("ok", "embedded-cloud", f"running, awsrun {about['version']}")


def _docker(images: list[str], host: str) -> Iterator[Finding]:
    names = ", ".join(images)
    problem = _unreachable(host)
    if problem:
        hint = "install Docker and start it, or take an image that exists: image: URI"
        what = f"no Docker engine answers at {host}"
        yield Finding("error", "docker", what, f"{names} cannot be built: {problem}", hint)
    else:
        yield Finding("ok", "docker", f"an engine answers at {host}, for {names}")


def _unreachable(host: str) -> str:
    """Why no engine answers there; empty where one does."""
    try:
        if host.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(3)
                connection.connect(host.removeprefix("unix://"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                answer = connection.recv(64)
            return "" if b" 200 " in answer else f"it answers {answer!r}"
        address, _, port = host.rpartition("://")[2].partition(":")
        with socket.create_connection((address, int(port or 2375)), timeout=3):
            return ""
    except (OSError, ValueError) as error:
        return str(error)
