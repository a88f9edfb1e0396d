"""Two retries of the same run at the same moment: both come to their end, whatever their pace."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from claim_fuzz.actors import Actor, Stage, SteppedTable

from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Me, Run
from awsrun.worker.protocol.store import RunStore

RUN, TRIALS = "r", 9


class InStep(Random):
    """Lets each have a turn, one after the other."""

    def __init__(self) -> None:
        super().__init__(0)
        self._turns = itertools.count()

    def choice(self, seq: Sequence[Any]) -> Any:
        return seq[next(self._turns) % len(seq)]


@pytest.mark.parametrize(("commands", "behind"), [(2, 0), (2, 14), (3, 0)])
def test_retries_that_keep_pace_do_not_overtake_each_other_for_ever(commands: int, behind: int) -> None:
    table, back = MemoryTable(), list[int]()
    plain = RunStore(table)
    plain.create(Run(RUN, "job.py", "train", {"search": "grid"}, TRIALS, next=TRIALS))
    for n in range(TRIALS):
        trial = plain.claim(RUN, n, Me(0, 1000), {})
        assert trial is not None and plain.settle(RUN, replace(trial, state="failed"))
    assert plain.finish(RUN, 0, "failed")
    stage = Stage(InStep())
    stage.stormy = False

    def command(actor: Actor) -> None:
        for _ in range(behind * stage.actors.index(actor)):
            actor.turn()
        back.append(RunStore(SteppedTable(table, actor), sleep=actor.sleep).retry(RUN, range(TRIALS)))

    for _ in range(commands):
        stage.spawn(command)
    turns = 0
    while stage.step():
        turns += 1
        assert turns < 1000, "they do not come to an end"
    assert plain.status(RUN).state == "running" and [t.state for t in plain.trials(RUN, 0)] == ["retry"] * TRIALS
    assert max(back) <= TRIALS and sum(back) >= TRIALS, "none is counted twice by one command"
