"""Mistakes in the protocol or around it, for proof that the fuzzer sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from awsrun.worker.protocol.table import Condition, Item, Table, Unanswered, Value


class Unfenced:
    """A table that forgets to check some attributes."""

    def __init__(self, inner: Table, *names: str) -> None:
        self._inner: Any = inner
        self._names = names
        self.get, self.query, self.put_all = inner.get, inner.query, inner.put_all

    def put(self, item: Item, when: Condition = ()) -> None:
        self._inner.put(item, self._weaken(when))

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        item: Item = self._inner.update(pk, sk, put, add, self._weaken(when))
        return item

    def _weaken(self, when: Condition) -> Condition:
        return tuple(term for term in when if term.name not in self._names)


def deaf(read: Callable[..., Any]) -> Callable[..., Any]:
    """A read of one of the store's records that takes no answer for: there is none."""

    def reads(*arguments: Any, **more: Any) -> Any:
        try:
            return read(*arguments, **more)
        except Unanswered:
            return None

    return reads
