"""1,000 workers and 1,000,000 trials against DynamoDB on paper: the real claim code, simulated time.

Each worker has the real Claims, RunStore and Heartbeat; when it claims, ahead or not, and when it looks around at the
end is as in awsrun.worker.supervisor.  Trials only take time, half to one and a half times the mean, and report
nothing.  Workers start within half a minute.  `benchmarks/dynamo_model.py` says what the table does.  "claims a second"
is over the middle 80 % of the trials, "of the ideal" compares it with workers that never wait.  Calls and units are
those of the whole run, refused calls and the search for what is left included; "gave up" are claims, searches and beats
that were refused five times running, and made again.

    python -m benchmarks.scale [SECONDS OF A TRIAL] [TRIALS] [WORKERS] [PARTITIONS]     # one case
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from greenlet import getcurrent

from awsrun.prices.table import shipped
from awsrun.worker.heartbeat import Heartbeat, Notice
from awsrun.worker.protocol import space
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.records import SHARD, Limits, Me, Run, Shard, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Item, Unanswered
from awsrun.worker.supervisor import AHEAD, SHORT
from benchmarks.dynamo_model import NEW_TABLE, Clock, ModelTable

START = 30.0  # seconds within which the workers start


@dataclass(frozen=True)
class Load:
    """A run to simulate.

    Attributes:
        seconds: what a trial takes, the mean.
        partitions: of the table at the start.
    """

    seconds: float
    trials: int = 1_000_000
    workers: int = 1000
    partitions: int = NEW_TABLE

    @property
    def run(self) -> Run:
        searched = {"search": "random", "axes": {}, "set": {"epochs": 10}, "total": self.trials}
        searched["ranges"] = {
            name: {"low": 0.0, "high": 1.0, "log": False, "int": False} for name in ("lr", "momentum")
        }
        return Run(
            run="train-1125-0800-abc", job="train.py", function="train", space=searched, total=self.trials,
            metric="accuracy", limits=Limits(workers=self.workers),
        )  # fmt: skip


@dataclass
class Figures:
    """What is counted while it runs.

    Attributes:
        claimed: when each trial was first claimed, in seconds.
        finished: when the run was done.
    """

    claimed: list[float] = field(default_factory=list)
    finished: float = 0.0
    unanswered: int = 0
    beats: int = 0


class Sealing(ModelTable):
    """Packs the trials of a sealed shard, so that a million of them fit into memory."""

    def put(self, item: Item, when: Any = ()) -> None:
        super().put(item, when)
        run, _, kind = str(item["pk"]).partition("#")
        if kind == "S":
            self.pack(f"{run}#T#{int(str(item['sk']))}")


class Worker:
    """A worker's life, as far as the table sees it."""

    def __init__(self, load: Load, clock: Clock, store: RunStore, slot: int, figures: Figures) -> None:
        self._load, self._clock, self._store, self._figures = load, clock, store, figures
        self._run = load.run
        self._rng = random.Random(slot)
        self._who = Identity(Me(slot, 1000))
        tools = Tools(
            params=lambda n: space.params(self._run.space, 0, n),
            clock=lambda: clock.now,
            now_ms=lambda: int(clock.now * 1000),
            rng=self._rng,
        )
        self._claims = Claims(store, self._run, self._who, tools, "batch/default/0123456789abcdef0123456789abcdef")
        self._ready: deque[TrialRecord] = deque()
        self._claiming, self._running, self._settling = False, False, 0
        self._mean, self._ran = SHORT, 0
        self._idle_since = self._look_again = 0.0
        self._left = False
        self._sleeper: Any = None

    def live(self) -> None:
        self._store.register(self._run.run, self._who.me, {"job_id": "0123456789abcdef", "started_ms": 1})
        self._clock.start(self._beat, self._rng.random() * self._run.limits.beat)
        while not self._left:
            if self._ready:
                self._work(self._ready.popleft())
                continue
            self._fetch()
            if self._claiming or self._settling:
                self._sleeper = getcurrent()
                self._clock.wait()
                self._sleeper = None
            elif self._claims.exhausted:
                self._look_around()
        self._store.leave(self._run.run, self._who.me)

    def _work(self, trial: TrialRecord) -> None:
        self._running = True
        self._fetch()
        seconds = self._load.seconds * self._rng.uniform(0.5, 1.5)
        self._clock.sleep(seconds)
        self._running = False
        self._ran += 1
        self._mean = seconds if self._ran == 1 else 0.8 * self._mean + 0.2 * seconds
        self._settling += 1
        self._clock.start(lambda: self._settle(trial))

    def _settle(self, trial: TrialRecord) -> None:
        value = self._rng.random()
        result = {"accuracy": value, "loss": 1 - value, "epochs_trained": 10}
        done = replace(trial, state="done", result=result, value=value, step=10, ended_ms=int(self._clock.now * 1000))
        self._claims.settled(done, self._store.settle(self._run.run, done))
        self._settling -= 1
        self._wake()

    def _fetch(self) -> None:
        if not self._claiming and not self._claims.exhausted and len(self._ready) < self._want:
            self._claiming = True
            self._clock.start(self._claim)

    @property
    def _short(self) -> bool:
        return self._ran > 0 and self._mean < SHORT

    @property
    def _want(self) -> int:
        return AHEAD if self._short else 0 if self._running else 1

    def _claim(self) -> None:
        count = min(max(int(SHORT / max(self._mean, 0.01)), 1), 50) if self._short else 1
        self._take(self._patiently(lambda: self._claims.next(count)))
        self._claiming = False
        self._fetch()
        self._wake()

    def _patiently(self, how: Callable[[], TrialRecord | None]) -> TrialRecord | None:
        try:
            return how()
        except Unanswered:
            self._figures.unanswered += 1
            return None

    def _take(self, trial: TrialRecord | None) -> None:
        if trial is None:
            return
        self._idle_since = 0.0
        self._ready.append(trial)
        if trial.attempt == 1:
            self._figures.claimed.append(self._clock.now)

    def _look_around(self) -> None:
        limits, now = self._run.limits, self._clock.now
        crowd = limits.workers / 20
        if not self._idle_since:
            self._idle_since = now
            self._clock.sleep(self._rng.uniform(0, min(crowd, limits.lease) if crowd > 1 else 0))
        pause = max(min(limits.beat, limits.lease / 6, 5.0), crowd)
        if self._clock.now - self._idle_since > limits.lease + 2 * pause:
            self._left = True
            return
        self._take(self._patiently(self._claims.sweep))
        if self._claims.ended:
            self._figures.finished = self._figures.finished or self._clock.now
            self._left = True
        elif not self._ready:
            self._clock.sleep(pause * self._rng.uniform(0.8, 1.2))

    def _beat(self) -> None:
        heart = Heartbeat(self._store, self._run.run, self._who, self._run.limits.beat, self._told)
        while not self._left:
            self._figures.beats += 1
            try:
                if notice := heart.beat():
                    self._told(notice)
            except Unanswered:
                self._figures.unanswered += 1
            self._clock.sleep(self._run.limits.beat)

    def _told(self, notice: Notice) -> None:
        self._left = True
        self._wake()

    def _wake(self) -> None:
        if self._sleeper is not None:
            self._clock.wake(self._sleeper)
            self._sleeper = None


