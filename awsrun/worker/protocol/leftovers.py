"""Trials that nobody works on any more: released ones, and those whose owner is dead.

To find them a worker reads a shard, a thousand trials.  It takes one over and remembers some more.  A remembered one
cannot go wrong: a dead owner stays dead, as the slot's next start has a higher boot, and the write that takes a trial
over asks for state, attempt and owner as they were seen.  If somebody else has taken it meanwhile, it is refused; if
the run has begun anew, of which the trial need not show anything, nothing is remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from random import Random

from awsrun.worker.protocol.graveyard import Graveyard
from awsrun.worker.protocol.records import Me, RunStatus, TrialRecord

MEMORY = 16
"""So many trials are remembered of those that were seen, and for that so many owners at most looked at."""

Take = Callable[[TrialRecord], TrialRecord | None]


class Leftovers:
    """What one worker knows of a run's abandoned trials."""

    def __init__(self, graves: Graveyard, rng: Random) -> None:
        self._graves, self._rng = graves, rng
        self._kept: deque[TrialRecord] = deque()
        self._generation = -1

    def __len__(self) -> int:
        return len(self._kept)

    def find(
        self, trials: Iterable[TrialRecord], active: Collection[int], me: Me, generation: int, take: Take
    ) -> TrialRecord | None:
        """Take over one of a shard's trials, and remember others.

        Args:
            active: trials of this worker that are not settled.
            generation: of the run, read before the trials.
            take: see `RunStore.take_over`; None where it came to nothing.
        """
        self.forget()
        self._generation = generation
        waiting = [trial for trial in trials if trial.state in ("run", "retry") and trial.n not in active]
        self._rng.shuffle(waiting)
        verdicts: dict[str, bool] = {}
        rest = iter(waiting)
        for seen in rest:
            if self._abandoned(seen, me, verdicts) and (trial := take(seen)) is not None:
                self._remember(rest, me, verdicts)
                return trial
        return None

    def recall(self, status: RunStatus) -> Iterator[TrialRecord]:
        """Those that are remembered, each once; none in a run that starts nothing, or that has begun anew since."""
        if status.state != "running" or status.generation != self._generation:
            self.forget()
        while self._kept:
            yield self._kept.popleft()

    def forget(self) -> None:
        self._kept.clear()

    def _remember(self, waiting: Iterator[TrialRecord], me: Me, verdicts: dict[str, bool]) -> None:
        most = len(verdicts) + MEMORY
        for seen in waiting:
            if len(self._kept) == MEMORY:
                return
            known = seen.state == "retry" or seen.owner in verdicts or len(verdicts) < most
            if known and self._abandoned(seen, me, verdicts):
                self._kept.append(seen)

    def _abandoned(self, seen: TrialRecord, me: Me, verdicts: dict[str, bool]) -> bool:
        """Whether nobody works on it; each owner is looked at once."""
        if seen.state == "retry":
            return True
        if seen.owner not in verdicts:
            verdicts[seen.owner] = self._graves.dead(Me.parse(seen.owner), me)
        return verdicts[seen.owner]
