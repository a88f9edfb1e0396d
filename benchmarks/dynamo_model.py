"""DynamoDB on paper: a table in memory with the published limits of its partitions, in simulated time.

What is published, and modelled as it is:

- A partition takes 1,000 write units and 3,000 read units a second; what is above is refused (throttled).
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
- A write unit is 1 KB, a strong read unit 4 KB, rounded up for each write and for each page of a query; a write whose
  condition fails costs the same.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
- A new on-demand table sustains 4,000 writes and 12,000 reads a second: four partitions.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
- A partition that stays hot is split (split for heat).
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html

What is not published, and assumed on the slow side: a split comes after `PATIENCE` throttled seconds and halves the
range of hashes; the items of one partition key, whose sort keys here only rise, stay together.  There is no burst: a
second's unused units are lost.  A call takes 3 to 7 ms ("single-digit milliseconds").  Refused calls are repeated as
botocore's standard mode does, five attempts in all, without its quota of retries.
"""

from __future__ import annotations

import hashlib
import heapq
import pickle
import random
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from greenlet import getcurrent, greenlet

from awsrun.worker.protocol.table import Condition, ConditionFailed, Item, Unanswered, Value

WRITES, READS = 1000, 3000  # units per partition and second
NEW_TABLE = 4  # partitions
PATIENCE = 120  # throttled seconds before a split
ATTEMPTS = 5
_PAGE = 1_000_000  # bytes


