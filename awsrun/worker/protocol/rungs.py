"""Successive halving: at which steps trials are compared, and which of them go on.

Rung k lies where a trial has reported ``least`` × ``eta``\\ :sup:`k` times.  Of the m trials that have reached a rung,
the best ⌊m/eta⌋ go on; the others wait there.  Which these are changes as more arrive, so one that waits may go on
later (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, https://arxiv.org/abs/1810.05934).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from awsrun.worker.protocol.records import Standing


@dataclass(frozen=True)
class Halving:
    """Where the rungs are.

    Attributes:
        eta: one in so many goes on; 2 or more.
        least: how many reports the first rung asks for.
    """

    eta: int = 3
    least: int = 1

    def steps(self, rung: int) -> int:
        """How many reports a trial has made at a rung."""
        return self.least * int(self.eta**rung)

    def rung(self, steps: int) -> int | None:
        """The rung that is reached with so many reports, or None between two."""
        rung = 0
        while self.steps(rung) < steps:
            rung += 1
        return rung if self.steps(rung) == steps else None


def ahead(standings: Iterable[Standing], mode: str, eta: int) -> list[int]:
    """The trials that go on from a rung, the best first; never one whose value is NaN.

    Args:
        standings: everything at the rung.
        mode: ``max`` or ``min``: which values are better.
    """
    ranked = ranking(standings, mode)
    return [found.n for found in ranked[: len(ranked) // eta] if found.value == found.value]


def ranking(standings: Iterable[Standing], mode: str) -> list[Standing]:
    """The best first; NaN last; of equals, the trial with the smaller number."""
    sign = -1.0 if mode == "max" else 1.0
    return sorted(standings, key=lambda found: (found.value != found.value, sign * found.value, found.n))
