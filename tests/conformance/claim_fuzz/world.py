"""One schedule: a storm, then a calm in which the run must come to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from awsrun.worker.fargate import Start
from awsrun.worker.protocol.faults import FaultyTable, Rates
from awsrun.worker.protocol.records import ON_HOLD, Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Table
from claim_fuzz.actors import Actor, Stage, SteppedTable
from claim_fuzz.judge import Judge, Violation, WatchedTable
from claim_fuzz.scenario import LEASE, RUN, Scenario
from claim_fuzz.user import FuzzedUser
from claim_fuzz.worker import FuzzedWorker

STORM = Rates(replayed=0.05, unanswered=0.05, dropped=0.05, delayed=0.08, unread=0.03)
_STEPS = 6000  # a schedule that takes more does not end


class World:
    """One schedule.

    Args:
        table: an empty one.
        seed: chooses everything else.
        prunes, ecs: see `Scenario`.
    """

    def __init__(self, table: Table, seed: int, prunes: bool | None = None, ecs: bool | None = None) -> None:
        self._rng = Random(seed)
        self._stage = Stage(self._rng)
        self._scenario = Scenario(table, seed, self._rng, prunes, ecs)
        self._judge = Judge(table, self._scenario, self._stage)
        self._plain = RunStore(table)
        self._faulty = FaultyTable(WatchedTable(table, self._judge), STORM, self._rng)
        self._boots: Counter[int] = Counter()
        self._unlucky = Random(f"{seed} import")
        self._unfinished = False

    def play(self) -> None:
        """The whole schedule.

        Raises:
            Violation: an invariant does not hold.
        """
        try:
            for _ in range(self._rng.randint(1, 4)):
                self._hire()
            for _ in range(self._rng.randint(0, 3)):
                self._command(lambda user: user.act())
            self._storm(self._rng.randint(20, 250))
            self._calm()
            self._judge.sum_up()
        finally:
            self._stage.close()

    def _storm(self, steps: int) -> None:
        for _ in range(steps):
            at = self._rng.random()
            actor = self._rng.choice(self._stage.actors)
            if at < 0.04:
                actor.wakes = max(
                    actor.wakes, self._stage.now + self._rng.uniform(0, 3 * LEASE)
                )  # a zombie for a while
            elif at < 0.05:
                actor.doomed = actor.mortal
            elif at < 0.08:
                self._faulty.deliver()
            elif at < 0.09:
                self._hire()
            if not self._stage.step():
                self._hire()

    def _calm(self) -> None:
        """No more faults: zombies wake up, late writes arrive, and a few good workers must bring the run to its end."""
        self._stage.stormy = False
        self._faulty.rates = Rates()
        for _ in range(_STEPS):
            if self._rng.random() < 0.05:
                self._faulty.deliver()
            if self._stage.step() or self._faulty.deliver():
                continue
            state = self._plain.status(RUN).state
            if state == "done" and not self._unfinished:
                return
            if state == ON_HOLD:
                self._command(lambda user: user.hold("running"), mortal=False)
            elif state != "running":
                self._unfinished = False
                self._command(lambda user: user.retry(), mortal=False)
            self._hire(mortal=False)
        raise Violation("the run does not end")

    def _command(self, what: Callable[[FuzzedUser], None], mortal: bool = True) -> None:
        def body(actor: Actor) -> None:
            user = FuzzedUser(actor, self._scenario, self._judge, self._store(actor))
            try:
                what(user)
            finally:
                self._unfinished |= user.unfinished

        self._stage.spawn(body, mortal)

    def _hire(self, mortal: bool = True) -> None:
        """A worker on a new slot, or, as engines do, on an old one with a higher boot."""
        again = self._boots and self._rng.random() < 0.4
        slot = self._rng.randrange(len(self._boots)) if again else len(self._boots)
        self._boots[slot] += 1000
        me = Me(slot, self._boots[slot])
        if self._scenario.ecs and not again and self._rng.random() < 0.5:
            self._boots[slot + 1] += 1000
            for job in (f"{slot}a", f"{slot}b"):
                self._start(me, mortal, job)
        else:
            self._start(me, mortal)

    def _ask(self, run: Run, start: Start) -> str:
        """ECS starts another task on a slot, or has no room."""
        request = (start.slot, start.ask)
        if request in self._judge.asked:
            raise Violation(f"slot {start.slot} was asked for twice: {start}")
        self._judge.asked.add(request)
        if self._stage.stormy and self._rng.random() < 0.3:
            return "no room"
        self._boots[start.slot] = max(self._boots[start.slot], 1000 * start.attempt)
        self._start(Me(start.slot, 1000 * start.attempt), self._stage.stormy)
        return ""

    def _start(self, me: Me, mortal: bool, job: str = "") -> None:
        def body(actor: Actor) -> None:
            store = self._store(actor)
            FuzzedWorker(actor, self._scenario, self._judge, store, self._ask, self._unlucky).live(me, job)

        self._stage.spawn(body, mortal)

    def _store(self, actor: Actor) -> RunStore:
        return RunStore(SteppedTable(self._faulty, actor), sleep=actor.sleep, pauses=[0.2] * 50)
