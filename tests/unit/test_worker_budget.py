"""Limits on a run: who has enough, when, and what becomes of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from awsrun.worker.protocol.budget import Budget
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, TrialRecord
from awsrun.worker.protocol.store import RunStore

HOUR = 3_600_000
AT = "1970-01-01T01:00:00+00:00"  # an hour after the epoch


def a_store(**limits: Any) -> tuple[RunStore, Run]:
    space = {"search": "grid", "axes": {"x": list(range(10))}, "total": 10}
    mode = limits.pop("mode", "max")
    run = Run("r", "job.py", "f", space, 10, metric="y", mode=mode, limits=Limits(**limits), submitted_at=AT)
    store = RunStore(MemoryTable())
    assert store.create(run)
    return store, run


def a_worker(store: RunStore, run: Run, slot: int = 0, **tools: Any) -> Claims:
    me = store.register("r", Me(slot, 1000))
    assert me is not None
    return Claims(store, run, Identity(me), Tools(lambda n: {"x": n}, **tools))


def settle(store: RunStore, claims: Claims, trial: TrialRecord | None, value: float) -> None:
    assert trial is not None
    done = replace(trial, state="done", value=value)
    claims.settled(done, store.settle("r", done))


def test_time_is_over_so_long_after_the_submit() -> None:
    store, run = a_store(max_seconds=60.0)
    now = HOUR + 59_999
    budget = Budget(store, run, 0, lambda: now)
    assert budget.spent() == ""
    now += 1
    assert budget.spent() == "60 s has passed since the submit"


def test_the_cost_is_that_of_all_workers_and_read_only_when_it_may_be_spent() -> None:
    store, run = a_store(max_cost=4.0, price=1.0, workers=2, beat=10.0)
    now = 2 * HOUR
    store.register("r", Me(0, 1000), {"started_ms": 2 * HOUR})
    store.register("r", Me(1, 2000), {"started_ms": 3 * HOUR, "first_ms": 2 * HOUR + HOUR // 2})
    budget = Budget(store, run, 0, lambda: now)
    assert budget.spent() == ""
    asked: list[str] = []
    workers = store.workers
    store.workers = lambda run: asked.append(run) or workers(run)  # type: ignore[method-assign, func-returns-value]
    now = 4 * HOUR - 1
    assert budget.spent() == "" and not asked, "its own share is not used up"
    now = 4 * HOUR
    assert budget.spent() == "" and asked == ["r"], "2 + 1.5 hours"
    assert budget.spent() == "" and asked == ["r"], "not again within a beat"
    now = 4 * HOUR + HOUR // 4
    assert budget.spent() == "$4 is spent"


def test_a_worker_that_is_gone_costs_nothing_more() -> None:
    store, run = a_store(max_cost=3.0, price=1.0, workers=2, beat=600.0)
    for slot in (0, 1):
        store.register("r", Me(slot, 1000), {"started_ms": HOUR})
    for _ in range(5):
        store.beat("r", Me(1, 1000))
    store.leave("r", Me(1, 1000))  # after an hour
    assert Budget(store, run, 0, lambda: 3 * HOUR - 1).spent() == ""
    assert Budget(store, run, 0, lambda: 3 * HOUR).spent() == "$3 is spent"


@pytest.mark.parametrize(("mode", "values"), [("max", (0.5, 0.9)), ("min", (0.95, 0.9))])
def test_a_value_that_is_good_enough_ends_the_run_for_all(mode: str, values: tuple[float, float]) -> None:
    store, run = a_store(until=0.9, mode=mode, workers=2)
    one, other = a_worker(store, run, 0), a_worker(store, run, 1)
    first, second, third = one.next(50), other.next(50), one.next(50)
    settle(store, one, first, values[0])
    assert store.status("r").cut == -1
    settle(store, other, second, values[1])
    status = store.status("r")
    assert (status.cut, status.cut_why) == (3, "trial 1 reached y 0.9"), "none was reserved ahead"
    assert one.next() is None and other.next() is None
    assert one.sweep() is None and not one.ended, "a trial is under way"
    settle(store, one, third, 0.0)
    assert one.sweep() is None and one.ended == "done"
    found = store.run("r")
    assert found is not None and (found.state, found.total, found.space["total"]) == ("done", 3, 10)


def test_a_value_whose_worker_died_after_its_commit_ends_the_run_when_a_worker_starts() -> None:
    store, run = a_store(until=0.9)
    trial = a_worker(store, run).next()
    assert trial is not None
    store.settle("r", replace(trial, state="done", value=0.95))  # and no word of it to its claims
    assert a_worker(store, run, 1).next() is None
    assert (store.status("r").cut, store.status("r").cut_why) == (1, "trial 0 reached y 0.95")


def test_a_trial_that_was_lost_before_the_cut_is_run_and_one_cancelled_behind_it_does_not_matter() -> None:
    store, run = a_store()
    spent = ""
    worker = a_worker(store, run, enough=lambda: spent)
    store.reserve("r", 2, 10)  # by a worker that died before it claimed
    store.cancel_trial("r", 7)
    spent = "too late"
    assert worker.next() is None and store.status("r").cut == 2
    for _ in range(2):
        settle(store, worker, worker.sweep(), 1.0)
    assert worker.sweep() is None and worker.ended == "done"


def test_no_trial_at_all_is_done_too() -> None:
    store, run = a_store()
    worker = a_worker(store, run, enough=lambda: "too late")
    assert worker.next() is None and worker.sweep() is None
    found = store.run("r")
    assert worker.ended == "done" and found is not None and (found.state, found.total) == ("done", 0)


def test_failed_trials_of_a_cut_run_are_put_back_and_no_others() -> None:
    store, run = a_store()
    spent = ""
    worker = a_worker(store, run, enough=lambda: spent)
    settle(store, worker, worker.next(), 1.0)
    failed = worker.next()
    assert failed is not None
    store.settle("r", replace(failed, state="failed"))
    store.cancel_trial("r", 9)
    spent = "too late"
    assert worker.next() is None and worker.sweep() is None and worker.ended == "done"
    assert store.retry("r") == 1
    again = store.run("r")
    assert again is not None
    fresh = a_worker(store, again, 1)
    settle(store, fresh, fresh.sweep(), 1.0)
    assert fresh.sweep() is None and fresh.ended == "done"