def simulate(load: Load, say: Callable[[str], object] = lambda line: None) -> dict[str, object]:
    """A run from its submit to its end, as a row of figures.

    Raises:
        AssertionError: a trial has no result, or more than one.
    """
    clock, rng = Clock(), random.Random(1)
    table = Sealing(clock, rng, load.partitions)
    store, figures = RunStore(table, sleep=clock.sleep), Figures()
    created: list[bool] = []
    clock.start(lambda: created.append(store.create(load.run)))
    for slot in range(load.workers):
        clock.start(Worker(load, clock, store, slot, figures).live, 1 + rng.random() * START)
    clock.run()
    shards = [Shard.from_item(item) for item in table.items(f"{load.run.run}#S")]
    assert sum(shard.counts.get("done", 0) for shard in shards) == load.trials == len(figures.claimed), "the accounts"
    assert len(shards) == -(-load.trials // SHARD)
    return _row(load, table, figures)


def _row(load: Load, table: ModelTable, figures: Figures) -> dict[str, object]:
    at = sorted(figures.claimed)
    first, last = at[load.trials // 10], at[load.trials * 9 // 10]
    rate = load.trials * 0.8 / (last - first)
    calls = sum(table.calls.values())
    price = shipped("us-east-1").rates
    dollars = table.writes * price["dynamodb_million_writes"] + table.reads * price["dynamodb_million_reads"]
    hottest = ", ".join(f"{name} {share:.0%}" for name, share in _hottest(table))
    return {
        "trial s": f"{load.seconds:g}",
        "trials": f"{load.trials:,}",
        "workers": f"{load.workers:,}",
        "partitions, then": f"{load.partitions}, {table.partitions}",
        "claims a second": f"{rate:,.0f}",
        "of the ideal": f"{rate * load.seconds / load.workers:.0%}",
        "calls a trial": f"{(calls - 2 * figures.beats) / load.trials:.2f}",
        "and beats": f"{2 * figures.beats / load.trials:.2f}",
        "gave up": figures.unanswered,
        "refused": f"{table.throttled / calls:.1%}",
        "of these at": hottest or "-",
        "write units a trial": f"{table.writes / load.trials:.2f}",
        "read units a trial": f"{table.reads / load.trials:.2f}",
        "$ per million trials": f"{dollars / load.trials:.2f}",
        "from the last claim to the end, s": f"{figures.finished - at[-1]:.0f}",
    }


def _hottest(table: ModelTable) -> list[tuple[str, float]]:
    """Kinds of items at which most calls were refused: the run's counter, trials, workers."""
    kinds = {"": "the run's counter", "T": "trials", "W": "workers", "S": "seals"}
    found: dict[str, int] = {}
    for pk, count in table.hot.items():
        kind = kinds.get(pk.partition("#")[2][:1], "others")
        found[kind] = found.get(kind, 0) + count
    return sorted(((name, count / table.throttled) for name, count in found.items()), key=lambda one: -one[1])[:2]


CASES = (
    Load(60.0, 100_000),
    Load(2.0),
    Load(1.0, 200_000),
    Load(0.1, 200_000),
    Load(0.1, 200_000, partitions=40),
)


def measure() -> list[dict[str, object]]:
    return [simulate(load) for load in CASES]


if __name__ == "__main__":
    given = sys.argv[1:]
    for key, value in simulate(Load(float(given[0]), *map(int, given[1:]))).items():
        print(f"{key}: {value}")
