"""Each step of the claim protocol, on every table there is: what it writes, who may, and what a repeat makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from awsrun.worker.protocol.control import PUT_BACK
from awsrun.worker.protocol.records import Limits, Me, Report, Run, Shard, Standing, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Table

A, B = Me(0, 1000), Me(1, 1000)
R = "r"
MakeTable = Callable[[], Table]


@pytest.fixture
def store(make_table: MakeTable) -> RunStore:
    made = RunStore(make_table())
    space = {"search": "grid", "axes": {"x": [1, 2, 3]}, "total": 3}
    assert made.create(Run(R, "job.py", "train", space, 3, metric="y", limits=Limits(timeout=1.5)))
    return made


def claimed(store: RunStore, n: int = 0, me: Me = A) -> TrialRecord:
    trial = store.claim(R, n, me, {"x": 0.1})
    assert trial is not None
    return trial


def test_a_run_comes_back_as_it_was(store: RunStore) -> None:
    again = Run("other", "a.py", "f", {"search": "random", "set": {"a": 0.1 + 0.2}}, 5, seed=7, mode="min",
                code_key="k", code_hash="h", bucket="b", log_group="g", provenance={"git": "abc"},
                limits=Limits(retries=2, workers=9, keep_going=True), submitted_at="2026-01-01T00:00:00Z")  # fmt: skip
    assert store.create(again)
    assert store.run("other") == again
    assert store.run("missing") is None
    store.attach("other", {"jobs": ["j1"]})
    assert store.run("other") == replace(again, engine={"jobs": ["j1"]})
    assert [(entry.run, entry.state, entry.total) for entry in store.runs()] == [
        ("r", "running", 3),
        ("other", "running", 5),
    ]


def test_an_id_is_taken_once(store: RunStore) -> None:
    assert not store.create(Run(R, "other.py", "f", {}, 1))
    run = store.run(R)
    assert run is not None and run.job == "job.py"


def test_reserved_blocks_do_not_overlap_and_end(store: RunStore) -> None:
    assert list(store.reserve(R, 2, 3)) == [0, 1]
    assert list(store.reserve(R, 2, 3)) == [2]
    assert list(store.reserve(R, 2, 3)) == []


def test_a_cancelled_run_gives_out_nothing(store: RunStore) -> None:
    assert store.cancel(R) == "cancelled"
    assert list(store.reserve(R, 1, 3)) == []
    assert store.runs()[0].state == "cancelled"


def test_one_of_two_claims_wins_and_a_repeat_is_mine(store: RunStore) -> None:
    trial = claimed(store)
    assert store.claim(R, 0, B, {"x": 0.1}) is None
    assert store.claim(R, 0, A, {"x": 0.1}) == trial
    assert store.trial(R, 0) == trial


def test_a_result_of_an_earlier_run_is_put_down_once(store: RunStore) -> None:
    done = TrialRecord(0, "done", 1, str(A), {"x": 0.1}, {"y": 1}, 1.0, reused={"run": "before", "n": 0, "attempt": 2})
    assert store.adopt(R, done)
    assert store.adopt(R, done), "a repeat of my own"
    assert not store.adopt(R, replace(done, owner=str(B)))
    assert store.claim(R, 0, B, {}) is None
    assert store.trial(R, 0) == done
    claimed(store, 1)
    assert not store.adopt(R, replace(done, n=1)), "it has started"


def test_floats_survive_exactly(store: RunStore) -> None:
    trial = replace(claimed(store), state="done", result={"y": 0.1 + 0.2, "z": 1e-320}, value=0.1 + 0.2)
    assert store.settle(R, trial)
    assert store.trial(R, 0) == trial


def test_settling_is_for_the_owner_of_the_attempt(store: RunStore) -> None:
    trial = claimed(store)
    done = replace(trial, state="done", result=1)
    assert not store.settle(R, replace(done, owner=str(B)))
    assert not store.settle(R, replace(done, attempt=2))
    assert store.settle(R, done)
    assert store.settle(R, done), "a repeat of my own"
    assert not store.settle(R, replace(done, state="failed")), "settled is settled"
    assert store.trial(R, 0) == done


def test_a_taken_over_trial_is_lost_to_its_zombie(store: RunStore) -> None:
    trial = claimed(store)
    taken = store.take_over(R, trial, B, trial.params)
    assert taken is not None and (taken.attempt, taken.losses, taken.state) == (2, ("0.1",), "run")
    assert store.take_over(R, trial, B, trial.params) == taken, "a repeat of my own"
    assert store.take_over(R, trial, Me(2, 1000), trial.params) is None
    assert not store.settle(R, replace(trial, state="done"))
    assert store.settle(R, replace(taken, state="done"))


def test_losses_count_distinct_containers_and_the_third_is_fatal(store: RunStore) -> None:
    trial = claimed(store)
    owners = [Me(0, 1001), Me(1, 1000), Me(2, 1000), Me(2, 2000)]  # the first is the same container, registered anew
    for owner in owners[:3]:
        taken = store.take_over(R, trial, owner, trial.params)
        assert taken is not None and taken.state == "run"
        trial = taken
    lost = store.take_over(R, trial, owners[3], trial.params)
    assert lost is not None and lost.state == "failed" and lost.losses == ("0.1", "1.1", "2.1")
    assert store.trial(R, 0) == lost
    assert (lost.last.attempt, lost.last.owner) == (4, str(owners[2])), "whose output tells what happened"
    assert trial.last is trial


def test_losses_of_a_trial_that_gets_further_are_no_fault_of_its_own(store: RunStore) -> None:
    trial = claimed(store)
    for slot in range(1, 6):
        taken = store.take_over(R, trial, Me(slot, 1000), trial.params)
        assert taken is not None and (taken.state, taken.losses) == ("run", (trial.owner.replace(".1000", ".1"),))
        assert not store.got_further(R, trial), "its owner is another one by now"
        assert store.got_further(R, taken) and store.got_further(R, taken), "a repeat of my own"
        trial = replace(taken, losses=())
        assert store.trial(R, 0) == trial
        assert store.take_over(R, taken, Me(9, 1000), {}) is None, "who has not seen that looks again"
    assert store.settle(R, replace(trial, state="done"))
    assert not store.got_further(R, trial)


def test_a_release_is_no_loss_and_an_error_is_forgotten(store: RunStore) -> None:
    released = replace(claimed(store), state="retry")
    assert store.settle(R, released)
    taken = store.take_over(R, released, B, released.params)
    assert taken is not None and (taken.losses, taken.attempt, taken.since) == ((), 2, 1)
    failed = replace(taken, state="retry", error={"type": "ValueError"}, failures=1)
    assert store.settle(R, failed)
    again = store.take_over(R, failed, A, failed.params)
    assert again is not None and (again.since, again.error, again.failures) == (1, None, 1)
    useless = replace(again, state="retry", since=4)  # its worker found that the checkpoint led nowhere
    assert store.settle(R, useless)
    anew = store.take_over(R, useless, A, failed.params)
    assert anew is not None and (anew.attempt, anew.since) == (4, 4)


def test_a_paused_trial_is_let_past_or_stopped_and_late_copies_change_nothing(store: RunStore) -> None:
    waits = replace(claimed(store), state="paused", rung=0, value=0.5, result={"y": 0.5}, step=1)
    assert store.settle(R, waits)
    taken = store.take_over(R, waits, B, waits.params)
    assert taken is not None and (taken.state, taken.attempt, taken.rung, taken.result) == ("run", 2, 1, None)
    assert taken.losses == () and taken.since == 1, "it goes on from its checkpoint, and nobody was lost"
    assert not store.settle(R, waits) and not store.stop(R, waits), "late copies"
    again = replace(taken, state="paused", value=0.6, result={"y": 0.6}, step=3)
    assert store.settle(R, again)
    assert not store.stop(R, waits), "of the attempt before"
    assert store.stop(R, again)
    assert store.stop(R, again), "a repeat of my own"
    assert store.take_over(R, again, A, again.params) is None, "stopped is settled"
    assert store.trial(R, 0) == replace(again, state="stopped")


def test_where_trials_stand_is_what_their_latest_attempts_say(store: RunStore) -> None:
    first, other, further = Standing(0, 7, 1, 0.1 + 0.2), Standing(0, 1, 1, math.inf), Standing(1, 7, 2, 0.5)
    assert all(map(store.stand, [R] * 3, (first, other, further)))
    assert store.stand(R, first), "a repeat of my own"
    assert store.standings(R) == [other, first, further] and store.standings(R, 1) == [further]
    anew = replace(first, attempt=3, value=-1.0)
    assert store.stand(R, anew) and not store.stand(R, first), "a zombie's"
    assert store.standings(R, 0) == [other, anew]
    assert store.stood(R, 1, 7) and not store.stood(R, 1, 1)


def test_registration(store: RunStore) -> None:
    assert store.register(R, A, {"log_stream": "s"}) == A
    assert store.register(R, A) == A, "a repeat of my own"
    beaten = store.beat(R, A)
    assert beaten is not None and (beaten.beat, beaten.log_stream) == (1, "s")
    assert store.register(R, Me(0, 2000)) == Me(0, 2000)
    assert store.beat(R, A) is None
    assert store.register(R, Me(0, 1001)) is None, "the engine has started the slot anew"


def test_a_slot_that_two_jobs_were_given_is_the_first_ones(store: RunStore) -> None:
    """A SubmitJob whose answer was lost, sent again: both jobs start workers with the same slots."""
    assert store.register(R, A, {"job_id": "one:0"}) == A
    assert store.register(R, A, {"job_id": "two:0"}) is None
    assert store.register(R, A, {"job_id": "one:0"}) == A, "a repeat of its own"
    store.leave(R, A)
    assert store.register(R, A, {"job_id": "two:0"}) == Me(0, 1001), "once it has gone, the other may go on"


def test_a_burial_needs_a_beat_that_stands_still(store: RunStore) -> None:
    store.register(R, A)
    seen = store.worker(R, 0)
    assert seen is not None
    store.beat(R, A)
    assert not store.bury(R, seen)
    seen = store.worker(R, 0)
    assert seen is not None and store.bury(R, seen)
    assert store.bury(R, seen), "a repeat of my own"
    assert store.beat(R, A) is None
    assert store.register(R, Me(0, 1001)) == Me(0, 1001)
    assert store.next_slot(R) == 1


def test_a_seal_counts_in_its_generation(store: RunStore) -> None:
    assert store.seal(R, Shard(0, 0, {"done": 3}))
    assert store.seal(R, Shard(0, 0, {"done": 3})), "a repeat of my own"
    assert store.shards(R, 0)[0].counts == {"done": 3}
    assert store.shard(R, 0, 1) is None and store.shards(R, 1) == {}
    assert store.seal(R, Shard(0, 1, {"done": 2}))
    assert not store.seal(R, Shard(0, 0, {"done": 3})), "a late one"


def test_a_run_ends_once_and_in_its_generation(store: RunStore) -> None:
    assert not store.finish(R, 1)
    assert store.finish(R, 0, now_ms=5)
    assert store.finish(R, 0), "a repeat of my own"
    assert not store.finish(R, 0, "failed", {"type": "X"})
    assert store.cancel(R) == "done"
    run = store.run(R)
    assert run is not None and (run.state, run.ended_ms, run.error) == ("done", 5, None)


def test_retry_puts_failed_and_cancelled_trials_back(store: RunStore) -> None:
    for n, state in ((0, "failed"), (1, "done")):
        assert store.settle(R, replace(claimed(store, n), state=state, error={"type": "X"}))
    assert store.cancel_trial(R, 2).state == "cancelled"
    store.finish(R, 0, "failed", {"type": "X"})
    assert store.retry(R) == 2
    assert [trial.state for trial in store.trials(R, 0)] == ["retry", "done", "retry"]
    status = store.status(R)
    assert (status.state, status.generation, status.error) == ("running", 1, None)
    assert not store.finish(R, 0), "a finish from before"


def test_chosen_trials_are_put_back_and_no_others(store: RunStore) -> None:
    for n, state in ((0, "failed"), (1, "failed")):
        assert store.settle(R, replace(claimed(store, n), state=state, error={"type": "X"}))
    assert store.retry(R, only=[1, 2], fresh=True) == 1
    failed, back = store.trials(R, 0)
    assert (failed.state, back.state, back.since) == ("failed", "retry", 2)
    assert store.cancel_trial(R, 2).state == "cancelled"
    assert store.retry(R, states={"failed"}) == 1
    assert [trial.state for trial in store.trials(R, 0)] == ["retry", "retry", "cancelled"]


def test_a_paused_run_gives_out_nothing_until_it_goes_on(store: RunStore) -> None:
    assert store.go_on(R) == "running", "it is"
    assert store.pause(R) == "paused"
    assert store.pause(R) == "paused", "again is harmless"
    assert list(store.reserve(R, 1, 3)) == []
    assert not store.finish(R, 0)
    assert store.runs()[0].state == "paused"
    assert store.go_on(R) == "running"
    assert list(store.reserve(R, 1, 3)) == [0]
    assert store.pause(R) == "paused" and store.cancel(R) == "cancelled"
    assert store.pause(R) == store.go_on(R) == "cancelled"
    assert store.status(R).holds == 3


def test_cancelling_one_trial(store: RunStore) -> None:
    store.register(R, A)
    trial = claimed(store)
    assert store.cancel_trial(R, 0, 7).state == "cancelled"
    assert not store.settle(R, replace(trial, state="done"))
    beaten = store.beat(R, A)
    assert beaten is not None and beaten.cmd == "cancel 0@1"
    assert store.cancel_trial(R, 1).attempt == 0
    assert store.claim(R, 1, A, {}) is None


def test_a_trial_whose_worker_is_lost_ran_until_its_last_sign_of_life(store: RunStore) -> None:
    begun, hour = 1_000_000, 3_600_000
    store.register(R, A, {"started_ms": begun})
    for n in (0, 1):
        assert store.claim(R, n, A, {}, now_ms=begun)
    for _ in range(4):
        store.beat(R, A)  # the last one a minute after its start: a beat is 15 s
    assert store.cancel_trial(R, 0, begun + 70_000).latest_ms == 70_000, "it was there a moment ago"
    assert store.cancel_trial(R, 1, begun + hour).latest_ms == 60_000, "it has been gone for an hour"
    assert store.claim(R, 2, A, {}, now_ms=begun)
    store.put_reports(R, [Report(2, 1, 0, {}, begun + 63_000)])
    lost = store.trial(R, 2)
    assert lost is not None and store.lived_ms(R, lost, 15.0) == 63_000
    assert store.register(R, Me(0, 2000), {"started_ms": begun + hour}) == Me(0, 2000), (
        "started again, and by an older awsrun"
    )
    assert store.lived_ms(R, replace(lost, n=1), 15.0) == 0, "nobody wrote down when the start before it ended"
    waits = store.take_over(R, lost, B, {}, now_ms=begun + hour, ran_ms=63_000)
    assert waits is not None and (waits.spent_ms, waits.lost_ms) == (63_000, 63_000)
    assert store.settle(R, replace(waits, state="retry", ended_ms=begun + hour + 5000))
    gone = store.cancel_trial(R, 2, begun + 9 * hour)
    assert (gone.seconds, gone.lost_ms) == (68.0, 63_000), "waiting is no work"


def test_reports(store: RunStore) -> None:
    made = [Report(0, 1, step, {"y": step / 3}, step) for step in range(60)]
    store.put_reports(R, made)
    store.put_reports(R, made[:3])
    assert store.reports(R, 0) == made
    assert store.reports(R, 1) == []


def test_failures_alike_and_no_success(store: RunStore) -> None:
    for n in range(2):
        store.note_failure(R, 0, n, "aa")
    store.note_failure(R, 0, 2, "bb")
    assert not store.failing(R, 0, "aa", 3)
    store.note_failure(R, 0, 3, "aa")
    assert store.failing(R, 0, "aa", 3)
    assert not store.failing(R, 1, "aa", 3), "of an older generation"
    store.note_success(R)
    assert not store.failing(R, 0, "aa", 3)


def test_what_was_under_way_when_its_run_was_cancelled_is_put_back_with_it(store: RunStore) -> None:
    trial = claimed(store)
    assert store.cancel(R) == "cancelled"
    assert store.settle(R, replace(trial, state="retry")), "its worker gives it back, whatever becomes of the run"
    assert store.retry(R, [0], PUT_BACK | {"retry"}, fresh=True) == 1
    again = store.trial(R, 0)
    assert again is not None and (again.state, again.attempt, again.since) == ("retry", 1, 2)
    assert store.status(R).state == "running"


def test_what_was_put_back_to_begin_from_nothing_is_not_taken_over_as_it_was_before(store: RunStore) -> None:
    trial = claimed(store)
    released = replace(trial, state="retry")
    assert store.settle(R, released)
    assert store.retry(R, [0], PUT_BACK | {"retry"}, fresh=True) == 1
    assert store.take_over(R, released, B, {}) is None, "whoever saw it before would go on from its checkpoint"
    again = store.trial(R, 0)
    assert again is not None and again.since == 2 and store.take_over(R, again, B, {})
