"""What a stack costs by the hour: the prices of its resources, added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.prices.price import FREE, Price
from awsrun.prices.table import Prices
from awsrun.reconcile.session import Session
from awsrun.reconcile.world import Located
from awsrun.resources.kind import State


@dataclass(frozen=True)
class Bill:
    """Prices in US dollars per hour.

    Attributes:
        prices: logical name -> price, of all that is not free or has something to say.
        source: where the figures come from.
        now: US dollars per hour at this moment, as far as it is known; None where nobody looked.
        billed: False in the embedded cloud, where they are what the same would cost on AWS.
    """

    prices: Mapping[str, Price]
    source: str
    billed: bool = True
    now: float | None = None

    @property
    def idle(self) -> float:
        """What is known of it."""
        return sum(price.idle or 0.0 for price in self.prices.values())

    @property
    def full(self) -> float:
        """What is known of it, at most."""
        return sum(price.full or 0.0 for price in self.prices.values())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Whose price is not known."""
        return tuple(name for name, price in self.prices.items() if not price.known)

    @property
    def metered(self) -> bool:
        """Whether something costs that is not counted in hours: what is stored, requests."""
        return any(price.free and price.note for price in self.prices.values())

    def to_json(self) -> dict[str, Any]:
        listed = {
            name: {"idle_per_hour": _rounded(one.idle), "full_per_hour": _rounded(one.full), "note": one.note}
            for name, one in self.prices.items()
        }
        head = {"currency": "USD", "billed": self.billed, "source": self.source, "unknown": list(self.unknown)}
        return {
            **head,
            "idle_per_hour": _rounded(self.idle),
            "full_per_hour": _rounded(self.full),
            **({"now_per_hour": _rounded(self.now)} if self.now is not None else {}),
            "resources": listed,
        }


@dataclass(frozen=True)
class Workers:
    """What jobs run at most of one resource."""

    name: str
    count: int
    spot: bool
    public: bool


def bill_of(session: Session, states: Iterable[tuple[str, str, State]], workers: Workers | None = None) -> Bill:
    """The bill of resources: (logical name, kind, state) each.

    Args:
        workers: what jobs run, where each worker is paid by itself.
    """
    listed = list(states)

    def work(prices: Prices) -> dict[str, Price]:
        found = {name: session.kinds[kind].price(state, prices) for name, kind, state in listed}
        for name, kind, state in listed:
            if workers and name == workers.name:
                most = (workers.count, workers.spot, workers.public)
                found[name] = session.kinds[kind].price_at_work(state, *most, prices)
        return {name: price for name, price in found.items() if price != FREE}

    found, source = session.prices.quote(work)
    return Bill(found, source, session.cloud.context.name != "local")


def price_now(session: Session, there: Iterable[Located]) -> float | None:
    """What these resources cost per hour at this moment; None where one of them cannot tell."""
    listed = [one for one in there if one.seen.state is not None]

    def work(prices: Prices) -> list[float | None]:
        return session.side_by_side(
            lambda one: session.calls.read(lambda: session.kinds[one.kind].price_now(one.id, one.seen.state, prices)),
            listed,
        )

    found, _ = session.prices.quote(work)
    known = [price for price in found if price is not None]
    return sum(known) if len(known) == len(found) else None


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 6)
