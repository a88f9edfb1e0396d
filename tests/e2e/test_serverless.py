"""specs/serverless.yaml as a user lives with it: applied, called, filled, searched, and gone again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from stack_shell import Shell

from awsrun.invoke.calls import Answer, Calls
from tests.contract.strict_bench import until
from tests.documents import Page
from tests.typist import Typist

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)

ROOT = Path(__file__).parents[2]
PAGE = Page("docs/serverless.md")
SPEC = str(ROOT / "specs" / "serverless.yaml")


def example(shell: Shell, name: str, *arguments: str) -> list[str]:
    """The lines that an example prints."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=shell.folder, env=shell.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return (done.stdout + done.stderr).splitlines()


def test_a_life_without_servers(shell: Shell) -> None:
    """As docs/serverless.md tells it, block by block.  The cloud is strict and enforces IAM: the function may do what
    its own role allows, and that alone."""
    reader = Typist(shell.folder, shell.env)
    shell.awsrun("local", "start", "--strict", "--time-scale", "0.02", "--iam")
    try:
        assert "nothing here costs while idle" in shell.awsrun("plan", SPEC, code=2).stdout
        assert "next: awsrun outputs serverless" in reader.type(PAGE.under("Without servers"))
        reader.type(PAGE.under("A function", "Items and files"))
        assert (shell.folder / "mine.yaml").read_text() == Path(SPEC).read_text()
        assert "no change" in shell.awsrun("plan", SPEC).stdout
        called(shell)
        whoever_may_only_call(shell)
        what_lambda_wants_of_a_role(shell)
        items(shell)
        a_secret(shell)
        failed_for_good(shell)
        reader.type(PAGE.under("Be rid of it"))
        assert shell.listed(shell.json("local", "status")["endpoint"]) == {}
    finally:
        shell.awsrun("local", "stop")


def called(shell: Shell) -> None:
    (shell.folder / "event.json").write_text('{"name": "Grace"}')
    greeting = json.loads(shell.awsrun("invoke", "serverless/hello", "-p", "@event.json").stdout)
    assert greeting["greeting"] == "Hello, Grace!" and 0 < greeting["left_ms"] <= 10_000

    failed = shell.awsrun("invoke", "hello", "--payload", '{"name": 3}', code=1)
    assert "hello failed: ValueError: a name is text, not 3" in failed.stderr
    assert "Traceback" in failed.stderr, "its log is not told"
    assert "did you mean 'hello'" in shell.awsrun("invoke", "hallo", code=1).stderr
    assert "no JSON" in shell.awsrun("invoke", "hello", "--payload", "{", code=1).stderr

    many = shell.json("invoke", "hello", "-n", "20")
    assert (many["answered"], many["errors"]) == (20, {})
    assert 0 < many["latency"]["p50"] <= many["latency"]["p95"] <= many["latency"]["p100"] <= many["seconds"]
    assert "taken" in shell.awsrun("invoke", "hello", "--payload", '{"name": 4}', "--async").stdout
    bad = shell.json("invoke", "hello", "-n", "5", "--payload", '{"name": 3}', code=1)
    assert (bad["answered"], bad["errors"]) == (0, {"ValueError: a name is text, not 3": 5})


def failed_for_good(shell: Shell) -> None:
    """The event that was taken above and raised three times is in the queue of dead letters."""
    queues = client(shell, "sqs")
    url = queues.get_queue_url(QueueName="serverless-failed")["QueueUrl"]
    found = until(lambda: queues.receive_message(QueueUrl=url).get("Messages"))
    assert json.loads(found[0]["Body"]) == {"name": 4}
    logs = client(shell, "logs")
    group = {"logGroupName": "/awsrun/serverless/hello/logs", "filterPattern": '"not 4"'}
    assert until(lambda: logs.filter_log_events(**group)["events"]), "its log may not be written"


def whoever_may_only_call(shell: Shell) -> None:
    """The policy for it is enough, and allows no more."""
    iam = client(shell, "iam")
    iam.create_user(UserName="caller")
    policy = shell.awsrun("policy", SPEC, "--for", "invoke").stdout
    iam.put_user_policy(UserName="caller", PolicyName="calls", PolicyDocument=policy)
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    mine = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    endpoint = {"AWS_ENDPOINT_URL": shell.json("local", "status")["endpoint"], "AWS_REGION": "us-east-1"}
    caller = Shell(shell.folder, shell.env | mine | endpoint)
    assert "Hello, world!" in caller.awsrun("invoke", "hello", "--context", "aws").stdout
    assert "not authorized" in caller.awsrun("status", "serverless", "--context", "aws", code=1).stderr


