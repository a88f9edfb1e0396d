"""POST /haiku: a new haiku."""

import json
import uuid
from datetime import datetime, timezone
from typing import Any

from answers import answer, said, table

FIELDS = ("username", "first", "second", "third")
LONGEST = 100  # characters of a line


def handler(event: Any, context: Any) -> dict[str, Any]:
    try:
        sent = json.loads(event["body"] or "")
        given = {field: sent.get(field) for field in FIELDS}
    except (ValueError, AttributeError):
        return said(400, "Bad request. The body is not a JSON object")
    for field, text in given.items():
        if not isinstance(text, str) or not text.strip():
            return said(400, f"Bad request. {field} is empty")
        if len(text) > LONGEST:
            return said(400, f"Bad request. {field} is longer than {LONGEST} characters")
    haiku = {field: text.strip() for field, text in given.items()}
    item_id, now = uuid.uuid4().hex, datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    table.put_item(Item={"item_id": item_id, "created_at": now, "likes": 0, **haiku})
    return answer(201, {"description": "Successfully added a new haiku", "item_id": item_id})
