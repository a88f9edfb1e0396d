"""SSH keys as files: made once, read back by ssh-keygen, and nothing of the user's own is ever touched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError
from awsrun.resources import key_files
from awsrun.resources.key_files import PublicKey

PURPOSE = "awsrun:local/first/key"

needs_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "first"


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@needs_keygen
def test_a_key_is_what_ssh_keygen_says_it_is(path: Path) -> None:
    made = key_files.make(path, PURPOSE)
    bits, fingerprint, *_ = told("ssh-keygen", "-l", "-f", str(path)).split()
    assert (bits, fingerprint) == ("256", made.fingerprint)
    assert told("ssh-keygen", "-y", "-P", "", "-f", str(path)).split()[:2] == made.line.split()[:2]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o400, 0o700)
    assert sorted(one.name for one in path.parent.iterdir()) == ["first", "first.pub"]


@needs_keygen
def test_a_key_that_is_there_is_used_again(path: Path) -> None:
    assert key_files.make(path, PURPOSE) == key_files.make(path, PURPOSE)


@needs_keygen
@pytest.mark.parametrize("left", [".first.new", ".first.new.pub", "first.pub"])
def test_a_run_that_was_cut_short_leaves_nothing_in_the_way(path: Path, left: str) -> None:
    other = key_files.make(path.with_name("other"), PURPOSE)
    (path.parent / left).write_text(other.line)
    made = key_files.make(path, PURPOSE)
    assert made != other
    assert key_files.beside(path) == made


@needs_keygen
@pytest.mark.parametrize("name", ["first", "first.pub"])
def test_what_awsrun_did_not_make_is_neither_used_nor_written_over(path: Path, name: str) -> None:
    path.parent.mkdir()
    (path.parent / name).write_text("mine")
    with pytest.raises(AwsrunError, match="is there already"):
        key_files.make(path, PURPOSE)
    with key_files.removed(path, PURPOSE):
        pass
    assert (path.parent / name).read_text() == "mine"


@needs_keygen
def test_the_key_of_another_stack_is_neither_used_nor_deleted(path: Path) -> None:
    made = key_files.make(path, PURPOSE)
    with pytest.raises(AwsrunError, match="the key of local/first/key"):
        key_files.make(path, "awsrun:local/second/key")
    with key_files.removed(path, "awsrun:local/second/key"):
        assert key_files.beside(path) == made
    with key_files.removed(path, PURPOSE):
        assert list(path.parent.iterdir()) == [], "killed now, a file would be left that nobody knows"
    assert list(path.parent.iterdir()) == []


def answer(status: int) -> ClientError:
    response: Any = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "DeleteKeyPair")


@needs_keygen
@pytest.mark.parametrize(("error", "stays"), [(answer(403), True), (answer(500), False), (TimeoutError(), False)])
def test_a_key_whose_deletion_is_refused_is_there_again(path: Path, error: Exception, stays: bool) -> None:
    made = key_files.make(path, PURPOSE)
    private = path.read_bytes()
    with pytest.raises(type(error)), key_files.removed(path, PURPOSE):
        raise error
    assert (key_files.beside(path) == made) == stays
    if stays:
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (private, 0o400)


def test_without_ssh_keygen_users_are_told_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(AwsrunError, match="openssh-client"):
        key_files.make(path, PURPOSE)


# https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
GITHUB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_the_fingerprint_of_a_known_key() -> None:
    assert key_files.parse(GITHUB).fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert key_files.parse(f"{GITHUB} who at host\n") == PublicKey(
        "ssh-ed25519", key_files.parse(GITHUB).blob, "who at host"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("ecdsa-sha2-nistp256 AAAA", "ssh-ed25519 or ssh-rsa"),
        ("", "no public key"),
        (GITHUB[:40], "no whole"),
        (GITHUB.replace("ssh-ed25519", "ssh-rsa"), "no whole"),
    ],
)
def test_what_is_no_public_key(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        key_files.parse(text)
