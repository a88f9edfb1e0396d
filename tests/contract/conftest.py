"""What kinds keep on the user's machine lies in a folder of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("AWSRUN_HOME")
    os.environ["AWSRUN_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    os.environ.pop("AWSRUN_HOME")
    if before is not None:
        os.environ["AWSRUN_HOME"] = before
