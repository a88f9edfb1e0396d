"""Who is dead: judged by a heartbeat that stands still on one's own clock, and made true by one conditional write."""

from __future__ import annotations

from collections.abc import Callable

from awsrun.worker.protocol.records import Limits, Me, TrialRecord, Worker
from awsrun.worker.protocol.store import RunStore


class Graveyard:
    """Watches the workers whose trials wait.  Clocks affect only how soon a death is seen, never whether it is safe.

    Args:
        limits: a worker is buried when its record showed the same (boot, beat) for as long as a lease.  Of the time
            between two looks half a lease counts at most: whoever was held up meanwhile, by a table that did not answer
            or a frozen machine, cannot know whether the others were, too.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, store: RunStore, run: str, limits: Limits, clock: Callable[[], float]) -> None:
        self._store, self._run, self._limits, self._clock = store, run, limits, clock
        self._seen: dict[int, tuple[int, int]] = {}
        self._stands: dict[int, tuple[float, float]] = {}  # slot -> when last looked at, and how long the same was seen

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
        now, lease, seen = self._clock(), self._limits.lease, (worker.boot, worker.beat)
        if self._seen.get(worker.slot) != seen:
            self._seen[worker.slot], self._stands[worker.slot] = seen, (now, 0.0)
            return False
        looked, stood = self._stands[worker.slot]
        stood += min(now - looked, lease / 2)
        self._stands[worker.slot] = now, stood
        return stood >= lease and self._store.bury(self._run, worker)

    def ran_ms(self, trial: TrialRecord, me: Me) -> int:
        """How long the attempt of a dead owner ran, as far as is known; one of mine never began."""
        mine = Me.parse(trial.owner) == me
        return 0 if mine else self._store.lived_ms(self._run, trial, self._limits.beat)
