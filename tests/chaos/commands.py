"""Runs apply and teardown, each in a process of its own, forked from one that has everything imported already.

Usage: ``python commands.py ENDPOINT SPEC CHANGED``; then one command a line on standard input (``apply``, ``change``,
``teardown``, ``adopt NAME=ID ...``).
Answers are JSON lines: ``{"pid": ...}`` at once, ``{"status": ..., "said": ...}`` when the process has ended.
The child begins when it reads another line, so that a trap can be set on its pid first.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.retries import standard

import awsrun
from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.reconcile.api import adopt
from awsrun.reconcile.progress import Event
from awsrun.resources.registry import KINDS, kind

SERVICES = ("apigateway", "batch", "dynamodb", "ec2", "ecr", "ecs", "iam", "lambda", "logs", "s3", "sqs", "ssm")


BACKOFF = 0.02  # of botocore's own pauses: seconds are quick in these clouds


def hurry() -> None:
    """Let botocore's repeats of reads wait as long as the cloud's time runs."""
    usual = standard.ExponentialBackoff.delay_amount
    standard.ExponentialBackoff.delay_amount = lambda self, context: BACKOFF * usual(self, context)


def main(endpoint: str, *paths: str) -> None:
    hurry()
    session = boto3.Session(region_name="us-east-1")  # keys from the environment
    cloud = Cloud(session, LOCAL, endpoint)
    for service in SERVICES:
        cloud.read(service), cloud.write(service)
    for name in KINDS:
        kind(name)
    specs = dict(zip(("apply", "change"), map(awsrun.load, paths), strict=True))
    awsrun.apply, awsrun.teardown  # noqa: B018  (imported now, not in each child)
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            work(line.strip(), cloud, specs, writing)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"status": status, "said": said}), flush=True)


def work(command: str, cloud: Cloud, specs: Mapping[str, Any], writing: int) -> None:
    """The child: one command, its report into the pipe, and out."""
    os.read(0, 1)  # begun when the parent's parent says so
    status = 1
    with os.fdopen(writing, "w") as pipe:

        def failed(event: Event) -> None:
            if event.step == "failed":
                pipe.write(f"{event.action} {event.name}: {event.why}\n")

        try:
            if command in specs:
                applied = awsrun.apply(specs[command], cloud, observer=failed)
                pipe.write(json.dumps(applied.to_json()))
                status = 1 if applied.failed else 0
            elif command.startswith("adopt "):
                ids = dict(pair.split("=") for pair in command.split()[1:])
                pipe.write(json.dumps([one.to_json() for one in adopt(specs["apply"], ids, cloud)]))
                status = 0
            else:
                root = os.environ["AWS_ACCESS_KEY_ID"] == "local"  # others may not look at all stacks
                gone = awsrun.teardown(None if root else specs["apply"].stack, cloud, observer=failed)
                pipe.write(json.dumps(gone.to_json()))
                status = 1 if gone.left or gone.kept else 0
        except BaseException as error:
            pipe.write(traceback.format_exc())
            if command == "teardown" and str(error).startswith("there is no stack"):
                status = 0  # the kill came after the very last call
    os._exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
