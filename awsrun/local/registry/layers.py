"""Layers and configurations of images as files named by their SHA-256, and uploads under way.

Nothing is ever held in memory: images are gigabytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

PIECE = 1 << 20  # bytes read at a time
UNCLAIMED = 3600.0  # seconds that a blob is kept before a manifest names it
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Mismatch(Exception):
    """What came is not what its digest says."""


class Layers:
    """A folder of blobs.

    Args:
        clock: POSIX seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._blobs, self._uploads = folder / "blobs", folder / "uploads"
        for path in (self._blobs, self._uploads):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clock = clock
        self._lock = threading.Lock()
        self._hashes: dict[str, tuple[Any, int]] = {}  # upload -> hash of its first so many bytes

    # -- blobs -----------------------------------------------------------------------------------------------------

    def size(self, digest: str) -> int | None:
        """Bytes of a blob; None where it is not there.  Whoever asks may be about to name it: it is kept a while."""
        path = self._path(digest)
        if path is None:
            return None
        try:
            os.utime(path, (self._clock(), self._clock()))
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: str) -> BinaryIO:
        """A blob to read from.

        Raises:
            FileNotFoundError: there is none.
        """
        path = self._path(digest)
        if path is None:
            raise FileNotFoundError(digest)
        return path.open("rb")

    def sweep(self, used: Collection[str], released: Collection[str] = ()) -> int:
        """Delete what no manifest names: what was ``released`` just now at once, the rest when it is old.

        Returns:
            bytes that came free.
        """
        freed = 0
        oldest = self._clock() - UNCLAIMED
        for entry in os.scandir(self._blobs):
            digest = f"sha256:{entry.name}"
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                if digest not in used and (digest in released or status.st_mtime < oldest):
                    os.unlink(entry.path)
                    freed += status.st_size
        for entry in os.scandir(self._uploads):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)
        return freed

    def _path(self, digest: str) -> Path | None:
        return self._blobs / digest.partition(":")[2] if _DIGEST.fullmatch(digest) else None

    # -- uploads ---------------------------------------------------------------------------------------------------

    def begin(self) -> str:
        """A new upload's id."""
        name = uuid.uuid4().hex
        os.close(os.open(self._uploads / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return name

    def received(self, upload: str) -> int | None:
        """Bytes that came so far; None for an upload that is not known."""
        try:
            return (self._uploads / upload).stat().st_size if upload.isalnum() else None
        except FileNotFoundError:
            return None

    def append(self, upload: str, pieces: Iterator[bytes]) -> int:
        """Add to an upload; how many bytes it has then.

        Raises:
            FileNotFoundError: no such upload.
        """
        path = self._uploads / upload
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            digest, at = self._hash_of(upload, file)
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                at += len(piece)
                self._remember(upload, digest, at)
        return at

    def finish(self, upload: str, digest: str) -> None:
        """An upload becomes the blob ``digest``.

        Raises:
            Mismatch: it is something else; the upload is dropped.
        """
        path, target = self._uploads / upload, self._path(digest)
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            found, _ = self._hash_of(upload, file)
        self._forget(upload)
        if target is None or f"sha256:{found.hexdigest()}" != digest:
            path.unlink(missing_ok=True)
            raise Mismatch(f"it has digest sha256:{found.hexdigest()}")
        path.replace(target)

    def cancel(self, upload: str) -> None:
        """Forget an upload."""
        self._forget(upload)
        (self._uploads / upload).unlink(missing_ok=True)

    def _hash_of(self, upload: str, file: BinaryIO) -> tuple[Any, int]:
        """The hash of the whole file, which stands at its end; read again where an earlier server received it."""
        end = file.tell()
        with self._lock:
            known = self._hashes.get(upload)
        if known is not None and known[1] == end:
            return known
        digest = hashlib.sha256()
        file.seek(0)
        while piece := file.read(PIECE):
            digest.update(piece)
        return digest, end

    def _remember(self, upload: str, digest: Any, at: int) -> None:
        with self._lock:
            self._hashes[upload] = (digest, at)

    def _forget(self, upload: str) -> None:
        with self._lock:
            self._hashes.pop(upload, None)
