"""Stacks whose first apply was cut short: a table is there, a record is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import AwsrunError
from awsrun.jobs.closing import close
from awsrun.jobs.site import entries, sites


@pytest.fixture
def half_applied(local_cloud: Any) -> Iterator[Cloud]:
    client = local_cloud.client("dynamodb")
    client.create_table(
        TableName="awsrun-half",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    yield Cloud(session, LOCAL, local_cloud.endpoint)
    client.delete_table(TableName="awsrun-half")


def test_other_stacks_runs_are_listed_all_the_same(half_applied: Cloud) -> None:
    assert "half" in stacks.names(half_applied)
    assert "half" not in [site.stack for site in sites(half_applied)]
    assert "half" not in [stack for stack, _ in entries(half_applied)]


def test_it_can_be_torn_down(half_applied: Cloud) -> None:
    assert close(half_applied, "half") == []


def test_reading_it_says_that_it_is_not_applied(half_applied: Cloud) -> None:
    assert stacks.find(half_applied, "half") is None
    with pytest.raises(AwsrunError, match="'half' is not applied"):
        stacks.read(half_applied, "half")
