"""Packages of functions: the same for the same code, other for other code, and with their requirements in them."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.functions.archive import files
from awsrun.functions.build import Build
from awsrun.functions.package import Package, Target, sha256
from tests.wheels import wheel

HERE = Target("3.13", "")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path / "home"))
    made = tmp_path / "code"
    (made / "inner").mkdir(parents=True)
    (made / "index.py").write_text("def handler(event, context): return event\n")
    (made / "inner" / "tool.sh").write_text("#!/bin/sh\n")
    (made / "inner" / "tool.sh").chmod(0o755)
    return made


def names(content: bytes) -> dict[str, int]:
    """The files of a package with their modes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {one.filename: one.external_attr >> 16 & 0o777 for one in archive.infolist()}


def test_the_same_code_is_the_same_package_and_its_text_is_the_sum_that_aws_says(folder: Path) -> None:
    first = Package.of(files(folder), HERE)
    content = first.made()
    assert content is not None and first == sha256(content)
    assert names(content) == {"index.py": 0o644, "inner/tool.sh": 0o755}
    os.utime(folder / "index.py", (1, 1))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "index.cpython-311.pyc").write_bytes(b"x")
    assert Package.of(files(folder), HERE) == first
    (folder / "index.py").write_text("def handler(event, context): return 1\n")
    assert Package.of(files(folder), HERE) != first


def test_requirements_are_installed_once_beside_the_code(folder: Path, tmp_path: Path) -> None:
    (folder / "requirements.txt").write_text(wheel(tmp_path, "hello"))
    package = Package.of(files(folder), HERE)
    assert package.made() is None
    Build(package).start().finish()
    content = package.made()
    assert content is not None
    assert {"greet.py", "index.py", "requirements.txt"} <= names(content).keys()
    assert Package.of(files(folder), HERE).made() == content
    other = Target("3.13", "manylinux2014_aarch64")
    assert Package.of(files(folder), other) != package and Package.of(files(folder), other).made() is None


def test_what_pip_says_is_told(folder: Path) -> None:
    (folder / "requirements.txt").write_text("--no-index\nsurely-not-there\n")
    package = Package.of(files(folder), HERE)
    with pytest.raises(AwsrunError, match="surely-not-there"):
        Build(package).start().finish()
    assert package.made() is None
    for_arm = Package.of(files(folder), Target("3.13", "manylinux2014_aarch64"))
    with pytest.raises(AwsrunError, match=r"wheel for Python 3\.13 on manylinux2014_aarch64"):
        Build(for_arm).start().finish()


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_to_folders_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "inner")
    with pytest.raises(AwsrunError, match="link to a folder"):
        files(folder)
