"""Large bodies, kept as files named by their content: S3 objects, and the requests that brought them.

An object and the journal's record of its upload share one file.  A snapshot then holds names, not gigabytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from awsrun.local.state import replace

LARGE = 32 * 1024  # bytes; smaller bodies travel inside journal and snapshot
_YOUNG = 600.0  # seconds; a blob this fresh may belong to a request that is not in the journal yet


class Blobs:
    """A folder of content-named files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, content: bytes) -> str:
        """Keep ``content`` and return its name.

        Raises:
            OSError: the disk has no room for it.
        """
        name = hashlib.blake2b(content, digest_size=20).hexdigest()
        path = self.folder / name
        try:
            os.utime(path)
        except FileNotFoundError:
            replace(path, content)
        return name

    def get(self, name: str) -> bytes:
        """The content of ``name``."""
        return (self.folder / name).read_bytes()

    def sweep(self, used: Collection[str], before: float) -> None:
        """Delete what is not ``used`` and was last put well before ``before`` (POSIX seconds)."""
        for entry in os.scandir(self.folder):
            if entry.name not in used and entry.stat().st_mtime < before - _YOUNG:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)


class Value:
    """What moto takes for the temporary file of an S3 object: small content in memory, large content in a blob.

    Only what ``moto.s3.models.FakeKey`` uses of a file is here: seek, read, truncate, write of a whole value, close.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.name: str | None = None
        self._small = b""
        self._at = 0

    def seek(self, at: int) -> int:
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        if self.name is None:
            found = self._small[self._at :] if size < 0 else self._small[self._at : self._at + size]
        else:
            with (self._blobs.folder / self.name).open("rb") as file:
                file.seek(self._at)
                found = file.read(size)
        self._at += len(found)
        return found

    def truncate(self) -> None:
        self.name, self._small = None, b""

    def write(self, content: bytes) -> int:
        if len(content) > LARGE:
            self.name, self._small = self._blobs.put(content), b""
        else:
            self.name, self._small = None, bytes(content)
        self._at = len(content)
        return len(content)

    def close(self) -> None:
        """Nothing to let go of: the sweep after a snapshot deletes what nothing names any more."""

    def __getstate__(self) -> tuple[str | None, bytes]:
        return self.name, self._small

    def __deepcopy__(self, memo: object) -> Value:
        """moto copies the keys of a bucket to list its versions; blobs never change, so the copy shares them."""
        copy = Value(self._blobs)
        copy.name, copy._small = self.name, self._small
        return copy
