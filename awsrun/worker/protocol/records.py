"""What a run is made of, and how it lies in the runs table.

========================  =====================  ==========================================================
Partition                 Sort key               Item
========================  =====================  ==========================================================
``RUN``                   ``R``                  what changes: state, generation, next trial
``RUN``                   ``RD``                 what does not: job, space, limits, provenance
``RUN#W``                 slot                   a worker: boot, beat, dead
``RUN#T#{n // 1000}``     n                      a trial that has started
``RUN#P#{n}``             attempt ``#`` step     a report
``RUN#R``                 rung ``#`` n           where a trial stands at a rung (pruning)
``RUN#S``                 shard                  a sealed shard's summary
``RUN#F``                 see ``store.py``       evidence for failing fast
``RUNS``                  run                    the list of runs
========================  =====================  ==========================================================

Sort keys are zero padded, so that they sort as numbers do.  Parameters, results and errors are JSON text: floats come
back bit for bit (DynamoDB's numbers hold 38 decimal digits and no infinities).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from awsrun.worker.protocol.runs import FINAL, ON_HOLD, SHARD, Limits, Run, RunEntry, RunStatus, dump, load
from awsrun.worker.protocol.table import Item
from awsrun.worker.protocol.workers import DONE, FAILED, TERMINATED, Me, Worker

__all__ = [
    "DONE", "FAILED", "FINAL", "ON_HOLD", "SETTLED", "SHARD", "TERMINATED", "Limits", "Me", "Report", "Run",
    "RunEntry", "RunStatus", "Shard", "Standing", "TrialRecord", "Worker", "better", "curve", "dump", "number",
    "standing_key", "summary", "trial_key",
]  # fmt: skip

SETTLED: frozenset[str] = frozenset({"done", "failed", "cancelled", "stopped"})
"""States in which a trial needs no more work.  ``paused`` is not one: it waits at a rung."""


LARGEST = 390_000
"""Bytes of a trial's record: an item of the table holds 400 KB, names included
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""
LARGEST_RESULT, LARGEST_REPORT, LARGEST_LIST, LARGEST_PARAMS = 300_000, 100_000, 140_000, 200_000
"""Bytes of JSON of a trial's result, of the metrics of one report, of the list of its artifacts, of its parameters."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has started, or was cancelled before it did.

    Attributes:
        attempt: the fence; artifacts of the committed attempt lie under ``RUN/n/attempt/``.
        owner: ``slot.boot`` of the worker whose attempt it is.
        result: what the job's function returned, or None.
        value: the run's metric of this trial, or None.
        error: ``{"type", "message", "file", "line", "traceback", "signal", "peak_mib", "import"}``, as far as known;
            without a traceback ``tail``, the end of its output; of one that was set aside ``ran`` (see :attr:`last`).
        losses: the containers that died with this trial since it last got further.
        failures: how many attempts ended with an error of the job's.
        since: the attempt that began from nothing; checkpoints of earlier ones are void.
        step: how many steps the latest attempt reported, those before its checkpoint included.
        started_ms, ended_ms: of the latest attempt, by its worker's clock.
        spent_ms: how long the attempts before it ran, together (of runs of older versions 0).
        lost_ms: how long those of them ran whose workers were lost, each until its last report or heartbeat.
        artifacts: file name -> bytes.
        rung: how many rungs it has been let past; where it waits, if it is paused (see
            :mod:`awsrun.worker.protocol.rungs`).
        reused: ``{"run", "n", "attempt", "since", "seconds"}`` of the trial that it was taken from (``--reuse``), whose
            artifacts and checkpoints it shares; else empty.
        checkpoints: ``last`` or ``best`` -> ``{"attempt", "step", "bytes"}``, of the best its ``value``, too.
    """

    n: int
    state: str
    attempt: int
    owner: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    result: Any = None
    value: float | None = None
    error: Mapping[str, Any] | None = None
    losses: tuple[str, ...] = ()
    failures: int = 0
    since: int = 1
    step: int = 0
    log_stream: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    artifacts: Mapping[str, int] = field(default_factory=dict)
    rung: int = 0
    checkpoints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reused: Mapping[str, Any] = field(default_factory=dict)
    spent_ms: int = 0
    lost_ms: int = 0

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    @property
    def last(self) -> TrialRecord:
        """As the last attempt that ran left it: who set it aside, for it took its workers with it, did not run it."""
        ran = (self.error or {}).get("ran")
        return replace(self, **ran) if ran else self

    @property
    def latest_ms(self) -> int:
        """How long the latest attempt ran; 0 while it does, and if there was none."""
        return max(0, self.ended_ms - self.started_ms) if self.ended_ms and self.started_ms else 0

    @property
    def seconds(self) -> float:
        """How long it ran, over all its attempts; the one that is under way counts once it has ended."""
        return (self.spent_ms + self.latest_ms) / 1000

    def fields(self) -> Item:
        """Everything but the key."""
        return {
            "state": self.state,
            "attempt": self.attempt,
            "owner": self.owner,
            "params": dump(dict(self.params)),
            "result": dump(self.result),
            "value": dump(self.value),
            "error": dump(self.error),
            "losses": ",".join(self.losses),
            "failures": self.failures,
            "since": self.since,
            "step": self.step,
            "rung": self.rung,
            "log_stream": self.log_stream,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
            "spent_ms": self.spent_ms,
            "lost_ms": self.lost_ms,
            "artifacts": dump(dict(self.artifacts)),
            "checkpoints": dump(dict(self.checkpoints)),
            **({"reused": dump(dict(self.reused))} if self.reused else {}),
        }

    @property
    def size(self) -> int:
        """Bytes of the record in the table, about."""
        return sum(len(str(value)) for value in self.fields().values())

    def to_item(self, run: str) -> Item:
        pk, sk = trial_key(run, self.n)
        return {"pk": pk, "sk": sk, **self.fields()}

    @classmethod
    def from_item(cls, item: Item) -> TrialRecord:
        losses = str(item.get("losses", ""))
        return cls(
            n=int(item["sk"]),
            state=str(item["state"]),
            attempt=int(item["attempt"]),
            owner=str(item.get("owner", "")),
            params=load(item, "params", {}),
            result=load(item, "result", None),
            value=load(item, "value", None),
            error=load(item, "error", None),
            losses=tuple(losses.split(",")) if losses else (),
            failures=int(item.get("failures", 0)),
            since=int(item.get("since", 1)),
            step=int(item.get("step", 0)),
            rung=int(item.get("rung", 0)),
            log_stream=str(item.get("log_stream", "")),
            started_ms=int(item.get("started_ms", 0)),
            ended_ms=int(item.get("ended_ms", 0)),
            spent_ms=int(item.get("spent_ms", 0)),
            lost_ms=int(item.get("lost_ms", 0)),
            artifacts=load(item, "artifacts", {}),
            checkpoints=load(item, "checkpoints", {}),
            reused=load(item, "reused", {}),
        )


