"""The invariants: what no write may do, and what must be on record at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from awsrun.worker.protocol import records
from awsrun.worker.protocol.records import ON_HOLD, SETTLED, Me, TrialRecord, Worker
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Condition, Item, Table, Value
from claim_fuzz.actors import Stage
from claim_fuzz.scenario import EARLIER, LEASE, RUN, Scenario


class Violation(AssertionError):
    """An invariant of the protocol does not hold."""


class WatchedTable:
    """Shows every write that takes effect to the judge."""

    def __init__(self, inner: Table, judge: Judge) -> None:
        self._inner, self._judge = inner, judge
        self.get, self.query, self.put_all = inner.get, inner.query, inner.put_all

    def put(self, item: Item, when: Condition = ()) -> None:
        old = self._inner.get(str(item["pk"]), str(item["sk"]))
        self._inner.put(item, when)
        self._judge.wrote(old, item)

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        old = self._inner.get(pk, sk)
        new = self._inner.update(pk, sk, put, add, when)
        self._judge.wrote(old, new)
        return new


class Judge:
    """Compares what is written with what actors have said that they did.

    Attributes:
        artifacts: (trial, attempt) -> what that attempt left.
        told: trial -> how many workers were told that their result counts.
        cancelled: trials that a user has cancelled.
        asked: (slot, which request) for a new start of it.
        holds_asked: state -> how often users have asked for it (paused, or running again).
    """

    def __init__(self, table: Table, scenario: Scenario, stage: Stage) -> None:
        self._scenario, self._stage, self._store = scenario, stage, RunStore(table)
        self.artifacts: dict[tuple[int, int], str] = {}
        self.told: Counter[int] = Counter()
        self.cancelled: set[int] = set()
        self.asked: set[tuple[int, int]] = set()
        self.holds_asked: Counter[str] = Counter()
        self._holds_made: Counter[str] = Counter()
        self._done: Counter[int] = Counter()
        self._took: Counter[int] = Counter()
        self._lived: dict[int, float] = {}

    @property
    def size(self) -> int:
        """How many trials the run has by now."""
        return self._store.status(RUN).size(self._scenario.run.total)

    def trials(self) -> list[TrialRecord]:
        return [trial for shard in range(self._scenario.run.shards) for trial in self._store.trials(RUN, shard)]

    def wrote(self, old: Item | None, new: Item) -> None:
        """A write has taken effect."""
        pk = str(new["pk"])
        if pk == f"{RUN}#W":
            self._wrote_worker(old, new)
        if pk.startswith(f"{RUN}#T#"):
            self._wrote_trial(old, new)
        if pk == RUN and new["sk"] == "R" and old:
            self._wrote_run(old, new)

    def _wrote_worker(self, old: Item | None, new: Item) -> None:
        slot, now = int(new["sk"]), self._stage.now
        if old is None or old["boot"] != new["boot"]:
            self._lived[slot] = now
            return
        if old.get("job_id") != new.get("job_id"):
            raise Violation(f"slot {slot} has two tasks: {old.get('job_id')} and {new.get('job_id')}")
        if new["beat"] != old["beat"]:
            self._lived[slot] = now
        if new["dead"] and not (old["dead"] or new["left"]) and now - self._lived[slot] < LEASE:
            raise Violation(f"worker {slot} was buried {now - self._lived[slot]:g} s after its last sign of life")

    def _wrote_run(self, old: Item, new: Item) -> None:
        before, after = str(old["state"]), str(new["state"])
        if before == after == ON_HOLD and new["next"] != old["next"]:
            raise Violation("a trial was reserved while the run was paused")
        if {before, after} == {ON_HOLD, "running"}:
            self._holds_made[after] += 1
            if self._holds_made[after] > self.holds_asked[after]:
                raise Violation(f"the run became {after} more often than anybody asked for it")
        if before == "running" and after == "failed" and "ImportError" in str(new["error"]) and old["next"]:
            raise Violation("a worker that cannot import the job has failed a run of which trials have started")
        if before == ON_HOLD and after in ("done", "failed"):
            raise Violation(f"a paused run became {after}")
        if after == "done" != before:
            trials = [trial for trial in self.trials() if trial.n < self.size]
            waiting = [trial.n for trial in trials if not trial.settled]
            if waiting or len(trials) < self.size:
                raise Violation(f"the run is done, but trials {waiting} wait, or some never started")

    def _wrote_trial(self, old: Item | None, new: Item) -> None:
        n = int(new["sk"])
        if old is None and new["state"] == "run" and n in self._scenario.earlier:
            raise Violation(f"trial {n} was started, and could have been reused")
        if old is not None:
            self._changed_trial(n, old, new)
        if new["state"] == "cancelled" and n not in self.cancelled:
            raise Violation(f"trial {n} was cancelled, and nobody has asked for that")
        if new["state"] == "done":
            self._done[n] += 1
        if old is not None and (old["state"], old["attempt"]) == ("run", new["attempt"]) and new["state"] != "run":
            self._took[n] += max(0, int(new["ended_ms"]) - int(new["started_ms"]))

    def _changed_trial(self, n: int, old: Item, new: Item) -> None:
        ended = old["state"] in ("done", "stopped")
        if old["state"] in SETTLED and new != old and (ended or new["state"] != "retry"):
            raise Violation(f"trial {n} was {old['state']} and became {new['state']}")
        if new["state"] == "stopped" != old["state"] and {**new, "state": "paused"} != old:
            raise Violation(f"trial {n} was stopped in attempt {new['attempt']} as it was {old['state']}")
        if old["state"] == "paused" and new["state"] == "run" and int(new["rung"]) != int(old["rung"]) + 1:
            raise Violation(f"trial {n} was let past rung {old['rung']} and is at {new['rung']}")
        if old["state"] == new["state"] == "run" and new["attempt"] != old["attempt"]:
            self._taken(n, str(old["owner"]), str(new["owner"]))
        if old["state"] == "run" and new["attempt"] != old["attempt"]:
            lost = dict.fromkeys([*filter(None, str(old["losses"]).split(",")), Me.parse(str(old["owner"])).container])
            if new["losses"] != ",".join(lost):
                raise Violation(f"trial {n} was lost with {','.join(lost)}, and {new['losses']} are on record")
        if old["state"] == "retry" and new["state"] == "run" and new["losses"] != old["losses"]:
            raise Violation(f"trial {n} was given back, and that counts as a loss")
        for what in ("attempt", "since"):
            if int(new[what]) < int(old[what]):
                raise Violation(f"trial {n} went back to {what} {new[what]}")

    def _taken(self, n: int, owner: str, taker: str) -> None:
        """A trial that was under way has another owner."""
        me, item = Me.parse(owner), self._store.table.get(f"{RUN}#W", f"{Me.parse(owner).slot:06d}")
        worker = None if item is None else Worker.from_item(item)
        alive = worker is not None and worker.boot == me.boot and not worker.dead
        if worker is None or (alive and taker != owner):
            raise Violation(f"trial {n} was taken over by {taker} while {owner} had it and was not known to be dead")

    def sum_up(self) -> None:
        """The run is done: is what is on record what has happened?"""
        size = self.size
        trials = {trial.n: trial for trial in self.trials() if trial.n < size}
        if sorted(trials) != list(range(size)):
            raise Violation(f"trials {sorted(trials)} of {size}")
        if never := [trial.n for trial in self.trials() if trial.n >= size and trial.owner]:
            raise Violation(f"trials {never} ran after the run was cut")
        for trial in trials.values():
            self._sum_up_trial(trial)
        self._sum_up_seals(trials)
        self._sum_up_rungs(trials)

    def _sum_up_trial(self, trial: TrialRecord) -> None:
        n, told = trial.n, self.told[trial.n]
        if not trial.settled:
            raise Violation(f"the run is done and trial {n} is {trial.state}")
        if self._done[n] != (trial.state == "done") or told > 1:
            raise Violation(f"trial {n} was committed {self._done[n]} times, workers were told {told} times")
        if trial.reused:
            if trial.result != self._scenario.earlier.get(n) or trial.attempt != 1 or trial.reused["run"] != EARLIER:
                raise Violation(f"trial {n} was taken from {dict(trial.reused)}, with result {trial.result}")
            return
        if (took := trial.spent_ms - trial.lost_ms + trial.latest_ms) != self._took[n]:
            raise Violation(f"trial {n}: its attempts took {self._took[n]} ms, by its record {took}")
        if trial.state in ("done", "stopped") and trial.result != self.artifacts[n, trial.attempt]:
            raise Violation(f"trial {n}: result {trial.result}, artifacts {self.artifacts[n, trial.attempt]}")

    def _sum_up_rungs(self, trials: Mapping[int, TrialRecord]) -> None:
        """A run that was not cut short has a trial that is done, if any could be; what stopped had come to its rung."""
        states, values = {trial.state for trial in trials.values()}, self._scenario.values
        finite = any(values[n] == values[n] for n in trials if trials[n].state == "stopped")
        cut = self._store.status(RUN).cut >= 0 or self._scenario.late < self._stage.now
        if self._scenario.run.prunes and finite and "done" not in states and not cut:
            raise Violation("every trial was stopped")
        stood = {(standing.rung, standing.n) for standing in self._store.standings(RUN)}
        for n, trial in trials.items():
            if trial.state == "stopped" and (trial.rung, n) not in stood:
                raise Violation(f"trial {n} was stopped at rung {trial.rung}, where it never stood")

    def _sum_up_seals(self, trials: Mapping[int, TrialRecord]) -> None:
        status = self._store.status(RUN)
        for number, shard in self._store.shards(RUN, status.generation).items():
            members = [trial for n, trial in trials.items() if n // records.SHARD == number]
            if shard.counts != records.summary(number, 0, members, "max").counts:
                raise Violation(f"shard {number} is sealed as {dict(shard.counts)}")
