"""Lambda functions that really run: answers, errors, logs, limits, environments."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud
from tests.contract.functions_bench import Bench, package, until

PROBE = """
import json, logging, os, subprocess, sys, tempfile, time
from decimal import Decimal

print("loading")
COUNT = []

def handler(event, context):
    COUNT.append(1)
    return globals()[event["do"]](event, context)

def count(event, context):
    return {"pid": os.getpid(), "count": len(COUNT)}

def numbers(event, context):
    return [Decimal("3"), Decimal("0.5"), "ä"]

def environment(event, context):
    return dict(os.environ)

def about(event, context):
    told = {name: getattr(context, name) for name in (
        "function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb", "aws_request_id",
        "log_group_name", "log_stream_name")}
    return {**told, "left": context.get_remaining_time_in_millis(), "custom": context.client_context.custom}

def say(event, context):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    logging.getLogger().warning("to the log")
    subprocess.run(["echo", "from a child"])

def fail(event, context):
    raise ValueError("boom")

def unfit(event, context):
    return {1, 2}

def leave(event, context):
    sys.exit(3)

def crash(event, context):
    os.abort()

def sleep(event, context):
    subprocess.Popen(["sleep", "987654"])
    time.sleep(event["seconds"])
    return os.getpid()

def fill(event, context):
    return len(b"x" * (300 << 20))

def write(event, context):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        return file.name

def large(event, context):
    return "x" * (7 << 20)
"""


@pytest.fixture(scope="module")
def bench(local_cloud: LocalCloud) -> Bench:
    return Bench(local_cloud)


@pytest.fixture(scope="module")
def probe(bench: Bench) -> str:
    variables = {"GREETING": "hello", "AWS_LAMBDA_FUNCTION_NAME": "mine"}
    return bench.make(PROBE, Timeout=5, MemorySize=200, Environment={"Variables": variables})


def test_the_handler_is_loaded_once_and_answers_again_and_again(bench: Bench, probe: str) -> None:
    first, second = bench.invoke(probe, {"do": "count"}), bench.invoke(probe, {"do": "count"})
    assert (first.status, first.error, first.version) == (200, "", "$LATEST")
    assert second.payload == {"pid": first.payload["pid"], "count": first.payload["count"] + 1}
    assert "loading" not in second.log and "Init Duration" not in second.log
    assert bench.invoke(probe, {"do": "numbers"}).payload == [3, 0.5, "ä"]


def test_what_it_finds(bench: Bench, probe: str) -> None:
    found = bench.invoke(probe, {"do": "environment"}).payload
    assert found["GREETING"] == "hello"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == probe, "reserved names are AWS's"
    assert found["AWS_ENDPOINT_URL"] == bench.cloud.endpoint
    assert (found["AWS_REGION"], found["_HANDLER"], found["TZ"]) == ("us-east-1", "app.handler", ":UTC")
    assert "AWSRUN_HOME" not in found and "USER" not in found, "the server's own environment"

    context = json.dumps({"custom": {"a": "1"}})
    told = bench.functions.invoke(
        FunctionName=probe,
        Payload=json.dumps({"do": "about"}),
        ClientContext=base64.b64encode(context.encode()).decode(),
    )
    about = json.loads(told["Payload"].read())
    assert about["aws_request_id"] == told["ResponseMetadata"]["RequestId"]
    assert about["invoked_function_arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{probe}"
    assert (about["function_name"], about["memory_limit_in_mb"], about["custom"]) == (probe, "200", {"a": "1"})
    assert about["log_group_name"] == f"/aws/lambda/{probe}"
    assert about["log_stream_name"] == found["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert 0 < about["left"] <= 5000


def test_what_it_says_is_in_the_tail_and_in_the_logs(bench: Bench, probe: str) -> None:
    answer = bench.invoke(probe, {"do": "say"})
    lines = answer.log.splitlines()
    request = lines[0].split()[2]
    assert lines[0] == f"START RequestId: {request} Version: $LATEST"
    assert lines[1:3] == ["to stdout", "to stderr"]
    assert lines[3].startswith("[WARNING]\t") and lines[3].endswith(f"Z\t{request}\tto the log")
    assert lines[4:6] == ["from a child", f"END RequestId: {request}"]
    assert "Billed Duration: " in lines[6] and "Memory Size: 200 MB\tMax Memory Used: " in lines[6]
    until(lambda: lines[6] in [line.rstrip("\n") for line in bench.logged(f"/aws/lambda/{probe}")])


def test_logs_come_while_it_runs_and_a_deleted_group_stays_away(bench: Bench) -> None:
    source = """
