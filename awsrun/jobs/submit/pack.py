"""The code archive: the user's project and awsrun's worker, in one zip named by its content.

Layout: ``awsrun/`` (the worker, which needs nothing but the standard library and boto3) and ``project/`` (the user's
files under their project root).  It is named by its SHA-256 and made the same every time: equal code goes up once.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import awsrun
from awsrun.aws.errors import AwsrunError

WARN_BYTES = 5_000_000
MOST_BYTES = 50_000_000
MOST_DIFF = 1_000_000
_WORTH = 20  # a file that many times smaller than the biggest is none of the big ones
PROJECT = "project/"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can state: equal contents make equal archives
_PACKAGE = Path(awsrun.__file__).parent
_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".aws", ".ssh", ".gnupg", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".idea", ".vscode", "awsrun-out"}
)
_SECRETS = (
    *(".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "id_rsa*", "id_ed25519*", "id_ecdsa*"),
    *(".netrc", ".pypirc", ".npmrc", ".htpasswd", "credentials", "credentials.json"),
)
_JUNK = ("*.pyc", ".ds_store")
_PAGES = (".png", ".svg", ".pdf", ".html")
MADE_HERE = "made by awsrun"
"""Stands in the first or last `_ENDS` bytes of pictures and pages of runs: what shows a run is no code of the next."""
_ENDS = 4096


@dataclass(frozen=True)
class Zipped:
    """An archive's bytes, and what they are called by."""

    data: bytes
    sha256: str

    @property
    def key(self) -> str:
        """Where it lies in the bucket: the same code is uploaded once."""
        return f"awsrun/code/{self.sha256[:32]}.zip"

    def beside(self, diff: bytes) -> str:
        """Where a diff of this code lies: the same code may differ from several commits."""
        return f"awsrun/code/{self.sha256[:32]}-{hashlib.sha256(diff).hexdigest()[:12]}.diff"


@dataclass(frozen=True)
class Archive:
    """What a submit would upload.

    Attributes:
        root: the project root; ``job``: the job file's path below it, with forward slashes.
        files: name in the archive -> file on disk, sorted.
        size: bytes of all files together.
        commit: the git commit, empty outside git; ``dirty``: packed files that differ from it.
    """

    root: Path
    job: str
    files: dict[str, Path]
    size: int
    commit: str = ""
    dirty: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What to tell the user about its size; empty when there is nothing to tell."""
        if self.size <= WARN_BYTES:
            return ""
        return f"the code archive holds {_mb(self.size)}: {_biggest(self.files)}; .gitignore leaves files out"

    def zipped(self) -> Zipped:
        """The archive itself: the same bytes for the same names, modes and contents."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, path in self.files.items():
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = _mode(path) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
        data = buffer.getvalue()
        return Zipped(data, hashlib.sha256(data).hexdigest())

    def diff(self) -> bytes:
        """How the packed, tracked files differ from the commit, as ``git diff`` has it; empty if it is beyond 1 MB.

        Files that are not packed, such as keys, are not in it, whether git tracks them or not.
        """
        if not self.commit or not self.dirty:
            return b""
        told = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--end-of-options", self.commit)
        found = _git_bytes(self.root, "--literal-pathspecs", "diff", *told, "--", *self.dirty) or b""
        return found if len(found) <= MOST_DIFF else b""


def collect(job: Path, extra: Iterable[Path] = ()) -> Archive:
    """What belongs to the job file ``job``; nothing is written or uploaded.

    In git: tracked files and untracked ones that are not ignored, under the repository's root; else everything in the
    job's folder.  Never keys, ``.env``, ``.aws``, ``.git``, virtual environments; nor pictures and pages of earlier
    runs, with which the same code would look like other code.

    Args:
        extra: further files below the project root that must be in it (``--requirements``).

    Raises:
        AwsrunError: a link leaves the project root, or the files are more than 50 MB.
    """
    job = job.absolute()
    repository = _git_root(job.parent)
    root = repository or job.parent.resolve()
    listed = _git_files(root) if repository else _walk(root)
    wanted = {path for path in listed if not _excluded(path.relative_to(root)) and not _shows_a_run(path)}
    for path in (job, *extra):
        if not path.resolve().is_relative_to(root):
            raise AwsrunError(f"{path} is outside the project", f"the project root is {root}")
        wanted.add(root / path.resolve().relative_to(root))
    project = _resolve_links(root, wanted)
    files = {PROJECT + name: path for name, path in sorted(project.items())}
    files |= {f"awsrun/{path.relative_to(_PACKAGE).as_posix()}": path for path in _own()}
    files = dict(sorted(files.items()))
    size = sum(path.stat().st_size for path in files.values())
    if size > MOST_BYTES:
        hint = "list data files in .gitignore" if repository else "put the job into a folder of its own"
        raise AwsrunError(
            f"the code archive of {root} would hold {_mb(size)}, more than {_mb(MOST_BYTES)}", _biggest(files), hint
        )
    commit, dirty = _git_state(root) if repository else ("", [])
    name = job.resolve().relative_to(root).as_posix()
    return Archive(root, name, files, size, commit, tuple(f for f in dirty if f in project))


