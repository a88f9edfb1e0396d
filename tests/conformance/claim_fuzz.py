"""A fuzzer of the claim protocol: one seed is one schedule of workers, zombies, lost answers, kills and users.

Every actor is a thread that runs the product's own code; only one runs at a time, and a seeded scheduler chooses which
at each call to the table.  Time is virtual.  A schedule has a stormy part and a calm one that must end the run; then
what is on record is compared with what was seen to happen.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from awsrun.worker.fargate import Start
from awsrun.worker.heartbeat import Heartbeat
from awsrun.worker.protocol import records
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.faults import FaultyTable, Rates
from awsrun.worker.protocol.records import (
    DONE,
    FAILED,
    ON_HOLD,
    SETTLED,
    TERMINATED,
    Limits,
    Me,
    Run,
    Standing,
    TrialRecord,
)
from awsrun.worker.protocol.rungs import Halving
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Condition, Item, Table, Value
from awsrun.worker.relief import Relief

RUN, EARLIER = "fuzz", "earlier"
LEASE = 20.0
STORM = Rates(replayed=0.05, unanswered=0.05, dropped=0.05, delayed=0.08)
_STEPS = 6000  # a schedule that takes more does not end


class Violation(AssertionError):
    """An invariant of the protocol does not hold."""


class Killed(BaseException):
    """Ends an actor as SIGKILL does."""


class Actor:
    """A thread that waits for its turn before each call to the table."""

    def __init__(self, world: World, name: str, body: Callable[[Actor], None], mortal: bool = True) -> None:
        self.world, self.name, self.mortal = world, name, mortal
        self.wakes = 0.0
        self.doomed = self.ended = False
        self.go = threading.Semaphore(0)
        self.error: BaseException | None = None
        self._body = body
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _main(self) -> None:
        self.go.acquire()
        try:
            self._body(self)
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self.world.back.release()

    def turn(self) -> None:
        """Let the others go first, perhaps for a long time; die here if that is this actor's fate."""
        self.world.back.release()
        self.go.acquire()
        if self.doomed:
            raise Killed

    def sleep(self, seconds: float) -> None:
        self.wakes = self.world.now + seconds
        self.turn()


class SteppedTable:
    """The table as one actor sees it: each call is a turn, and a doomed actor dies before its call or after it."""

    def __init__(self, inner: Table, actor: Actor) -> None:
        self._inner, self._actor = inner, actor

    def put(self, item: Item, when: Condition = ()) -> None:
        self._actor.turn()
        self._inner.put(item, when)
        self._last_words()

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        self._actor.turn()
        item = self._inner.update(pk, sk, put, add, when)
        self._last_words()
        return item

    def get(self, pk: str, sk: str) -> Item | None:
        self._actor.turn()
        return self._inner.get(pk, sk)

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        self._actor.turn()
        return iter(list(self._inner.query(pk, prefix, limit, backwards, start)))

    def put_all(self, items: Iterable[Item]) -> None:
        self._actor.turn()
        self._inner.put_all(items)

    def _last_words(self) -> None:
        if self._actor.mortal and self._actor.world.stormy and self._actor.world.rng.random() < 0.01:
            raise Killed


class WatchedTable:
    """Sees every write that takes effect, and judges it."""

    def __init__(self, inner: Table, world: World) -> None:
        self._inner, self._world = inner, world
        self.get, self.query, self.put_all = inner.get, inner.query, inner.put_all

    def put(self, item: Item, when: Condition = ()) -> None:
        old = self._inner.get(str(item["pk"]), str(item["sk"]))
        self._inner.put(item, when)
        self._world.wrote(old, item)

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        old = self._inner.get(pk, sk)
        new = self._inner.update(pk, sk, put, add, when)
        self._world.wrote(old, new)
        return new


