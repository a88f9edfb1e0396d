"""What decides the content of an image, as one archive whose hash names the image.

The archive that is hashed is the one that the engine gets: same files in the same order, without owners and times.  So
an image is built again when, and only when, something in it may have changed; and to know that, no engine is needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from awsrun.aws.errors import AwsrunError

DEFAULT_BASE = "public.ecr.aws/docker/library/python:3.12-slim"  # Docker Hub's own, without its limit on pulls
DOCKERFILE = ".awsrun.Dockerfile"  # its name in the archive; it may lie outside of the context
HASH = 20  # hex digits
_FORMAT = "1"  # of the archive: another one means other hashes
_MOMENT = 946_684_800  # 2000-01-01; not 1970, because zip files (wheels) know no time before 1980


@dataclass(frozen=True)
class Recipe:
    """What an image is made from.

    Attributes:
        context: the folder that COPY copies from; None for the default Dockerfile, which needs none.
        dockerfile: None for the default one.
        requirements: a file of what pip installs into the default image; None for nothing but boto3.
        arguments: build arguments.
        platform: ``linux/arm64`` ...; empty for the engine's own.
    """

    context: Path | None = None
    dockerfile: Path | None = None
    requirements: Path | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    platform: str = ""

    def hash(self) -> str:
        """`HASH` hex digits that stand for all that is in it.

        Raises:
            AwsrunError: a file cannot be read.
        """
        return self.pack(None)

    def pack(self, target: BinaryIO | None) -> str:
        """Write the archive that the engine builds from to ``target``, and return its `hash`.

        Raises:
            AwsrunError: a file cannot be read.
        """
        digest = hashlib.sha256(json.dumps([_FORMAT, self.platform, sorted(self.arguments)]).encode())
        try:
            with tarfile.open(fileobj=_Hashing(digest, target), mode="w|", format=tarfile.PAX_FORMAT) as archive:
                _add_text(archive, DOCKERFILE, self._dockerfile())
                if self.context is None:
                    _add_text(archive, "requirements.txt", self.requirements.read_bytes() if self.requirements else b"")
                else:
                    for name in sorted(_names(self.context)):
                        _add_file(archive, self.context / name, name)
        except OSError as error:
            hint = "name it in .dockerignore, or make it readable"
            raise AwsrunError("what the image is made from cannot be read", str(error), hint) from error
        return str(digest.hexdigest()[:HASH])

    def _dockerfile(self) -> bytes:
        if self.dockerfile is None:
            return resources.files(__package__).joinpath("Dockerfile").read_bytes()
        return self.dockerfile.read_bytes()


class Content(str):
    """What is, or is to be, in an image: its hash, and with it how to make it.

    Attributes:
        recipe: None where the image was only seen.
    """

    recipe: Recipe | None

    def __new__(cls, hash: str, recipe: Recipe | None = None) -> Content:
        made = super().__new__(cls, hash)
        made.recipe = recipe
        return made

    @classmethod
    def of(cls, recipe: Recipe) -> Content:
        """The content that ``recipe`` makes from the files as they are now."""
        return cls(recipe.hash(), recipe)


def _names(context: Path) -> Iterator[str]:
    """What of a folder goes to the engine: .dockerignore says what does not, by the Docker SDK's own rules."""
    from docker.utils.build import exclude_paths

    try:
        lines = (context / ".dockerignore").read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        lines = []
    patterns = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    for name in exclude_paths(str(context), patterns, dockerfile=DOCKERFILE):
        yield name.replace(os.sep, "/")


def _add_text(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, tarfile.REGTYPE, 0o644)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Files, folders and links; the executable bit, nothing else of the mode.  Sockets and the like are left out."""
    if path.is_symlink():
        entry = _entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = os.readlink(path)
        archive.addfile(entry)
    elif path.is_dir():
        archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
    elif path.is_file():
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            entry = _entry(name, tarfile.REGTYPE, 0o755 if status.st_mode & 0o100 else 0o644)
            entry.size = status.st_size
            archive.addfile(entry, file)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, _MOMENT
    return entry


class _Hashing(io.RawIOBase):
    """Hashes what is written to it, and hands it on."""

    def __init__(self, digest: Any, target: BinaryIO | None) -> None:
        self._digest, self._target = digest, target

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._digest.update(content)
        if self._target is not None:
            self._target.write(content)
        return len(content)
