"""GET /haiku: all haiku, the newest first."""

import json
from collections.abc import Iterator
from typing import Any

from answers import answer, table

MOST = 5_000_000  # bytes of an answer; Lambda's may have 6 MB


def handler(event: Any, context: Any) -> dict[str, Any]:
    listed, size = [], 0
    for haiku in sorted(everything(), key=lambda one: one["created_at"], reverse=True):
        haiku["likes"] = int(haiku["likes"])  # DynamoDB's numbers are Decimals
        size += len(json.dumps(haiku))
        if size > MOST:
            break
        listed.append(haiku)
    return answer(200, listed)


def everything() -> Iterator[dict[str, Any]]:
    """Every item of the table, also what was written a moment ago; one Scan reads 1 MB at most."""
    page: dict[str, Any] = table.scan(ConsistentRead=True)
    yield from page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
        yield from page["Items"]
