"""The stack's own table: lock, intents, the kinds it ever had, outputs, history.

All of it is hints and conveniences: what exists is known from owner tags, and a lost table is made again.  One item per
thing, key ``pk``; a strong scan of one page reads it all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from awsrun.aws import stacks, tags
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.names import runs_table, stack_table
from awsrun.reconcile.calls import Calls
from awsrun.reconcile.clock import Pauses

ABSENT = ("ResourceNotFoundException",)
IN_USE = ("ResourceInUseException", "TableAlreadyExistsException")  # it is there, or changes right now
OUTPUTS, LOCK, KINDS, INTENT, HISTORY = "OUTPUTS", "LOCK", "KINDS", "INTENT#", "HISTORY#"
KIND_TAG = "awsrun.table"  # tells the stack's own tables from those that its spec has
HISTORY_KEPT = 50
BATCH = 25  # items of one BatchWriteItem: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html


@dataclass(frozen=True)
class Intent:
    """A creation that was begun.

    Attributes:
        nonce: in the tags of what is created; the key of this item.
        name, kind: the logical name and the kind.
        physical: the physical name.
        request: a fingerprint of the wanted state; a token may be sent again only with the very same request.
        at: when it was written, seconds since 1970.
        id: what the kind's verbs take, once the create answered.
    """

    nonce: str
    name: str
    kind: str
    physical: str
    request: str
    at: float
    id: str = ""


@dataclass(frozen=True)
class Contents:
    """What the table says."""

    record: stacks.StackRecord | None = None
    kinds: frozenset[str] = frozenset()
    intents: Mapping[str, Intent] = field(default_factory=dict)
    history: tuple[str, ...] = ()

    def hints(self, kind: str) -> frozenset[str]:
        """Ids and physical names that `Kind.find` should look at besides what it finds."""
        mine = (i for i in self.intents.values() if i.kind == kind)
        return frozenset(text for i in mine for text in (i.id, i.physical) if text)

    def ids(self) -> frozenset[str]:
        """The ids of what was made, as far as the answers came."""
        return frozenset(intent.id for intent in self.intents.values() if intent.id)


class StackTable:
    """Reads and writes the table of one stack."""

    def __init__(self, cloud: Cloud, stack: str, calls: Calls) -> None:
        self.cloud, self.stack, self.calls = cloud, stack, calls
        self.name = stack_table(stack)
        self._asked, self._young = False, 0.0

    def not_yet(self, error: BaseException) -> bool:
        """Whether DynamoDB just does not know a new table everywhere: one that it calls ACTIVE may be missing for reads
        and writes (https://github.com/scalar-labs/scalardb/pull/2769)."""
        return matches(error, ABSENT) and self.calls.clock.monotonic() < self._young

    def load(self) -> Contents | None:
        """All that it says; None where there is no table."""
        try:
            pages = self.calls.read(self._scan, self.not_yet)
        except Exception as error:
            if matches(error, ABSENT):
                return None
            raise
        items = {item["pk"]["S"]: item for item in pages}
        data = {key: json.loads(item["data"]["S"]) for key, item in items.items() if "data" in item}
        intents = (Intent(**value) for key, value in data.items() if key.startswith(INTENT))
        return Contents(
            record=stacks.StackRecord(**data[OUTPUTS]) if OUTPUTS in data else None,
            kinds=frozenset(data.get(KINDS, ())),
            intents={intent.nonce: intent for intent in intents},
            history=tuple(sorted(key for key in data if key.startswith(HISTORY))),
        )

    def _scan(self) -> list[dict[str, Any]]:
        client = self.cloud.read("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def put(self, key: str, value: Any) -> None:
        item = _item(key, value)
        self.calls.put(lambda: self.cloud.write("dynamodb").put_item(TableName=self.name, Item=item), self.not_yet)

    def put_all(self, values: Mapping[str, Any]) -> None:
        """Several at once, in no order; all are there when it returns."""
        left = [{"PutRequest": {"Item": _item(key, value)}} for key, value in values.items()]
        pauses = Pauses(self.calls.clock, self.calls.timing)
        while left:
            batch = {self.name: left[:BATCH]}
            write = partial(self.cloud.write("dynamodb").batch_write_item, RequestItems=batch)
            answer = self.calls.put(write, self.not_yet)
            again = answer.get("UnprocessedItems", {}).get(self.name, [])
            left = again + left[BATCH:]
            if again:
                pauses.pause()

    def remove(self, key: str) -> None:
        pk = {"pk": {"S": key}}
        self.calls.put(lambda: self.cloud.write("dynamodb").delete_item(TableName=self.name, Key=pk), self.not_yet)

    def remember(self, intent: Intent) -> None:
        self.put(INTENT + intent.nonce, asdict(intent))

    def forget(self, nonce: str) -> None:
        self.remove(INTENT + nonce)

    def write_record(self, record: stacks.StackRecord) -> None:
        self.calls.put(lambda: stacks.write(self.cloud, record), self.not_yet)

    def record(self, record: stacks.StackRecord) -> dict[str, Any]:
        """The record as an item for `put_all`."""
        return {OUTPUTS: record.__dict__}

    def history(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of the history as an item for `put_all`."""
        return {f"{HISTORY}{entry['at']}": entry}

    def drop_history(self, known: Collection[str]) -> None:
        """The oldest of more than HISTORY_KEPT, of those ``known`` and one that is new."""
        for key in sorted(known)[: max(0, len(known) + 1 - HISTORY_KEPT)]:
            self.remove(key)

    # -- the tables themselves ----------------------------------------------------------------------------------------

    def ensure(self, runs: bool, absent: bool = False) -> None:
        """Make the stack's table, and its runs table where it runs jobs; wait until they are there.

        Args:
            absent: a moment ago there was none, so that nobody needs to look first.
        """

        def make(name: str, keys: tuple[str, ...]) -> None:
            (self._ask if absent else self._begin)(name, keys)
            self._until(name, "ACTIVE", partial(self._begin, name, keys))

        with ThreadPoolExecutor(2) as pool:
            made = [pool.submit(make, self.name, ("pk",))]
            made += [pool.submit(make, runs_table(self.stack), ("pk", "sk"))] if runs else []
        for one in made:
            one.result()
        if self._asked:
            self._young = self.calls.clock.monotonic() + self.calls.timing.settle

    def _begin(self, name: str, keys: tuple[str, ...]) -> None:
        """Ask for the table unless there is one; not while an older one of its name is being deleted."""
        if not self.status(name):
            self._ask(name, keys)

    def _ask(self, name: str, keys: tuple[str, ...]) -> None:
        request = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
            "KeySchema": [
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            "Tags": tags.pairs({tags.STACK: self.stack, tags.NAME: name, tags.KIND: KIND_TAG}),
        }
        self._asked = True
        self._accepting(IN_USE, lambda: self.cloud.write("dynamodb").create_table(**request))

    def drop(self, name: str) -> bool:
        """Delete one of the stack's tables and wait until it is gone; whether there was one."""
        if not self.status(name):
            return False
        self._end(name)
        self._until(name, "", lambda: self._end(name))
        return True

    def _end(self, name: str) -> None:
        self._accepting((*ABSENT, *IN_USE), lambda: self.cloud.write("dynamodb").delete_table(TableName=name))

    def _accepting(self, codes: tuple[str, ...], call: Callable[[], Any]) -> None:
        try:
            self.calls.put(call)
        except Exception as error:
            if not matches(error, codes):
                raise

    def _until(self, name: str, wanted: str, again: Callable[[], None]) -> None:
        """Wait until DynamoDB says ``wanted`` of it; meanwhile `again` repeats what may have had to wait itself."""
        pauses, limit = Pauses(self.calls.clock, self.calls.timing), self.calls.clock.monotonic() + 600
        while (status := self.status(name)) != wanted:
            if self.calls.clock.monotonic() > limit:
                what = "ready" if wanted else "gone"
                raise AwsrunError(
                    f"table {name} is not {what} after 10 minutes", f"it is {status}", "run the same again"
                )
            pauses.pause()
            if status not in ("CREATING", "UPDATING", "DELETING"):
                again()

    def usable(self) -> bool:
        """Whether there is a stack's table that can be read and written, or will be in a moment."""
        return self.status(self.name) not in ("", "DELETING")

    def status(self, name: str) -> str:
        """DynamoDB's word for it; empty where there is no such table."""
        try:
            answer = self.calls.read(lambda: self.cloud.read("dynamodb").describe_table(TableName=name))
        except Exception as error:
            if matches(error, ABSENT):
                return ""
            raise
        return str(answer["Table"]["TableStatus"])


def _item(key: str, value: Any) -> dict[str, Any]:
    return {"pk": {"S": key}, "data": {"S": json.dumps(value, sort_keys=True)}}
