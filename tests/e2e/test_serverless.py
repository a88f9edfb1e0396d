"""specs/serverless.yaml as a user lives with it: applied, called, filled, searched, and gone again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

ROOT = Path(__file__).parents[2]
SPEC = str(ROOT / "specs" / "serverless.yaml")


def example(shell: Shell, name: str, *arguments: str, code: int = 0) -> list[str]:
    """The lines that an example prints."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=shell.folder, env=shell.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"{command}: {done.stdout}\n{done.stderr}"
    return (done.stdout + done.stderr).splitlines()


def test_a_life_without_servers(shell: Shell) -> None:
    """The cloud is strict and enforces IAM: the function may do what its own role allows, and that alone."""
    shell.awsrun("local", "start", "--strict", "--time-scale", "0.02", "--iam")
    try:
        planned = shell.awsrun("plan", SPEC, code=2).stdout
        assert "nothing here costs while idle" in planned
        shell.awsrun("apply", SPEC, "--yes")
        assert "no change" in shell.awsrun("plan", SPEC).stdout
        called(shell)
        items(shell)
        files(shell)
        a_secret(shell)
        shell.awsrun("teardown", "serverless", "--yes")
        assert shell.listed(shell.json("local", "status")["endpoint"]) == {}
    finally:
        shell.awsrun("local", "stop")


def called(shell: Shell) -> None:
    greeting = json.loads(shell.awsrun("invoke", "hello", "--payload", '{"name": "Ada"}').stdout)
    assert greeting["greeting"] == "Hello, Ada!" and 0 < greeting["left_ms"] <= 10_000
    (shell.folder / "event.json").write_text('{"name": "Grace"}')
    logged = shell.awsrun("invoke", "serverless/hello", "-p", "@event.json", "--log")
    assert "Hello, Grace!" in logged.stdout and "REPORT RequestId" in logged.stderr

    failed = shell.awsrun("invoke", "hello", "--payload", '{"name": 3}', code=1)
    assert "hello failed: ValueError: a name is text, not 3" in failed.stderr
    assert "Traceback" in failed.stderr, "its log is not told"
    document = shell.json("invoke", "hello", "--payload", '{"name": 3}', code=1)
    assert document["error"].startswith("ValueError") and "Traceback" in document["log"]
    assert "did you mean 'hello'" in shell.awsrun("invoke", "hallo", code=1).stderr
    assert "no JSON" in shell.awsrun("invoke", "hello", "--payload", "{", code=1).stderr

    many = shell.json("invoke", "hello", "-n", "100")
    assert (many["answered"], many["errors"]) == (100, {})
    assert 0 < many["latency"]["p50"] <= many["latency"]["p95"] <= many["latency"]["p100"] <= many["seconds"]
    bad = shell.json("invoke", "hello", "-n", "5", "--payload", '{"name": 3}', code=1)
    assert (bad["answered"], bad["errors"]) == (0, {"ValueError: a name is text, not 3": 5})
    assert "100 taken, 0 failed" in shell.awsrun("invoke", "hello", "-n", "100", "--async").stdout
    assert "25 of 25 answered" in example(shell, "invoke_many", "25")[0]
    assert example(shell, "invoke_many", "25", "--async") == ["25 of 25 taken"]


def items(shell: Shell) -> None:
    example(shell, "items", "put", "ada", "age=36", "name=Ada")
    assert json.loads(example(shell, "items", "get", "ada")[0])["name"] == "Ada"
    assert example(shell, "items", "get", "nobody", code=1) == ["there is no nobody"]
    assert example(shell, "bulk_write", "2500")[0].startswith("2500 items in")
    assert example(shell, "search", "age", "under", "2")[-1] == "50 found"
    listed = [json.loads(line) for line in example(shell, "items", "list")]
    assert {"person-000000", "person-002499", "ada", "Grace"} <= {item["id"] for item in listed}
    assert example(shell, "items", "clear") == [f"{len(listed)} items deleted"]
    assert example(shell, "items", "list") == []


def files(shell: Shell) -> None:
    (shell.folder / "letter.txt").write_text("Dear reader")
    example(shell, "files", "upload", "letter.txt")
    example(shell, "files", "upload", "letter.txt", "--key", "post/first")
    assert [line.split()[-1] for line in example(shell, "files", "list")] == ["letter.txt", "post/first"]
    assert len(example(shell, "files", "list", "post/")) == 1
    example(shell, "files", "download", "post/first", "--to", "copy.txt")
    assert (shell.folder / "copy.txt").read_text() == "Dear reader"


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
    spec = shell.write(SECRET)
    said = ""
    for version, secret in enumerate(("open sesame", "swordfish"), 1):
        (shell.folder / "token.txt").write_text(f"{secret}\n")
        for arguments in (("plan", spec, "--json"), ("apply", spec, "--yes"), ("outputs", "vault", "--json")):
            done = shell.awsrun(*arguments, code=2 if arguments[0] == "plan" else 0)
            said += done.stdout + done.stderr
        answer = json.loads(shell.awsrun("invoke", "guard", "-p", json.dumps({"guess": secret})).stdout)
        assert answer == {"right": True, "version": version}
    said += json.dumps(remembered(shell, "awsrun-vault"))
    assert "swordfish" not in said and "sesame" not in said
    assert "hidden:" in said, "nothing told that it changed"
    assert "no change" in shell.awsrun("plan", spec).stdout
    shell.awsrun("teardown", "vault", "--yes")


def remembered(shell: Shell, table: str) -> list[str]:
    """What a table of the embedded cloud holds."""
    import boto3

    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    tables: Any = boto3.resource("dynamodb", endpoint_url=shell.json("local", "status")["endpoint"], **keys)
    return [str(item) for item in tables.Table(table).scan()["Items"]]


def test_latencies_are_those_of_the_good_answers() -> None:
    from awsrun.invoke.calls import Answer, Calls

    answers: list[Any] = [Answer(second / 100) for second in range(1, 101)] + [Answer(9.0, error="E: no")]
    calls = Calls("f", 101, 2.0, answers, asynchronous=False)
    assert [calls.latency(percent) for percent in (50, 95, 99, 100)] == [0.5, 0.95, 0.99, 1.0]
    assert (calls.good, calls.errors["E: no"], calls.rate) == (100, 1, pytest.approx(50.5))
    assert Calls("f", 1, 1.0, (answers[-1],), False).latency(50) == 0.0
