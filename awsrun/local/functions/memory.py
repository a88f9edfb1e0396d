"""How much memory an execution environment uses: resident memory of its process and of what that started.

A limit of the address space is no use for it: Python with numpy and its threads reserves gigabytes that it never
touches.  Where there is no ``/proc``, memory is neither limited nor told.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(process: int) -> int:
    """Bytes right now, of the process and of those below it."""
    try:
        used = int(Path(f"/proc/{process}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
    return used + sum(resident(child) for child in _children(process))


def peak(process: int) -> int:
    """The most bytes that the process itself ever had."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_bytes().splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            found += map(int, Path(f"/proc/{process}/task/{thread}/children").read_bytes().split())
    return found