def what_lambda_wants_of_a_role(shell: Shell) -> None:
    """A function with a queue or in a VPC is refused while its role does not allow it what that takes."""
    functions, iam = client(shell, "lambda"), client(shell, "iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="bare", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    arguments = {"Role": role, "Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": EMPTY_ZIP}}
    for lacking, wants in (
        ("SendMessage on SQS", {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:x"}}),
        ("CreateNetworkInterface on EC2", {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}),
    ):

        def refused(wants: Any = wants) -> str:
            with pytest.raises(ClientError, match="InvalidParameterValueException") as caught:
                functions.create_function(FunctionName="bare", **arguments, **wants)
            return "" if "cannot be assumed" in str(caught.value) else str(caught.value)

        assert f"does not have permissions to call {lacking}" in until(refused)
    iam.delete_role(RoleName="bare")


def items(shell: Shell) -> None:
    """More than one page of a scan, all found and all gone."""
    table = tables(shell).Table("serverless-people")
    with table.batch_writer() as batch:
        for number in range(12):
            batch.put_item(Item={"id": f"large-{number}", "age": number, "text": "x" * 200_000})
    assert "LastEvaluatedKey" in table.scan(), "one page would do"
    assert example(shell, "search", "age", "over", "8")[-1] == "3 found"
    count = int(example(shell, "items", "clear")[0].split()[0])
    assert count >= 12 and table.scan()["Count"] == 0


SECRET = """
stack: vault
resources:
  token: {kind: ssm.parameter, type: SecureString, value_file: token.txt}
  guard:
    kind: lambda.function
    read: [token]
    environment: {TOKEN: token.name}
    code: |
      import os, boto3
      def handler(event, context):
          found = boto3.client("ssm").get_parameter(Name=os.environ["TOKEN"], WithDecryption=True)["Parameter"]
          return {"right": found["Value"] == event["guess"], "version": found["Version"]}
"""


def a_secret(shell: Shell) -> None:
    """A function reads it by its grant; nothing that awsrun prints or keeps has it."""
    (shell.folder / "token.txt").write_text("open sesame\n")
    spec = shell.write(SECRET)
    said = shell.awsrun("apply", spec, "--yes", "--json").stdout
    (shell.folder / "token.txt").write_text("swordfish\n")
    said += shell.awsrun("plan", spec, code=2).stdout
    changed = shell.awsrun("apply", spec, "--yes")
    said += changed.stdout + changed.stderr + str(tables(shell).Table("awsrun-vault").scan()["Items"])
    answer = json.loads(shell.awsrun("invoke", "guard", "-p", '{"guess": "swordfish"}').stdout)
    assert answer == {"right": True, "version": 2}
    assert "swordfish" not in said and "sesame" not in said
    assert "hidden:" in said, "nothing told that it changed"
    shell.awsrun("teardown", "vault", "--yes")


def client(shell: Shell, service: str) -> Any:
    """boto3's own, of the embedded cloud, as root."""
    return _root().client(service, endpoint_url=shell.json("local", "status")["endpoint"])


def tables(shell: Shell) -> Any:
    """Its tables."""
    return _root().resource("dynamodb", endpoint_url=shell.json("local", "status")["endpoint"])


def _root() -> Any:
    return boto3.Session("local", "local", region_name="us-east-1")


def test_latencies_are_those_of_the_good_answers() -> None:
    answers: list[Any] = [Answer(second / 100) for second in range(1, 101)] + [Answer(9.0, error="E: no")]
    calls = Calls("f", 101, 2.0, answers, asynchronous=False)
    assert [calls.latency(percent) for percent in (50, 95, 99, 100)] == [0.5, 0.95, 0.99, 1.0]
    assert (calls.good, calls.errors["E: no"], calls.rate) == (100, 1, pytest.approx(50.5))
    assert Calls("f", 1, 1.0, (answers[-1],), False).latency(50) == 0.0
