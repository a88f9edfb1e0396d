"""A new user's path with Docker: an image from a spec, a sweep in its containers, another image, and nothing left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from stack_shell import Shell

from tests import docker_engine

SPEC = """
stack: boxed
resources:
  results: {kind: s3.bucket, purge: true}
  network: {kind: vpc, max_azs: 1}
  compute: {kind: batch.compute_environment, vpc: network, max_vcpus: 2}
  queue: {kind: batch.job_queue, compute_environments: [compute]}
  images: {kind: ecr.repository, purge: true}
  train_image: {kind: ecr.image, repository: images, requirements: requirements.txt, base: "%s"}
  worker: {kind: iam.role, service: ecs-tasks, read_write: [results], jobs: true}
  train: {kind: batch.job_definition, built: train_image, role: worker, memory_mib: 512}
"""
JOB = """
import os
import sys

import awsrun


def train(trial: awsrun.Trial, lr: float = 0.1, momentum: float = 0.5) -> dict[str, float]:
    with open("/proc/1/comm") as first:
        print("in a container:", os.path.exists("/.dockerenv"), sys.executable, first.read().strip())
    trial.report(val_accuracy=lr + momentum)
    with open(os.path.join(trial.dir, "where.txt"), "w") as file:
        file.write(os.uname().sysname)
    return {"val_accuracy": lr + momentum}


if __name__ == "__main__":
    awsrun.main(train, metric="val_accuracy", mode="max")
"""


@pytest.fixture
def user(shell: Shell) -> Iterator[Shell]:
    docker_engine.needed(base=True)
    shell.awsrun("local", "start", "--containers")
    shell.write(SPEC % docker_engine.BASE)
    shell.write("", "requirements.txt")
    shell.write(JOB, "job.py")
    repository = docker_engine.repository(shell.json("local", "status")["endpoint"], "boxed-images")
    yield shell
    shell.awsrun("local", "reset", "--yes")
    docker_engine.forget(repository)


def sweep(user: Shell) -> tuple[str, list[str]]:
    """Run a small grid to its end with two workers; the run, and the output of its first trial."""
    done = user.awsrun(
        "submit", "job.py", "--grid", "lr=0.1,0.2", "--grid", "momentum=0.5,0.25", "--workers", "2", "--wait"
    )
    (run,) = done.stdout.split()[-1:]
    rows = user.json("results", run)["trials"]
    values = {(row["params"]["lr"], row["params"]["momentum"]): row["result"]["val_accuracy"] for row in rows}
    assert values == {(lr, momentum): lr + momentum for lr in (0.1, 0.2) for momentum in (0.5, 0.25)}
    assert {row["state"] for row in rows} == {"done"}
    return run, user.awsrun("logs", run, "0").stdout.splitlines()


def test_a_sweep_runs_in_the_image_that_the_spec_describes(user: Shell) -> None:
    engine = docker_engine.needed(base=True)
    began = time.time()
    user.awsrun("apply", "spec.yaml", "--yes")
    assert "no change" in user.awsrun("apply", "spec.yaml", "--yes").stdout
    first = user.json("outputs", "boxed")
    run, said = sweep(user)
    assert user.json("show", run)["image"] == f"{first['train_image']['uri']}@{first['train_image']['id']}"
    assert "in a container: True /usr/bin/python3 docker-init" in said
    user.write("# nothing more\n", "requirements.txt")
    user.awsrun("apply", "spec.yaml", "--yes")
    second = user.json("outputs", "boxed")
    assert first["train_image"]["uri"] != second["train_image"]["uri"]
    assert first["train"]["arn"] != second["train"]["arn"]
    again = user.awsrun("submit", "job.py", "--grid", "lr=0.1,0.2", "--reuse", "--dry-run")
    assert "nothing can be reused: job-" in again.stderr, "the image is another one"
    sweep(user)
    again = user.awsrun("submit", "job.py", "--grid", "lr=0.1,0.2", "--reuse", "--dry-run")
    assert "did with the same parameters and seed is taken from there" in again.stderr
    endpoint = json.loads(user.awsrun("local", "status", "--json").stdout)["endpoint"]
    move_tag(endpoint, first["train_image"]["tag"], second["train_image"]["tag"])
    again = user.awsrun("submit", "job.py", "--grid", "lr=0.1,0.2", "--reuse", "--dry-run")
    assert f"ran in another image ({second['train_image']['uri']}@sha256:" in again.stderr
    ran = docker_engine.started(engine, began, time.time(), local(user))
    assert ran == [first["train_image"]["uri"]] * 2 + [second["train_image"]["uri"]] * 2
    gone = user.awsrun("teardown", "--all", "--yes")
    assert "nothing of awsrun is left" in gone.stdout
    assert user.listed(endpoint) == {}
    assert docker_engine.containers(engine, local(user)) == []


def move_tag(endpoint: str, source: str, tag: str) -> None:
    """Let a tag stand for the image that another one stands for."""
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    ecr = boto3.client("ecr", endpoint_url=endpoint, **keys)
    found = ecr.batch_get_image(repositoryName="boxed-images", imageIds=[{"imageTag": source}])["images"][0]
    ecr.put_image(repositoryName="boxed-images", imageTag=tag, imageManifest=found["imageManifest"])


def local(user: Shell) -> Path:
    """The data folder of the user's embedded cloud."""
    return Path(user.env["AWSRUN_HOME"]) / "data" / "local"
