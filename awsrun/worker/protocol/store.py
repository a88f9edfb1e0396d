"""The claim protocol: how workers share a run's trials, each step one conditional write.

====================  ======================================  ===============================  =========================
Step                  Write                                   Condition                        Mine if the old item has
====================  ======================================  ===============================  =========================
register              worker: boot, beat 0, alive             no boot, or a smaller one        my boot, alive
sit                   worker: boot, beat 0, alive             no boot: the slot is free        my job, my boot, alive
beat                  worker: beat + 1                        my boot, alive                   (a repeat is harmless)
reserve               run: next + k                           running, next < total            (a repeat makes a hole)
claim                 put trial: run, attempt 1, me           no item                          run, 1, me
reuse                 put trial: done, attempt 1, me          no item                          done, 1, me
take over             trial: run, attempt + 1, me             state ... owner, since as seen   attempt + 1, me
settle                trial: state, result                    run, my attempt, me              that state, attempt, me
stand                 put rung: value, attempt                none, or an older attempt        the same attempt
stop                  trial: stopped                          paused, attempt as seen          stopped, that attempt
bury                  worker: dead                            boot and beat as seen, alive     dead
top up                worker: asked + 1, by me                boot and asked as seen, dead     asked + 1, me
seal                  put shard: generation, summary          none, or an older generation     the same generation
cut                   run: cut = next as seen, next = total   running, next as seen, no cut   (a cut is a cut)
finish, fail          run: done or failed                     running, the generation          that state, generation
cannot start          run: failed                             the same, and next = 0           that state, generation
pause, go on          run: paused or running; holds + 1       the other, generation, holds     that state, generation
retry                 run: retrying, generation + 1, token    state, generation as seen        my token
put back              trial: retry                            failed or cancelled, attempt     retry
====================  ======================================  ===============================  =========================

"Mine": the write was refused because an earlier copy of it, whose answer was lost, had succeeded.  The attempt is the
fence: whoever lost a trial can no longer settle it, however late its writes arrive.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from awsrun.worker.protocol.control import Control
from awsrun.worker.protocol.reads import slot_key
from awsrun.worker.protocol.records import DONE, Me, RunStatus, Shard, Standing, TrialRecord, Worker, dump, trial_key
from awsrun.worker.protocol.table import Item, Value, When

MAX_LOSSES = 3
"""A trial that took so many distinct workers with it, without getting further in between, has failed."""


class RunStore(Control):
    """A run's records and the protocol on them.  Safe to use from several threads if the table is."""

    def register(self, run: str, me: Me, info: Mapping[str, Value] | None = None) -> Me | None:
        """Appear as a worker.

        Args:
            me: slot, and 1000 × engine attempt or what the last registration gave + 1.
            info: ``log_stream``, ``job_id``, ``started_ms``.

        Returns:
            who this worker is, or None, and this one should go: the engine has started the slot anew, or lent it to two
            jobs, and the other was here first.
        """
        while True:
            seen = self._register(run, me, info or {})
            if seen is None:
                return me
            boot = int(seen["boot"])
            if boot // 1000 > me.boot // 1000 or not (seen["dead"] or _same_job(seen, info or {})):
                return None
            me = Me(me.slot, boot + 1)

    def _register(self, run: str, me: Me, info: Mapping[str, Value]) -> Item | None:
        """None, or the worker that is there already."""
        outcome = self._update(
            _worker(run, me.slot),
            {**_fresh(me), **info},
            (When("boot", "absent or <", me.boot),),
            lambda old: old["boot"] == me.boot and not old["dead"] and _same_job(old, info),
        )
        return None if outcome.ok else outcome.item

    def sit(self, run: str, me: Me, seats: int, info: Mapping[str, Value]) -> Me | None:
        """Appear as a worker on one of the slots that the tasks of one call share, each of which takes one.

        Args:
            me: the first of the slots, and the boot.
            seats: how many slots there are.
            info: as for `register`; ``job_id`` is this task's alone.

        Returns:
            who this worker is, or None: every slot is taken, and this one should go.
        """
        job = str(info["job_id"])
        first = zlib.crc32(job.encode())  # not all tasks try the same slot first
        for i in range(seats):
            slot = me.slot + (first + i) % seats
            outcome = self._update(
                _worker(run, slot),
                {**_fresh(me), **info},
                (When("boot", "absent"),),
                lambda old: (old["boot"], old.get("job_id"), old["dead"]) == (me.boot, job, False),
            )
            if outcome.ok:
                return Me(slot, me.boot)
        return None

    def beat(self, run: str, me: Me) -> Worker | None:
        """Show life; the worker's record with its ``cmd``, or None: buried, or a newer start of the slot is there."""
        when = (When("boot", "=", me.boot), When("dead", "=", False))
        outcome = self._update(_worker(run, me.slot), {}, when, add={"beat": 1})
        return Worker.from_item(outcome.item) if outcome.ok and outcome.item else None

    def leave(self, run: str, me: Me, how: str = DONE) -> None:
        """Go, and say so: others need not wait for a lease.

        Args:
            how: see :class:`awsrun.worker.protocol.workers.Worker`.
        """
        self._update(_worker(run, me.slot), {"dead": True, "left": how}, (When("boot", "=", me.boot),))

    def bury(self, run: str, seen: Worker) -> bool:
        """Declare a worker dead that has not beaten since it was seen; False if it has."""
        when = (When("boot", "=", seen.boot), When("beat", "=", seen.beat), When("dead", "=", False))
        mine = lambda old: old["boot"] == seen.boot and bool(old["dead"])  # noqa: E731
        return self._update(_worker(run, seen.slot), {"dead": True}, when, mine).ok

    def top_up(self, run: str, seen: Worker, me: Me) -> bool:
        """Take it upon oneself to ask the engine for a new start of a lost worker's slot; False if somebody else did.

        Whoever gets True asks once, under a name that is the same in every repeat of this very request.
        """
        asked = When("asked", "=", seen.asked) if seen.asked else When("asked", "absent")
        when = (When("boot", "=", seen.boot), When("dead", "=", True), asked)
        change: Item = {"asked": seen.asked + 1, "awaited": seen.starts + 1, "asker": str(me)}
        return self._update(
            _worker(run, seen.slot),
            change,
            when,
            lambda old: (old.get("asked"), old.get("asker")) == (seen.asked + 1, str(me)),
        ).ok

    def reserve(self, run: str, count: int, total: int) -> range:
        """The next ``count`` trials, or what is left of them; empty when none is left or the run is not running."""
        when = (When("state", "=", "running"), When("next", "<", total))
        outcome = self._update((run, "R"), {}, when, add={"next": count})
        if not outcome.ok or outcome.item is None:
            return range(0)
        end = int(outcome.item["next"])
        return range(end - count, min(end, total))

    def claim(
        self, run: str, n: int, me: Me, params: Mapping[str, Any], log_stream: str = "", now_ms: int = 0
    ) -> TrialRecord | None:
        """Start a trial that has not started; None if it has."""
        trial = TrialRecord(n, "run", 1, str(me), params, log_stream=log_stream, started_ms=now_ms)
        outcome = self._put(
            trial.to_item(run),
            (When("pk", "absent"),),
            lambda old: (old["state"], old["attempt"], old["owner"]) == ("run", 1, str(me)),
        )
        return trial if outcome.ok else None

    def adopt(self, run: str, trial: TrialRecord) -> bool:
        """Put down a trial that has not started as done, with an earlier run's result; False if it has started."""
        mine = lambda old: (old["state"], old["attempt"], old["owner"]) == ("done", 1, trial.owner)  # noqa: E731
        return self._put(trial.to_item(run), (When("pk", "absent"),), mine).ok

    def take_over(
        self,
        run: str,
        seen: TrialRecord,
        me: Me,
        params: Mapping[str, Any],
        log_stream: str = "",
        now_ms: int = 0,
        ran_ms: int = 0,
    ) -> TrialRecord | None:
        """Go on with a trial that was released or whose owner is dead; None if somebody else did.

        From state ``run`` it counts as a loss; with :data:`MAX_LOSSES` distinct containers lost since the trial last
        got further (see :meth:`got_further`), it comes back ``failed`` instead of ``run``.  After an error, too, it
        goes on from its last checkpoint, unless ``since`` says that this led nowhere.  One that was paused is let past
        the rung where it waited.

        Args:
            ran_ms: how long the attempt ran that ends here, where nobody has settled it.
        """
        losses, attempt, lost_ms = seen.losses, seen.attempt + 1, 0
        if seen.state == "run":
            lost_ms = ran_ms
            losses = tuple(dict.fromkeys((*losses, Me.parse(seen.owner).container)))
        trial = replace(
            seen, state="run", attempt=attempt, owner=str(me), params=params, losses=losses,
            error=None, result=None, step=0,
            rung=seen.rung + (seen.state == "paused"), artifacts={},
            checkpoints=seen.checkpoints if attempt > seen.since else {},
            log_stream=log_stream, started_ms=now_ms, ended_ms=0,
            spent_ms=seen.spent_ms + seen.latest_ms + lost_ms, lost_ms=seen.lost_ms + lost_ms,
        )  # fmt: skip
        if len(losses) >= MAX_LOSSES:
            message = f"set aside: {len(losses)} workers were lost while they ran it ({', '.join(losses)})"
            ran = {name: getattr(seen, name) for name in ("attempt", "owner", "log_stream", "started_ms")}
            error = {"type": "WorkersLost", "message": message, "ran": ran}
            trial = replace(trial, state="failed", ended_ms=now_ms, error=error)
        outcome = self._update(
            trial_key(run, seen.n),
            trial.fields(),
            (
                When("state", "=", seen.state),
                When("attempt", "=", seen.attempt),
                When("owner", "=", seen.owner),
                When("since", "absent or <", seen.since + 1),  # it only grows: put back anew, it is another one
                When("losses", "=", ",".join(seen.losses)),  # it may have got further meanwhile
            ),
            lambda old: (old["attempt"], old["owner"]) == (trial.attempt, str(me)),
        )
        return trial if outcome.ok else None

    def got_further(self, run: str, trial: TrialRecord) -> bool:
        """Note that one's attempt has stored a checkpoint beyond the one that it began from: what was lost before was
        no fault of the trial's, and does not count any more.  So a trial of days outlives any number of workers.

        Returns:
            False: the attempt was lost to somebody else.
        """
        return self._update(
            trial_key(run, trial.n),
            {"losses": ""},
            (When("state", "=", "run"), When("attempt", "=", trial.attempt), When("owner", "=", trial.owner)),
            lambda old: (old["state"], old["attempt"], old["owner"]) == ("run", trial.attempt, trial.owner),
        ).ok

    def settle(self, run: str, trial: TrialRecord) -> bool:
        """Commit what became of one's attempt: done, failed, retry or paused.

        Returns:
            False: the attempt was lost to somebody else, and nothing of it counts.
        """
        as_claimed = ("attempt", "owner", "params", "losses", "log_stream", "spent_ms", "lost_ms")
        fields = {name: value for name, value in trial.fields().items() if name not in as_claimed}
        return self._update(
            trial_key(run, trial.n),
            fields,
            (When("state", "=", "run"), When("attempt", "=", trial.attempt), When("owner", "=", trial.owner)),
            lambda old: (old["state"], old["attempt"], old["owner"]) == (trial.state, trial.attempt, trial.owner),
        ).ok

    def stand(self, run: str, standing: Standing) -> bool:
        """Say where a trial stands at a rung; False: a later attempt of it has said so, and this one was lost."""
        return self._put(
            standing.to_item(run),
            (When("attempt", "absent or <", standing.attempt),),
            lambda old: old["attempt"] == standing.attempt,
        ).ok

    def stop(self, run: str, seen: TrialRecord) -> bool:
        """Let a paused trial be what it is; False if it was let past its rung, or cancelled."""
        return self._update(
            trial_key(run, seen.n),
            {"state": "stopped"},
            (When("state", "=", "paused"), When("attempt", "=", seen.attempt)),
            lambda old: (old["state"], old["attempt"]) == ("stopped", seen.attempt),
        ).ok

    def seal(self, run: str, summary: Shard) -> bool:
        """Record that a shard's trials are all settled in this generation."""
        return self._put(
            summary.to_item(run),
            (When("generation", "absent or <", summary.generation),),
            lambda old: old["generation"] == summary.generation,
        ).ok

    def cut(self, run: str, total: int, why: str) -> RunStatus:
        """Let no further trial start: the run's trials are then those that were reserved; the status then."""
        while True:
            seen = self.status(run)
            if seen.state != "running" or seen.cut >= 0 or seen.next >= total:
                return seen
            when = (When("state", "=", "running"), When("next", "=", seen.next), When("cut", "absent"))
            self._update((run, "R"), {"cut": seen.next, "cut_why": why, "next": total}, when)

    def finish(
        self,
        run: str,
        generation: int,
        state: str = "done",
        error: Mapping[str, Any] | None = None,
        now_ms: int = 0,
        unstarted: bool = False,
    ) -> bool:
        """End a run: ``done`` when every shard is sealed, ``failed`` with the reason; False if it is not running.

        Args:
            unstarted: only if no trial was ever reserved.
        """
        fields: Item = {"ended_ms": now_ms, "error": dump(error) if error else ""}
        more = (When("next", "=", 0),) if unstarted else ()
        ended = self._change(run, RunStatus("running", generation, 0), state, fields, more).ok
        if ended:
            self._list(run, state, generation)
        return ended

    def note_success(self, run: str) -> None:
        """Leave evidence that some trial succeeded: the run does not fail fast any more."""
        self._update((f"{run}#F", "!ok"), {"ok": True})

    def note_failure(self, run: str, generation: int, n: int, signature: str) -> None:
        """Leave evidence of a failed trial; ``signature`` is the same for failures alike (hex)."""
        self._update((f"{run}#F", f"{generation:06d}#{signature}#{n:09d}"), {"n": n})

    def failing(self, run: str, generation: int, signature: str, threshold: int) -> bool:
        """Whether no trial succeeded and ``threshold`` of this generation failed alike."""
        if self.table.get(f"{run}#F", "!ok") is not None:
            return False
        alike = self.table.query(f"{run}#F", f"{generation:06d}#{signature}#", limit=threshold)
        return sum(1 for _ in alike) >= threshold


def _worker(run: str, slot: int) -> tuple[str, str]:
    return f"{run}#W", slot_key(slot)


def _fresh(me: Me) -> Item:
    """A worker's record at its start."""
    return {"boot": me.boot, "beat": 0, "dead": False, "cmd": "", "left": ""}


def _same_job(old: Mapping[str, Value], info: Mapping[str, Value]) -> bool:
    """Whether a worker's record may be of the job that registers now; where either says nothing, it may."""
    theirs, mine = old.get("job_id"), info.get("job_id")
    return not theirs or not mine or theirs == mine