def root_of(folder: Path) -> Path:
    """The root of the project that ``folder`` is in: its git repository's, else the folder itself."""
    return _git_root(folder) or folder.resolve()


def _own() -> list[Path]:
    """awsrun's part that travels: the lazy package and the worker."""
    return [_PACKAGE / "__init__.py", *sorted((_PACKAGE / "worker").rglob("*.py"))]


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if name not in _FOLDERS and not (here / name / "pyvenv.cfg").exists()
        )
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in (*names, *links))


def _git_root(folder: Path) -> Path | None:
    answer = _git(folder, "rev-parse", "--show-toplevel")
    return Path(answer.strip()).resolve() if answer else None


def _git_files(root: Path) -> list[Path]:
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard") or ""
    found = (root / name for name in listed.split("\0") if name)
    return [path for path in found if path.is_file() or path.is_symlink()]  # a tracked file may be deleted on disk


def _git_state(root: Path) -> tuple[str, list[str]]:
    changed = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all") or ""
    return (_git(root, "rev-parse", "HEAD") or "").strip(), [entry[3:] for entry in changed.split("\0") if entry]


def _git(folder: Path, *arguments: str) -> str | None:
    """git's answer, or None where there is no git or no repository."""
    answer = _git_bytes(folder, *arguments)
    return None if answer is None else os.fsdecode(answer)


def _git_bytes(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=60)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _excluded(path: Path) -> bool:
    return bool(_FOLDERS.intersection(path.parts[:-1])) or any(
        fnmatch(path.name.lower(), bad) for bad in (*_SECRETS, *_JUNK)
    )


def _shows_a_run(path: Path) -> bool:
    """Whether `awsrun plot` or `awsrun report` wrote it."""
    if path.suffix.lower() not in _PAGES or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(_ENDS)
        file.seek(max(0, path.stat().st_size - _ENDS))
        return MADE_HERE.encode() in start + file.read(_ENDS)


def _resolve_links(root: Path, listed: set[Path]) -> dict[str, Path]:
    """Name -> file; a link within the root stands for what it points to, one that leaves it is refused."""
    plain = {path.relative_to(root).as_posix(): path for path in listed if path.resolve() == path and path.is_file()}
    found = dict(plain)
    for path in sorted(listed):
        if path.resolve() == path:
            continue
        target, name = path.resolve(), path.relative_to(root).as_posix()
        if not target.is_relative_to(root):
            raise AwsrunError(
                f"{name} is a link that leaves the project",
                f"it points to {target}",
                "copy it in, or add it to .gitignore",
            )
        if target.is_file():
            if not _excluded(target.relative_to(root)):
                found[name] = target
        elif target.is_dir():
            below = target.relative_to(root).as_posix() + "/"
            found |= {
                f"{name}/{other.removeprefix(below)}": file for other, file in plain.items() if other.startswith(below)
            }
    return found


def _mode(path: Path) -> int:
    return 0o100755 if path.stat().st_mode & 0o100 else 0o100644


def _biggest(files: dict[str, Path]) -> str:
    sizes = sorted(((path.stat().st_size, name) for name, path in files.items()), reverse=True)[:3]
    worth = [(size, name) for size, name in sizes if size * _WORTH >= sizes[0][0]]
    return ", ".join(f"{name.removeprefix(PROJECT)} {_mb(size)}" for size, name in worth)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