import os, time
def handler(event, context):
    print("first")
    while not os.path.exists(event):
        time.sleep(0.02)
    print("last")
"""
    name = bench.make(source, Timeout=60)
    group, file = f"/aws/lambda/{name}", bench.cloud.home / "go-on"
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(bench.invoke, name, str(file))
        until(lambda: "first" in bench.logged(group))
        bench.functions.delete_function(FunctionName=name)
        bench.cloud.client("logs").delete_log_group(logGroupName=group)
        file.touch()
        assert "last" in running.result().log
    other = bench.make("def handler(event, context): pass")
    bench.invoke(other)
    until(lambda: bench.logged(f"/aws/lambda/{other}"))
    assert not bench.cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]


def test_exceptions(bench: Bench, probe: str) -> None:
    failed = bench.invoke(probe, {"do": "fail"})
    assert (failed.status, failed.error) == (200, "Unhandled")
    assert (failed.payload["errorType"], failed.payload["errorMessage"]) == ("ValueError", "boom")
    last = failed.payload["stackTrace"][-1]
    assert "app.py" in last and 'raise ValueError("boom")' in last
    assert "bootstrap" not in json.dumps(failed.payload), "frames are the function's own"
    assert "[ERROR] ValueError: boom\nTraceback (most recent call last):" in failed.log
    unfit = bench.invoke(probe, {"do": "unfit"}).payload
    assert unfit["errorType"] == "Runtime.MarshalError"
    assert unfit["errorMessage"].startswith("Unable to marshal response: Object of type set is not JSON serializable")
    large = bench.invoke(probe, {"do": "large"})
    assert (large.error, large.payload["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert bench.invoke(probe, {"do": "count"}).payload["count"] > 3, "the process lives on"


@pytest.mark.parametrize(
    "event, kind, message",
    [
        ({"do": "leave"}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ({"do": "crash"}, "Runtime.ExitError", "Runtime exited with error: signal: aborted"),
        ({"do": "fill"}, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    ],
)
def test_processes_that_end(bench: Bench, probe: str, event: dict[str, Any], kind: str, message: str) -> None:
    ended = bench.invoke(probe, event)
    assert (ended.status, ended.error, ended.payload["errorType"]) == (200, "Unhandled", kind)
    request = ended.log.partition("START RequestId: ")[2].split()[0]
    assert ended.payload["errorMessage"] == f"RequestId: {request} Error: {message}"
    after = bench.invoke(probe, {"do": "count"})
    assert after.payload["count"] == 1 and "Init Duration" in after.log, "another process"


def test_a_timeout_ends_everything_that_was_started(bench: Bench) -> None:
    name = bench.make(PROBE, Timeout=1)
    late = bench.invoke(name, {"do": "sleep", "seconds": 60})
    assert late.error == "Unhandled"
    assert late.payload["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert late.payload["errorType"] == "Sandbox.Timedout"
    assert "\tStatus: timeout" in late.log
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and b"987654" in _command(pid)]


def _command(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "handler, source, kind, message",
    [
        ("gone.handler", "", "Runtime.ImportModuleError", "Unable to import module 'gone': No module named 'gone'"),
        (
            "app.handler",
            "import gone",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'gone'",
        ),
        ("app.gone", "", "Runtime.HandlerNotFound", "Handler 'gone' missing on module 'app'"),
        ("app.handler", "def (", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("app.handler", "raise KeyError('x')", "KeyError", "'x'"),
        ("app.handler", "import sys; sys.exit(1)", "Runtime.ExitError", ""),
    ],
)
def test_handlers_that_cannot_be_loaded(bench: Bench, handler: str, source: str, kind: str, message: str) -> None:
    failed = bench.invoke(bench.make(source, Handler=handler))
    assert (failed.status, failed.error, failed.payload["errorType"]) == (200, "Unhandled", kind)
    assert failed.payload["errorMessage"].startswith(message)


def test_several_at_once(bench: Bench, probe: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: bench.invoke(probe, {"do": "sleep", "seconds": 0.4}).payload, range(4)))
    assert len(set(found)) == 4, "a process works on one event at a time"


def test_reserved_concurrency(bench: Bench) -> None:
    source = """
