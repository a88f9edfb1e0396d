"""What users do to the run: cancel, pause, let it go on, put trials back; they give up a command that is not
answered."""

from __future__ import annotations

from awsrun.worker.protocol.control import PUT_BACK
from awsrun.worker.protocol.records import ON_HOLD
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered
from claim_fuzz.actors import Actor, Killed
from claim_fuzz.judge import Judge
from claim_fuzz.scenario import LEASE, RUN, Scenario


class FuzzedUser:
    """One user, in the thread of its actor.

    Attributes:
        unfinished: a retry was cut short; it is typed again.
    """

    def __init__(self, actor: Actor, scenario: Scenario, judge: Judge, store: RunStore) -> None:
        self.unfinished = False
        self._actor, self._scenario, self._judge, self._store = actor, scenario, judge, store
        self._rng = actor.stage.rng

    def act(self) -> None:
        """A few commands, some time between them."""
        for _ in range(self._rng.randint(1, 4)):
            self._actor.sleep(self._rng.uniform(0, 2 * LEASE))
            try:
                self._command()
            except Unanswered:
                continue

    def hold(self, state: str) -> None:
        """Pause the run, or let it go on."""
        self._judge.holds_asked[state] += 1
        self._store.pause(RUN) if state == ON_HOLD else self._store.go_on(RUN)

    def retry(self, only: list[int] | None = None, fresh: bool = False) -> None:
        states = PUT_BACK if self._rng.random() < 0.7 else PUT_BACK | {"retry"}
        try:
            self._store.retry(RUN, only, states, fresh)
        except (Killed, Unanswered):
            self.unfinished = True
            raise

    def _command(self) -> None:
        rng, total = self._rng, self._scenario.run.total
        at = rng.random()
        if at < 0.2:
            n = rng.randrange(total)
            self._judge.cancelled.add(n)
            self._store.cancel_trial(RUN, n, int(1000 * (self._actor.stage.now + 1)))
        elif at < 0.3:
            self._store.cancel(RUN)
        elif at < 0.5:
            self.hold(ON_HOLD)
            self._actor.sleep(rng.uniform(0, LEASE / 2))
            self.hold("running")
        elif at < 0.65:
            self.hold(rng.choice((ON_HOLD, "running")))
        elif at < 0.8:
            chosen = {rng.randrange(total) for _ in range(rng.randint(1, 3))}
            self.retry(sorted(chosen), fresh=rng.random() < 0.5)
        else:
            self.retry(fresh=rng.random() < 0.2)
