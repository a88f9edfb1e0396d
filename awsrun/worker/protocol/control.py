"""What a user does to a run: create, cancel, pause, let it go on, put failed trials back.

Putting trials back has three steps, so that no worker can find a run finished while they are under way: the run becomes
``retrying`` under a new generation, then each trial becomes ``retry``, then the run is ``running``.  A command that was
killed in between leaves ``retrying``; the next one goes on.  Of two at once the first is overtaken, lets the other come
to its end, and begins anew.

Pausing and going on are one write each, fenced by a count of both, so that a late copy of an older one is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping

from awsrun.worker.protocol.launches import Launches
from awsrun.worker.protocol.reads import Outcome, slot_key
from awsrun.worker.protocol.records import FINAL, ON_HOLD, Me, Run, RunStatus, TrialRecord, trial_key
from awsrun.worker.protocol.table import Condition, Item, Value, When

PUT_BACK = frozenset({"failed", "cancelled"})
"""States of trials that can be put back."""
PATIENCE = 2.0
"""Seconds for which a retry waits for one that has overtaken it; twice as many each time, so that one can end."""
_NEW = (When("pk", "absent"),)


class Control(Launches):
    """The laptop's side of the runs table."""

    def create(self, run: Run) -> bool:
        """Write a new run; False if another run has the id."""
        hot, cold = run.to_items()
        nonce = uuid.uuid4().hex
        if not self._put({**cold, "nonce": nonce}, _NEW, lambda old: old.get("nonce") == nonce).ok:
            return False
        self._put(hot, _NEW)
        entry: Item = {"job": run.job, "total": run.total, "submitted_at": run.submitted_at}
        self._update(("RUNS", run.run), entry)
        return True

    def next_slot(self, run: str) -> int:
        """The first slot that no worker has used: where a new group of workers starts (``resume``)."""
        return max((worker.slot + 1 for worker in self.workers(run)), default=0)

    def cancel(self, run: str, now_ms: int = 0) -> str:
        """Cancel a run; the state it has then (``done`` or ``failed`` if it was over already).

        Workers notice with their next heartbeat, stop their trials and go.
        """
        while True:
            seen = self.status(run)
            if seen.state in FINAL:
                return seen.state
            if self._change(run, seen, "cancelled", {"ended_ms": now_ms}).ok:
                self._list(run, "cancelled", seen.generation)
                return "cancelled"

    def pause(self, run: str) -> str:
        """Let no trial of a running run start, and its workers leave; the state it has then.

        Workers notice with their next heartbeat: they have their trials checkpoint, give them back and go.
        """
        return self._hold(run, "running", ON_HOLD)

    def go_on(self, run: str) -> str:
        """Undo :meth:`pause`; the state it has then.  Workers are started by the caller."""
        return self._hold(run, ON_HOLD, "running")

    def _hold(self, run: str, before: str, after: str) -> str:
        """Move a run between running and paused, unless somebody else did either meanwhile."""
        held = -1
        while True:
            seen = self.status(run)
            if seen.state != before or held not in (-1, seen.holds):
                return seen.state
            held = seen.holds
            extra: Item = {"holds": held + 1}
            if self._change(run, seen, after, extra, (When("holds", "absent or <", held + 1),)).ok:
                self._list(run, after, seen.generation)
                return after

    def cancel_trial(self, run: str, n: int, now_ms: int = 0) -> TrialRecord:
        """Cancel one trial, started or not; its record then (unchanged if it was settled).

        The commit is here: whatever its worker finds out later is refused.  The worker is told, to stop the work.
        """
        while True:
            seen = self.trial(run, n)
            if seen is None:
                self._put(TrialRecord(n, "cancelled", 0, ended_ms=now_ms).to_item(run), _NEW)
                continue
            if seen.settled:
                return seen
            fence = (When("state", "=", seen.state), When("attempt", "=", seen.attempt))
            # of a waiting trial the attempt goes up: it may have been cancelled in this one before, been put back, and
            # a late copy of that write must not put it back again
            attempt = seen.attempt + (seen.state != "run")
            change: Item = {"state": "cancelled", "attempt": attempt}
            if seen.state == "run":
                change["ended_ms"] = self._end_of(run, seen, now_ms)
            self._update(trial_key(run, n), change, fence)
            if seen.state == "run":
                owner = Me.parse(seen.owner)
                alive = (When("boot", "=", owner.boot), When("dead", "=", False))
                self._update((f"{run}#W", slot_key(owner.slot)), {"cmd": f"cancel {n}@{seen.attempt}"}, alive)

    def _end_of(self, run: str, seen: TrialRecord, now_ms: int) -> int:
        """When an attempt ended that is cancelled now: now, or at the last sign of life of a worker that was lost."""
        owner, whole = Me.parse(seen.owner), self.run(run)
        worker = self.worker(run, owner.slot)
        if whole is None or worker is None or not worker.started_ms:
            return now_ms
        limits = whole.limits
        if worker.me == owner and not worker.dead and now_ms - worker.seen_ms(limits.beat) < 1000 * limits.lease:
            return now_ms
        return seen.started_ms + self.lived_ms(run, seen, limits.beat)

    def retry(
        self, run: str, only: Collection[int] | None = None, states: Collection[str] = PUT_BACK, fresh: bool = False
    ) -> int:
        """Put failed or cancelled trials back and the run to ``running``; how many were put back.

        Also what ``resume`` does first for a run that is over.  Workers are started by the caller.  If another retry
        overtakes this one, it starts again once that is over, so that what it put back is never left in a finished run;
        if the run is cancelled meanwhile, that stands.

        Args:
            only: these trials; all unless given.
            states: what they must be, of :data:`PUT_BACK`.
            fresh: from nothing, not from their last checkpoints.
        """
        token, back, patience = uuid.uuid4().hex, set[int](), 0.0
        while True:
            seen = self.status(run)
            if patience and seen.state == "cancelled":
                return len(back)
            generation = self._begin(run, seen, token)
            if generation is None:
                continue
            whole = self.run(run)
            if whole is not None:
                chosen = self._all(whole) if only is None else self._each(whole, only)
                back |= {t.n for t in chosen if t.state in states and self._put_back(whole, t, fresh)}
            ended = self._change(run, RunStatus("retrying", generation, 0), "running", {})
            if ended.ok or (ended.item or {}).get("state") == "cancelled":
                return len(back)
            patience = 2 * patience or PATIENCE
            self._make_way(run, patience)

    def _make_way(self, run: str, seconds: float) -> None:
        """Wait for the end of another command's retry; not for ever: it may have been killed."""
        waited = 0.0
        while waited < seconds and self.status(run).state == "retrying":
            self._sleep(0.5)
            waited += 0.5

    def _begin(self, run: str, seen: RunStatus, token: str) -> int | None:
        """Make the run ``retrying``; its new generation, or None if somebody else changed it meanwhile."""
        generation = seen.generation + 1
        self._list(run, "running", generation)
        change: Item = {"state": "retrying", "generation": generation, "error": "", "ended_ms": 0, "token": token}
        when = (When("generation", "=", seen.generation), When("state", "=", seen.state))
        begun = self._update(
            (run, "R"), change, when, lambda old: (old["generation"], old.get("token")) == (generation, token)
        )
        return generation if begun.ok else None

    def _all(self, run: Run) -> Iterable[TrialRecord]:
        """Every trial that has started."""
        return (trial for shard in range(run.shards) for trial in self.trials(run.run, shard) if trial.n < run.total)

    def _each(self, run: Run, only: Iterable[int]) -> Iterable[TrialRecord]:
        """Those of some trials that have started."""
        return (trial for n in only if n < run.total and (trial := self.trial(run.run, n)) is not None)

    def _put_back(self, run: Run, trial: TrialRecord, fresh: bool) -> bool:
        fence = (When("state", "=", trial.state), When("attempt", "=", trial.attempt))
        change: Item = {"state": "retry", "losses": "", "failures": 0}
        if fresh:
            change["since"] = trial.attempt + 1
        return self._update(trial_key(run.run, trial.n), change, fence, lambda old: old["state"] == "retry").ok

    def _change(
        self, run: str, seen: RunStatus, state: str, extra: Mapping[str, Value], more: Condition = ()
    ) -> Outcome:
        """Move a run from the state and generation it was seen in."""
        when = (When("state", "=", seen.state), When("generation", "=", seen.generation), *more)
        return self._update(
            (run, "R"),
            {"state": state, **extra},
            when,
            lambda old: (old["state"], old["generation"]) == (state, seen.generation),
        )

    def _list(self, run: str, state: str, generation: int) -> None:
        """Note a run's state in the list; a late copy of an older generation's is refused."""
        when = (When("generation", "absent or <", generation + 1),)
        self._update(("RUNS", run), {"state": state, "generation": generation}, when)
