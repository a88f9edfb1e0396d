"""Credentials that run out in the middle of an apply: it stops cleanly, and goes on from there after a new login.

The second apply comes while lists do not show yet what the first one made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stack_shell import WITHOUT_AWS, Shell

SPEC = (Path(__file__).parents[2] / "specs" / "batch.yaml").read_text()
SECONDS = 8  # less than an environment and a queue take at this scale, more than it takes to get there
OPTIONS = {"strict": True, "iam": True, "time_scale": 0.25}
ANYONE_HERE = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _short_session(cloud: Any) -> dict[str, str]:
    """Credentials of an administrator for a few seconds, which AWS itself does not give."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="admin", AssumeRolePolicyDocument=_policy(ANYONE_HERE))["Role"]["Arn"]
    iam.put_role_policy(RoleName="admin", PolicyName="all", PolicyDocument=_policy(EVERYTHING))
    sts = cloud.client("sts", parameter_validation=False)
    made = sts.assume_role(RoleArn=role, RoleSessionName="me", DurationSeconds=SECONDS)["Credentials"]
    keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    return keys | {"AWS_SESSION_TOKEN": made["SessionToken"]}


def test_an_apply_whose_credentials_end_goes_on_after_a_new_login(fresh_cloud: Any, tmp_path: Path) -> None:
    fresh_cloud.control("start", "--options", json.dumps(OPTIONS | {"strict": False}))
    session = _short_session(fresh_cloud)
    fresh_cloud.control("start", "--options", json.dumps(OPTIONS))
    aws = {"AWS_ENDPOINT_URL": fresh_cloud.endpoint, "AWS_REGION": "us-east-1", "AWSRUN_CONTEXT": "aws"}
    shell = Shell(tmp_path, WITHOUT_AWS | fresh_cloud.env | aws | session)
    spec = shell.write(SPEC)
    done = shell.awsrun("apply", spec, code=1)
    assert "the credentials have run out" in done.stderr
    assert "log in and run the same again" in done.stderr

    shell.env |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    del shell.env["AWS_SESSION_TOKEN"]
    shell.awsrun("apply", spec)
    assert shell.json("plan", spec)["changes"] == []
    listed = shell.listed(fresh_cloud.endpoint, "vpcs", "environments", "queues")
    assert {kind: len(found) for kind, found in listed.items()} == {"vpcs": 1, "environments": 1, "queues": 1}
