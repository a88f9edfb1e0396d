"""Fixtures for tests that need a cloud: the embedded one, a real server process on a folder of its own."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests import docker_engine

# A shell starts background jobs with SIGINT ignored, and children inherit that: Ctrl-C could not be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

ONCE = {"total_max_attempts": 1}
PATIENT = {"mode": "standard", "total_max_attempts": 8}
# Every boto3 session would read service models of its own, megabytes of JSON; those of a process of tests share them.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)  # type: ignore[attr-defined]
_MAKING = threading.Lock()  # a boto3 session makes one client at a time


@functools.cache
def _session() -> Any:
    """One for all tests: a session reads megabytes of service models, and keeps them."""
    import boto3

    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")


@dataclass
class LocalCloud:
    """A running embedded cloud.

    Attributes:
        home: what AWSRUN_HOME points at.
        endpoint: its URL.
        env: the environment for subprocesses that should find it.
        retries: how its clients repeat calls; they do not, unless a fixture says so.
    """

    home: Path
    endpoint: str = ""
    env: dict[str, str] = field(default_factory=dict)
    retries: Any = field(default_factory=lambda: ONCE)

    @classmethod
    def at(cls, home: Path, **variables: str) -> LocalCloud:
        """One that keeps its data below ``home``, not yet started."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
        return cls(home, env={**clean, "AWSRUN_HOME": str(home), **variables})

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of ``service``, which repeats calls as `retries` says."""
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, **{"retries": self.retries, **options})
        with _MAKING:
            return _session().client(service, endpoint_url=self.endpoint, config=config)

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m awsrun.local ARGUMENTS``."""
        command = [sys.executable, "-m", "awsrun.local", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120)

    def start(self, **options: Any) -> None:
        """Start the server (again) and learn where it answers.

        Args:
            options: fields of `awsrun.local.options.Options` that are to be other than they were.
        """
        started = self.control("start", "--options", json.dumps(options))
        assert started.returncode == 0, started.stderr
        self.endpoint = str(self.status()["endpoint"])

    def stop(self) -> None:
        """Stop the server; its data stays."""
        stopped = self.control("stop")
        assert stopped.returncode == 0, stopped.stderr

    def kill(self) -> None:
        """End the server at once, with what it has written by then."""
        os.kill(self.status()["pid"], signal.SIGKILL)

    def status(self) -> dict[str, Any]:
        """What ``status --json`` prints."""
        found: dict[str, Any] = json.loads(self.control("status", "--json").stdout)
        return found


def _started(home: Path, **options: Any) -> LocalCloud:
    cloud = LocalCloud.at(home)
    cloud.start(**options)
    return cloud


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One embedded cloud for the whole session: use names of your own."""
    cloud = _started(tmp_path_factory.mktemp("cloud"))
    yield cloud
    docker_engine.forget(docker_engine.repository(cloud.endpoint, "*"))
    cloud.stop()


@pytest.fixture(scope="session")
def strict_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One embedded cloud as hard as AWS for the whole session: a second of AWS takes 20 ms, a minute 1.2 s."""
    cloud = _started(tmp_path_factory.mktemp("strict"), strict=True, time_scale=0.02)
    cloud.retries = PATIENT  # the tests of a session together may be too quick for a published rate
    yield cloud
    cloud.stop()


@pytest.fixture(scope="session")
def hasty_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """As `strict_cloud`, for what lasts long: a second of AWS takes 1 ms, an hour 3.6 s.  Short states pass
    unseen."""
    cloud = _started(tmp_path_factory.mktemp("hasty"), strict=True, time_scale=0.001)
    cloud.retries = PATIENT
    yield cloud
    cloud.stop()


@pytest.fixture(scope="session")
def iam_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One embedded cloud that enforces IAM, for the whole session: `LocalCloud.client` is root's."""
    cloud = _started(tmp_path_factory.mktemp("iam"), iam=True)
    yield cloud
    cloud.stop()


@pytest.fixture
def fresh_cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """An embedded cloud of this test's own, empty."""
    cloud = _started(tmp_path / "home")
    yield cloud
    cloud.stop()
