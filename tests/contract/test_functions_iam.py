"""Functions where IAM is enforced: whom they act as, who may run them, what of them is logged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud
from tests.contract.functions_bench import Bench, until

SOURCE = """
import boto3
def handler(event, context):
    s3 = boto3.client("s3")
    try:
        s3.create_bucket(Bucket="not-allowed")
    except s3.exceptions.ClientError as error:
        return [boto3.client("sts").get_caller_identity()["Arn"], error.response["Error"]["Code"]]
"""
LOGS = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


@pytest.fixture(scope="module")
def bench(iam_cloud: LocalCloud) -> Bench:
    return Bench(iam_cloud)


def test_a_function_has_its_role_and_no_more(bench: Bench) -> None:
    role = bench.role(LOGS)
    name, silent = bench.make(SOURCE, role), bench.make(SOURCE)
    who, denied = bench.invoke(name, None).payload
    assert who == f"arn:aws:sts::123456789012:assumed-role/{role.rpartition('/')[2]}/{name}"
    assert denied == "AccessDenied"
    bench.invoke(silent)
    until(lambda: bench.logged(f"/aws/lambda/{name}"))
    assert not bench.logged(f"/aws/lambda/{silent}"), "its role may not write logs"


def test_who_may_run_it(bench: Bench) -> None:
    """A caller by its own policy, or by the function's; a version only where the policy is for it."""
    callee = bench.make("def handler(event, context): return 'ran'")
    bench.functions.publish_version(FunctionName=callee)
    source = """
import boto3
def handler(event, context):
    functions = boto3.client("lambda")
    try:
        return functions.invoke(**event)["Payload"].read().decode()
    except functions.exceptions.ClientError as error:
        return str(error)
"""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{callee}"
    may = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
    allowed, other = bench.role(may), bench.role()
    caller, stranger = bench.make(source, allowed, Timeout=20), bench.make(source, other, Timeout=20)
    assert bench.invoke(caller, {"FunctionName": callee}).payload == '"ran"'
    refused = "is not authorized to perform: lambda:InvokeFunction on resource"
    assert refused in bench.invoke(caller, {"FunctionName": callee, "Qualifier": "1"}).payload
    assert f"{refused}: {arn}" in bench.invoke(stranger, {"FunctionName": callee}).payload
    bench.functions.add_permission(
        FunctionName=callee, StatementId="s", Action="lambda:InvokeFunction", Principal=other
    )
    assert bench.invoke(stranger, {"FunctionName": callee}).payload == '"ran"'


def test_a_role_that_is_gone(bench: Bench) -> None:
    role = bench.role()
    name = bench.make(SOURCE, role)
    bench.cloud.client("iam").delete_role(RoleName=role.rpartition("/")[2])
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        bench.invoke(name)


def test_dead_letters_take_a_right(bench: Bench) -> None:
    sqs = bench.cloud.client("sqs")
    url = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may = bench.role({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn})
    for who, role in (("not", bench.role()), ("may", may)):
        name = bench.make("def handler(event, context): raise ValueError()", role, DeadLetterConfig={"TargetArn": arn})
        bench.functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        bench.functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(who))
    log = bench.cloud.home / "data" / "local" / "server.log"
    until(lambda: f"may not send to {arn}" in log.read_text())

    def letter() -> Any:
        return sqs.receive_message(QueueUrl=url).get("Messages")

    assert [one["Body"] for one in until(letter)] == ['"may"']
    assert not letter()