@dataclass(frozen=True)
class Report:
    """What a trial reported at one step (0-based); ``at_ms`` by its worker's clock."""

    n: int
    attempt: int
    step: int
    metrics: Mapping[str, Any]
    at_ms: int = 0

    def to_item(self, run: str) -> Item:
        sk = f"{self.attempt:06d}#{self.step:09d}"
        return {"pk": f"{run}#P#{self.n}", "sk": sk, "metrics": dump(dict(self.metrics)), "at_ms": self.at_ms}

    @classmethod
    def from_item(cls, item: Item) -> Report:
        attempt, step = str(item["sk"]).split("#")
        n = int(str(item["pk"]).rsplit("#", 1)[1])
        return cls(n, int(attempt), int(step), load(item, "metrics", {}), int(item.get("at_ms", 0)))


@dataclass(frozen=True)
class Standing:
    """A trial's value of the metric at a rung, as its latest attempt reported it."""

    rung: int
    n: int
    attempt: int
    value: float

    def to_item(self, run: str) -> Item:
        return {
            "pk": f"{run}#R",
            "sk": standing_key(self.rung, self.n),
            "attempt": self.attempt,
            "value": dump(self.value),
        }

    @classmethod
    def from_item(cls, item: Item) -> Standing:
        rung, n = str(item["sk"]).split("#")
        return cls(int(rung), int(n), int(item["attempt"]), float(load(item, "value", math.nan)))


