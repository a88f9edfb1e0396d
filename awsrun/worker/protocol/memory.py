"""A table in memory: the same conditions as DynamoDB, for runs within one process and for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

from awsrun.worker.protocol.table import Condition, ConditionFailed, Item, Value


class MemoryTable:
    """Implements :class:`awsrun.worker.protocol.table.Table`.  Items are copied in and out; threads may share it."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Item]] = {}
        self._lock = threading.Lock()

    def put(self, item: Item, when: Condition = ()) -> None:
        with self._lock:
            self._check(str(item["pk"]), str(item["sk"]), when)
            self._items.setdefault(str(item["pk"]), {})[str(item["sk"])] = dict(item)

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        with self._lock:
            old = self._check(pk, sk, when)
            new: Item = {"pk": pk, "sk": sk, **(old or {}), **put}
            for name, amount in (add or {}).items():
                new[name] = int(new.get(name, 0)) + amount
            self._items.setdefault(pk, {})[sk] = new
            return dict(new)

    def get(self, pk: str, sk: str) -> Item | None:
        with self._lock:
            item = self._items.get(pk, {}).get(sk)
            return None if item is None else dict(item)

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        with self._lock:
            partition = self._items.get(pk, {})
            keys = sorted((k for k in partition if k.startswith(prefix) and k >= start), reverse=backwards)
            found = [dict(partition[key]) for key in keys[:limit]]
        return iter(found)

    def put_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put(item)

    def _check(self, pk: str, sk: str, when: Condition) -> Item | None:
        old = self._items.get(pk, {}).get(sk)
        if not all(term.holds(old) for term in when):
            raise ConditionFailed(None if old is None else dict(old))
        return old
