"""PATCH /haiku/{item_id}: one like more.  DynamoDB itself adds, so that none is lost where many come at once."""

from typing import Any

from answers import answer, said, table


def handler(event: Any, context: Any) -> dict[str, Any]:
    try:
        liked = table.update_item(
            Key={"item_id": event["pathParameters"]["item_id"]},
            UpdateExpression="ADD likes :one",
            ConditionExpression="attribute_exists(item_id)",  # else a haiku would be made of nothing but likes
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        return said(404, "Not found. There is no such haiku")
    return answer(200, {"description": "OK", "likes": int(liked["Attributes"]["likes"])})
