"""The little that the run store asks of a database: five calls, conditions as data, strong reads.

Two implementations ship: :mod:`awsrun.worker.protocol.dynamodb` and :mod:`awsrun.worker.protocol.memory`.  An item is
a flat dictionary of strings, integers and booleans; floats and nested values travel inside it as JSON text, and come
back exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Value: TypeAlias = str | int | bool
Item = dict[str, Value]
Op = Literal["=", "<", "<=", "absent", "absent or <"]


@dataclass(frozen=True)
class When:
    """One term of a condition; a write takes a tuple of them, all of which must hold.

    Attributes:
        op: ``=``, ``<``, ``<=`` are false where the attribute is missing; ``absent or <`` is true there.
    """

    name: str
    op: Op
    value: Value = 0

    def holds(self, item: Mapping[str, Value] | None) -> bool:
        """Whether the term is true of an item (None: there is none)."""
        seen = None if item is None else item.get(self.name)
        if seen is None:
            return self.op.startswith("absent")
        if self.op == "=":
            return type(seen) is type(self.value) and seen == self.value
        if self.op == "absent" or isinstance(seen, str) or isinstance(self.value, str):
            return False
        return seen <= self.value if self.op == "<=" else seen < self.value


Condition = tuple[When, ...]


class ConditionFailed(Exception):
    """The write was refused.

    Attributes:
        old: the item as it is, or None where there is none.
    """

    def __init__(self, old: Item | None) -> None:
        super().__init__(old)
        self.old = old


class Unanswered(Exception):
    """A write may or may not have happened: the answer was lost.  Repeating it is safe in this protocol."""


class Table(Protocol):
    """A table with a partition key ``pk`` and a sort key ``sk``, both strings.

    Every call may raise :class:`Unanswered`; conditional ones raise :class:`ConditionFailed`.
    """

    def put(self, item: Item, when: Condition = ()) -> None:
        """Write a whole item if the condition holds of the old one."""

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        """Set and add attributes if the condition holds; make the item where it is missing; the item as it is then."""

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, read strongly."""

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        """A partition's items whose sort key starts with ``prefix``, in its order, read strongly, page by page.

        Args:
            start: the least sort key wanted; not together with ``prefix``.
        """

    def put_all(self, items: Iterable[Item]) -> None:
        """Write many items without conditions; comes back when every one is written."""
