"""A teardown under strict, while the interface of a function that is not the stack's holds its security group, and that
of its own function, which goes as long as the function's role is there, its subnet."""

from __future__ import annotations

import io
import json
import subprocess
import time
import zipfile
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from stack_shell import BIN, Shell

SPEC = """
stack: held
resources:
  network: {kind: vpc, max_azs: 1}
  web: {kind: security_group, vpc: network}
  own: {kind: lambda.function, vpc: network, code: "def handler(event, context): return event"}
"""
PATIENCE = 60.0  # seconds


def patiently(call: Callable[..., Any], **arguments: Any) -> Any:
    """What a call answers once what it names is known everywhere."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if time.monotonic() > end or code not in ("InvalidParameterValueException", "ResourceConflictException"):
                raise
        time.sleep(0.02)


def make_function(cloud: Any, name: str, subnet: str, group: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event")
    patiently(
        cloud.client("lambda").create_function,
        FunctionName=name,
        Role=role,
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
        VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]},
    )


def test_a_teardown_names_the_function_that_holds_a_group_and_goes_on_when_it_lets_go(
    shell: Shell, hasty_cloud: Any
) -> None:
    shell.env |= {"AWSRUN_HOME": str(hasty_cloud.home)}
    outputs = shell.json("apply", shell.write(SPEC))["outputs"]
    group, subnet = outputs["web"]["id"], outputs["network"]["subnets"][0]
    make_function(hasty_cloud, "resizer", subnet, group)
    inside = [{"Name": "group-id", "Values": [group]}]
    interface = hasty_cloud.client("ec2").describe_network_interfaces(Filters=inside)["NetworkInterfaces"][0]

    command = [str(BIN / "awsrun"), "teardown", "held", "--yes"]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    teardown = subprocess.Popen(command, cwd=shell.folder, env=shell.env, text=True, **both)  # type: ignore[call-overload]
    said = ""
    for line in teardown.stdout:
        said += line
        if "is held by" in line and group in line:
            patiently(hasty_cloud.client("lambda").delete_function, FunctionName="resizer")
    assert teardown.wait(timeout=PATIENCE) == 0, said
    held = (
        f"{group} is held by {interface['NetworkInterfaceId']} of Lambda function resizer; it usually lets go within 40"
    )
    assert held in said
    assert "nothing of stack held is left" in said
    assert said.rindex("own/role") > said.rindex("network/public-0")
    listed = shell.listed(hasty_cloud.endpoint, "vpcs", "subnets", "groups", "gateways", "endpoints")
    assert group not in str(listed) and subnet not in str(listed)
