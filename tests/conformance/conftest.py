"""Tables that a store must work on: in memory, and DynamoDB on the embedded cloud."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from awsrun.worker.protocol.dynamodb import DynamoTable, client
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.table import Table

MakeTable = Callable[[], Table]


@pytest.fixture(scope="session")
def dynamo_client(local_cloud: Any) -> Iterator[Any]:
    """The worker's own client, on the embedded cloud."""
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    yield client(session, endpoint_url=local_cloud.endpoint)


@pytest.fixture
def make_dynamo(dynamo_client: Any) -> MakeTable:
    """Makes empty tables on the embedded cloud."""

    def make() -> DynamoTable:
        name = f"conformance-{os.urandom(4).hex()}"
        dynamo_client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        return DynamoTable(dynamo_client, name)

    return make


@pytest.fixture(params=["memory", "dynamodb"])
def make_table(request: pytest.FixtureRequest) -> MakeTable:
    """Makes empty tables."""
    if request.param == "memory":
        return MemoryTable
    made: MakeTable = request.getfixturevalue("make_dynamo")
    return made
