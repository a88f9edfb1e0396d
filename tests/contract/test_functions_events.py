"""Asynchronous invocations: retries, dead letters, destinations, and a server that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from awsrun.local import state
from tests.conftest import LocalCloud
from tests.contract.functions_bench import Bench, until


@pytest.fixture(scope="module")
def bench(local_cloud: LocalCloud) -> Bench:
    return Bench(local_cloud)


def queue(bench: Bench, name: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = bench.cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(bench: Bench, url: str) -> dict[str, Any] | None:
    found = bench.cloud.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])
    return found["Messages"][0] if found.get("Messages") else None


def test_an_event_that_fails_is_tried_twice_again_and_becomes_a_dead_letter(bench: Bench) -> None:
    url, arn = queue(bench, "dead")
    _, records = queue(bench, "records")
    name = bench.make(
        "def handler(event, context): raise ValueError('boom ' + event['x'])", DeadLetterConfig={"TargetArn": arn}
    )
    bench.functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    bench.functions.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": records}}
    )
    accepted = bench.functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"x": "y"}')
    assert (accepted["StatusCode"], accepted["Payload"].read()) == (202, b"")
    request = accepted["ResponseMetadata"]["RequestId"]

    letter = until(lambda: received(bench, url))
    assert letter["Body"] == '{"x": "y"}'
    attributes = {key: (one["DataType"], one["StringValue"]) for key, one in letter["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", request),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "boom y"),
    }
    record = json.loads(until(lambda: received(bench, url.replace("dead", "records")))["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorType"] == "ValueError"

    def starts() -> list[str]:
        return [line for line in bench.logged(f"/aws/lambda/{name}") if line.startswith(f"START RequestId: {request}")]

    until(lambda: len(starts()) == 3)


def test_an_event_that_succeeds_late_becomes_no_dead_letter(bench: Bench, tmp_path: Path) -> None:
    """Through the aws command, as a user would."""
    url, arn = queue(bench, "none")
    done, done_arn = queue(bench, "done")
    source = """
import os
def handler(event, context):
    with open(event["file"], "a") as file:
        print(context.aws_request_id, file=file)
    if os.path.getsize(event["file"]) < 2 * 37:
        os._exit(1)
    return "late"
"""
    name = bench.make(source, DeadLetterConfig={"TargetArn": arn})
    bench.functions.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": done_arn}}
    )
    file = tmp_path / "tries"
    command = [str(Path(sys.executable).with_name("aws")), "lambda", "invoke", "--function-name", name]
    command += ["--invocation-type", "Event", "--payload", json.dumps({"file": str(file)}), str(tmp_path / "answer")]
    environment = {
        **bench.cloud.env,
        "AWS_ENDPOINT_URL": bench.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == {"StatusCode": 202}
    record = json.loads(until(lambda: received(bench, done))["Body"])
    assert record["requestContext"]["condition"] == "Success" and record["responsePayload"] == "late"
    assert len(set(file.read_text().split())) == 1 and len(file.read_text().split()) == 2, "one id for all tries"
    assert received(bench, url) is None


def test_throttled_events_wait_and_a_function_without_concurrency_gives_them_up(bench: Bench) -> None:
    url, arn = queue(bench, "unwanted")
    name = bench.make("def handler(event, context): pass", DeadLetterConfig={"TargetArn": arn})
    bench.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    bench.functions.invoke(FunctionName=name, InvocationType="Event")
    letter = until(lambda: received(bench, url))
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"


@pytest.fixture
def own_cloud() -> Iterator[LocalCloud]:
    """A cloud that is not below /tmp, where functions can have a /tmp of their own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        cloud = LocalCloud.at(Path(home) / "home")
        cloud.start()
        yield cloud
        cloud.stop()
        state.remove(Path(home))


def test_events_outlive_a_killed_server_and_processes_do_not(own_cloud: LocalCloud) -> None:
    bench = Bench(own_cloud)
    has_its_own_tmp(bench)
    url, _ = queue(bench, "arrived")
    source = """
import boto3, os, subprocess, time
def handler(event, context):
    child = subprocess.Popen(["sleep", "3600"])
    with open(event["started"], "a") as file:
        file.write(f"{os.getpid()} {child.pid} ")
    while not os.path.exists(event["go"]):
        time.sleep(0.02)
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="arrived")["QueueUrl"], MessageBody="here")
"""
    name = bench.make(source, Timeout=60)
    started, go = own_cloud.home / "started", own_cloud.home / "go"

    def invoke_and_see() -> list[str]:
        event = {"started": str(started), "go": str(go)}
        bench.functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
        return seen()

    def seen() -> list[str]:
        until(lambda: started.exists() and len(started.read_text().split()) == 2)
        found = started.read_text().split()
        started.unlink()
        return found

    pids = invoke_and_see()
    own_cloud.kill()
    until(lambda: not any(map(running, pids)))
    own_cloud.start()
    assert seen() != pids, "it runs again"
    go.touch()
    assert until(lambda: received(bench, url))["Body"] == "here"
    go.unlink()
    pids = invoke_and_see()
    own_cloud.stop()
    assert not any(map(running, pids)), "a stop ends them too"


def has_its_own_tmp(bench: Bench) -> None:
    """Where the kernel lets it: what a function writes to /tmp is seen by nobody else."""
    source = """
import os, tempfile
def handler(event, context):
    with open("/tmp/awsrun-own", "w") as file:
        file.write("mine")
    return [tempfile.gettempdir(), os.listdir("/tmp")]
"""
    folder, content = bench.invoke(bench.make(source)).payload
    if folder == "/tmp":
        assert content == ["awsrun-own"] and not Path("/tmp/awsrun-own").exists()
    else:
        Path("/tmp/awsrun-own").unlink()


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
