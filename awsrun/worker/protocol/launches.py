"""Who may start workers for a run: one command at a time, so that two of them do not start twice as many.

A command puts its token into the run's record, starts workers, notes them under that token, and takes the token out.
One that was killed in between leaves it there: who has waited long enough puts its own in its place.  If the other was
not killed but held up, what it notes is refused, and it stops what it has started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from awsrun.worker.protocol.reads import Reads
from awsrun.worker.protocol.records import dump
from awsrun.worker.protocol.table import Item, When

PATIENCE = 60
"""Seconds for which a command waits for another that starts workers and does not get on."""
SHOWN = 15.0
"""Seconds after which a command that starts many workers, which takes minutes, shows that it gets on."""


class Launches(Reads):
    """Notes how a run's workers are started."""

    def hold_launch(self, run: str, token: str) -> None:
        """Become the only command that starts workers for a run; waits for another one that does."""
        seen: tuple[object, ...] | None = None
        waited = 0
        while True:
            item = self.table.get(run, "RD") or {}
            holder, now = str(item.get("launch", "")), (item.get("launch"), item.get("launch_beat"), item.get("engine"))
            if seen != now:
                seen, waited = now, 0
            if holder and waited < PATIENCE:
                self._sleep(1.0)
                waited += 1
                continue
            as_seen = When("launch", "=", holder) if "launch" in item else When("launch", "absent")
            held = self._update((run, "RD"), {"launch": token}, (as_seen,), lambda old: old.get("launch") == token)
            if held.ok:
                return

    def getting_on(
        self, run: str, token: str, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> Callable[[float], None]:
        """``sleep`` for the holder of the token, which shows meanwhile that it gets on."""
        shown = clock()

        def sleeps(seconds: float) -> None:
            nonlocal shown
            if token and clock() - shown >= SHOWN:
                self._update((run, "RD"), {}, (When("launch", "=", token),), add={"launch_beat": 1})
                shown = clock()
            sleep(seconds)

        return sleeps

    def free_launch(self, run: str, token: str) -> None:
        """Let other commands start workers again."""
        self._update((run, "RD"), {"launch": ""}, (When("launch", "=", token),))

    def attach(self, run: str, engine: Mapping[str, Any], launch: str = "") -> bool:
        """Record how the workers were started; False if another command has got in the way.

        Args:
            launch: this command's token; empty at the submit, before which there was no other.
        """
        change: Item = {"engine": dump(dict(engine))}
        return self._update((run, "RD"), change, (When("launch", "=" if launch else "absent", launch),)).ok
