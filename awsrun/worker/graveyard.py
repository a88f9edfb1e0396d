"""Who is dead: judged by a heartbeat that stands still on one's own clock, and made true by one conditional write."""

from __future__ import annotations

from collections.abc import Callable

from awsrun.worker.records import Me, Worker
from awsrun.worker.store import RunStore


class Graveyard:
    """Watches the workers whose trials wait.  Clocks affect only how soon a death is seen, never whether it is safe.

    Args:
        lease: a worker is buried when its record showed the same (boot, beat) for so many seconds.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, store: RunStore, run: str, lease: float, clock: Callable[[], float]) -> None:
        self._store, self._run, self._lease, self._clock = store, run, lease, clock
        self._seen: dict[int, tuple[int, int, float]] = {}

    def dead(self, owner: Me, me: Me) -> bool:
        """Whether a trial's owner will never settle it: gone, buried (now, if its lease ran out), or restarted."""
        if owner == me:
            return True  # it is not among my active trials: an attempt of mine that came to nothing
        worker = self._store.worker(self._run, owner.slot)
        return worker is None or worker.boot > owner.boot or self.gone(worker)

    def gone(self, worker: Worker) -> bool:
        """Whether a worker has left or was lost; buries it once its lease has run out."""
        if worker.dead:
            return True
        boot, beat, since = self._seen.get(worker.slot, (-1, -1, 0.0))
        if (boot, beat) != (worker.boot, worker.beat):
            self._seen[worker.slot] = (worker.boot, worker.beat, self._clock())
            return False
        return self._clock() - since >= self._lease and self._store.bury(self._run, worker)
