"""What is in a website: the files of a folder, each with its hash and the headers that it is sent with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.aws.names import digest
from awsrun.resources.kind import UNKNOWN, Parts

ASK_AGAIN = "no-cache"  # kept, but used only after asking whether it is still the same: an ETag and a 304
PAGES = frozenset({".html", ".htm"})
# Of files on the web (https://www.iana.org/assignments/media-types/media-types.xhtml); not `mimetypes`, which says on
# each machine what is installed there.
TYPES = {
    ".avif": "image/avif", ".css": "text/css", ".csv": "text/csv", ".gif": "image/gif", ".htm": "text/html",
    ".html": "text/html", ".ico": "image/x-icon", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
    ".js": "text/javascript", ".json": "application/json", ".map": "application/json", ".md": "text/markdown",
    ".mjs": "text/javascript", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".ogg": "audio/ogg", ".otf": "font/otf",
    ".pdf": "application/pdf", ".png": "image/png", ".svg": "image/svg+xml", ".ttf": "font/ttf",
    ".txt": "text/plain", ".wasm": "application/wasm", ".wav": "audio/wav", ".webm": "video/webm",
    ".webmanifest": "application/manifest+json", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
    ".xml": "application/xml", ".zip": "application/zip",
}  # fmt: skip
_WELL_KNOWN = ".well-known"  # the one hidden folder that belongs on the web: RFC 8615


@dataclass(frozen=True)
class File:
    """One file as it is to be sent.

    Attributes:
        body: where it is, or what it holds; UNKNOWN while that follows from what is not there yet.
        md5: in hex, as S3 shows it in the ETag of what was uploaded in one piece
            (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html); UNKNOWN with the body.
    """

    body: Any
    md5: Any
    size: int
    type: str
    cache: str

    @property
    def headers(self) -> str:
        """Stands for the headers."""
        return digest(self.type, self.cache, length=8)

    def read(self) -> bytes:
        """What it holds.

        Raises:
            AwsrunError: it is not what it was when it was looked at, or cannot be read.
        """
        found = self.body if isinstance(self.body, bytes) else _bytes(self.body)
        if _md5(found) != self.md5:
            raise AwsrunError(f"{self.body} changed while it was being uploaded", "", "run the same again")
        return found


class Files(Parts, Mapping[str, Any]):
    """Key -> what stands for content and headers of the object.

    Attributes:
        files: of what is wanted: how to make each.
    """

    def __init__(self, marks: Mapping[str, Any], files: Mapping[str, File] | None = None) -> None:
        self._marks, self.files = dict(sorted(marks.items())), dict(files or {})

    @classmethod
    def of(cls, folder: Path, cache: int, made: Mapping[str, Any]) -> Files:
        """The files of ``folder``, without hidden ones, and those that are ``made``: name -> content or UNKNOWN.

        Args:
            cache: seconds for which browsers need not ask again; pages and what is made are always asked for.

        Raises:
            AwsrunError: a file cannot be read.
        """
        found = {key: _file(path, "" if path.suffix.lower() in PAGES else cache) for key, path in _walk(folder)}
        for name, body in made.items():
            known = body is not UNKNOWN
            found[name] = File(
                body, _md5(body) if known else UNKNOWN, len(body) if known else 0, _type(name), ASK_AGAIN
            )
        return cls({key: mark(one.md5, one.headers) for key, one in found.items()}, found)

    def uploads(self, there: Mapping[str, Any]) -> list[str]:
        """What has to be uploaded where ``there`` is: pages after all that they may need, the first page last."""
        wanted = [key for key, one in self._marks.items() if there.get(key) != one]
        return sorted(wanted, key=lambda key: (Path(key).suffix in PAGES, "/" not in key and Path(key).suffix in PAGES))

    def gone(self, there: Mapping[str, Any]) -> list[str]:
        """What of ``there`` has to be deleted."""
        return [key for key in there if key not in self._marks]

    def against(self, old: Any) -> str:
        """``3 to upload (12 KB), 1 to delete``."""
        there: Mapping[str, Any] = old if isinstance(old, Files) else {}
        uploads, gone = self.uploads(there), self.gone(there)
        size = _size(sum(self.files[key].size for key in uploads if key in self.files))
        parts = [f"{len(uploads)} to upload ({size})"] if uploads else []
        return ", ".join([*parts, *([f"{len(gone)} to delete"] if gone else [])])

    def __getitem__(self, key: str) -> Any:
        return self._marks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._marks)

    def __len__(self) -> int:
        return len(self._marks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and self._marks == other._marks

    def __hash__(self) -> int:
        return hash(tuple(self._marks.items()))

    def __repr__(self) -> str:
        return f"{len(self)} files ({digest(*self._marks.items())})"


def mark(md5: Any, headers: str) -> Any:
    """What stands for an object's content and headers together."""
    return UNKNOWN if md5 is UNKNOWN else f"{md5} {headers}"


def headers_of(mark: str) -> str:
    """The headers' part of a `mark`."""
    return mark.partition(" ")[2]


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Key and path of each file; links to folders are not followed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") and path.name != _WELL_KNOWN:
            continue
        if path.is_dir() and not path.is_symlink():
            for key, inner in _walk(path):
                yield f"{path.name}/{key}", inner
        elif path.is_file():
            yield path.name, path


def _file(path: Path, cache: int | str) -> File:
    body = _bytes(path)
    said = f"public, max-age={cache}" if cache else ASK_AGAIN
    return File(path, _md5(body), len(body), _type(path.name), said)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AwsrunError(
            "a file of the website cannot be read", str(error), "make it readable, or take it out"
        ) from error


def _type(name: str) -> str:
    found = TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _size(count: int) -> str:
    """``512 bytes``, ``34 KB``, ``1.2 MB``."""
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:.0f} KB" if count < 1e6 else f"{count / 1e6:.1f} MB"
