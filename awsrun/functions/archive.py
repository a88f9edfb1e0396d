"""Zip files that hang on nothing but what is in them: no times, no owners, always the same order."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from awsrun.aws.errors import AwsrunError

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows
_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_REGULAR = 0o100000


@dataclass(frozen=True)
class File:
    """One file; of its mode only whether it can be executed."""

    content: bytes
    executable: bool = False


Files = Mapping[str, File]


def files(folder: Path) -> dict[str, File]:
    """What of a folder goes into a package, by its name there: everything but caches and hidden tools' folders.

    Raises:
        AwsrunError: a file cannot be read, or is a link to a folder.
    """
    try:
        return {
            path.relative_to(folder).as_posix(): File(path.read_bytes(), bool(path.stat().st_mode & 0o100))
            for path in _walk(folder)
        }
    except OSError as error:
        raise AwsrunError("the code of a function cannot be read", str(error), "make it readable, or delete it") from (
            error
        )


def pack(files: Files, compress: bool = True) -> bytes:
    """A zip file.

    Args:
        compress: not where its very bytes must be the same on every machine: compressors differ.
    """
    target = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", how) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.compress_type, entry.create_system = how, 3  # Unix, whose modes Lambda reads
            entry.external_attr = (_REGULAR | (0o755 if files[name].executable else 0o644)) << 16
            archive.writestr(entry, files[name].content)
    return target.getvalue()


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in folders:
            if (Path(place) / name).is_symlink():
                hint = "put the folder itself there"
                raise AwsrunError(f"{Path(place) / name} is a link to a folder", "links are not packed", hint)
        for name in names:
            path = Path(place) / name
            if name not in _LEFT_OUT and path.suffix != ".pyc" and path.is_file():
                yield path
