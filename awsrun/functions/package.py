"""What a function's code is, by a text that is the same for the same code, and how to make the package that is sent.

Code that needs nothing installed is packed at once, and its text is what AWS says of it, the CodeSha256.  Where a
``requirements.txt`` has to be installed first, the text is a hash of everything that goes in; the package is made once
(see `awsrun.functions.build`) and kept on disk.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from awsrun.aws.paths import data_dir
from awsrun.functions.archive import File, Files, files, pack

REQUIREMENTS = "requirements.txt"
LARGEST = 50 * 2**20  # bytes, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_FORMAT = "1"  # of packages with requirements: another one means other texts
_HASH = 32  # hex digits


@dataclass(frozen=True)
class Target:
    """What requirements are installed for.

    Attributes:
        python: ``3.13``.
        platform: as pip names it (``manylinux2014_aarch64``); empty for this machine and this Python.
    """

    python: str
    platform: str

    @property
    def text(self) -> str:
        """Differs where other files may be installed."""
        if self.platform:
            return f"{self.python} {self.platform}"
        return f"{sys.version_info[0]}.{sys.version_info[1]} {platform.system()} {platform.machine()}"


class Package(str):
    """The text that stands for a function's code.

    Attributes:
        files: what is in it, without requirements; None where the code was only seen.
        target: what its requirements are for; None where there are none.
    """

    files: Files | None
    target: Target | None

    def __new__(cls, text: str, files: Files | None = None, target: Target | None = None) -> Package:
        made = super().__new__(cls, text)
        made.files, made.target = files, target
        return made

    @classmethod
    def of(cls, files: Files, target: Target | None) -> Package:
        """The package of these files; requirements are installed if there are some and there is a ``target``."""
        if target is None or REQUIREMENTS not in files:
            return cls(sha256(pack(files, compress=False)), files)
        digest = hashlib.sha256(json.dumps([_FORMAT, target.text]).encode())
        digest.update(pack(files, compress=False))
        return cls(digest.hexdigest()[:_HASH], files, target)

    @property
    def kept(self) -> Path:
        """Where the made package is kept."""
        return data_dir() / "functions" / f"{self}.zip"

    def made(self) -> bytes | None:
        """The zip file; None where it has to be built first."""
        assert self.files is not None, "what was only seen cannot be made"
        if self.target is None:
            return pack(self.files, compress=False)
        try:
            return self.kept.read_bytes()
        except FileNotFoundError:
            return None

    def keep(self, content: bytes) -> None:
        """Keep the built zip file, whole or not at all."""
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.kept.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, self.kept)


def inline(name: str, text: str) -> dict[str, File]:
    """The one file of code that stands in the spec itself."""
    return {name: File(text.encode())}


def sha256(content: bytes) -> str:
    """What AWS calls a package's CodeSha256."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


__all__ = ["LARGEST", "REQUIREMENTS", "Package", "Target", "files", "inline", "sha256"]
