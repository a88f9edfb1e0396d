"""Bucket policies, permissions boundaries and signed URLs under IAM enforcement."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
BUCKET = "guarded-b"
OBJECTS = f"arn:aws:s3:::{BUCKET}/*"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


TRUST = document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})


def session_of(cloud: Any, role: str) -> Any:
    """An S3 client with a role's rights."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    made = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], "us-east-1")
    return session.client("s3", endpoint_url=cloud.endpoint, config=Config(s3={"addressing_style": "path"}))


@pytest.fixture(scope="module")
def guarded(iam_cloud: Any) -> Any:
    """Root's S3 client, with an object in the bucket."""
    s3 = iam_cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="open/a", Body=b"1")
    s3.put_object(Bucket=BUCKET, Key="closed/a", Body=b"2")
    return s3


@pytest.fixture(scope="module")
def users(iam_cloud: Any) -> dict[str, Any]:
    """S3 clients of users, one without rights and one with all of S3."""
    made = {}
    for name, statements in (("guest", ()), ("host", ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},))):
        iam = iam_cloud.client("iam")
        iam.create_user(UserName=name)
        for statement in statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(statement))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
        made[name] = session.client("s3", endpoint_url=iam_cloud.endpoint, config=config)
    return made


def test_a_bucket_policy_gives_and_takes(guarded: Any, users: dict[str, Any]) -> None:
    guest, host = users["guest"], users["host"]
    guarded.put_bucket_policy(Bucket=BUCKET, Policy=document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/guest"}, "Action": "s3:GetObject",
         "Resource": OBJECTS},
        {"Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*",
         "Resource": f"arn:aws:s3:::{BUCKET}/closed/*"},
    ))  # fmt: skip
    assert guest.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="s3:PutObject"):
        guest.put_object(Bucket=BUCKET, Key="open/a", Body=b"3")
    assert host.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        host.get_object(Bucket=BUCKET, Key="closed/a")
    guarded.delete_bucket_policy(Bucket=BUCKET)
    with pytest.raises(ClientError, match="no identity-based policy"):
        guest.get_object(Bucket=BUCKET, Key="open/a")


def test_a_bucket_policy_that_names_a_role_is_for_its_sessions(iam_cloud: Any, guarded: Any) -> None:
    role = iam_cloud.client("iam").create_role(RoleName="helper", Path="/some/", AssumeRolePolicyDocument=TRUST)["Role"]
    s3 = session_of(iam_cloud, "some/helper")
    with pytest.raises(ClientError, match="no identity-based policy"):
        s3.get_object(Bucket=BUCKET, Key="open/a")
    named = {"Effect": "Allow", "Principal": {"AWS": [role["Arn"]]}, "Action": "s3:GetObject", "Resource": OBJECTS}
    guarded.put_bucket_policy(Bucket=BUCKET, Policy=document(named))
    assert s3.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"1"
    guarded.delete_bucket_policy(Bucket=BUCKET)


def test_who_does_not_sign_needs_a_bucket_policy_for_all(iam_cloud: Any, guarded: Any) -> None:
    url = f"{iam_cloud.endpoint}/{BUCKET}/open/a"
    assert _status(url) == 403
    everybody = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/open/*",
    }
    guarded.put_bucket_policy(Bucket=BUCKET, Policy=document(everybody))
    assert _status(url) == 200
    assert _status(url.replace("open", "closed")) == 403
    assert _status(f"{iam_cloud.endpoint}/moto-api/reset", "POST") == 403, "moto's own pages are no way around it"
    guarded.delete_bucket_policy(Bucket=BUCKET)


def test_a_signed_url_is_worth_what_its_signer_may(guarded: Any, users: dict[str, Any]) -> None:
    for name, status in (("host", 200), ("guest", 403)):
        url = users[name].generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "open/a"})
        assert _status(url) == status


def test_a_boundary_limits_what_a_role_is_given(iam_cloud: Any, guarded: Any) -> None:
    iam = iam_cloud.client("iam")
    reads = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
    boundary = iam.create_policy(PolicyName="reads-only", PolicyDocument=document(reads))["Policy"]["Arn"]
    iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=boundary)
    iam.attach_role_policy(RoleName="bounded", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    s3 = session_of(iam_cloud, "bounded")
    assert s3.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="no permissions boundary allows the s3:PutObject action"):
        s3.put_object(Bucket=BUCKET, Key="open/a", Body=b"3")


def _status(url: str, method: str = "GET") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
