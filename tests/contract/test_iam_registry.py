"""Pushes and pulls under IAM enforcement take ECR's rights, of whoever asked for the password."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from test_local_registry import Registry, digest_of

PUSH = ["ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage",
        "ecr:UploadLayerPart"]  # fmt: skip
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
ANYWHERE = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}


@pytest.fixture
def registry(iam_cloud: Any) -> Registry:
    return Registry(iam_cloud)


def log_in(registry: Registry, name: str, actions: list[str]) -> None:
    """From now on ``registry`` calls as a user with ``actions`` on its repository."""
    iam = registry.cloud.client("iam")
    arn = f"arn:aws:ecr:us-east-1:123456789012:repository/{registry.repository}"
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": arn}, ANYWHERE],
    }
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    ecr = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], region_name="us-east-1").client(
        "ecr", endpoint_url=registry.cloud.endpoint
    )
    registry.authorization = f"Basic {ecr.get_authorization_token()['authorizationData'][0]['authorizationToken']}"


def push_in_parts(registry: Registry, content: bytes) -> list[int]:
    """As docker pushes a layer: begin, part, finish; the statuses."""
    begun = registry.call("POST", "blobs/uploads/")
    where = begun.headers.get("Location", f"/v2/{registry.repository}/blobs/uploads/0a")
    part = registry.call("PATCH", where, content)
    done = registry.call("PUT", f"{where}?digest={digest_of(content)}")
    return [begun.status, part.status, done.status]


def test_pushing_and_pulling_are_rights_of_their_own(registry: Registry) -> None:
    log_in(registry, f"{registry.repository}-push", PUSH)
    assert push_in_parts(registry, b"layer") == [202, 202, 201]
    manifest = registry.manifest(b"{}", b"layer")
    assert registry.put(manifest, "latest").status == 201
    refused = registry.call("GET", "manifests/latest")
    assert (refused.status, refused.code) == (403, "DENIED")
    said = json.loads(refused.content)["errors"][0]["message"]
    assert f"user/{registry.repository}-push is not authorized to perform: ecr:BatchGetImage on resource" in said
    log_in(registry, f"{registry.repository}-pull", PULL)
    assert registry.call("GET", "manifests/latest").status == 200
    assert registry.call("GET", f"blobs/{digest_of(b'layer')}").status == 200
    assert registry.put(manifest, "other").status == 403
    assert push_in_parts(registry, b"more") == [403, 403, 403]


@pytest.mark.parametrize("missing", [action for action in PUSH if "Check" not in action])
def test_a_push_takes_each_right(registry: Registry, missing: str) -> None:
    manifest = registry.manifest(b"{}")
    log_in(registry, f"{registry.repository}-{missing[4:]}", [action for action in PUSH if action != missing])
    statuses = [*push_in_parts(registry, b"layer"), registry.put(manifest, "latest").status]
    assert 403 in statuses
    assert statuses.index(403) == {"I": 0, "U": 1, "C": 2, "P": 3}[missing[4]]


def test_another_repository_is_out_of_reach(registry: Registry) -> None:
    other = Registry(registry.cloud)
    log_in(registry, f"{registry.repository}-own", ["ecr:*"])
    other.authorization = registry.authorization
    assert push_in_parts(other, b"layer")[0] == 403
    assert push_in_parts(registry, b"layer")[0] == 202


def test_a_password_is_worth_what_its_owner_may_now(registry: Registry) -> None:
    name = f"{registry.repository}-gone"
    log_in(registry, name, PUSH)
    iam = registry.cloud.client("iam")
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert push_in_parts(registry, b"layer")[0] == 403
