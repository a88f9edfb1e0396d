"""The table of questions and answers: each question is an item, and beside them are the tasks' code and shares.

======================  =============================================================================
item_id                 Item
======================  =============================================================================
``ASK-n``               question, context (or ``parts``), asked_at; answered: see `task.write`
``ASK-n/p``             part p of a context that is too long for one item
``ASK/share-t``         the questions of a task, until they are answered
``code-HASH``           what a task runs, a zip file
======================  =============================================================================
"""

from __future__ import annotations

import hashlib
import io
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CODE = (HERE / "task.py", HERE.parents[1] / "jobs" / "spans.py")
PART = 90_000  # characters: with 4 bytes for each they fit an item
SHARE = 5_000  # questions of a task: their names fit an item


@dataclass(frozen=True)
class Question:
    """What is asked."""

    question: str
    context: str


class Store:
    """The table.

    Args:
        table: boto3's.
    """

    def __init__(self, table: Any) -> None:
        self.table = table

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """Write them down; their ids, in order."""
        at = datetime.now(timezone.utc)
        ask = f"{at:%m%d-%H%M%S}-{secrets.token_hex(2)}"
        ids = [f"{ask}-{n:05}" for n in range(len(questions))]
        with self.table.batch_writer() as batch:
            for key, asked in zip(ids, questions, strict=True):
                item = {"item_id": key, "question": asked.question, "asked_at": at.isoformat(timespec="seconds")}
                pieces = [asked.context[i : i + PART] for i in range(0, len(asked.context), PART)]
                if len(pieces) > 1:
                    for number, piece in enumerate(pieces):
                        batch.put_item(Item={"item_id": f"{key}/{number}", "text": piece})
                    batch.put_item(Item={**item, "parts": len(pieces)})
                else:
                    batch.put_item(Item={**item, "context": asked.context})
        return ids

    def share(self, ids: Sequence[str], tasks: int) -> list[str]:
        """Divide questions among so many tasks, more if it takes more; the shares' ids."""
        count = max(min(tasks, len(ids)), -(-len(ids) // SHARE))
        shares = [f"{ids[0].rpartition('-')[0]}/share-{secrets.token_hex(3)}-{t}" for t in range(count)]
        with self.table.batch_writer() as batch:
            for t, share in enumerate(shares):
                batch.put_item(Item={"item_id": share, "questions": list(ids[t::count])})
        return shares

    def code(self) -> str:
        """Put what tasks run into the table; its id."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in CODE:
                archive.writestr(zipfile.ZipInfo(path.name, (1980, 1, 1, 0, 0, 0)), path.read_bytes())
        key = f"code-{hashlib.sha256(packed.getvalue()).hexdigest()[:16]}"
        self.table.put_item(Item={"item_id": key, "code": packed.getvalue()})
        return key

    def answered(self, ids: Sequence[str]) -> set[str]:
        """Those of the questions that have their answer."""
        client, name, found = self.table.meta.client, self.table.name, set[str]()
        fields = {"ProjectionExpression": "item_id, answered_at", "ConsistentRead": True}
        for at in range(0, len(ids), 100):
            wanted: Any = {name: {"Keys": [{"item_id": key} for key in ids[at : at + 100]], **fields}}
            while wanted:
                said = client.batch_get_item(RequestItems=wanted)
                found |= {item["item_id"] for item in said["Responses"].get(name, []) if "answered_at" in item}
                wanted = said.get("UnprocessedKeys")
                if wanted:
                    time.sleep(0.2)
        return found

    def get(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Questions with what is known of them, those of long texts without their context."""
        items = (self.table.get_item(Key={"item_id": key}, ConsistentRead=True).get("Item") for key in ids)
        return [item for item in items if item]

    def every(self) -> list[dict[str, Any]]:
        """All questions, the newest first; those of long texts without their context."""
        asked = [dict(item) for item in self._scan() if "question" in item]
        return sorted(asked, key=lambda item: (item["asked_at"], item["item_id"]), reverse=True)

    def clear(self) -> int:
        """Delete all; how many questions there were."""
        count = 0
        names = {"ProjectionExpression": "item_id, question"}
        with self.table.batch_writer() as batch:
            for item in self._scan(**names):
                batch.delete_item(Key={"item_id": item["item_id"]})
                count += "question" in item
        return count

    def _scan(self, **options: Any) -> Iterator[Mapping[str, Any]]:
        """All items: a scan answers 1 MB at a time, and says where the next page begins."""
        while True:
            page = self.table.scan(**options)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            options["ExclusiveStartKey"] = page["LastEvaluatedKey"]
