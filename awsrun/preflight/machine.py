"""This machine: versions, disk, the embedded cloud, a Docker engine where images are built."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from awsrun import __version__
from awsrun.aws import embedded
from awsrun.aws.errors import AwsrunError
from awsrun.aws.paths import data_dir
from awsrun.images import engine
from awsrun.preflight.check import Check, Finding

_LEAST, _ENOUGH = 200e6, 2e9  # bytes free on the disk
_OLDEST_PYTHON = (3, 10)
_OLDEST_BOTO3 = (1, 40)
_ENGINE = 10.0  # seconds for an answer of the Docker engine


def machine() -> list[Check]:
    """What every command needs."""
    return [
        Check("versions", 5.0, _versions),
        Check("disk", 5.0, lambda: _disk(data_dir())),
        Check("embedded-cloud", 10.0, _embedded),
    ]


def docker(images: list[str], needed: bool) -> Check:
    """A Docker engine, for the resources that are images to build; the embedded cloud can do without."""
    return Check("docker", 3 * _ENGINE, lambda: _docker(images, needed))


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
    elif why := embedded.outdated():
        yield Finding("warning", "embedded-cloud", why, "they may not fit", "awsrun local stop; awsrun local start")
    else:
        yield Finding("ok", "embedded-cloud", f"running, awsrun {about['version']}")


def _docker(images: list[str], needed: bool) -> Iterator[Finding]:
    names = ", ".join(images)
    try:
        client = engine.connect(_ENGINE)
    except AwsrunError as error:
        if needed:
            yield Finding("error", "docker", error.what, f"{names} cannot be built: {error.why}", error.hint)
        else:
            yield Finding("note", "docker", error.what, f"{names} is not built, jobs run as processes", error.hint)
        return
    about = client.version()
    client.close()
    yield Finding("ok", "docker", f"Docker {about.get('Version', '')} answers, for {names}")
