"""An append-only file of records, each flushed to the kernel before it counts.

That survives the death of the process (kill -9), not that of the machine: there is no fsync, as this is a development
cloud and one costs milliseconds.  A record is a length, a checksum and a pickle; the last one may be torn and is then
as if it had never been written, which is right, since it was not acknowledged.
"""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("<II")


class Journal:
    """Appends records to a new file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._size = 0  # bytes of whole records
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)

    def append(self, record: tuple[Any, ...]) -> None:
        """Add one record; it is in the kernel's hands when this returns.

        Raises:
            OSError: the disk has no room for it.  What was written of it is taken back: nothing that comes later would
                be read behind half a record.
        """
        payload = pickle.dumps(record, protocol=5)
        frame = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            os.ftruncate(self._handle, self._size)
            raise
        self._size += len(frame)
        self.count += 1

    def close(self) -> None:
        """No more records."""
        os.close(self._handle)


def read(path: Path) -> Iterator[Any]:
    """The whole records of ``path``, oldest first, up to the first torn one."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                return
            yield pickle.loads(payload)
