"""The files below a folder, as they are kept: regular ones, by name; links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file's name below ``folder``, with slashes, and its path; in the order of folders and names."""
    for at, folders, names in os.walk(folder):
        folders.sort()
        for path in sorted(Path(at) / name for name in names):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path
