"""The Docker engine for tests, and the base image that scripts/docker-for-tests.sh makes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.images import engine
from awsrun.local.work.containers import CLOUD, cloud_of

BASE = "awsrun-test/python:2"


@functools.cache
def client() -> Any:
    """A ``docker.DockerClient``; None where no engine answers."""
    try:
        return engine.connect()
    except AwsrunError:
        return None


def needed(base: bool = False) -> Any:
    """The engine; skips the test where there is none (or, with ``base``, no base image)."""
    found = client()
    if found is None or (base and not found.images.list(BASE)):
        pytest.skip("no Docker engine with the tests' base image: sh scripts/docker-for-tests.sh")
    return found


def events(found: Any, since: float, until: float, repository: str) -> list[str]:
    """What the engine did with images of ``repository``, with its registry (``tag``: built; ``push``), oldest first.

    Args:
        since, until: POSIX seconds.
    """
    happened = found.events(since=f"{since:.9f}", until=f"{until:.9f}", filters={"type": "image"}, decode=True)
    return [one["Action"] for one in happened if repository in str(one["Actor"])]


def containers(found: Any, data: Path) -> list[Any]:
    """The containers there are of the embedded cloud in ``data``; tests beside this one have clouds of their own."""
    return list(found.containers.list(all=True, ignore_removed=True, filters={"label": _label(data)}))


def started(found: Any, since: float, until: float, data: Path) -> list[str]:
    """The images of the containers that the embedded cloud in ``data`` started, oldest first.

    Args:
        since, until: POSIX seconds.
    """
    happened = found.events(
        since=f"{since:.9f}", until=f"{until:.9f}", filters={"event": "start", "label": _label(data)}, decode=True
    )
    return [one["Actor"]["Attributes"]["image"] for one in happened]


def _label(data: Path) -> str:
    return f"{CLOUD}={cloud_of(data)}"


def repository(cloud: str, name: str) -> str:
    """An image repository of the embedded cloud at an endpoint as the engine knows it, with its registry's address."""
    ecr = boto3.client("ecr", "us-east-1", endpoint_url=cloud, aws_access_key_id="local", aws_secret_access_key="local")
    registry = ecr.get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
    return f"{urlsplit(registry).netloc}/{name}"


def forget(repository: str) -> None:
    """Take the images of a repository (several: a pattern such as ``REGISTRY/*``) off the engine, if there is one."""
    for image in client().images.list(repository) if client() else ():
        for name in image.tags:
            client().images.remove(name)
