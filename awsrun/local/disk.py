"""What a user is told where the embedded cloud cannot keep its files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from awsrun.aws.errors import AwsrunError

MAKE_ROOM = "make room there, and say the same again: what it holds is kept"
_LEAST = 1 << 20  # bytes, below which a disk counts as full


@contextlib.contextmanager
def written(data: Path) -> Iterator[None]:
    """What is written to ``data`` in here is written, or a user is told why it cannot be.

    Raises:
        AwsrunError: it cannot.
    """
    try:
        yield
    except OSError as error:
        what = f"the embedded cloud cannot write to {data}"
        if why := full(data):
            raise AwsrunError(what, why, MAKE_ROOM) from error
        raise AwsrunError(what, str(error), "AWSRUN_HOME=FOLDER keeps its files elsewhere") from error


def full(data: Path) -> str:
    """That the disk of ``data`` has no room; empty where it has."""
    place = next(path for path in (data, *data.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return f"the disk of {place} is full: {free >> 10} KiB are free" if free < _LEAST else ""
