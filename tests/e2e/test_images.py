"""Images are really built and pushed, when and only when what goes into them changed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stack_shell import BIN, Shell

from awsrun.aws.errors import AwsrunError
from awsrun.images.build import Build
from awsrun.images.recipe import Content, Recipe
from tests import docker_engine

SPEC = """
stack: pics
resources:
  images: {kind: ecr.repository, purge: true}
  image: {kind: ecr.image, repository: images, context: job}
  train: {kind: batch.job_definition, built: image, memory_mib: 512}
"""
PASSWORDS = "AWS:$2b$04$1nFbPvqk0nxXl2WMwDsjx.J3RrohimjfMuxSZ6mt2mY6HJ.sDvh2u\n"  # "a password", for htpasswd


@pytest.fixture
def place(shell: Shell) -> Iterator[Shell]:
    """A folder with a spec and what its image is made from."""
    shell.write(SPEC)
    context = shell.folder / "job"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY greeting /greeting\n")
    (context / "greeting").write_text("hello\n")
    (context / ".dockerignore").write_text("notes\n")
    shell.awsrun("local", "start")
    mine = repository(shell)
    yield shell
    shell.awsrun("local", "reset", "--yes")
    docker_engine.forget(mine)


def repository(shell: Shell) -> str:
    """The stack's repository as the engine knows it."""
    return docker_engine.repository(shell.json("local", "status")["endpoint"], "pics-images")


def image_of(shell: Shell) -> tuple[str, str]:
    """The image's URI, and the job definition's revision that names it."""
    outputs = shell.json("outputs", "pics")
    return outputs["image"]["uri"], outputs["train"]["arn"]


def test_it_is_built_and_pushed_when_its_content_changed_and_not_else(place: Shell) -> None:
    engine, mine = docker_engine.needed(), repository(place)

    def apply(code: int = 0) -> list[str]:
        since = time.time()
        place.awsrun("apply", "spec.yaml", "--yes", code=code)
        return docker_engine.events(engine, since, time.time(), mine)

    assert sorted(apply()) == ["push", "tag"]
    first, revision = image_of(place)
    assert apply() == []
    (place.folder / "job" / "notes").write_text("ignored")
    os.utime(place.folder / "job" / "greeting", (1, 1))
    assert place.awsrun("plan", "spec.yaml").returncode == 0
    assert apply() == []
    assert image_of(place) == (first, revision)

    (place.folder / "job" / "greeting").write_text("hallo\n")
    place.awsrun("plan", "spec.yaml", code=2)
    assert sorted(apply()) == ["push", "tag"]
    second, other = image_of(place)
    assert second != first and other != revision

    (place.folder / "job" / "greeting").write_text("hello\n")
    assert apply() == [], "it is in the repository already"
    assert image_of(place)[0] == first
    content = content_of(engine, place, first)
    assert b"hello\n" in content and b"hallo\n" not in content


