"""A table that is asked again as long as it does not answer: a worker has hours of work to lose, and time to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from awsrun.worker.protocol.reads import PAUSES
from awsrun.worker.protocol.table import Condition, Item, Table, Unanswered, Value

LONG = (*PAUSES, *[30.0] * 25)
"""Seconds between a worker's repeats of what was not answered: about a quarter of an hour in all."""
_Answer = TypeVar("_Answer")


class PatientTable:
    """Implements :class:`awsrun.worker.protocol.table.Table` over another one: repeats its reads.

    Writes go through: whoever makes one repeats it, and knows by its condition whether it had happened.

    Args:
        sleep: waits some seconds between two repeats.
    """

    def __init__(
        self, inner: Table, sleep: Callable[[float], None] = time.sleep, pauses: Sequence[float] = LONG
    ) -> None:
        self._inner, self._sleep, self._pauses = inner, sleep, pauses

    def put(self, item: Item, when: Condition = ()) -> None:
        self._inner.put(item, when)

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        return self._inner.update(pk, sk, put, add, when)

    def put_all(self, items: Iterable[Item]) -> None:
        self._inner.put_all(items)

    def get(self, pk: str, sk: str) -> Item | None:
        return self._answered(lambda: self._inner.get(pk, sk))

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        return iter(self._answered(lambda: list(self._inner.query(pk, prefix, limit, backwards, start))))

    def _answered(self, read: Callable[[], _Answer]) -> _Answer:
        for pause in self._pauses:
            try:
                return read()
            except Unanswered as error:
                print(f"[awsrun] the table does not answer ({error}); it is asked again", flush=True)
                self._sleep(pause)
        return read()
