"""Who is dead: judged by a heartbeat that stands still on one's own clock, and made true by one conditional write."""

from __future__ import annotations

from collections.abc import Callable

from awsrun.worker.records import Limits, Me, TrialRecord, Worker
from awsrun.worker.store import RunStore


class Graveyard:
    """Watches the workers whose trials wait.  Clocks affect only how soon a death is seen, never whether it is safe.

    Args:
        limits: a worker is buried when its record showed the same (boot, beat) for as long as a lease.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, store: RunStore, run: str, limits: Limits, clock: Callable[[], float]) -> None:
        self._store, self._run, self._limits, self._clock = store, run, limits, clock
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
        return self._clock() - since >= self._limits.lease and self._store.bury(self._run, worker)

    def ran_ms(self, trial: TrialRecord, me: Me) -> int:
        """How long the attempt of a dead owner ran: until its last report, or its worker's last heartbeat.

        All three times are of one clock, the lost worker's.  An attempt that showed no life counts nothing, nor does
        one of mine that came to nothing: it never began.
        """
        owner = Me.parse(trial.owner)
        if owner == me:
            return 0
        worker, report = self._store.worker(self._run, owner.slot), self._store.last_report(self._run, trial.n)
        seen = worker.seen_ms(self._limits.beat, owner.boot) if worker else 0
        said = report.at_ms if report and report.attempt == trial.attempt else 0
        return max(0, seen - trial.started_ms, said - trial.started_ms)
