"""A run's record: what a submit wrote down, and the few fields that change.

The two lie in two items, because each reserve of a trial writes the changing one, and DynamoDB bills a write by the
size of the item.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.table import Item

SHARD = 1000
"""Trials per shard: a query reads one shard in a page or two."""
FINAL: frozenset[str] = frozenset({"done", "failed", "cancelled"})
"""States in which a run asks for no more work."""
ON_HOLD = "paused"
"""State of a run that its user has paused: nothing starts and workers leave, until it goes on.

A trial's state of that name is another thing: it waits at a rung.
"""

_decode = json.JSONDecoder().raw_decode
"""As ``json.loads`` does, without its look for white space: `dump` writes none, and looks at a run decode a lot."""


def dump(value: object) -> str:
    """Compact JSON; floats as Python's repr, NaN and infinities included."""
    return json.dumps(value, separators=(",", ":"))


def load(item: Item, name: str, default: Any) -> Any:
    """An attribute that holds JSON text; ``default`` where it is missing or empty."""
    text = item.get(name)
    return _decode(text)[0] if isinstance(text, str) and text else default


@dataclass(frozen=True)
class Limits:
    """What a run may take.  Times are in seconds.

    Attributes:
        timeout: per attempt of a trial; 0 means none.
        retries: how often a trial that raised is run again.
        workers: how many workers were asked for.
        lease: a worker that shows no beat for so long is taken for dead.
        beat: between two heartbeats.
        checkpoint: between two checkpoints of a trial (always one when a worker is told to go).
        grace: how long a trial may take to checkpoint when its worker is told to go (SIGTERM).
        kept: which checkpoints of a trial are kept once it is done: ``both``, ``best``, ``last`` or ``none``.
        keep_going: do not fail the run however many trials fail.
        until: no further trial starts once one has so good a value of the metric.
        max_seconds: no further trial starts so long after the submit; 0 means no limit.
        max_cost: no further trial starts once the workers have cost so many dollars; 0 means no limit.
        price: of one worker, in dollars per hour; 0 where it costs nothing or is not known.
    """

    timeout: float = 0.0
    retries: int = 0
    workers: int = 1
    lease: float = 90.0
    beat: float = 15.0
    checkpoint: float = 30.0
    grace: float = 25.0
    kept: str = "both"
    keep_going: bool = False
    until: float | None = None
    max_seconds: float = 0.0
    max_cost: float = 0.0
    price: float = 0.0
    eta: int = 0
    least: int = 1

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of checkpoints that are kept."""
        return frozenset({"best", "last"} if self.kept == "both" else {self.kept} - {"none"})

    @property
    def bounded(self) -> bool:
        """The run may end before all its trials have run."""
        return self.until is not None or bool(self.max_seconds or self.max_cost)


@dataclass(frozen=True)
class Run:
    """One submit.

    Attributes:
        run: the run's id; no ``#`` in it.
        job: the job file, relative to the root of the packed code.
        function: the entry function's name in that file.
        batch: the name of the function that takes a block of inputs at once; "" where each line is a trial.
        space: see :mod:`awsrun.worker.protocol.space`.
        total: how many trials there are: those of the space, or fewer where the run was cut.
        metric, mode: what ``best`` is of, and ``max`` or ``min``; an empty metric means that there is none.
        objectives: metric -> ``max`` or ``min`` of a run that is after several, the first one's first; else empty.
        code_key, code_hash: S3 key and SHA-256 of the archive (see :mod:`awsrun.worker.bootstrap`).
        log_group: where the workers' output goes, ``""`` if unknown.
        engine: how the workers were started (job ids, queue, definition), as the laptop's side writes it.
        size: ``vcpus``, ``memory_mib`` and ``gpus`` of a worker, where the submit asked for others than the stack's.
        provenance: git commit, dirty files and the S3 key of their diff, versions, user, command, the project's root
            on the machine that submitted it, context (``local`` or ``aws``), AWS's list price of a worker's hour
            (``hourly``, dollars, None if not known), image (see `awsrun.jobs.workers.image`; of each group of workers
            in ``engine``, too).
        asked: what the user asked for beside job, space and seed, as an experiment's file has it.
        reuse: earlier runs whose results count where parameters and seed are the same, the first one first.
        submitted_at: ISO 8601, UTC.
        generation: how often failed trials were put back; seals and finishes of an older one do not count.
        next: the first trial that no worker has reserved; may be above ``total``.
        error: why the run failed (see ``TrialRecord``), or None.
        cut, cut_why: how many trials had started when it was enough, and what was; -1 as long as it is not.
        holds: how often the run was paused or went on again.
    """

    run: str
    job: str
    function: str
    space: Mapping[str, Any]
    total: int
    seed: int = 0
    metric: str = ""
    mode: str = "max"
    objectives: Mapping[str, str] = field(default_factory=dict)
    code_key: str = ""
    code_hash: str = ""
    requirements: str = ""
    bucket: str = ""
    log_group: str = ""
    limits: Limits = field(default_factory=Limits)
    engine: Mapping[str, Any] = field(default_factory=dict)
    size: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    reuse: Sequence[str] = ()
    submitted_at: str = ""
    state: str = "running"
    generation: int = 0
    next: int = 0
    error: Mapping[str, Any] | None = None
    ended_ms: int = 0
    cut: int = -1
    cut_why: str = ""
    batch: str = ""
    holds: int = 0

    @property
    def shards(self) -> int:
        """How many shards the run's trials fill."""
        return -(-self.total // SHARD)

    @property
    def adaptive(self) -> bool:
        """Each trial's parameters depend on what came of the trials before it."""
        return self.space.get("search") in SAMPLERS

    @property
    def goals(self) -> dict[str, str]:
        """What the run is after: metric -> ``max`` or ``min``."""
        return dict(self.objectives) or ({self.metric: self.mode} if self.metric else {})

    @property
    def prunes(self) -> bool:
        """Trials that do worse than others wait, and are stopped in the end."""
        return self.limits.eta > 0

    @property
    def fixed(self) -> dict[str, Any]:
        """The parameters that are the same for every trial (``--set``)."""
        return dict(self.space.get("set") or {})

    def to_items(self) -> tuple[Item, Item]:
        """The item that changes and the one that does not."""
        body = asdict(self)
        for name in (*RunStatus.__dataclass_fields__, "engine", "run"):
            del body[name]
        hot: Item = {"pk": self.run, "sk": "R", "state": self.state, "generation": self.generation, "next": self.next}
        return hot, {"pk": self.run, "sk": "RD", "body": dump(body), "engine": dump(dict(self.engine))}

    @classmethod
    def from_items(cls, hot: Item, cold: Item) -> Run:
        body = load(cold, "body", {})
        limits = Limits(**body.pop("limits"))
        status = RunStatus.from_item(hot)
        body["reuse"] = tuple(body.get("reuse", ()))
        body["total"] = status.size(body["total"])
        return cls(
            run=str(hot["pk"]),
            limits=limits,
            engine=load(cold, "engine", {}),
            **status.__dict__,
            **body,
        )


@dataclass(frozen=True)
class RunStatus:
    """The part of a run that changes."""

    state: str
    generation: int
    next: int
    error: Mapping[str, Any] | None = None
    ended_ms: int = 0
    cut: int = -1
    cut_why: str = ""
    holds: int = 0

    @property
    def starts(self) -> bool:
        """Trials may start."""
        return self.state == "running" and self.cut < 0

    def size(self, total: int) -> int:
        """How many trials the run has, of the ``total`` in its space."""
        return total if self.cut < 0 else min(total, self.cut)

    @classmethod
    def from_item(cls, item: Item) -> RunStatus:
        return cls(
            state=str(item["state"]),
            generation=int(item["generation"]),
            next=int(item["next"]),
            error=load(item, "error", None),
            ended_ms=int(item.get("ended_ms", 0)),
            cut=int(item.get("cut", -1)),
            cut_why=str(item.get("cut_why", "")),
            holds=int(item.get("holds", 0)),
        )


@dataclass(frozen=True)
class RunEntry:
    """One line of the list of runs."""

    run: str
    job: str
    total: int
    state: str
    submitted_at: str
