"""A worker's side of the claim protocol: which trial comes next, and when the run is over.

First come reserved trials, a block at a time; where trials are pruned, paused ones before them.  When none
is left to reserve, a sweep looks through the shards that are not sealed: released trials and those of dead workers are
taken over, holes are claimed, complete shards are sealed, and with the last of them the run is finished.  Trials that
wait at a rung are stopped once nothing else is left.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.worker.protocol.budget import reached
from awsrun.worker.protocol.failfast import weigh
from awsrun.worker.protocol.graveyard import Graveyard
from awsrun.worker.protocol.leftovers import MEMORY, Leftovers
from awsrun.worker.protocol.pruning import Pruning
from awsrun.worker.protocol.records import FINAL, SHARD, Me, Run, RunStatus, Shard, Standing, TrialRecord, summary
from awsrun.worker.protocol.reuse import Reuse
from awsrun.worker.protocol.store import RunStore


@dataclass
class Identity:
    """Who this worker is now; the heartbeat changes it when the worker was buried alive."""

    me: Me


@dataclass(frozen=True)
class Tools:
    """What the outside world gives to :class:`Claims`; tests give their own.

    Attributes:
        params: a trial's parameters.
        clock: seconds of a monotonic clock.
        now_ms: milliseconds since the epoch, for the record only.
        enough: why no further trial may start, or "".
        stopped: told of each paused trial that this worker stops.
    """

    params: Callable[[int], Mapping[str, Any]]
    clock: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    rng: random.Random = random.Random()  # noqa: RUF009  jitter only
    enough: Callable[[], str] = lambda: ""
    stopped: Callable[[int], None] = lambda n: None


class Claims:
    """Claims trials of one run for one worker.  Not safe to use from several threads at once.

    Attributes:
        active: the trials that this worker has claimed and not yet settled.
        ended: the final state of the run, once it is known.
    """

    def __init__(self, store: RunStore, run: Run, who: Identity, tools: Tools, log_stream: str = "") -> None:
        self.active: set[int] = set()
        self.ended = run.state if run.state in FINAL else ""
        self._store, self._run, self._who, self._tools = store, run, who, tools
        self._log_stream = log_stream
        self._graves = Graveyard(store, run.run, run.limits, tools.clock)
        self._leftovers = Leftovers(self._graves, tools.rng)
        self._pruning = Pruning(store, run)
        self._reuse = Reuse(store, run) if run.reuse else None
        self._released = False
        self._block: deque[int] = deque()
        self._exhausted = False
        self._total = run.total
        self._succeeded = False
        self._looked = False

    @property
    def exhausted(self) -> bool:
        """Nothing was left to reserve when last asked, and nothing is known that could be taken over."""
        return self._exhausted and not self._block and not self._leftovers

    def next(self, count: int = 1) -> TrialRecord | None:
        """Claim a trial that no worker has reserved yet, or one that the last sweep came upon; None when there is none.

        Args:
            count: how many to reserve when the last block is used up.
        """
        while not self._released:
            while self._block:
                trial = self._claim(self._block.popleft())
                if trial is not None:
                    return trial
            if (trial := self._recall()) is not None:
                return trial
            if self._exhausted:
                return None
            if why := self._good() or self._tools.enough():
                self._cut(why)
                return None
            if self._run.prunes and self._store.status(self._run.run).starts:
                trial = self._first_of(self._pruning.promotable())
                if trial is not None:
                    return trial
            one = self._run.limits.bounded or self._run.prunes
            block = self._store.reserve(self._run.run, 1 if one else count, self._run.total)
            self._block.extend(block)
            self._exhausted = not block
            if block and block[-1] // SHARD != (block[0] - 1) // SHARD:
                self._seal_behind(block[-1] // SHARD - 2)
        return None

    def cut_if_enough(self) -> None:
        """For a worker that cannot start anything yet: end the run all the same when it has had enough."""
        if why := self._tools.enough():
            self._cut(why)

    def sweep(self) -> TrialRecord | None:
        """Look once through what is not sealed; a trial to run, or None.  Finishes the run if nothing is left."""
        status = self._store.status(self._run.run)
        if status.state in FINAL:
            self.ended = status.state
        if status.state != "running":
            return None
        self._exhausted = status.next >= self._run.total
        self._total = status.size(self._run.total)
        if not self._exhausted:
            return self.next()
        sealed = self._store.shards(self._run.run, status.generation)
        read: list[TrialRecord] = []
        for shard in self._order(sealed):
            trial = self._visit(shard, status, sealed, read)
            if trial is not None:
                return trial
        if any(trial.state == "paused" for trial in read):
            return self._conclude(status, sealed, read)
        if len(sealed) >= self._shards:
            self._finish(status, sealed)
        return None

    def _conclude(self, status: RunStatus, sealed: Mapping[int, Shard], read: list[TrialRecord]) -> TrialRecord | None:
        """Nothing is left but what waits at rungs: let one past, or, if no others run, stop them.

        Args:
            read: the trials of the shards that are not sealed.
        """
        paused = [trial for trial in read if trial.state == "paused"]
        alone = all(trial.settled or trial.state == "paused" for trial in read)
        done = any(t.state == "done" for t in read) or any(shard.counts.get("done") for shard in sealed.values())
        if not (status.cut >= 0 or self._tools.enough() or self._good_among(read)):
            first = self._pruning.first(paused) if alone and not done else None
            if candidates := [*self._pruning.promotable(), *([first] if first else [])]:
                return self._first_of(candidates)
        if not alone:
            return None
        for trial in paused:
            if self._store.stop(self._run.run, trial):
                self._tools.stopped(trial.n)
        return self.sweep()

    def _first_of(self, candidates: Iterable[TrialRecord]) -> TrialRecord | None:
        """Take over the first of some trials that nobody else has taken."""
        return next((trial for trial in map(self._take_over, candidates) if trial is not None), None)

    def settled(self, trial: TrialRecord, ok: bool) -> None:
        """Call this after a trial of this worker was settled, with what the store said.

        Fails the run where no trial succeeded and several failed alike.
        """
        self.active.discard(trial.n)
        if not ok:
            return
        good = trial.state == "done" and reached(self._run, trial.value)
        if good:
            self._looked = False  # if nobody answers here, it is found before the next trial starts
        if trial.state == "done" and not self._succeeded:
            self._store.note_success(self._run.run)
            self._succeeded = True
        if good:
            self._cut(self._reached(trial))
            self._looked = True
        if trial.state == "failed" and not self._succeeded and not self._run.limits.keep_going:
            weigh(self._store, self._run, trial, self._tools.rng, self._tools.now_ms())

    def fail_run(self, error: Mapping[str, Any]) -> bool:
        """Fail the run, as no trial can be started; False if one was elsewhere: then it is this worker that cannot."""
        status = self._store.status(self._run.run)
        return status.state != "running" or self._store.finish(
            self._run.run, status.generation, "failed", error, self._tools.now_ms(), unstarted=True
        )

    def goes_on(self, standing: Standing) -> bool:
        """Whether a trial that has reached a rung is among the best there."""
        return self._pruning.goes_on(standing)

    def release(self) -> None:
        """Forget the reserved block: its trials are holes, which sweeps claim."""
        self._released = True
        self._block.clear()
        self._leftovers.forget()
        self._exhausted = True

    def _good(self) -> str:
        """At this worker's start: the trial that is good enough, if another worker died before it could say so."""
        if self._looked or self._run.limits.until is None:
            return ""
        self._looked = True
        started = min(self._store.status(self._run.run).next, self._run.total)
        shards = (self._store.trials(self._run.run, shard) for shard in range(-(-started // SHARD)))
        return next(filter(None, map(self._good_among, shards)), "")

    def _good_among(self, trials: Iterable[TrialRecord]) -> str:
        good = (trial for trial in trials if trial.state == "done" and reached(self._run, trial.value))
        return next(map(self._reached, good), "")

    def _reached(self, trial: TrialRecord) -> str:
        return f"trial {trial.n} reached {self._run.metric} {trial.value:g}"

    def _cut(self, why: str) -> None:
        """Enough: start nothing any more, here or elsewhere."""
        self._store.cut(self._run.run, self._run.total, why)
        self._exhausted = True

    def _claim(self, n: int) -> TrialRecord | None:
        """Start a trial; None if somebody else has, or if an earlier run's result is taken instead."""
        params, me, now = self._tools.params(n), self._who.me, self._tools.now_ms()
        if self._reuse and (found := self._reuse.trial(n, params, me, now)):
            self.settled(found, self._store.adopt(self._run.run, found))
            return None
        trial = self._store.claim(self._run.run, n, me, params, self._log_stream, now)
        if trial is not None:
            self.active.add(n)
        return trial

    def _order(self, sealed: Mapping[int, Shard]) -> Iterator[int]:
        """Unsealed shards, each worker from a place of its own, so that many do not read the same one."""
        shards = self._shards
        start = self._tools.rng.randrange(max(1, shards))
        for i in range(shards):
            shard = (start + i) % shards
            if shard not in sealed:
                yield shard

    def _visit(
        self, shard: int, status: RunStatus, sealed: dict[int, Shard], read: list[TrialRecord]
    ) -> TrialRecord | None:
        known = self._store.shard(self._run.run, shard, status.generation)
        if known is not None:  # sealed by another since the sweep began: one item read instead of a thousand
            sealed[shard] = known
            return None
        trials = [t for t in self._store.trials(self._run.run, shard) if t.n < self._end(shard)]
        read += trials
        found = self._leftovers.find(trials, self.active, self._who.me, status.generation, self._take_over)
        found = found or self._fill(shard, trials)
        if found is None:
            self._seal(shard, status, trials, sealed)
        return found

    def _recall(self) -> TrialRecord | None:
        """Take over a trial that was abandoned when a shard was read last: no need to read it again."""
        if not self._leftovers:
            return None
        seen = self._leftovers.recall(self._store.status(self._run.run))
        return self._first_of(trial for trial in seen if trial.n not in self.active)

    def _take_over(self, seen: TrialRecord) -> TrialRecord | None:
        params = seen.params or self._tools.params(seen.n)
        me, now = self._who.me, self._tools.now_ms()
        ran_ms = self._graves.ran_ms(seen, me) if seen.state == "run" else 0
        trial = self._store.take_over(self._run.run, seen, me, params, self._log_stream, now, ran_ms)
        if trial is None or trial.state != "run":
            return None
        self.active.add(trial.n)
        return trial

    def _fill(self, shard: int, trials: list[TrialRecord]) -> TrialRecord | None:
        """Claim a trial that was reserved and never started.  Some more are remembered as if they were reserved: the
        claim of one that somebody else has by then does nothing, and a shard is not read anew for each."""
        holes = list(set(range(shard * SHARD, self._end(shard))) - {trial.n for trial in trials})
        self._tools.rng.shuffle(holes)
        while holes:
            if (trial := self._claim(holes.pop())) is not None:
                self._block.extend(holes[:MEMORY])
                return trial
        return None

    def _seal(
        self, shard: int, status: RunStatus, trials: list[TrialRecord], sealed: dict[int, Shard] | None = None
    ) -> None:
        """Seal a shard if it is complete.  ``status`` must have been read before ``trials``."""
        complete = len(trials) == self._end(shard) - shard * SHARD and all(trial.settled for trial in trials)
        if complete and status.state == "running":
            made = summary(shard, status.generation, trials, self._run.mode)
            if self._store.seal(self._run.run, made) and sealed is not None:
                sealed[shard] = made

    def _seal_behind(self, shard: int) -> None:
        """While a long run goes on: seal a shard that is likely to be complete by now, a read per thousand trials."""
        if shard >= 0:
            status = self._store.status(self._run.run)
            self._seal(shard, status, self._store.trials(self._run.run, shard))

    def _finish(self, status: RunStatus, sealed: Mapping[int, Shard]) -> None:
        """``done``; ``failed`` if trials failed and none succeeded."""
        counts = sum((Counter(shard.counts) for shard in sealed.values()), Counter[str]())
        state = "failed" if counts["failed"] and not (counts["done"] or counts["stopped"]) else "done"
        error = {"type": "TrialsFailed", "message": "every trial failed"} if state == "failed" else None
        if self._store.finish(self._run.run, status.generation, state, error, self._tools.now_ms()):
            self.ended = state

    def _end(self, shard: int) -> int:
        return min((shard + 1) * SHARD, self._total)

    @property
    def _shards(self) -> int:
        return -(-self._total // SHARD)