import boto3
def handler(event, context):
    functions = boto3.client("lambda")
    try:
        functions.invoke(FunctionName=context.function_name)
    except functions.exceptions.TooManyRequestsException as error:
        return error.response
"""
    name = bench.make(source, Timeout=20, Environment={"Variables": {"AWS_MAX_ATTEMPTS": "1"}})
    bench.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    error = bench.invoke(name).payload
    assert (error["Error"]["Code"], error["Error"]["Message"]) == ("TooManyRequestsException", "Rate Exceeded.")
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert bench.invoke(name).error == "", "its place is free again"


def test_changed_code_and_configuration_start_new_processes(bench: Bench) -> None:
    name = bench.make("import os\ndef handler(event, context): return ['old', os.environ.get('WHO')]")
    assert bench.invoke(name).payload == ["old", None]
    bench.functions.publish_version(FunctionName=name)
    bench.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    source = (
        "import os\ndef handler(event, context): return ['new', os.environ.get('WHO'), context.invoked_function_arn]"
    )
    bench.functions.update_function_code(FunctionName=name, ZipFile=package(source))
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert bench.invoke(name).payload == ["new", None, arn]
    bench.functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"WHO": "me"}})
    assert bench.invoke(arn).payload == ["new", "me", arn]
    assert bench.invoke(f"{arn}:$LATEST").payload == ["new", "me", f"{arn}:$LATEST"]
    for version, options in (("1", {"Qualifier": "1"}), ("1", {"Qualifier": "live"})):
        answer = bench.invoke(name, **options)
        assert (answer.payload, answer.version) == (["old", None], version)
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*Function not found"):
        bench.invoke(name, Qualifier="7")


def test_nothing_can_be_written_but_the_folder_of_its_own(bench: Bench, probe: str) -> None:
    file = bench.invoke(probe, {"do": "write"}).payload
    assert file.startswith(str(bench.cloud.home)) and os.path.exists(file)
    bench.functions.delete_function(FunctionName=probe)
    until(lambda: not os.path.exists(file))


def test_calls_that_are_refused(bench: Bench) -> None:
    name = bench.make("def handler(event, context): return len(json.dumps(event))", Runtime="nodejs20.x")
    functions = bench.functions

    def refused(match: str, **options: Any) -> None:
        with pytest.raises(ClientError, match=match):
            functions.invoke(FunctionName=options.pop("name", name), **options)

    refused("ResourceNotFoundException.*Function not found: arn:.*:gone", name="gone")
    refused("InvalidRequestContentException.*Could not parse request body into json", Payload=b"{")
    refused("RequestEntityTooLargeException.*smaller than 6291456 bytes", Payload=b'"' + b"x" * 6291456 + b'"')
    refused(
        "1048579 byte payload is too large for the Event", Payload=b'"%s"' % (b"x" * 1048577), InvocationType="Event"
    )
    refused("InvalidRuntimeException.*not in nodejs20.x")
    broken = bench.make("", Code={"ZipFile": b"no zip"})
    refused("InvalidZipFileException.*could not unzip", name=broken)
    assert functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204


def test_functions_call_functions(bench: Bench) -> None:
    """Nobody holds the cloud while a function runs; and where functions wait for each other none waits for ever."""
    source = """
import boto3, json
def handler(event, context):
    if not event["depth"]:
        return 0
    event = {"depth": event["depth"] - 1}
    made = boto3.client("lambda").invoke(FunctionName=context.function_name, Payload=json.dumps(event))
    return 1 + json.loads(made["Payload"].read())
"""
    name = bench.make(source, Timeout=20)
    assert bench.invoke(name, {"depth": 3}).payload == 3
