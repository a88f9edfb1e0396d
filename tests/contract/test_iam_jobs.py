"""Jobs under IAM enforcement have the rights of their role, by credentials that end and are renewed, and no others."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from test_local_batch import Place

from awsrun.aws.errors import outcome
from tests.conftest import LocalCloud

SECONDS = 3.0  # that credentials of jobs last here
ROLE = "arn:aws:iam::123456789012:role/jobs/{}"
EXPIRED = [
    ("s3", "list_buckets", "ExpiredToken"),
    ("iam", "list_roles", "ExpiredToken"),
    ("sts", "get_caller_identity", "ExpiredToken"),
    ("batch", "describe_job_queues", "ExpiredTokenException"),
    ("ecr", "describe_repositories", "ExpiredTokenException"),
    ("ec2", "describe_vpcs", "RequestExpired"),
]
ASK = """
import boto3, sys
print(boto3.client("sts").get_caller_identity()["Arn"])
try:
    boto3.client("s3").list_buckets()
except Exception as error:
    print(type(error).__name__, error)
"""
WAIT = """
import os, sys, time
with open(sys.argv[1] + ".part", "w") as file:
    print(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"], file=file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
while not os.path.exists(sys.argv[2]):
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud with IAM on, whose jobs' credentials last for three seconds."""
    cloud = LocalCloud.at(tmp_path_factory.mktemp("short"), AWSRUN_LOCAL_CREDENTIAL_SECONDS=str(SECONDS))
    cloud.start(iam=True)
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def place(short_lived: LocalCloud) -> Place:
    found = Place(short_lived, "iam-jobs")
    _role(short_lived, "worker", "ecs-tasks")
    return found


def test_a_job_is_its_role_and_may_what_the_role_may(place: Place) -> None:
    job = _run(place, ASK)
    who, refused = place.output(job)
    task = job["container"]["logStreamName"].rpartition("/")[2]
    assert who == f"arn:aws:sts::123456789012:assumed-role/worker/{task}"
    assert "AccessDenied" in refused and "not authorized to perform: s3:ListAllMyBuckets" in refused


def test_a_job_without_a_role_has_no_credentials(place: Place) -> None:
    job = place.finished(place.submit(place.define(sys.executable, "-c", ASK)))
    assert job["status"] == "FAILED"
    assert "Unable to locate credentials" in place.output(job)[-1]


def test_a_role_that_does_not_trust_ecs_starts_no_job(place: Place, short_lived: LocalCloud) -> None:
    _role(short_lived, "of-ec2", "ec2")
    for name in ("of-ec2", "missing"):
        definition = place.define("true", containerProperties={"jobRoleArn": ROLE.format(name)})
        job = place.finished(place.submit(definition))
        assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
        reason = job["attempts"][0]["container"]["reason"]
        assert reason.startswith(f"ECS was unable to assume the role '{ROLE.format(name)}'")


def test_credentials_end_and_are_given_anew_while_the_job_runs(place: Place, tmp_path: Path) -> None:
    told, gate = tmp_path / "told", tmp_path / "gate"
    role = {"jobRoleArn": ROLE.format("worker")}
    job = place.submit(place.define(sys.executable, "-c", WAIT, str(told), str(gate), containerProperties=role))
    _until(told.exists)
    uri, token = told.read_text().split()
    first = _fetch(uri, token)
    assert first["RoleArn"] == ROLE.format("worker")
    assert _table_error(place, first) == "ResourceNotFoundException"  # allowed: there is no such table
    assert _table_error(place, {**first, "Token": first["Token"].swapcase()}) == "UnrecognizedClientException"
    _until(lambda: _table_error(place, first) == "ExpiredTokenException")
    for service, operation, code in EXPIRED:
        with pytest.raises(ClientError) as caught:
            getattr(_client(place, service, first), operation)()
        assert caught.value.response["Error"]["Code"] == code
        assert outcome(caught.value) == "expired"
    assert _table_error(place, _fetch(uri, token)) == "ResourceNotFoundException"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        _fetch(uri, token[:-1] + ("0" if token[-1] != "0" else "1"))
    gate.touch()
    place.finished(job)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        _fetch(uri, token)  # the attempt is over


def test_a_client_outlives_its_first_credentials(place: Place) -> None:
    script = f"""
import boto3, time
client, end = boto3.client("sts"), time.monotonic() + {2 * SECONDS}
while time.monotonic() < end:
    client.get_caller_identity()
    time.sleep(0.2)
"""
    job = _run(place, script)
    assert job["status"] == "SUCCEEDED", place.output(job)


def test_sessions_of_assume_role_need_trust_and_keep_to_the_session_policy(short_lived: LocalCloud) -> None:
    iam, sts = short_lived.client("iam"), short_lived.client("sts")
    reads = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "s3:*"], "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="person", AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName="person", PolicyName="p", PolicyDocument=_document(reads))
    only = _document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})
    arn = "arn:aws:iam::123456789012:role/person"
    made = sts.assume_role(RoleArn=arn, RoleSessionName="me", Policy=only)["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name="us-east-1")
    identity = session.client("sts", endpoint_url=short_lived.endpoint).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/person/me"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        session.client("dynamodb", endpoint_url=short_lived.endpoint).get_item(TableName="t", Key={"pk": {"S": "1"}})
    with pytest.raises(ClientError, match="no session policy allows the s3:ListAllMyBuckets action"):
        session.client("s3", endpoint_url=short_lived.endpoint).list_buckets()
    with pytest.raises(ClientError, match="sts:AssumeRole"):  # the account is trusted, the role itself has no right to
        session.client("sts", endpoint_url=short_lived.endpoint).assume_role(RoleArn=arn, RoleSessionName="again")
    iam.delete_role_policy(RoleName="person", PolicyName="p")
    iam.delete_role(RoleName="person")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        session.client("sts", endpoint_url=short_lived.endpoint).get_caller_identity()


def _run(place: Place, script: str) -> dict[str, Any]:
    """A job with the worker's role, once it is over."""
    role = {"jobRoleArn": ROLE.format("worker")}
    return place.finished(place.submit(place.define(sys.executable, "-c", script, containerProperties=role)))


def _role(cloud: LocalCloud, name: str, service: str) -> None:
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, Path="/jobs/", AssumeRolePolicyDocument=_document(trust))
    policy = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(policy))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _fetch(uri: str, token: str) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(uri, headers={"Authorization": token})) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def _client(place: Place, service: str, credentials: dict[str, Any]) -> Any:
    session = boto3.Session(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"])
    return session.client(service, region_name="us-east-1", endpoint_url=place.batch.meta.endpoint_url)


def _table_error(place: Place, credentials: dict[str, Any]) -> str:
    with pytest.raises(ClientError) as caught:
        _client(place, "dynamodb", credentials).get_item(TableName="none", Key={"pk": {"S": "1"}})
    return str(caught.value.response["Error"]["Code"])


def _until(holds: Any) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
