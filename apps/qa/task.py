"""What runs in a task: answers its share of the questions in the table, with one load of the model.

The table is all that a task may touch, so it also brings this code: a container needs Python only, and installs what is
missing when it starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

TOGETHER = 16
"""Questions answered, and then written, at a time."""

BOOTSTRAP = """
import importlib.util, io, os, subprocess, sys, tempfile, zipfile
def missing(*names): return [name for name in names if importlib.util.find_spec(name) is None]
pip = [sys.executable, "-m", "pip", "install", "-q", "--root-user-action", "ignore"]
if missing("torch"): subprocess.check_call([*pip, "torch", "--index-url", "https://download.pytorch.org/whl/cpu"])
if more := missing("boto3", "transformers"): subprocess.check_call([*pip, *more])
import boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
item = table.get_item(Key={"item_id": os.environ["CODE"]}, ConsistentRead=True)["Item"]
with tempfile.TemporaryDirectory() as folder:
    zipfile.ZipFile(io.BytesIO(item["code"].value)).extractall(folder)
    sys.path.insert(0, folder)
    import task
    task.main(table)
"""
"""The container's command; small, since all commands of a task together may have 8,192 characters."""


def main(table: Any) -> None:
    """Answer the share that the environment names."""
    from spans import Reader

    wanted = waiting(table, os.environ["SHARE"])
    if not wanted:
        return
    model = os.environ["MODEL"]
    try:
        reader = Reader.load(model)
    except OSError as error:
        raise SystemExit(str(error)) from None
    print(f"loaded {model} in {reader.seconds:.1f} s", flush=True)
    for at in range(0, len(wanted), TOGETHER):
        items = [item for key in wanted[at : at + TOGETHER] if (item := read(table, key))]
        answers = reader.answer([(item["question"], item["context"]) for item in items])
        for item, answer in zip(items, answers, strict=True):
            write(table, item, answer, model)
        print(f"answered {min(at + TOGETHER, len(wanted))} of {len(wanted)}", flush=True)
    table.delete_item(Key={"item_id": os.environ["SHARE"]})


def waiting(table: Any, share: str) -> list[str]:
    """The questions of a share that nobody has answered yet: a task that was lost is run again for the rest."""
    found = table.get_item(Key={"item_id": share}, ConsistentRead=True).get("Item") or {}
    items = ((key, read(table, key, whole=False)) for key in found.get("questions", []))
    return [key for key, item in items if item and "answered_at" not in item]


def read(table: Any, key: str, whole: bool = True) -> dict[str, Any] | None:
    """A question, with its context put together; None if it was cleared meanwhile."""
    item: dict[str, Any] | None = table.get_item(Key={"item_id": key}, ConsistentRead=True).get("Item")
    if item and whole and "parts" in item:
        item["context"] = "".join(parts(table, key, int(item["parts"])))
    return item


def parts(table: Any, key: str, count: int) -> Iterator[str]:
    """A long context: an item of a table holds 400 KB."""
    for number in range(count):
        yield table.get_item(Key={"item_id": f"{key}/{number}"}, ConsistentRead=True)["Item"]["text"]


def write(table: Any, item: dict[str, Any], answer: Any, model: str) -> None:
    """Put the answer beside its question, unless that is gone."""
    told = answer.told(item["context"])
    values = {
        **told,
        "score": Decimal(str(told["score"])),
        "no_answer": Decimal(str(told["no_answer"])),
        "n_best": json.dumps(told["n_best"]),
        "model": model,
        "answered_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    names = {f"#{name}": name for name in values}
    try:
        table.update_item(
            Key={"item_id": item["item_id"]},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ConditionExpression="attribute_exists(question)",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        print(f"{item['item_id']} was cleared", flush=True)
