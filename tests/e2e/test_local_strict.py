"""The strict cloud over restarts: what goes on goes on, what was asked for stays, and what was put off is done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from awsrun.aws.errors import code_of
from tests.conftest import LocalCloud
from tests.contract.strict_bench import PATIENCE, passes, refused, unique, until

SLOW = 0.06  # seconds for a second of AWS: what lasts a minute there outlives a restart here


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    cloud = LocalCloud(tmp_path, env={**env, "AWSRUN_HOME": str(tmp_path)})
    yield cloud
    cloud.stop()


def awsrun(cloud: LocalCloud, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "awsrun"), *arguments]
    done = subprocess.run(command, env=cloud.env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(cloud: LocalCloud, name: str) -> None:
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )


def status(cloud: LocalCloud, name: str) -> str:
    found = cloud.client("batch").describe_compute_environments(computeEnvironments=[name])["computeEnvironments"]
    return str(found[0]["status"]) if found else ""


def environment(cloud: LocalCloud, name: str) -> None:
    resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    cloud.client("batch").create_compute_environment(
        computeEnvironmentName=name, type="MANAGED", computeResources=resources
    )


def again(cloud: LocalCloud) -> None:
    cloud.kill()
    cloud.start()


def test_states_go_on_after_a_kill_and_what_was_put_off_is_done(own_cloud: LocalCloud) -> None:
    cloud = own_cloud
    cloud.start(strict=True, time_scale=SLOW)
    name = "slow"
    environment(cloud, name)
    again(cloud)
    assert cloud.status()["options"]["strict"]
    until(lambda: status(cloud, name) == "VALID")
    cloud.client("batch").update_compute_environment(computeEnvironment=name, state="DISABLED")
    again(cloud)
    until(lambda: status(cloud, name) == "VALID")
    cloud.client("batch").delete_compute_environment(computeEnvironment=name)
    again(cloud)
    assert status(cloud, name) in ("DELETING", "")
    until(lambda: status(cloud, name) == "")
    again(cloud)
    assert status(cloud, name) == ""


def test_states_go_on_after_a_stop(own_cloud: LocalCloud) -> None:
    """A stop writes a snapshot: what the rules remember is in it."""
    cloud = own_cloud
    cloud.start(strict=True, time_scale=1.0)
    environment(cloud, "slow")
    until(lambda: status(cloud, "slow") == "CREATING")
    s3, name = cloud.client("s3"), unique()
    s3.create_bucket(Bucket=name)
    passes("NoSuchBucket", s3.delete_bucket, Bucket=name)
    cloud.stop()
    cloud.start()
    assert status(cloud, "slow") == "CREATING"
    refused("OperationAborted", cloud.client("s3").create_bucket, Bucket=name)


def test_started_plain_it_finishes_at_once_what_was_put_off(own_cloud: LocalCloud) -> None:
    cloud = own_cloud
    cloud.start(strict=True, time_scale=0.02)
    table(cloud, "going")
    environment(cloud, "going")
    until(lambda: status(cloud, "going") == "VALID")
    cloud.client("batch").update_compute_environment(computeEnvironment="going", state="DISABLED")
    until(lambda: status(cloud, "going") == "VALID")
    cloud.start(time_scale=50.0)  # from now on a minute takes an hour
    dynamodb = cloud.client("dynamodb")
    dynamodb.delete_table(TableName="going")
    cloud.client("batch").delete_compute_environment(computeEnvironment="going")
    assert status(cloud, "going") == "DELETING"
    assert dynamodb.describe_table(TableName="going")["Table"]["TableStatus"] == "DELETING"
    cloud.start(strict=False)
    assert status(cloud, "going") == ""
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    environment(cloud, "going")
    assert status(cloud, "going") == "VALID", "nothing of strict is left"
    again(cloud)
    assert status(cloud, "going") == "VALID"


def test_options_stay_over_restarts_and_keep_what_it_holds(own_cloud: LocalCloud) -> None:
    cloud = own_cloud
    assert "running at" in awsrun(cloud, "local", "start")
    cloud.endpoint = cloud.status()["endpoint"]
    table(cloud, "kept")
    plain = cloud.status()
    said = awsrun(cloud, "local", "start", "--strict", "--time-scale", "0.02", "--throttle", "0.05", "--lose", "0.01")
    assert "strict, throttle 0.05, lose 0.01, time scale 0.02" in said
    strict = cloud.status()
    assert strict["pid"] != plain["pid"] and strict["endpoint"] == plain["endpoint"]
    assert "strict" in awsrun(cloud, "local", "status")
    cloud.kill()
    assert "strict" in awsrun(cloud, "local", "start"), "without being told again"
    assert cloud.status()["options"] == strict["options"]
    same = cloud.status()["pid"]
    assert "strict" in awsrun(cloud, "local", "start") and cloud.status()["pid"] == same
    awsrun(cloud, "local", "start", "--no-strict")
    assert "strict" not in awsrun(cloud, "local", "status")
    assert cloud.client("dynamodb").list_tables()["TableNames"] == ["kept"]


def test_every_call_may_be_throttled_and_half_of_a_batch_comes_back(own_cloud: LocalCloud) -> None:
    cloud = own_cloud
    cloud.start()
    table(cloud, "t")
    cloud.start(strict=True, time_scale=0.02, throttle=1.0)
    for service, call, code in (
        ("iam", lambda iam: iam.list_roles(), "Throttling"),
        ("ec2", lambda ec2: ec2.describe_vpcs(), "RequestLimitExceeded"),
        ("s3", lambda s3: s3.list_buckets(), "SlowDown"),
        ("batch", lambda batch: batch.describe_job_queues(), "TooManyRequestsException"),
        ("ecr", lambda ecr: ecr.describe_repositories(), "ThrottlingException"),
        ("dynamodb", lambda dynamodb: dynamodb.scan(TableName="t"), "ProvisionedThroughputExceededException"),
    ):
        refused(code, lambda call=call, service=service: call(cloud.client(service)))
    puts = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(6)]
    left = cloud.client("dynamodb").batch_write_item(RequestItems={"t": puts})["UnprocessedItems"]
    assert left == {"t": puts[3:]}
    keys = [put["PutRequest"]["Item"] for put in puts]
    found = cloud.client("dynamodb").batch_get_item(RequestItems={"t": {"Keys": keys}})
    assert len(found["Responses"]["t"]) == 3 and found["UnprocessedKeys"]["t"]["Keys"] == keys[3:]
    cloud.start(strict=False)
    assert cloud.client("dynamodb").scan(TableName="t")["Count"] == 3


def test_lost_answers_were_done_or_not(own_cloud: LocalCloud) -> None:
    cloud = own_cloud
    cloud.start(strict=True, time_scale=0.02, lose=1.0)
    how: set[str] = set()
    for number in range(60):
        how.add(lost(lambda number=number: cloud.client("ecr").create_repository(repositoryName=f"r-{number}")))
    assert how == {"no answer", "InternalFailure"}
    cloud.start(lose=0.0, strict=False)
    pages = cloud.client("ecr").get_paginator("describe_repositories").paginate()
    made = sum(len(page["repositories"]) for page in pages)
    assert 0 < made < 60


def lost(call: Any) -> str:
    """How an answer was lost."""
    try:
        call()
    except ClientError as error:
        return code_of(error)
    except BotoCoreError:
        return "no answer"
    raise AssertionError("there was an answer")
