"""What a schedule is about: a run, the values that its trials come to, an earlier run whose results it may reuse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from awsrun.worker.protocol.records import Limits, Run, TrialRecord
from awsrun.worker.protocol.rungs import Halving
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Table

RUN, EARLIER = "fuzz", "earlier"
LEASE = 20.0


class Scenario:
    """What a seed chooses, and writes down in the table.

    Args:
        prunes: whether trials are pruned; None: the seed chooses this, too.
        ecs: whether workers share the slots of a call, and replace each other; None: the seed chooses.

    Attributes:
        steps: of a trial; ``values``: what trials report.
        late: from when on the run has had enough.
        earlier: trial -> result of those that can be reused.
        checkpoints: (trial, attempt) -> step.
    """

    def __init__(self, table: Table, seed: int, rng: Random, prunes: bool | None, ecs: bool | None) -> None:
        self.ecs = Random(f"{seed} ecs").random() < 0.3 if ecs is None else ecs
        limits = Limits(
            workers=3, lease=LEASE, keep_going=rng.random() < 0.7, until=rng.choice((None, None, 3.0))
        )  # fmt: skip
        self.run = Run(RUN, "job.py", "train", {"search": "grid"}, rng.randint(1, 8), metric="y", limits=limits)
        if rng.random() < 0.5 if prunes is None else prunes:
            limits = replace(limits, eta=rng.choice((2, 3)), least=rng.choice((1, 2)))
            self.run = replace(self.run, limits=limits, total=rng.randint(1, 12))
        if self.ecs:
            groups = [{"job": "w", "slot": 0, "workers": 8}]
            self.run = replace(self.run, engine={"groups": groups}, total=rng.randint(4, 16))
        self.earlier: dict[int, str] = {}
        if not self.run.prunes and Random(f"reuse {seed}").random() < 0.3:
            self.run = replace(self.run, reuse=(EARLIER,))
            self.earlier = dict(self._before(table, Random(seed)))
        self.halving = Halving(max(2, limits.eta), limits.least)
        self.steps = rng.randint(1, 7)
        self.values = [rng.choice((float(n), float(n), 5.0, math.nan)) for n in range(self.run.total)]
        self.late = rng.choice((math.inf, math.inf, rng.uniform(0, 3 * LEASE)))
        self.checkpoints: dict[tuple[int, int], int] = {}
        RunStore(table).create(self.run)

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
