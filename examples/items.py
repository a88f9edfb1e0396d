"""Single items of a DynamoDB table: put, get, list and clear.

    python examples/items.py put ada age=36 name=Ada
    python examples/items.py get ada
    python examples/items.py list
    python examples/items.py clear

The table is `people` of the stack `serverless` (awsrun apply specs/serverless.yaml).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import awsrun


def open_table(stack: str = "serverless", name: str = "people") -> Any:
    """A table of a stack, on the cloud that awsrun talks to."""
    return awsrun.session().resource("dynamodb").Table(awsrun.outputs(stack)[name]["name"])


def value(text: str) -> Any:
    """A number where it is one (DynamoDB's are decimal), else text."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def every(table: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """All items: a scan answers 1 MB at a time, and says where the next page begins."""
    while True:
        page = table.scan(**options)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        options["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def clear(table: Any) -> int:
    """Delete all items; returns how many.  Only their keys are read, and 25 go in a call."""
    key = table.key_schema[0]["AttributeName"]
    names = {"ProjectionExpression": "#key", "ExpressionAttributeNames": {"#key": key}}
    count = 0
    with table.batch_writer() as batch:
        for item in every(table, **names):
            batch.delete_item(Key=item)
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    put = commands.add_parser("put")
    put.add_argument("id")
    put.add_argument("attributes", nargs="*", metavar="NAME=VALUE")
    commands.add_parser("get").add_argument("id")
    commands.add_parser("list")
    commands.add_parser("clear")
    given = parser.parse_args()
    table = open_table()

    if given.command == "put":
        attributes = {name: value(text) for name, _, text in (pair.partition("=") for pair in given.attributes)}
        table.put_item(Item={**attributes, "id": given.id})
    elif given.command == "get":
        found = table.get_item(Key={"id": given.id}).get("Item")
        if found is None:
            raise SystemExit(f"there is no {given.id}")
        print(json.dumps(found, default=str))
    elif given.command == "list":
        for item in every(table):
            print(json.dumps(item, default=str))
    else:
        print(f"{clear(table)} items deleted")


if __name__ == "__main__":
    main()
