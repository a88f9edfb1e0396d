"""What DynamoDB answers to reads: every type of value as it was put, one partition in order, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

VALUES: dict[str, Any] = {
    "text": {"S": "a"},
    "empty": {"S": ""},
    "number": {"N": "0.1"},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "bytes": {"B": b"\x00\xff"},
    "list": {"L": [{"S": "a"}, {"N": "1"}, {"L": []}, {"M": {}}]},
    "map": {"M": {"in": {"M": {"deep": {"S": "x"}}}, "raw": {"B": b"\x01"}}},
}


@pytest.fixture
def table(local_cloud: Any) -> Iterator[Any]:
    client = local_cloud.client("dynamodb")
    client.create_table(
        TableName="reads",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
    )
    yield client
    client.delete_table(TableName="reads")


def test_every_type_of_value_comes_back_from_every_read(table: Any) -> None:
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    table.put_item(TableName="reads", Item={**key, **VALUES})
    assert table.get_item(TableName="reads", Key=key)["Item"] == {**key, **VALUES}
    assert query(table, "p")["Items"] == [{**key, **VALUES}]
    updated = table.update_item(
        TableName="reads",
        Key=key,
        UpdateExpression="SET added = :x",
        ExpressionAttributeValues={":x": {"SS": ["b", "a"]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert sorted(updated.pop("added")["SS"]) == ["a", "b"]
    assert updated == {**key, **VALUES}


def test_a_query_sees_its_partition_alone_in_order_of_numbers(table: Any) -> None:
    for partition in ("p", "q"):
        for n in (10, 9, 100, 1):
            table.put_item(TableName="reads", Item={"pk": {"S": partition}, "sk": {"N": str(n)}})
    assert numbers(query(table, "p")) == [1, 9, 10, 100]
    assert numbers(query(table, "q", ScanIndexForward=False)) == [100, 10, 9, 1]
    first = query(table, "p", Limit=3)
    assert numbers(first) == [1, 9, 10]
    assert numbers(query(table, "p", ExclusiveStartKey=first["LastEvaluatedKey"])) == [100]
    assert query(table, "nobody")["Items"] == []
    assert table.scan(TableName="reads")["Count"] == 8


def query(table: Any, partition: str, **options: Any) -> Any:
    given = {":p": {"S": partition}}
    return table.query(TableName="reads", KeyConditionExpression="pk = :p", ExpressionAttributeValues=given, **options)


def numbers(answer: Any) -> list[int]:
    return [int(item["sk"]["N"]) for item in answer["Items"]]