class World:
    """One schedule.

    Args:
        table: an empty one.
        seed: chooses everything else.
        prunes: whether trials are pruned; None: the seed chooses this, too.
        ecs: whether workers share the slots of a call, and replace each other; None: the seed chooses.
    """

    def __init__(self, table: Table, seed: int, prunes: bool | None = None, ecs: bool | None = None) -> None:
        self.rng = Random(seed)
        self.ecs = Random(f"{seed} ecs").random() < 0.3 if ecs is None else ecs
        self.run = Run(
            RUN, "job.py", "train", {"search": "grid"}, self.rng.randint(1, 8), metric="y",
            limits=Limits(
                workers=3, lease=LEASE, keep_going=self.rng.random() < 0.7, until=self.rng.choice((None, None, 3.0))
            ),
        )  # fmt: skip
        if self.rng.random() < 0.5 if prunes is None else prunes:
            limits = replace(self.run.limits, eta=self.rng.choice((2, 3)), least=self.rng.choice((1, 2)))
            self.run = replace(self.run, limits=limits, total=self.rng.randint(1, 12))
        if self.ecs:
            groups = [{"job": "w", "slot": 0, "workers": 8}]
            self.run = replace(self.run, engine={"groups": groups}, total=self.rng.randint(4, 16))
        self.earlier: dict[int, str] = {}
        if not self.run.prunes and Random(f"reuse {seed}").random() < 0.3:
            self.run = replace(self.run, reuse=(EARLIER,))
            self.earlier = dict(self._before(table, Random(seed)))
        self.asked: set[tuple[int, int]] = set()
        self.halving = Halving(max(2, self.run.limits.eta), self.run.limits.least)
        self.steps = self.rng.randint(1, 7)
        self.values = [self.rng.choice((float(n), float(n), 5.0, math.nan)) for n in range(self.run.total)]
        self.checkpoints: dict[tuple[int, int], int] = {}
        self.now = 0.0
        self.late = self.rng.choice((math.inf, math.inf, self.rng.uniform(0, 3 * LEASE)))
        self.stormy = True
        self.back = threading.Semaphore(0)
        self.artifacts: dict[tuple[int, int], str] = {}
        self.told: Counter[int] = Counter()
        self.cancelled: set[int] = set()
        self._done: Counter[int] = Counter()
        self._took: Counter[int] = Counter()
        self._plain = table
        self._faulty = FaultyTable(WatchedTable(table, self), STORM, self.rng)
        self._actors: list[Actor] = []
        self._tokens = 0
        self._boots: Counter[int] = Counter()
        self._unlucky = Random(f"{seed} import")
        self._interrupted_retry = False
        self._holds_asked: Counter[str] = Counter()
        self._holds_made: Counter[str] = Counter()
        RunStore(table).create(self.run)

    def play(self) -> None:
        """The whole schedule.

        Raises:
            Violation: an invariant does not hold.
        """
        try:
            for _ in range(self.rng.randint(1, 4)):
                self._hire()
            for _ in range(self.rng.randint(0, 3)):
                self._spawn("user", self._user)
            self._storm(self.rng.randint(20, 250))
            self._calm()
            self._judge()
        finally:
            for actor in self._actors:
                actor.doomed = True
                actor.go.release()

    def _before(self, table: Table, rng: Random) -> Iterator[tuple[int, str]]:
        """Make an earlier run; the trials of it that can be reused, with their results."""
        RunStore(table).create(replace(self.run, run=EARLIER, reuse=(), space={"search": "bayes"}, next=9))
        for n in range(self.run.total):
            state, same = rng.choice(("done", "done", "failed", "run")), rng.random() < 0.8
            result = f"{EARLIER}/{n}"
            trial = TrialRecord(n, state, 2, "9.9", {"n": n if same else -1}, result, float(n))
            table.put(trial.to_item(EARLIER))
            if state == "done" and same:
                yield n, result

    def _storm(self, steps: int) -> None:
        for _ in range(steps):
            at = self.rng.random()
            actor = self.rng.choice(self._actors)
            if at < 0.04:
                actor.wakes = max(actor.wakes, self.now + self.rng.uniform(0, 3 * LEASE))  # a zombie, for a while
            elif at < 0.05:
                actor.doomed = actor.mortal
            elif at < 0.08:
                self._faulty.deliver()
            elif at < 0.09:
                self._hire()
            if not self._step():
                self._hire()

    def _calm(self) -> None:
        """No more faults: zombies wake up, late writes arrive, and a few good workers must bring the run to its end."""
        self.stormy = False
        self._faulty._rates = Rates()
        for _ in range(_STEPS):
            if self.rng.random() < 0.05:
                self._faulty.deliver()
            if self._step():
                continue
            if self._faulty._late:
                self._faulty.deliver()
                continue
            state = RunStore(self._plain).status(RUN).state
            if state == "done" and not self._interrupted_retry:
                return
            if state == ON_HOLD:
                self._spawn("user", lambda actor: self._hold(actor, "running"), mortal=False)
            elif state != "running":
                self._interrupted_retry = False
                self._spawn("user", lambda actor: self._retry(actor), mortal=False)
            self._hire(mortal=False)
        raise Violation("the run does not end")

    def _step(self) -> bool:
        """Let one actor take a turn; False if there is none."""
        alive = [actor for actor in self._actors if not actor.ended]
        if not alive:
            return False
        awake = [actor for actor in alive if actor.wakes <= self.now]
        if not awake:
            self.now = min(actor.wakes for actor in alive)
            awake = [actor for actor in alive if actor.wakes <= self.now]
        self.now += self.rng.uniform(0, 0.5)
        actor = self.rng.choice(awake)
        actor.go.release()
        self.back.acquire()
        if actor.error is not None:
            raise actor.error
        return True

    def _spawn(self, name: str, body: Callable[[Actor], None], mortal: bool = True) -> None:
        self._actors.append(Actor(self, name, body, mortal))

    def _hire(self, mortal: bool = True) -> None:
        """A worker on a new slot, or, as engines do, on an old one with a higher boot."""
        again = self._boots and self.rng.random() < 0.4
        slot = self.rng.randrange(len(self._boots)) if again else len(self._boots)
        self._boots[slot] += 1000
        me = Me(slot, self._boots[slot])
        if self.ecs and not again and self.rng.random() < 0.5:
            self._boots[slot + 1] += 1000
            for job in (f"{slot}a", f"{slot}b"):
                self._spawn(f"w{job}", lambda actor, job=job: self._worker(actor, me, job), mortal)  # type: ignore[misc]
        else:
            self._spawn(f"w{slot}", lambda actor: self._worker(actor, me), mortal)

    def _ask(self, run: Run, start: Start) -> str:
        """ECS starts another task on a slot, or has no room."""
        request = (start.slot, start.ask)
        if request in self.asked:
            raise Violation(f"slot {start.slot} was asked for twice: {start}")
        self.asked.add(request)
        if self.stormy and self.rng.random() < 0.3:
            return "no room"
        self._boots[start.slot] = max(self._boots[start.slot], 1000 * start.attempt)
        me = Me(start.slot, 1000 * start.attempt)
        self._spawn(f"w{start.slot}", lambda actor: self._worker(actor, me), self.stormy)
        return ""

    def _now_ms(self) -> int:
        return int(1000 * (self.now + 1))

    def _store(self, actor: Actor) -> RunStore:
        return RunStore(SteppedTable(self._faulty, actor), sleep=actor.sleep, pauses=[0.2] * 50)

    def _worker(self, actor: Actor, me: Me, job: str = "") -> None:
        """A worker's life.

        Args:
            job: of a task that takes one of two slots.
        """
        store = self._store(actor)
        found = store.sit(RUN, me, 2, {"job_id": job}) if job else store.register(RUN, me)
        if found is None:
            return
        who = Identity(found)
        relief = Relief(store, self.run, who, self._ask, lambda: self.now, Random(self.rng.random()))
        heart = Heartbeat(store, RUN, who, 1.0, lambda notice: None, self._now_ms)
        tools = Tools(
            lambda n: {"n": n}, lambda: self.now, self._now_ms, Random(self.rng.random()),
            lambda: "late" if self.late < self.now else "",
        )  # fmt: skip
        claims = Claims(store, self.run, who, tools)
        if self.stormy and self._unlucky.random() < 0.05:
            claims.fail_run({"type": "ImportError", "import": True})
            return store.leave(RUN, who.me, FAILED)
        idle_since: float | None = None
        how = DONE
        while not claims.ended:
            if self.ecs:
                relief.look()
            notice = heart.beat()
            if notice is not None and notice.kind in ("over", "leave", "superseded"):
                break
            trial = claims.next(self.rng.choice((1, 1, 3))) or claims.sweep()
            if trial is not None:
                idle_since = None
                if not self._attempt(actor, store, claims, heart, trial):
                    how = TERMINATED
                    break
                continue
            if idle_since is None:
                idle_since = self.now
            if self.now - idle_since > 1.5 * LEASE:
                break
            actor.sleep(LEASE / 6)
        store.leave(RUN, who.me, how)

    def _attempt(self, actor: Actor, store: RunStore, claims: Claims, heart: Heartbeat, trial: TrialRecord) -> bool:
        """Run a trial; False if the worker was told to go meanwhile."""
        released = False
        for _ in range(self.rng.randint(0, 3)):
            actor.sleep(self.rng.uniform(0, LEASE / 4))
            notice = heart.beat()
            if notice is not None and notice.kind in ("leave", "over"):
                released = True
                break
        rung = self._climb(actor, claims, trial) if self.run.prunes and not released else None
        self._tokens += 1
        token = f"{trial.n}/{trial.attempt}/{self._tokens}"
        self.artifacts[trial.n, trial.attempt] = token
        at = self.rng.random() if self.stormy else 0.0
        state = "retry" if released or at >= 0.9 else "done" if at < 0.75 else "failed"
        error = {"type": "Bad"} if state == "failed" else None
        record = replace(trial, state=state, result=token, value=float(trial.n), error=error, ended_ms=self._now_ms())
        if rung is not None and state == "done":
            state, record = "paused", replace(record, state="paused", rung=rung, value=self.values[trial.n])
        won = store.settle(RUN, record)
        if won and state == "done":
            self.told[trial.n] += 1
        claims.settled(record, won)
        if self.ecs and self.stormy and self.rng.random() < 0.3:
            return False  # told to go between two trials
        return state != "retry" or (not released and self.rng.random() < 0.5)  # told to go, or to be retried

    def _climb(self, actor: Actor, claims: Claims, trial: TrialRecord) -> int | None:
        """From its checkpoint, if there is one, up to the rung where it is to wait; None: to the end."""
        kept = [step for (n, attempt), step in self.checkpoints.items() if n == trial.n and attempt < trial.attempt]
        first = 0 if self.rng.random() < 0.1 else max(kept, default=0)  # some start anew, as after an error
        for step in range(max(1, first), self.steps + 1):
            rung = self.halving.rung(step)
            if rung is None or rung < trial.rung:
                continue
            self.checkpoints[trial.n, trial.attempt] = step
            if not claims.goes_on(Standing(rung, trial.n, trial.attempt, self.values[trial.n])):
                return rung
            actor.sleep(self.rng.uniform(0, 1))
        return None

    def _user(self, actor: Actor) -> None:
        store = self._store(actor)
        for _ in range(self.rng.randint(1, 4)):
            actor.sleep(self.rng.uniform(0, 2 * LEASE))
            at = self.rng.random()
            if at < 0.2:
                n = self.rng.randrange(self.run.total)
                self.cancelled.add(n)
                store.cancel_trial(RUN, n, self._now_ms())
            elif at < 0.3:
                store.cancel(RUN)
            elif at < 0.5:
                self._hold(actor, ON_HOLD)
                actor.sleep(self.rng.uniform(0, LEASE / 2))
                self._hold(actor, "running")
            elif at < 0.65:
                self._hold(actor, self.rng.choice((ON_HOLD, "running")))
            elif at < 0.8:
                chosen = {self.rng.randrange(self.run.total) for _ in range(self.rng.randint(1, 3))}
                self._retry(actor, sorted(chosen), fresh=self.rng.random() < 0.5)
            else:
                self._retry(actor)

    def _hold(self, actor: Actor, state: str) -> None:
        """Pause the run, or let it go on."""
        self._holds_asked[state] += 1
        store = self._store(actor)
        store.pause(RUN) if state == ON_HOLD else store.go_on(RUN)

    def _retry(self, actor: Actor, only: list[int] | None = None, fresh: bool = False) -> None:
        try:
            self._store(actor).retry(RUN, only, fresh=fresh)
        except Killed:
            self._interrupted_retry = True  # the user types it again
            raise

    def wrote(self, old: Item | None, new: Item) -> None:
        """A write has taken effect."""
        pk, state = str(new["pk"]), new.get("state")
        same_start = pk == f"{RUN}#W" and old is not None and old.get("boot") == new["boot"]
        if same_start and old and old.get("job_id") != new.get("job_id"):
            raise Violation(f"slot {new['sk']} has two tasks: {old.get('job_id')} and {new.get('job_id')}")
        if pk.startswith(f"{RUN}#T#"):
            self._wrote_trial(old, new)
        if pk == RUN and new["sk"] == "R" and old:
            self._wrote_run(old, new)
        if pk == RUN and new["sk"] == "R" and state == "done" and old and old["state"] != "done":
            trials = [trial for trial in self._trials() if trial.n < self._size]
            waiting = [trial.n for trial in trials if not trial.settled]
            if waiting or len(trials) < self._size:
                raise Violation(f"the run is done, but trials {waiting} wait, or some never started")

    def _wrote_run(self, old: Item, new: Item) -> None:
        before, after = str(old["state"]), str(new["state"])
        if before == after == ON_HOLD and new["next"] != old["next"]:
            raise Violation("a trial was reserved while the run was paused")
        if {before, after} == {ON_HOLD, "running"}:
            self._holds_made[after] += 1
            if self._holds_made[after] > self._holds_asked[after]:
                raise Violation(f"the run became {after} more often than anybody asked for it")
        if before == "running" and after == "failed" and "ImportError" in str(new["error"]) and old["next"]:
            raise Violation("a worker that cannot import the job has failed a run of which trials have started")
        if before == ON_HOLD and after in ("done", "failed"):
            raise Violation(f"a paused run became {after}")

    def _wrote_trial(self, old: Item | None, new: Item) -> None:
        n = int(new["sk"])
        if old is None and new["state"] == "run" and n in self.earlier:
            raise Violation(f"trial {n} was started, and could have been reused")
        if old is not None:
            ended = old["state"] in ("done", "stopped")
            if old["state"] in SETTLED and new != old and (ended or new["state"] != "retry"):
                raise Violation(f"trial {n} was {old['state']} and became {new['state']}")
            if new["state"] == "stopped" != old["state"] and {**new, "state": "paused"} != old:
                raise Violation(f"trial {n} was stopped in attempt {new['attempt']} as it was {old['state']}")
            if old["state"] == "paused" and new["state"] == "run" and int(new["rung"]) != int(old["rung"]) + 1:
                raise Violation(f"trial {n} was let past rung {old['rung']} and is at {new['rung']}")
            if old["state"] == "retry" and new["losses"] != old["losses"]:
                raise Violation(f"trial {n} was given back, and that counts as a loss")
            if int(new["attempt"]) < int(old["attempt"]):
                raise Violation(f"trial {n} went back to attempt {new['attempt']}")
        if new["state"] == "cancelled" and n not in self.cancelled:
            raise Violation(f"trial {n} was cancelled, and nobody has asked for that")
        if new["state"] == "done":
            self._done[n] += 1
        if old is not None and (old["state"], old["attempt"]) == ("run", new["attempt"]) and new["state"] != "run":
            self._took[n] += max(0, int(new["ended_ms"]) - int(new["started_ms"]))

    def _trials(self) -> list[TrialRecord]:
        store = RunStore(self._plain)
        return [trial for shard in range(self.run.shards) for trial in store.trials(RUN, shard)]

    @property
    def _size(self) -> int:
        return RunStore(self._plain).status(RUN).size(self.run.total)

    def _judge(self) -> None:
        trials = {trial.n: trial for trial in self._trials() if trial.n < self._size}
        if sorted(trials) != list(range(self._size)):
            raise Violation(f"trials {sorted(trials)} of {self._size}")
        never = [trial.n for trial in self._trials() if trial.n >= self._size and trial.owner]
        if never:
            raise Violation(f"trials {never} ran after the run was cut")
        for n, trial in trials.items():
            if not trial.settled:
                raise Violation(f"the run is done and trial {n} is {trial.state}")
            if self._done[n] != (trial.state == "done") or self.told[n] > 1:
                raise Violation(
                    f"trial {n} was committed {self._done[n]} times, workers were told {self.told[n]} times"
                )
            if trial.reused:
                if trial.result != self.earlier.get(n) or trial.attempt != 1 or trial.reused["run"] != EARLIER:
                    raise Violation(f"trial {n} was taken from {dict(trial.reused)}, with result {trial.result}")
                continue
            if (took := trial.spent_ms - trial.lost_ms + trial.latest_ms) != self._took[n]:
                raise Violation(f"trial {n}: its attempts took {self._took[n]} ms, by its record {took}")
            if trial.state in ("done", "stopped") and trial.result != self.artifacts[n, trial.attempt]:
                raise Violation(f"trial {n}: result {trial.result}, artifacts {self.artifacts[n, trial.attempt]}")
        self._judge_seals(trials)
        self._judge_rungs(trials)

    def _judge_rungs(self, trials: Mapping[int, TrialRecord]) -> None:
        """A run that was not cut short has a trial that is done, if any could be; what stopped had come to its rung."""
        states = {trial.state for trial in trials.values()}
        finite = any(self.values[n] == self.values[n] for n in trials if trials[n].state == "stopped")
        cut = RunStore(self._plain).status(RUN).cut >= 0 or self.late < self.now
        if self.run.prunes and finite and "done" not in states and not cut:
            raise Violation("every trial was stopped")
        stood = {(standing.rung, standing.n) for standing in RunStore(self._plain).standings(RUN)}
        for n, trial in trials.items():
            if trial.state == "stopped" and (trial.rung, n) not in stood:
                raise Violation(f"trial {n} was stopped at rung {trial.rung}, where it never stood")

    def _judge_seals(self, trials: Mapping[int, TrialRecord]) -> None:
        status = RunStore(self._plain).status(RUN)
        for number, shard in RunStore(self._plain).shards(RUN, status.generation).items():
            members = [trial for n, trial in trials.items() if n // records.SHARD == number]
            if shard.counts != records.summary(number, 0, members, "max").counts:
                raise Violation(f"shard {number} is sealed as {dict(shard.counts)}")


def play(table: Table, seed: int, prunes: bool | None = None, ecs: bool | None = None) -> None:
    """Play one schedule on an empty table; with pruning, without, or as the seed chooses.

    Raises:
        Violation: with the seed.
    """
    try:
        World(table, seed, prunes, ecs).play()
    except Violation as violation:
        raise Violation(f"seed {seed}: {violation}") from violation


class Unfenced:
    """A table that forgets to check some attributes: what a mistake in the protocol would be."""

    def __init__(self, inner: Table, *names: str) -> None:
        self._inner: Any = inner
        self._names = names
        self.get, self.query, self.put_all = inner.get, inner.query, inner.put_all

    def put(self, item: Item, when: Condition = ()) -> None:
        self._inner.put(item, self._weaken(when))

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        item: Item = self._inner.update(pk, sk, put, add, self._weaken(when))
        return item

    def _weaken(self, when: Condition) -> Condition:
        return tuple(term for term in when if term.name not in self._names)
