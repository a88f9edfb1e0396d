"""What all steps of one command share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from awsrun.aws.clients import Cloud
from awsrun.prices.refresh import PriceList
from awsrun.reconcile.calls import Calls
from awsrun.reconcile.clock import Clock, Timing
from awsrun.reconcile.halt import Halt
from awsrun.reconcile.progress import Observer, silent
from awsrun.resources.kind import Kind

A = TypeVar("A")
B = TypeVar("B")
Kinds = Mapping[str, Kind[Any, Any]]


@dataclass
class Session:
    """One command at work.

    Attributes:
        kinds: every kind that there is, by name.
        workers: how many calls are made at once.
        refresh: logical names of what is to be what its selectors stand for now, not when it was made.
        prices: what things cost in this region.
    """

    cloud: Cloud
    kinds: Kinds
    clock: Clock
    timing: Timing
    observer: Observer = silent
    halt: Halt = field(default_factory=Halt)
    workers: int = 32
    refresh: frozenset[str] = frozenset()
    calls: Calls = field(init=False)
    prices: PriceList = field(init=False)

    def __post_init__(self) -> None:
        self.calls = Calls(self.clock, self.timing, self.halt)
        self.prices = PriceList(self.cloud, self.clock.now)

    def side_by_side(self, work: Callable[[A], B], items: Iterable[A], most: int | None = None) -> list[B]:
        """``work`` of each item, in order of the items; in parallel, ``most`` at once.  The first error is raised."""
        listed = list(items)
        if len(listed) < 2:
            return [work(item) for item in listed]
        with ThreadPoolExecutor(min(most or self.workers, len(listed))) as pool:
            return list(pool.map(work, listed))
