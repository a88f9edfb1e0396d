"""SSH keys as files on this machine: public halves as OpenSSH writes them, private ones that awsrun makes.

Keys are made by ``ssh-keygen``, which is there wherever ``ssh`` is and writes just what ``ssh`` reads; a library for
cryptography would be one more thing to install, and slower to import than a key takes to make.

A key that awsrun made lies beside its public half, whose comment says what it is for.  Only such a key is ever used
again or deleted: a path that a spec names may hold something of the user's own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from awsrun.aws.context import Context
from awsrun.aws.errors import AwsrunError, outcome
from awsrun.aws.paths import data_dir

MARK = "awsrun:"  # starts the comment of keys that awsrun made
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-key-pairs.html#how-to-generate-your-own-key-and-import-it-to-aws
TYPES = ("ssh-ed25519", "ssh-rsa")
PRIVATE = 0o400


class PublicKey(NamedTuple):
    """The public half of a key.

    Attributes:
        type: ``ssh-ed25519``.
        blob: the key itself.
        comment: what follows it in its line.
    """

    type: str
    blob: bytes
    comment: str

    @property
    def line(self) -> str:
        """As files and AWS have it."""
        return f"{self.type} {base64.b64encode(self.blob).decode()} {self.comment}".strip()

    @property
    def fingerprint(self) -> str:
        """``SHA256:...``, as ``ssh-keygen -l`` prints it for every type of key."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def parse(text: str) -> PublicKey:
    """A public key in OpenSSH's format: ``ssh-ed25519 AAAA... comment``.

    Raises:
        ValueError: it is something else, or of a type that EC2 does not take.
    """
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key: give the public half of it, the file that ends in .pub")
    type, _, rest = text.strip().partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    if type not in TYPES:
        raise ValueError(f"is no public key that EC2 takes: it would begin with {' or '.join(TYPES)}")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    # The blob says its type once more: https://datatracker.ietf.org/doc/html/rfc4253#section-6.6
    if not blob.startswith(len(type).to_bytes(4, "big") + type.encode()) or len(blob) < 50:
        raise ValueError(f"is no whole {type} key")
    return PublicKey(type, blob, comment.strip())


def scope(context: Context) -> str:
    """What names of keys are unique in: ``local``, ``123456789012-eu-west-1``."""
    return "local" if context.name == "local" else f"{context.account}-{context.region}"


def default_path(context: Context, physical: str) -> Path:
    """Where the private key of a key pair is written unless its spec says where."""
    return data_dir() / "keys" / scope(context) / physical.replace("/", "_")


def purpose(context: Context, stack: str, name: str) -> str:
    """The comment of the key that awsrun makes for a key of a stack."""
    return f"{MARK}{scope(context)}/{stack}/{name}"


def collapsed(path: Path | str) -> str:
    """``path`` with ``~`` for the user's home, as ``ssh`` takes it: the same on the user's other machines."""
    text, home = str(path), str(Path.home())
    return f"~{text[len(home) :]}" if text.startswith(f"{home}/") and home != "/" else text


def placed(text: str) -> Path:
    """The inverse of `collapsed`."""
    return Path(text).expanduser()


def public_half(path: Path) -> Path:
    """The file beside a private key that has its public half."""
    return path.with_name(f"{path.name}.pub")


def beside(path: Path) -> PublicKey | None:
    """The public half of the private key at ``path``; None where either is not there, or is none."""
    if not path.is_file():
        return None
    try:
        return parse(public_half(path).read_text())
    except (OSError, ValueError):
        return None


def make(path: Path, comment: str) -> PublicKey:
    """The public half of the key at ``path``, which is made there (ed25519, no passphrase, 0400) unless it is there.

    It is on disk when this returns.  Cut short, it can be called again.

    Raises:
        AwsrunError: something else is there, or ``ssh-keygen`` is missing or fails.
    """
    half = public_half(path)
    for file in (path, half):
        found = beside(path) if file == path else _read(half)
        if file.exists() and (found is None or found.comment != comment):
            raise _taken(file, found)
    if (found := beside(path)) is not None:
        return found
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    for file in (fresh, public_half(fresh)):
        file.unlink(missing_ok=True)  # of a run that was cut short
    _generate(fresh, comment)
    fresh.chmod(PRIVATE)
    for file, target in ((public_half(fresh), half), (fresh, path)):
        _sync(file)
        file.rename(target)
    _sync(path.parent)
    return parse(half.read_text())


@contextmanager
def removed(path: Path, comment: str) -> Iterator[None]:
    """Delete the key that `make` made for ``comment``, and then what is done inside; anything else at ``path`` stays.

    The file goes first: killed between the two, a second run finds what is left in AWS, and would not find a file.  If
    AWS refuses what is done inside, the key is there again.
    """
    found = _read(public_half(path))
    private = path.read_bytes() if found is not None and found.comment == comment and path.is_file() else None
    if found is not None and found.comment == comment:
        path.unlink(missing_ok=True)
        public_half(path).unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        if found is not None and private is not None and outcome(error) != "unknown":
            _put_back(path, private, found)
        raise


def _put_back(path: Path, private: bytes, public: PublicKey) -> None:
    public_half(path).write_text(f"{public.line}\n")
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, PRIVATE)) as file:
        file.write(private)


def _read(half: Path) -> PublicKey | None:
    try:
        return parse(half.read_text())
    except (OSError, ValueError):
        return None


def _generate(path: Path, comment: str) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise AwsrunError(
            "cannot make an SSH key: there is no ssh-keygen on this machine",
            "it comes with OpenSSH's client",
            "apt-get install openssh-client (or the like); or give the key pair a public_key: that you have",
        ) from None
    if done.returncode:
        raise AwsrunError(f"cannot make an SSH key at {path.parent}", f"ssh-keygen: {done.stderr.strip()}")


def _taken(file: Path, found: PublicKey | None) -> AwsrunError:
    whose = "awsrun did not make it"
    if found is not None and found.comment.startswith(MARK):
        whose = f"it is the key of {found.comment.removeprefix(MARK)}"
    return AwsrunError(
        f"{file} is there already",
        f"{whose}, and what is made here is deleted with its stack",
        "give another path:, or to use a key that you have: public_key: FILE.pub",
    )


def _sync(path: Path) -> None:
    """Let it be on disk: AWS must never know a key whose private half a power cut took."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
