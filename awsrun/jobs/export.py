"""A run's records as one JSON file, so that results and pictures outlive the stack.

The file holds the table's items as they were, and is read back into a table in memory: whatever reads runs reads both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.stacks import ABSENT, StackRecord
from awsrun.worker.protocol.dynamodb import DynamoTable
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.runs import SHARD
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Item, Table

FORMAT = 1
_ITEMS = ', "items": ['  # ends the first line, so that the head can be read without the rest


@dataclass(frozen=True)
class Kept:
    """An exported run."""

    run: str
    stack: str
    store: RunStore


def export(cloud: Cloud, record: StackRecord, folder: Path) -> list[Path]:
    """Write every run of a stack to ``folder/RUN.json``; the files.  Again is the same again; no table is no runs."""
    from botocore.exceptions import ClientError

    if not record.jobs:
        return []
    table = DynamoTable(cloud.read("dynamodb"), record.jobs["table"])
    store, written = RunStore(table), []
    try:
        for entry in store.runs():
            folder.mkdir(parents=True, exist_ok=True)
            written.append(_write(folder / f"{entry.run}.json", cloud, record.stack, store, entry.run))
    except ClientError as error:
        if not matches(error, ABSENT):
            raise
    return written


def listed(folder: Path, cloud: Cloud) -> list[Path]:
    """The exported runs of this context's account."""
    found = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [path for path in found if _head(path).get("account") == cloud.account]


def load(path: Path) -> Kept:
    """An exported run.

    Raises:
        AwsrunError: the file is not one.
    """
    table = MemoryTable()
    try:
        head = json.loads(path.read_text())
        table.put_all(head["items"])
    except (OSError, ValueError, KeyError) as error:
        raise AwsrunError(f"{path} is not an exported run", str(error)) from error
    return Kept(str(head["run"]), str(head["stack"]), RunStore(table))


def _write(path: Path, cloud: Cloud, stack: str, store: RunStore, run: str) -> Path:
    """A line for the head, one per item; written aside and moved into place; never all in memory."""
    fresh = path.with_suffix(f".{os.getpid()}")
    with fresh.open("w") as file:
        head = {"format": FORMAT, "run": run, "stack": stack, "account": cloud.account, "region": cloud.region}
        file.write(json.dumps(head)[:-1] + _ITEMS + "\n")
        for i, item in enumerate(_items(store.table, run)):
            file.write(",\n" * (i > 0) + json.dumps(item, separators=(",", ":")))
        file.write("\n]}\n")
    fresh.replace(path)
    return path


def _items(table: Table, run: str) -> Iterator[Item]:
    yield from (item for item in table.query("RUNS", run) if item["sk"] == run)
    yield from table.query(run)
    yield from table.query(f"{run}#W")
    yield from table.query(f"{run}#S")
    cold = RunStore(table).run(run)
    for shard in range(cold.shards if cold else 0):
        if cold and shard * SHARD >= cold.next:
            return
        for item in table.query(f"{run}#T#{shard}"):
            yield item
            yield from table.query(f"{run}#P#{int(str(item['sk']))}")


def _head(path: Path) -> dict[str, object]:
    try:
        with path.open() as file:
            head = json.loads(file.readline().rstrip() + "]}")
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}
