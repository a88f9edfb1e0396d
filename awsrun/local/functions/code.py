"""Deployment packages on disk, each unpacked once, where no function can write into them."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Collection
from pathlib import Path

from awsrun.local.functions.definition import Package
from awsrun.local.functions.errors import Refused
from awsrun.local.state import remove


class CodeStore:
    """Unpacked zips by the digest of their content.

    Args:
        folder: whatever it holds is taken for left over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        remove(folder)

    def unpacked(self, package: Package) -> Path:
        """The folder with the content of ``package``.

        Raises:
            Refused: it is no zip.
        """
        place = self._folder / package.digest
        with self._lock:
            if not place.exists():
                fresh = place.with_suffix(".new")
                remove(fresh)
                fresh.mkdir(parents=True)
                try:
                    _unpack(package.content, fresh)
                except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
                    said = "Lambda could not unzip the deployment package."
                    raise Refused("InvalidZipFileException", f"{said} {error}", 502) from error
                fresh.rename(place)
        return place

    def keep(self, digests: Collection[str]) -> None:
        """Delete all others."""
        with self._lock:
            for place in list(self._folder.iterdir()) if self._folder.exists() else ():
                if place.name not in digests:
                    remove(place)


def _unpack(archive: bytes, folder: Path) -> None:
    """Files with the modes that the zip gives them, readable at least; nothing is writable, as in /var/task."""
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        for entry in content.infolist():
            path = Path(content.extract(entry, folder))
            if not entry.is_dir():
                path.chmod((entry.external_attr >> 16 & 0o555) | 0o444)
    for place, _, _ in os.walk(folder, topdown=False):
        os.chmod(place, 0o555)
