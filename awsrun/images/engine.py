"""The Docker engine of this machine, where there is one: of DOCKER_HOST, else of the current Docker context."""

from __future__ import annotations

from typing import Any

from awsrun.aws.errors import AwsrunError

PATIENCE = 3600.0  # seconds without a word; a step of a build may be quiet for long
_ASK = 10.0  # seconds

START = "start Docker (sudo systemctl start docker, or Docker Desktop), or install it: https://docs.docker.com/engine/install"


def connect(timeout: float = PATIENCE) -> Any:
    """A ``docker.DockerClient`` of an engine that answers.

    Raises:
        AwsrunError: none does.
    """
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=_ASK)
        client.ping()
        client.api.timeout = timeout
        return client
    except (DockerException, OSError) as error:
        raise AwsrunError("no Docker engine answers here", short(error), START) from error


def answers() -> bool:
    """Whether there is an engine."""
    try:
        connect(_ASK).close()
    except AwsrunError:
        return False
    return True


def short(error: BaseException) -> str:
    """What an engine's error says, without the layers of exceptions around it."""
    said = getattr(error, "explanation", None) or str(error)
    if "No such file or directory" in said or "FileNotFoundError" in said:
        return "there is no socket of one"
    if "PermissionError" in said or "Permission denied" in said:
        return "its socket is not this user's: add yourself to the group docker, and log in again"
    if "Connection refused" in said or "ConnectionRefusedError" in said:
        return "its socket is there, and nobody listens"
    return str(said)