class Clock:
    """Simulated seconds; whoever sleeps lets the others go on.

    Attributes:
        now: seconds since the start.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Any]] = []
        self._count = 0
        self._hub = getcurrent()

    def start(self, work: Callable[[], object], after: float = 0.0) -> None:
        """Do ``work`` beside everything else."""
        self.wake(greenlet(work, self._hub), after)

    def sleep(self, seconds: float) -> None:
        self.wake(getcurrent(), seconds)
        self._hub.switch()

    def wait(self) -> Any:
        """Sleep until somebody wakes this one."""
        return self._hub.switch()

    def wake(self, sleeper: Any, after: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + after, self._count, sleeper))

    def run(self) -> None:
        """Until nobody sleeps any more."""
        while self._due:
            self.now, _, sleeper = heapq.heappop(self._due)
            sleeper.switch()


class ModelTable:
    """Implements :class:`awsrun.worker.protocol.table.Table`.

    Attributes:
        calls: operation -> how many were sent, repeats included; ``throttled`` of them were refused.
        writes, reads: units that were paid for.
        hot: partition key -> refused calls.
    """

    def __init__(self, clock: Clock, rng: random.Random, partitions: int = NEW_TABLE) -> None:
        self.calls: Counter[str] = Counter()
        self.hot: Counter[str] = Counter()
        self.writes = self.reads = 0
        self._clock, self._rng = clock, rng
        self._starts = [one / partitions for one in range(partitions)]
        self._used: dict[tuple[float, bool], tuple[int, int]] = {}
        self._heat: Counter[float] = Counter()
        self._hot_second: dict[float, int] = {}
        self._items: dict[str, dict[str, Item] | bytes] = {}

    @property
    def partitions(self) -> int:
        return len(self._starts)

    @property
    def throttled(self) -> int:
        return sum(self.hot.values())

    def put(self, item: Item, when: Condition = ()) -> None:
        self._send("put", str(item["pk"]), _units(item, 1024), write=True)
        self._check(item, when)
        self._open(str(item["pk"]))[str(item["sk"])] = dict(item)

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        self._send("update", pk, _units({**self._open(pk).get(sk, {}), **put}, 1024), write=True)
        old = self._check({"pk": pk, "sk": sk}, when)
        new: Item = {"pk": pk, "sk": sk, **(old or {}), **put}
        for name, amount in (add or {}).items():
            new[name] = int(new.get(name, 0)) + amount
        self._open(pk)[sk] = new
        return dict(new)

    def get(self, pk: str, sk: str) -> Item | None:
        item = self._read(pk).get(sk)
        self._send("get", pk, _units(item or {}, 4096))
        found = self._read(pk).get(sk)
        return None if found is None else dict(found)

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        found = self._found(pk, prefix, limit, backwards, start)
        left = sum(map(_size, found))
        while True:
            self._send("query", pk, -(-max(1, min(left, _PAGE)) // 4096))
            left -= _PAGE
            if left <= 0:
                return iter(self._found(pk, prefix, limit, backwards, start))

    def put_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put(item)

    def items(self, pk: str) -> list[Item]:
        """What is there, without a call."""
        return self._found(pk, "", None, False, "")

    def pack(self, pk: str) -> None:
        """Keep the items of a partition key small: nobody will write them again."""
        self._items[pk] = zlib.compress(pickle.dumps(self._read(pk)), 1)

    def _found(self, pk: str, prefix: str, limit: int | None, backwards: bool, start: str) -> list[Item]:
        items = self._read(pk)
        keys = sorted((key for key in items if key.startswith(prefix) and key >= start), reverse=backwards)
        return [dict(items[key]) for key in keys[:limit]]

    def _read(self, pk: str) -> dict[str, Item]:
        items = self._items.get(pk, {})
        return pickle.loads(zlib.decompress(items)) if isinstance(items, bytes) else items

    def _open(self, pk: str) -> dict[str, Item]:
        items = self._items.get(pk)
        if not isinstance(items, dict):
            items = self._items[pk] = self._read(pk)
        return items

    def _check(self, key: Mapping[str, Value], when: Condition) -> Item | None:
        old = self._open(str(key["pk"])).get(str(key["sk"]))
        if not all(term.holds(old) for term in when):
            raise ConditionFailed(None if old is None else dict(old))
        return old

    def _send(self, operation: str, pk: str, units: int, write: bool = False) -> None:
        """A call's way there and back, with the client's repeats.

        Raises:
            Unanswered: refused five times.
        """
        for attempt in range(ATTEMPTS):
            self._clock.sleep(self._rng.uniform(0.003, 0.007))
            self.calls[operation] += 1
            if self._take(pk, units, write):
                return
            self.hot[pk] += 1
            if attempt < ATTEMPTS - 1:
                self._clock.sleep(self._rng.random() * min(2.0**attempt, 20.0))
        raise Unanswered(f"{operation}: throttled")

    def _take(self, pk: str, units: int, write: bool) -> bool:
        where, second = self._starts[bisect_right(self._starts, _place(pk)) - 1], int(self._clock.now)
        at, used = self._used.get((where, write), (second, 0))
        used = used if at == second else 0
        if used + units > (WRITES if write else READS):
            self._warm(where, second)
            return False
        self._used[where, write] = second, used + units
        if write:
            self.writes += units
        else:
            self.reads += units
        return True

    def _warm(self, where: float, second: int) -> None:
        if self._hot_second.get(where) == second:
            return
        self._hot_second[where] = second
        self._heat[where] += 1
        if self._heat[where] >= PATIENCE:
            at = self._starts.index(where)
            end = self._starts[at + 1] if at + 1 < len(self._starts) else 1.0
            self._starts.insert(at + 1, (where + end) / 2)
            self._heat[where] = 0


def _place(pk: str, known: dict[str, float] = {}) -> float:  # noqa: B006 (a memory is what it is)
    """A partition key's place among all hashes, in [0, 1)."""
    if pk not in known:
        known[pk] = int.from_bytes(hashlib.blake2b(pk.encode(), digest_size=6).digest(), "big") / 2**48
    return known[pk]


def _units(item: Mapping[str, Value], size: int) -> int:
    return -(-max(1, _size(item)) // size)


def _size(item: Mapping[str, Value]) -> int:
    """Bytes, as DynamoDB counts them: names and texts in UTF-8, numbers two digits to a byte and one more.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name) + _length(value) for name, value in item.items())


def _length(value: Value) -> int:
    if isinstance(value, str):
        return len(value)
    return 1 if isinstance(value, bool) else 2 + len(str(value)) // 2
