"""On ECS nobody starts a lost task again: the workers that are left do.

Workers stand in a ring, by slot.  Each looks now and then at the next one, past those that are gone or have not come
yet, and at one by chance, so that none is overlooked.  Who finds a lost one while there are trials to start asks ECS
for another in its place: the conditional write of `RunStore.top_up` lets one worker do so, and the request's client
token lets that happen once.  If nothing has come of it after some leases, be it that whoever asked was lost or that ECS
had no room, it is asked for again, `MOST` times in all for one slot.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from awsrun.worker.fargate import Denied, Start
from awsrun.worker.protocol.claims import Identity
from awsrun.worker.protocol.graveyard import Graveyard
from awsrun.worker.protocol.records import DONE, FAILED, Run, Worker
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered
from awsrun.worker.regular import Regular

MOST = 8  # requests for one slot
PATIENCE = 3  # leases until a start that was asked for must be there: large images take minutes to pull
PAST = 5  # slots in a row that one look goes past

Ask = Callable[[Run, Start], str]
"""Asks ECS for a start; what hinders it, or ``""`` (see `awsrun.worker.fargate.ask`)."""


class Relief(Regular):
    """Has lost workers replaced.

    Args:
        store: with a client of its own.
        ask: see `Ask`.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        store: RunStore,
        run: Run,
        who: Identity,
        ask: Ask,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__("relief")
        self._store, self._run, self._who, self._ask, self._clock = store, run, who, ask, clock
        self._rng = rng or random.Random()
        self._graves = Graveyard(store, run.run, run.limits, clock)
        self._noticed: dict[tuple[int, int], float] = {}

    def _pause(self) -> float:
        return self._run.limits.beat * self._rng.uniform(0.8, 1.2)

    def _turn(self) -> bool:
        try:
            self.look()
        except Unanswered as error:
            print(f"[awsrun] looking for lost workers: {error}", flush=True)
        except Denied as error:
            print(f"[awsrun] lost workers are not replaced: {error}", flush=True)
            return False
        return True

    def look(self) -> None:
        """One look; asks for new starts of the lost workers that it comes upon.

        Raises:
            Denied: this worker may not.
        """
        groups = (group for group in self._run.engine["groups"] if not group.get("stopped"))
        slots = [slot for group in groups for slot in _slots(group)]
        others = [slot for slot in slots if slot > self._who.me.slot] + [s for s in slots if s < self._who.me.slot]
        for slot in others[:PAST]:
            worker = self._store.worker(self._run.run, slot)
            if worker is not None and not self._examine(worker):
                break
        if others:
            worker = self._store.worker(self._run.run, self._rng.choice(others))
            if worker is not None:
                self._examine(worker)

    def _examine(self, worker: Worker) -> bool:
        """Whether a worker is gone; if it was lost, another one is asked for."""
        if not self._graves.gone(worker):
            return False
        if worker.left not in (DONE, FAILED) and worker.asked < MOST and not self._awaited(worker) and self._wanted():
            self._replace(replace(worker, dead=True))
        return True

    def _awaited(self, lost: Worker) -> bool:
        """Whether a new start was asked for a short while ago, by this worker's own clock."""
        if lost.awaited <= lost.starts:
            return False
        since = self._noticed.setdefault((lost.slot, lost.asked), self._clock())
        return self._clock() - since < PATIENCE * self._run.limits.lease

    def _wanted(self) -> bool:
        """Whether there are trials that nobody has reserved."""
        status = self._store.status(self._run.run)
        return status.state == "running" and status.next < status.size(self._run.total)

    def _replace(self, lost: Worker) -> None:
        if not self._store.top_up(self._run.run, lost, self._who.me):
            return
        run = self._store.run(self._run.run)
        if run is not None:
            hindered = self._ask(run, Start(lost.slot, attempt=lost.starts + 1, ask=lost.asked))
            said = f"ECS cannot start another one in its place: {hindered}" if hindered else "another one is to come"
            print(f"[awsrun] worker {lost.me} was lost; {said}", flush=True)


def _slots(group: Mapping[str, Any]) -> range:
    return range(group["slot"], group["slot"] + group["workers"])
