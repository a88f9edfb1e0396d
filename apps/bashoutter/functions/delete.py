"""DELETE /haiku/{item_id}: it is gone afterwards, whether or not it was there."""

from typing import Any

from answers import answer, table


def handler(event: Any, context: Any) -> dict[str, Any]:
    table.delete_item(Key={"item_id": event["pathParameters"]["item_id"]})
    return answer(204)
