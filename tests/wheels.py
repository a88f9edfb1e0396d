"""Distributions that pip installs without a network."""

from __future__ import annotations

import zipfile
from pathlib import Path


def wheel(folder: Path, says: str) -> str:
    """A requirement: the module ``greet``, whose ``SAYS`` is ``says``."""
    path = folder / "greet-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("greet.py", f"SAYS = {says!r}\n")
        archive.writestr("greet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
        archive.writestr("greet-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("greet-1.0.dist-info/RECORD", "")
    return f"{path.as_uri()}\n"
