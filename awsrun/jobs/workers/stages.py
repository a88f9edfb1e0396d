"""Workers by the stage that they are in, whatever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STAGES = ("submitted", "waiting", "starting", "running", "ended", "failed")
ALIVE = ("submitted", "waiting", "starting", "running")


@dataclass(frozen=True)
class Stages:
    """Workers by stage.

    Attributes:
        counts: stage -> workers, for the stages of `STAGES` that have any.
        reasons: what AWS says of those that wait or failed, without repeats.
        since: when the oldest was asked for, seconds since the epoch; 0 if there is none.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    since: float = 0.0

    @property
    def alive(self) -> int:
        """Workers that run or will."""
        return sum(self.counts.get(stage, 0) for stage in ALIVE)