def aws(shell: Shell, *arguments: str) -> str:
    """What the aws command says of the embedded cloud."""
    env = shell.env | {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    endpoint = shell.json("local", "status")["endpoint"]
    command = [str(BIN / "aws"), "--endpoint-url", endpoint, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()


def content_of(engine: Any, shell: Shell, uri: str) -> bytes:
    """The files of an image as the registry gives it, as an archive."""
    login = {"username": "AWS", "password": aws(shell, "ecr", "get-login-password")}
    container = engine.containers.create(engine.images.pull(uri, auth_config=login), command=["none"])
    try:
        return b"".join(container.export())
    finally:
        container.remove()


def test_a_step_that_fails_is_shown_with_its_last_lines(place: Shell) -> None:
    docker_engine.needed()
    (place.folder / "job" / "Dockerfile").write_text("FROM scratch\nCOPY nothing /nothing\n")
    failed = place.awsrun("apply", "spec.yaml", "--yes", code=1)
    assert "the build of the image failed in step 2/3: COPY nothing /nothing" in failed.stdout + failed.stderr
    assert "not begun, because they need what failed: train" in failed.stdout + failed.stderr


def test_an_apply_that_is_killed_while_it_builds_goes_on_with_the_next(place: Shell) -> None:
    engine = docker_engine.needed(base=True)
    (place.folder / "job" / "Dockerfile").write_text(f"FROM {docker_engine.BASE}\nCOPY greeting /\nRUN sleep 3\n")
    command = [str(BIN / "awsrun"), "apply", "spec.yaml", "--yes"]
    building = subprocess.Popen(command, cwd=place.folder, env=place.env, stderr=subprocess.PIPE, text=True)
    assert building.stderr is not None
    assert any("for build step 3/4: RUN sleep 3" in line for line in building.stderr)
    building.kill()
    building.communicate()
    place.awsrun("plan", "spec.yaml", code=2)
    place.awsrun("apply", "spec.yaml", "--yes")
    assert place.awsrun("plan", "spec.yaml").returncode == 0
    assert b"greeting" in content_of(engine, place, image_of(place)[0])


def test_an_image_of_another_platform_than_asked_for_is_not_pushed(place: Shell) -> None:
    """Its jobs would fail hours later, when the machine that they wait for comes."""
    docker_engine.needed(base=True)
    (place.folder / "job" / "Dockerfile").write_text(f"FROM {docker_engine.BASE}\nCOPY greeting /greeting\n")
    other = "linux/arm64" if platform.machine() == "x86_64" else "linux/amd64"
    place.write(SPEC.replace("context: job", f"context: job, platform: {other}"))
    failed = place.awsrun("apply", "spec.yaml", "--yes", code=1)
    assert f"Docker did not build the image for {other}" in failed.stderr
    assert json.loads(aws(place, "ecr", "describe-images", "--repository-name", "pics-images"))["imageDetails"] == []


def test_in_the_aws_context_an_image_needs_an_engine(place: Shell) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    endpoint = place.json("local", "status")["endpoint"]
    place.env |= {**keys, "AWSRUN_CONTEXT": "aws", "AWS_ENDPOINT_URL": endpoint, "DOCKER_HOST": "unix:///nowhere.sock"}
    place.awsrun("plan", "spec.yaml", code=2)  # which needs none
    failed = place.awsrun("apply", "spec.yaml", "--yes", code=1)
    assert "no Docker engine answers here" in failed.stderr and "`image: URI`" in failed.stderr
    if docker_engine.client() is not None and platform.machine() == "x86_64":
        del place.env["DOCKER_HOST"]
        place.awsrun("apply", "spec.yaml", "--yes")
        assert place.awsrun("plan", "spec.yaml").returncode == 0
    place.env["AWSRUN_CONTEXT"] = "local"


def test_without_an_engine_a_laptop_goes_on_with_processes(place: Shell) -> None:
    place.env["DOCKER_HOST"] = "unix:///nowhere.sock"
    told = place.awsrun("apply", "spec.yaml", "--yes")
    lines = [line for line in (told.stdout + told.stderr).splitlines() if "no Docker engine" in line]
    assert len(lines) == 1 and lines[0].split()[:2] == ["created", "image"]
    uri, _ = image_of(place)
    again = place.awsrun("apply", "spec.yaml", "--yes")
    assert "no change" in again.stdout
    assert place.awsrun("plan", "spec.yaml").returncode == 0
    if docker_engine.client() is not None:  # somebody started it
        del place.env["DOCKER_HOST"]
        place.awsrun("plan", "spec.yaml", code=2)
        place.awsrun("apply", "spec.yaml", "--yes")
        assert image_of(place)[0] == uri
        assert place.json("outputs", "pics")["image"]["built"] is True
        listed = aws(place, "ecr", "list-images", "--repository-name", "pics-images")
        assert uri.rpartition(":")[2] in listed and "unbuilt" not in listed
    gone = place.awsrun("teardown", "--all", "--yes")
    assert "nothing of awsrun is left" in gone.stdout


def test_images_that_nobody_said_may_go_stay_with_their_repository(place: Shell) -> None:
    place.write(SPEC.replace(", purge: true", ""))
    place.awsrun("apply", "spec.yaml", "--yes")
    kept = place.awsrun("teardown", "pics", "--yes", code=1)
    assert "pics-images" in kept.stdout + kept.stderr
    place.awsrun("teardown", "pics", "--yes", "--purge")
    assert "nothing of awsrun is in local" in place.awsrun("teardown", "--all", "--yes").stdout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Debian's docker-registry, with a password; its address."""
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry: sh scripts/docker-for-tests.sh")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "passwords").write_text(PASSWORDS)
    config: dict[str, Any] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "tests", "path": str(tmp_path / "passwords")}},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    command = ["docker-registry", "serve", str(tmp_path / "config.yml")]
    with (tmp_path / "registry.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(address.partition(":")[2]))) == 0:
                break
        assert server.poll() is None, (tmp_path / "registry.log").read_text()
        time.sleep(0.05)
    yield address
    server.terminate()
    server.wait()


def test_the_same_push_reaches_a_registry_of_somebody_else(registry: str, tmp_path: Path) -> None:
    engine = docker_engine.needed()
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    content = Content.of(Recipe(context=context, dockerfile=context / "Dockerfile"))
    repository = f"{registry}/team/image"

    def push(password: str) -> None:
        login = {"username": "AWS", "password": password}
        Build(engine, content, repository, content, lambda: login).start().finish()

    with pytest.raises(AwsrunError, match="was not pushed"):
        push("a guess")
    push("a password")
    manifest = urllib.request.Request(f"http://{registry}/v2/team/image/manifests/{content}")
    manifest.add_header("Authorization", "Basic QVdTOmEgcGFzc3dvcmQ=")
    manifest.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
    with urllib.request.urlopen(manifest, timeout=20) as answer:
        assert len(json.load(answer)["layers"]) == 1
    docker_engine.forget(repository)
