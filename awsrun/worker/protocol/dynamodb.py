"""The runs table in DynamoDB, by the low-level client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from awsrun.worker.protocol.silence import silent
from awsrun.worker.protocol.table import Condition, ConditionFailed, Item, Unanswered, Value, When

BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""


def client(session: Any = None, **options: Any) -> Any:
    """A client tuned for the claim path: a stuck call is given up after seconds and repeated.

    Args:
        session: a boto3 session; None makes one from the environment.
        options: passed on (``region_name``, ``endpoint_url``).
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=16,
    )
    return (session or boto3.Session()).client("dynamodb", config=config, **options)


class DynamoTable:
    """Implements :class:`awsrun.worker.protocol.table.Table`.

    Args:
        client: boto3's low-level DynamoDB client.
        name: the table's; its keys are ``pk`` and ``sk``.
        sleep: waits some seconds before unprocessed items are sent again.
    """

    def __init__(self, client: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self.name = name
        self._sleep = sleep

    def put(self, item: Item, when: Condition = ()) -> None:
        self._call("put_item", Item=encode(item), **_conditional(when))

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        request = _conditional(when)
        names = request.setdefault("ExpressionAttributeNames", {})
        values = request.setdefault("ExpressionAttributeValues", {})
        clauses = []
        for verb, sign, fields in (("SET", " = ", put), ("ADD", " ", add or {})):
            terms = []
            for i, (name, value) in enumerate(fields.items()):
                label = f"{verb[0].lower()}{i}"
                names[f"#{label}"], values[f":{label}"] = name, _encode(value)
                terms.append(f"#{label}{sign}:{label}")
            if terms:
                clauses.append(f"{verb} {', '.join(terms)}")
        answer = self._call(
            "update_item", Key=_key(pk, sk), UpdateExpression=" ".join(clauses), ReturnValues="ALL_NEW", **request
        )
        return decode(answer["Attributes"])

    def get(self, pk: str, sk: str) -> Item | None:
        answer = self._call("get_item", Key=_key(pk, sk), ConsistentRead=True)
        return decode(answer["Item"]) if "Item" in answer else None

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        term = " AND begins_with(sk, :sk)" if prefix else " AND sk >= :sk" if start else ""
        request: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk" + term,
            "ExpressionAttributeValues": {":pk": {"S": pk}, **({":sk": {"S": prefix or start}} if term else {})},
            "ConsistentRead": True,
            "ScanIndexForward": not backwards,
        }
        left = limit
        while left is None or left > 0:
            if left is not None:
                request["Limit"] = left
            answer = self._call("query", **request)
            for item in answer["Items"]:
                yield decode(item)
            if left is not None:
                left -= len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put_all(self, items: Iterable[Item]) -> None:
        unique = {(item["pk"], item["sk"]): item for item in items}  # a batch refuses the same key twice
        waiting = [{"PutRequest": {"Item": encode(item)}} for item in unique.values()]
        delay = 0.05
        while waiting:
            answer = self._call("batch_write_item", RequestItems={self.name: waiting[:BATCH]}, whole=True)
            unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
            waiting = unprocessed + waiting[BATCH:]
            if unprocessed:
                self._sleep(delay)
                delay = min(delay * 2, 5.0)

    def _call(self, operation: str, whole: bool = False, **request: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        if not whole:
            request["TableName"] = self.name
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except Exception as error:
            code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
            if isinstance(error, ClientError) and code == "ConditionalCheckFailedException":
                old: Any = error.response.get("Item")
                raise ConditionFailed(decode(old) if old else None) from error
            if silent(error):
                raise Unanswered(f"{operation}: {code or error}") from error
            raise
        return answer


def encode(item: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """An item in DynamoDB's notation."""
    return {name: _encode(value) for name, value in item.items()}


def decode(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """An item from DynamoDB's notation."""
    return {name: _decode(typed) for name, typed in item.items()}


def _encode(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _decode(typed: Mapping[str, Any]) -> Value:
    ((kind, value),) = typed.items()
    return int(value) if kind == "N" else bool(value) if kind == "BOOL" else str(value)


def _key(pk: str, sk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _conditional(when: Condition) -> dict[str, Any]:
    if not when:
        return {}
    names = {f"#w{i}": term.name for i, term in enumerate(when)}
    values = {f":w{i}": _encode(term.value) for i, term in enumerate(when) if term.op != "absent"}
    request: dict[str, Any] = {
        "ConditionExpression": " AND ".join(_term(i, term) for i, term in enumerate(when)),
        "ExpressionAttributeNames": names,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        request["ExpressionAttributeValues"] = values
    return request


def _term(i: int, term: When) -> str:
    if term.op == "absent":
        return f"attribute_not_exists(#w{i})"
    if term.op == "absent or <":
        return f"(attribute_not_exists(#w{i}) OR #w{i} < :w{i})"
    return f"#w{i} {term.op} :w{i}"
