"""Deployment packages on disk, each unpacked once, where no function can write into them."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections import Counter
from pathlib import Path

from awsrun.local.functions.definition import Package
from awsrun.local.functions.errors import Refused
from awsrun.local.state import remove

KEPT = 8  # folders that nobody uses: a start that follows soon need not unpack again


class CodeStore:
    """Unpacked zips by the digest of their content; those that nobody uses go, but for the last few.

    Args:
        folder: whatever it holds is taken for left over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._unused: list[str] = []  # the last that was used at the end
        remove(folder)

    def unpacked(self, package: Package) -> Path:
        """The folder with the content of ``package``, which stays until it is released.

        Raises:
            Refused: it is no zip.
        """
        place = self._folder / package.digest
        with self._lock:
            if not place.exists():
                self._unpack(package, place)
            self._users[package.digest] += 1
            if package.digest in self._unused:
                self._unused.remove(package.digest)
        return place

    def release(self, package: Package) -> None:
        """One that used it is over."""
        with self._lock:
            self._users[package.digest] -= 1
            if not self._users[package.digest]:
                del self._users[package.digest]
                self._unused.append(package.digest)
            while len(self._unused) > KEPT:
                remove(self._folder / self._unused.pop(0))

    def _unpack(self, package: Package, place: Path) -> None:
        fresh = place.with_suffix(".new")
        remove(fresh)
        fresh.mkdir(parents=True)
        try:
            _unpack(package.content, fresh)
        except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
            said = "Lambda could not unzip the deployment package."
            raise Refused("InvalidZipFileException", f"{said} {error}", 502) from error
        fresh.rename(place)


def _unpack(archive: bytes, folder: Path) -> None:
    """Files with the modes that the zip gives them, readable at least; nothing is writable, as in /var/task."""
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        for entry in content.infolist():
            path = Path(content.extract(entry, folder))
            if not entry.is_dir():
                path.chmod((entry.external_attr >> 16 & 0o555) | 0o444)
    for place, _, _ in os.walk(folder, topdown=False):
        os.chmod(place, 0o555)