@dataclass(frozen=True)
class Shard:
    """The summary of up to 1000 trials that are all settled.

    Attributes:
        generation: of the run when it was sealed; it counts only while the run's is the same.
        counts: trial state -> how many.
        best: ``{"n", "value", "params"}`` of the best trial by the run's metric, or None.
        seconds: the sum over its trials.
        reused: how many of those that are done were taken from earlier runs.
        lost: how many of the seconds ended with a lost worker.
    """

    shard: int
    generation: int
    counts: Mapping[str, int]
    best: Mapping[str, Any] | None = None
    seconds: float = 0.0
    reused: int = 0
    lost: float = 0.0

    def to_item(self, run: str) -> Item:
        return {
            "pk": f"{run}#S",
            "sk": f"{self.shard:06d}",
            "generation": self.generation,
            "counts": dump(dict(self.counts)),
            "best": dump(self.best),
            "seconds": dump(self.seconds),
            "lost": dump(self.lost),
            "reused": self.reused,
        }

    @classmethod
    def from_item(cls, item: Item) -> Shard:
        return cls(
            shard=int(item["sk"]),
            generation=int(item["generation"]),
            counts=load(item, "counts", {}),
            best=load(item, "best", None),
            seconds=load(item, "seconds", 0.0),
            lost=load(item, "lost", 0.0),
            reused=int(item.get("reused", 0)),
        )


def trial_key(run: str, n: int) -> tuple[str, str]:
    """Partition and sort key of a trial."""
    return f"{run}#T#{n // SHARD}", f"{n:09d}"


def standing_key(rung: int, n: int | None = None) -> str:
    """Sort key of where a trial stands, or the prefix of all at a rung."""
    return f"{rung:03d}#" + ("" if n is None else f"{n:09d}")


def number(value: Any) -> float | None:
    """A metric's value as a number; None where it is none.  What is too large for a float is infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def better(mode: str, value: float | None, than: float | None) -> bool:
    """Whether a metric's value beats another; None and NaN beat nothing."""
    if value is None or value != value:
        return False
    if than is None or than != than:
        return True
    return value > than if mode == "max" else value < than


def summary(shard: int, generation: int, trials: Iterable[TrialRecord], mode: str) -> Shard:
    """The summary of a shard's trials."""
    counts: dict[str, int] = {}
    best: TrialRecord | None = None
    seconds, lost, reused = 0.0, 0.0, 0
    for trial in trials:
        reused += bool(trial.reused)
        counts[trial.state] = counts.get(trial.state, 0) + 1
        seconds += trial.seconds
        lost += trial.lost_ms / 1000
        if trial.state == "done" and better(mode, trial.value, best.value if best else None):
            best = trial
    found = None if best is None else {"n": best.n, "value": best.value, "params": dict(best.params)}
    return Shard(shard, generation, counts, found, round(seconds, 3), reused, round(lost, 3))


def curve(reports: Iterable[Report], attempt: int | None = None) -> list[Report]:
    """One trial's history, by step: a later attempt replaces an earlier one from its first step on.

    Args:
        attempt: the committed attempt; reports of later ones (a zombie's) are left out.
    """
    kept: list[Report] = []
    by_attempt = sorted((r for r in reports if attempt is None or r.attempt <= attempt), key=lambda r: r.attempt)
    last = 0
    for report in sorted(by_attempt, key=lambda r: (r.attempt, r.step)):
        if report.attempt != last:
            kept = [r for r in kept if r.step < report.step]
            last = report.attempt
        kept.append(report)
    return kept
