"""`awsrun doctor` and the plan's warnings as a user meets them: a new account, a user without rights, no connection."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

BATCH = (Path(__file__).parents[2] / "specs" / "batch.yaml").read_text()
GPUS = "Running On-Demand G and VT instances"


@pytest.fixture
def abroad(fresh_cloud: Any, shell: Shell) -> Shell:
    """A shell in the aws context, whose AWS is an embedded cloud of its own."""
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    home = {"AWSRUN_HOME": str(fresh_cloud.home), "AWSRUN_CONTEXT": "aws", "AWS_ENDPOINT_URL": fresh_cloud.endpoint}
    shell.env |= {**keys, **home}
    shell.write(BATCH)
    return shell


def findings(document: Any, severity: str) -> dict[str, Any]:
    return {one["check"]: one for one in document["findings"] if one["severity"] == severity}


def test_a_new_account_is_told_before_jobs_wait_for_ever(abroad: Shell, fresh_cloud: Any) -> None:
    document = abroad.json("doctor", "spec.yaml", code=1)
    error = findings(document, "error")["quotas"]
    assert f"the quota '{GPUS}' is 0 vCPUs in us-east-1; compute needs 4 (g4dn.xlarge)" == error["what"]
    assert "RUNNABLE for ever" in error["why"]
    assert set(findings(document, "ok")) == {
        "versions",
        "disk",
        "embedded-cloud",
        "fit",
        "identity",
        "offerings",
        "vpcs",
        "permissions",
    }
    assert "root user" in findings(document, "warning")["identity"]["what"]
    assert "create-service-linked-role" in findings(document, "note")["linked-roles"]["hint"]
    assert {one["name"] for one in document["checks"]} >= {"quotas", "permissions", "disk"}

    planned = abroad.awsrun("plan", "spec.yaml", code=2)
    assert f"warning: the quota '{GPUS}' is 0 vCPUs" in planned.stdout, "a plan warns, and does not fail"
    assert f"→ {error['hint']}" in planned.stdout
    applied = abroad.awsrun("apply", "spec.yaml")
    assert f"warning: the quota '{GPUS}' is 0 vCPUs" in applied.stdout
    assert "warning" not in abroad.awsrun("drift", "spec.yaml").stdout

    assert fresh_cloud.control("start", "--options", '{"quotas": {"L-DB2E81BA": 32}}').returncode == 0
    mended = abroad.json("doctor", "spec.yaml")
    few = findings(mended, "warning")["quotas"]["what"]
    assert few == f"compute asks for up to 64 vCPUs; '{GPUS}' allows 32 in us-east-1"
    assert "2 of 5 VPCs" in findings(mended, "ok")["vpcs"]["what"], "the one that is there is counted once"
    assert "linked-roles" in findings(mended, "note")


def test_what_a_user_may_not_do_is_named_and_its_cure_works(abroad: Shell, fresh_cloud: Any) -> None:
    iam = fresh_cloud.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    assert fresh_cloud.control("start", "--options", '{"quotas": {"L-DB2E81BA": 64}, "iam": true}').returncode == 0
    ann = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    abroad.env |= ann
    blind = abroad.json("doctor", "spec.yaml")
    note = findings(blind, "note")["permissions"]
    assert (note["what"], note["hint"]) == (
        "could not be looked at",
        "allow iam:SimulatePrincipalPolicy, or look yourself",
    )
    grant(iam, "look", abroad.awsrun("policy", "spec.yaml", "--for", "plan").stdout)
    seen = abroad.json("doctor", "spec.yaml", code=1)["findings"]
    assert "could not be looked at" not in {one["what"] for one in seen}, "with these rights everything can"
    refused = abroad.json("doctor", "spec.yaml", code=1)
    error = findings(refused, "error")["permissions"]
    assert "user/ann may not call" in error["what"] and "batch:CreateComputeEnvironment" in error["what"]
    assert error["hint"].startswith("awsrun policy spec.yaml -o policy.json")
    assert set(findings(refused, "error")) == {"permissions"}

    grant(iam, "awsrun", abroad.awsrun("policy", "spec.yaml").stdout)
    allowed = findings(abroad.json("doctor", "spec.yaml"), "ok")["permissions"]["what"]
    assert allowed.startswith("arn:aws:iam::123456789012:user/ann may make all of ")


def grant(iam: Any, name: str, document: str) -> None:
    iam.put_user_policy(UserName="ann", PolicyName=name, PolicyDocument=document)


def test_one_vpc_too_many_is_an_error(abroad: Shell, fresh_cloud: Any) -> None:
    for number in range(4):  # beside the default one
        fresh_cloud.client("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    error = findings(abroad.json("doctor", "spec.yaml", code=1), "error")["vpcs"]
    assert error["what"] == "us-east-1 has 5 of the 5 VPCs that the account may have; mnist makes 6"
    assert "--quota-code L-F678F1CE --desired-value 6" in error["hint"]


def test_more_reserved_than_lambda_leaves_is_an_error(abroad: Shell) -> None:
    abroad.write("stack: s\nresources:\n  f: {kind: lambda.function, code: x = 1, reserved: 5}\n")
    error = findings(abroad.json("doctor", "spec.yaml", code=1), "error")["functions"]
    assert error["what"] == "functions of s reserve 5 executions at once; us-east-1 has 10 for all functions"
    assert "--quota-code L-B99A9384 --desired-value 105" in error["hint"]


def test_a_machine_that_the_region_does_not_have_is_an_error(abroad: Shell) -> None:
    abroad.write(BATCH.replace("[g4dn.xlarge]", "[g99.xlarge]"))
    error = findings(abroad.json("doctor", "spec.yaml", code=1), "error")["offerings"]
    assert error["what"] == "us-east-1 does not offer g99.xlarge, which compute names"
    abroad.write(BATCH.replace("[g4dn.xlarge]", "[g99.xlarge, g4dn]"))
    found = abroad.json("doctor", "spec.yaml", code=1)
    assert "g99.xlarge" in findings(found, "warning")["offerings"]["what"], "the others are enough"
    assert "offerings" not in findings(found, "error")
    abroad.write(BATCH.replace("[g4dn.xlarge]", "[p4de]"))
    error = findings(abroad.json("doctor", "spec.yaml", code=1), "error")["offerings"]
    assert error["what"] == "us-east-1a does not offer p4de, which compute names", "and other zones do"
    assert error["hint"] == "us-east-1b does; in the spec: max_azs: 2"
    abroad.write(BATCH.replace("[g4dn.xlarge]", "[p4de]").replace("max_azs: 1", "max_azs: 2"))
    assert "offerings" not in findings(abroad.json("doctor", "spec.yaml", code=1), "error")


def test_without_a_connection_the_rest_is_still_looked_at(abroad: Shell) -> None:
    abroad.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    document = abroad.json("doctor", "spec.yaml", code=1)
    assert set(findings(document, "error")) == {"credentials"}
    assert set(findings(document, "ok")) >= {"versions", "disk", "fit"}


def newer(shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``awsrun ARGUMENTS`` as a version says it that is newer than the embedded cloud that runs."""
    code = "import awsrun; awsrun.__version__ = '9.9.9'; from awsrun.cli.main import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=shell.folder, env=shell.env, capture_output=True, text=True, timeout=120)


def test_at_home_there_is_no_account_to_look_at(abroad: Shell) -> None:
    abroad.env["AWSRUN_CONTEXT"] = "local"
    shown = abroad.awsrun("doctor")
    assert "ok       versions" in shown.stdout
    assert "awsrun doctor --context aws" in shown.stderr
    assert "local stop" not in abroad.awsrun("status").stderr
    listed = newer(abroad, "status", "--json")
    assert json.loads(listed.stdout) == []
    assert listed.stderr.count("this is 9.9.9: awsrun local stop; awsrun local start") == 1
    assert "this is 9.9.9" in newer(abroad, "doctor").stdout
    assert "this is 9.9.9" in newer(abroad, "local", "status").stderr
    abroad.write(BATCH.replace("gpus: 1", "gpus: 2"))
    mistaken = abroad.awsrun("doctor", "spec.yaml", code=1)
    assert "no machine of g4dn.xlarge has 2 GPUs" in mistaken.stdout
    assert "no machine of g4dn.xlarge has 2 GPUs" in abroad.awsrun("plan", "spec.yaml", code=1).stderr
