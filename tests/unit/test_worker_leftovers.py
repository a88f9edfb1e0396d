"""Abandoned trials at the end of a run: how much is read to find them, and what a remembered one is worth later."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from jobs_runs import a_run

from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Me, Run
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Item

ME, LOST, BUSY = Me(0, 1000), Me(1, 1000), Me(2, 1000)
TOTAL = 400


class Counting(MemoryTable):
    """Counts how often each partition is queried."""

    def __init__(self) -> None:
        super().__init__()
        self.queried: Counter[str] = Counter()

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        self.queried[pk] += limit is None
        return super().query(pk, prefix, limit, backwards, start)


@pytest.fixture
def table() -> Counting:
    return Counting()


@pytest.fixture
def run() -> Run:
    return a_run(total=TOTAL, next=0)


@pytest.fixture
def store(table: Counting, run: Run) -> RunStore:
    """A run whose trials have all started: every second one is done, the others released, lost or under way."""
    made = RunStore(table)
    assert made.create(run) and all(made.register(run.run, me) for me in (ME, LOST, BUSY))
    made.reserve(run.run, TOTAL, TOTAL)
    for n in range(TOTAL):
        owner = BUSY if n == 7 else LOST
        trial = made.claim(run.run, n, owner, {})
        assert trial is not None
        if n % 2 == 0 or n % 10 == 1:
            made.settle(run.run, replace(trial, state="done" if n % 2 == 0 else "retry"))
    made.leave(run.run, LOST, "")
    return made


def worker(store: RunStore, run: Run, me: Me = ME) -> Claims:
    return Claims(store, run, Identity(me), Tools(lambda n: {}, rng=random.Random(4)))


def test_taking_over_costs_one_read_of_a_shard_for_many_trials(table: Counting, store: RunStore, run: Run) -> None:
    claims, taken = worker(store, run), 0
    while (trial := claims.next() or claims.sweep()) is not None:
        assert trial.attempt == 2 and store.settle(run.run, replace(trial, state="done", result=trial.n))
        claims.settled(replace(trial, state="done"), True)
        taken += 1
    assert taken == TOTAL // 2 - 1, "all but the one that is under way"
    assert table.queried[f"{run.run}#T#0"] <= taken / 16 + 2
    under_way = store.trial(run.run, 7)
    assert under_way is not None and (under_way.state, under_way.owner) == ("run", str(BUSY))


def test_what_others_did_meanwhile_with_a_remembered_trial_stands(store: RunStore, run: Run) -> None:
    claims, other = worker(store, run), worker(store, run, BUSY)
    first = claims.next() or claims.sweep()
    assert first is not None
    others: set[int] = set()
    while (trial := other.next() or other.sweep()) is not None:
        others.add(trial.n)
    assert (claims.next() or claims.sweep()) is None
    owners = {trial.owner for trial in store.trials(run.run, 0) if trial.n in others}
    assert owners == {str(BUSY)} and first.n not in others


def test_nothing_remembered_is_started_in_a_run_that_was_paused_or_has_begun_anew(store: RunStore, run: Run) -> None:
    claims = worker(store, run)
    assert claims.next() or claims.sweep()
    assert store.pause(run.run) == "paused"
    assert claims.next() is None
    assert store.go_on(run.run) == "running"
    assert claims.next() or claims.sweep()
    assert store.cancel(run.run) == "cancelled"
    assert store.retry(run.run, states={"retry"}, fresh=True), "before this worker has noticed"
    released = claims.next() or claims.sweep()
    while released is not None and released.losses:
        released = claims.next() or claims.sweep()
    assert released is not None and released.since == 2, "from nothing, as its user has asked"


def test_a_worker_that_goes_forgets_what_it_remembers(store: RunStore, run: Run) -> None:
    claims = worker(store, run)
    assert claims.next() or claims.sweep()
    assert not claims.exhausted, "there is more that it knows of"
    claims.release()
    assert claims.exhausted and claims.next() is None
