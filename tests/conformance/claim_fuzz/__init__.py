"""A fuzzer of the claim protocol: one seed is one schedule of workers, zombies, lost answers, kills and users.

Every actor is a thread that runs the product's own code; only one runs at a time, and a seeded scheduler chooses which
at each call to the table.  Time is virtual.  A schedule has a stormy part and a calm one that must end the run; then
what is on record is compared with what was seen to happen.
"""

from __future__ import annotations

from awsrun.worker.protocol.table import Table
from claim_fuzz.judge import Violation
from claim_fuzz.world import World

__all__ = ["Violation", "play"]


def play(table: Table, seed: int, prunes: bool | None = None, ecs: bool | None = None) -> None:
    """Play one schedule on an empty table; with pruning, without, or as the seed chooses.

    Raises:
        Violation: with the seed.
    """
    try:
        World(table, seed, prunes, ecs).play()
    except Violation as violation:
        raise Violation(f"seed {seed}: {violation}") from violation
