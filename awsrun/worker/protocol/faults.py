"""A table that misbehaves as a network does: writes arrive twice, late, or without an answer, reads are not answered.

Wraps any table; whoever writes a store or an engine of their own tests it with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from awsrun.worker.protocol.table import Condition, ConditionFailed, Item, Table, Unanswered, Value


@dataclass(frozen=True)
class Rates:
    """How often a call goes wrong, each between 0 and 1.

    Attributes:
        replayed: a write is made twice in a row, and the second answer counts (a repeat inside botocore).
        unanswered: a write is made and the answer is lost.
        dropped: a write is not made and there is no answer.
        delayed: a write is made, and once more at a later time.
        unread: a read has no answer.
    """

    replayed: float = 0.0
    unanswered: float = 0.0
    dropped: float = 0.0
    delayed: float = 0.0
    unread: float = 0.0


class FaultyTable:
    """Implements :class:`awsrun.worker.protocol.table.Table` over another one.

    Attributes:
        rates: may be changed at any time.
    """

    def __init__(self, inner: Table, rates: Rates, rng: Random) -> None:
        self._inner = inner
        self.rates = rates
        self._rng = rng
        self._late: list[Callable[[], object]] = []

    def deliver(self) -> bool:
        """Let one of the delayed duplicates arrive; False if there is none."""
        if not self._late:
            return False
        late = self._late.pop(self._rng.randrange(len(self._late)))
        with suppress(ConditionFailed):  # nobody waits for this answer
            late()
        return True

    def put(self, item: Item, when: Condition = ()) -> None:
        self._write(lambda: self._inner.put(dict(item), when))

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        fields = dict(put)
        answer = self._write(lambda: self._inner.update(pk, sk, fields, add, when))
        assert answer is not None
        return answer

    def get(self, pk: str, sk: str) -> Item | None:
        self._read()
        return self._inner.get(pk, sk)

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        self._read()
        return self._inner.query(pk, prefix, limit, backwards, start)

    def put_all(self, items: Iterable[Item]) -> None:
        kept = [dict(item) for item in items]
        self._write(lambda: self._inner.put_all(kept))

    def _read(self) -> None:
        if self.rates.unread and self._rng.random() < self.rates.unread:
            raise Unanswered("unread")

    def _write(self, write: Callable[[], Item | None]) -> Item | None:
        at = self._rng.random()
        for name in ("dropped", "unanswered", "replayed", "delayed"):
            at -= getattr(self.rates, name)
            if at < 0:
                return self._astray(name, write)
        return write()

    def _astray(self, how: str, write: Callable[[], Item | None]) -> Item | None:
        if how == "dropped":
            raise Unanswered(how)
        if how == "delayed":
            self._late.append(write)
            return write()
        try:
            answer = write()
        except ConditionFailed:
            if how == "unanswered":
                raise Unanswered(how) from None
            raise
        if how == "unanswered":
            raise Unanswered(how)
        return write() if how == "replayed" else answer
