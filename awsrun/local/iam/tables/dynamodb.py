"""DynamoDB (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html).

Transactions take the rights of what they do to each item
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html); a batch is an action of
its own on each table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from awsrun.local.iam.context import Given, Values
from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, on, pairs, tag_keys, tags

_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_NAME = re.compile(r"(?P<name>#?[\w.-]+)\s*=\s*(?P<value>:\w+)")


def _table(request: Request, name: str = "") -> str:
    """The ARN of a table, which calls name by name or ARN."""
    given = name or str(request.body.get("TableName", ""))
    return given if given.startswith("arn:") else request.arn(f"table/{given}")


def _tables(request: Request) -> Iterable[str]:
    return [_table(request)]


def _leading(request: Request, table: str, keys: Iterable[Mapping[str, Any]]) -> dict[str, Given]:
    """dynamodb:LeadingKeys: the partition keys of the items."""

    def find() -> Values:
        name = request.directory.partition_key(request.region, table.rpartition("/")[2])
        return tuple(str(next(iter(key[name].values()))) for key in keys if name in key)

    return {"dynamodb:LeadingKeys": find}


def _item(request: Request) -> Iterator[Authorization]:
    table = _table(request)
    key = request.body.get("Key") or request.body.get("Item") or {}
    yield Authorization(request.action, table, _leading(request, table, [key]))


def _query(request: Request) -> Iterator[Authorization]:
    table, index = _table(request), request.body.get("IndexName")
    context = {"dynamodb:LeadingKeys": lambda: _queried(request, table)}
    yield Authorization(request.action, f"{table}/index/{index}" if index else table, context)


def _queried(request: Request, table: str) -> Values:
    """The partition key that a Query asks for; its expression has it as an equality."""
    names = request.body.get("ExpressionAttributeNames") or {}
    values = request.body.get("ExpressionAttributeValues") or {}
    wanted = request.directory.partition_key(request.region, table.rpartition("/")[2])
    for match in _NAME.finditer(str(request.body.get("KeyConditionExpression", ""))):
        if names.get(match["name"], match["name"]) == wanted and match["value"] in values:
            return (str(next(iter(values[match["value"]].values()))),)
    return ()


def _scan(request: Request) -> Iterator[Authorization]:
    index = request.body.get("IndexName")
    yield Authorization(request.action, _table(request) + (f"/index/{index}" if index else ""))


def _batch_get(request: Request) -> Iterator[Authorization]:
    for name, wanted in request.body.get("RequestItems", {}).items():
        table = _table(request, name)
        yield Authorization(request.action, table, _leading(request, table, wanted.get("Keys", ())))


def _batch_write(request: Request) -> Iterator[Authorization]:
    for name, writes in request.body.get("RequestItems", {}).items():
        table = _table(request, name)
        parts = [part for write in writes for part in write.values()]
        keys = [part.get("Item") or part.get("Key") or {} for part in parts]
        yield Authorization(request.action, table, _leading(request, table, keys))


def _transaction(request: Request) -> Iterator[Authorization]:
    for entry in request.body.get("TransactItems", ()):
        for kind, part in entry.items():
            table = _table(request, part["TableName"])
            action = "GetItem" if kind == "Get" else _WRITES[kind]
            key = part.get("Key") or part.get("Item") or {}
            yield Authorization(f"dynamodb:{action}", table, _leading(request, table, [key]))


def _create(request: Request) -> Iterator[Authorization]:
    given = tags(pairs(request.body.get("Tags")))
    yield Authorization(request.action, _table(request), given)
    if given:
        yield Authorization("dynamodb:TagResource", _table(request), given)


def _tag(request: Request) -> Iterator[Authorization]:
    context = tags(pairs(request.body.get("Tags"))) or tag_keys(request.body.get("TagKeys", ()))
    yield Authorization(request.action, request.body["ResourceArn"], context)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("DeleteItem", "GetItem", "PutItem", "UpdateItem"), _item),
    **dict.fromkeys(
        (
            "DeleteTable",
            "DescribeContinuousBackups",
            "DescribeTable",
            "DescribeTimeToLive",
            "UpdateContinuousBackups",
            "UpdateTable",
            "UpdateTimeToLive",
        ),
        on(_tables),
    ),
    **dict.fromkeys(("DescribeEndpoints", "DescribeLimits", "ListTables"), everywhere),
    **dict.fromkeys(("ListTagsOfResource", "TagResource", "UntagResource"), _tag),
    **dict.fromkeys(("TransactGetItems", "TransactWriteItems"), _transaction),
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
    "CreateTable": _create,
    "Query": _query,
    "Scan": _scan,
}
