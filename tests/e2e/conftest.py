"""Fixtures of the end-to-end tests of stacks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # stack_shell.py

from stack_shell import WITHOUT_AWS, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell with an empty home: the embedded cloud is not there, nor any credentials."""
    folder = tmp_path / "work"
    folder.mkdir()
    home = {"AWSRUN_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    return Shell(folder, WITHOUT_AWS | home)
