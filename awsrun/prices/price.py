"""The price of one resource, as its kind states it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """What a resource costs in US dollars per hour, by AWS's list price: without tax, discounts or free tier.

    Attributes:
        idle: while nothing uses it.
        full: at full use, at most.  None in either: not known.
        note: what that comes from (``16 × g4dn.xlarge``), or what is billed beside the hours (``$0.023 per GB and month
            stored``).
    """

    idle: float | None = 0.0
    full: float | None = 0.0
    note: str = ""

    @property
    def free(self) -> bool:
        """Whether it costs nothing by the hour, used or not."""
        return self.idle == 0.0 and self.full == 0.0

    @property
    def hourly(self) -> str:
        """What it costs by the hour, in words, and what that comes from."""
        if self.idle is None or self.full is None:
            return self.note
        if self.idle == self.full:
            return f"{dollars(self.idle)}/h, used or not" + (f"; {self.note}" if self.note else "")
        return f"{dollars(self.idle)}/h idle, up to {dollars(self.full)}/h: {self.note}"

    @property
    def known(self) -> bool:
        return self.idle is not None and self.full is not None


FREE = Price()


def always(hourly: float | None, note: str = "") -> Price:
    """Of what costs the same whether it is used or not: ``hourly`` dollars, None where that is not known."""
    return Price(hourly, hourly, note)


def dollars(amount: float) -> str:
    """``$8.55``, ``$0.0050``, ``$0.0000042``: two digits after the point, more for what is smaller than a cent."""
    if amount <= 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    if amount >= 0.001:
        return f"${amount:.3f}" if amount >= 0.01 else f"${amount:.4f}"
    return f"${amount:.{1 - math.floor(math.log10(amount))}f}"


def metered(*parts: tuple[float | None, str]) -> Price:
    """Of what costs nothing by the hour: ``metered((0.023, "per GB and month stored"))``."""
    return Price(note=", ".join(f"{_rate(amount)} {unit}" for amount, unit in parts if amount is not None))


def _rate(amount: float) -> str:
    """``$0.625``, ``$3.50``: as AWS's price lists have it, to a hundredth of a cent."""
    whole, _, part = f"{amount:.4f}".partition(".")
    return f"${whole}.{part[:2]}{part[2:].rstrip('0')}"
