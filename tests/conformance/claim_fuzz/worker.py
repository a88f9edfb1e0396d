"""A worker's life: the product's own claims, heartbeat and relief, around trials that only take time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeVar

from awsrun.worker.fargate import Start
from awsrun.worker.heartbeat import Heartbeat, Notice
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.records import DONE, FAILED, TERMINATED, Me, Run, Standing, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered
from awsrun.worker.relief import Relief
from claim_fuzz.actors import Actor, Stage
from claim_fuzz.judge import Judge
from claim_fuzz.scenario import LEASE, RUN, Scenario

_Answer = TypeVar("_Answer")


class FuzzedWorker:
    """One worker, in the thread of its actor.  A read that is not answered ends what it was for, as if the patience of
    a quarter of an hour had passed; what is tried again then is what the real worker tries again.

    Args:
        job: of a task that takes one of two slots; else empty.
        unlucky: chooses whether it can import the job.
    """

    def __init__(
        self, actor: Actor, scenario: Scenario, judge: Judge, store: RunStore,
        ask: Callable[[Run, Start], str], unlucky: Random,
    ) -> None:  # fmt: skip
        self._actor, self._scenario, self._judge, self._store = actor, scenario, judge, store
        self._stage: Stage = actor.stage
        self._rng, self._unlucky, self._ask = actor.stage.rng, unlucky, ask

    def live(self, me: Me, job: str = "") -> None:
        """From its registration to its end."""
        store, run = self._store, self._scenario.run
        found = store.sit(RUN, me, 2, {"job_id": job}) if job else store.register(RUN, me)
        if found is None:
            return
        self._who = who = Identity(found)
        self._heart = Heartbeat(store, RUN, who, 1.0, lambda notice: None, self._now_ms)
        self._relief = Relief(store, run, who, self._ask, lambda: self._stage.now, Random(self._rng.random()))
        tools = Tools(
            lambda n: {"n": n}, lambda: self._stage.now, self._now_ms, Random(self._rng.random()),
            lambda: "late" if self._scenario.late < self._stage.now else "",
        )  # fmt: skip
        self._claims = Claims(store, run, who, tools)
        how = self._work()
        store.leave(RUN, who.me, how)

    def _work(self) -> str:
        """How it goes."""
        claims, idle_since = self._claims, self._stage.now
        if self._stage.stormy and self._unlucky.random() < 0.05:
            self._once(lambda: claims.fail_run({"type": "ImportError", "import": True}))
            return FAILED
        while not claims.ended:
            if self._scenario.ecs:
                self._once(self._relief.look)
            notice = self._once(self._heart.beat)
            if notice is not None and notice.kind in ("over", "leave", "superseded"):
                break
            trial = self._once(lambda: claims.next(self._rng.choice((1, 1, 3))) or claims.sweep())
            if trial is not None:
                if not self._attempt(trial):
                    return TERMINATED
                idle_since = self._stage.now
            elif self._stage.now - idle_since > 1.5 * LEASE:
                break
            else:
                self._actor.sleep(LEASE / 6)
        return DONE

    def _once(self, what: Callable[[], _Answer]) -> _Answer | None:
        """Do something; None also if it came to nothing for want of an answer."""
        try:
            return what()
        except Unanswered:
            return None

    def _attempt(self, trial: TrialRecord) -> bool:
        """Run a trial; False if the worker was told to go meanwhile."""
        rng, released = self._rng, False
        for _ in range(rng.randint(0, 3)):
            self._actor.sleep(rng.uniform(0, LEASE / 4))
            notice: Notice | None = self._once(self._heart.beat)
            if notice is not None and notice.kind in ("leave", "over"):
                released = True
                break
            if trial.losses and rng.random() < 0.5:  # it has stored a checkpoint
                self._store.got_further(RUN, trial)
        rung = self._climb(trial) if self._scenario.run.prunes and not released else None
        token = f"{trial.n}/{trial.attempt}/{len(self._judge.artifacts)}"
        self._judge.artifacts[trial.n, trial.attempt] = token
        at = rng.random() if self._stage.stormy else 0.0
        state = "retry" if released or at >= 0.9 else "done" if at < 0.75 else "failed"
        error = {"type": "Bad"} if state == "failed" else None
        record = replace(trial, state=state, result=token, value=float(trial.n), error=error, ended_ms=self._now_ms())
        if rung is not None and state == "done":
            record = replace(record, state="paused", rung=rung, value=self._scenario.values[trial.n])
        self._settle(record)
        if self._scenario.ecs and self._stage.stormy and rng.random() < 0.3:
            return False  # told to go between two trials
        return state != "retry" or (not released and rng.random() < 0.5)  # told to go, or to be retried

    def _settle(self, record: TrialRecord) -> None:
        won = self._store.settle(RUN, record)
        if won and record.state == "done":
            self._judge.told[record.n] += 1
        self._once(lambda: self._claims.settled(record, won))

    def _climb(self, trial: TrialRecord) -> int | None:
        """From its checkpoint, if there is one, up to the rung where it is to wait; None: to the end."""
        scenario, rng = self._scenario, self._rng
        kept = [step for (n, attempt), step in scenario.checkpoints.items() if n == trial.n and attempt < trial.attempt]
        first = 0 if rng.random() < 0.1 else max(kept, default=0)  # some start anew, as after an error
        for step in range(max(1, first), scenario.steps + 1):
            rung = scenario.halving.rung(step)
            if rung is None or rung < trial.rung:
                continue
            scenario.checkpoints[trial.n, trial.attempt] = step
            standing = Standing(rung, trial.n, trial.attempt, scenario.values[trial.n])
            while (goes_on := self._once(lambda: self._claims.goes_on(standing))) is None:  # noqa: B023
                self._actor.sleep(1.0)
            if not goes_on:
                return rung
            self._actor.sleep(rng.uniform(0, 1))
        return None

    def _now_ms(self) -> int:
        return int(1000 * (self._stage.now + 1))
