"""Table or bucket out of reach for longer than any worker's patience: what becomes of results, trials and workers."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from jobs_runs import a_run

from awsrun.worker.attempt import Claimed
from awsrun.worker.bootstrap import AWAY
from awsrun.worker.courier import Courier
from awsrun.worker.objects import HURRY, PAUSES, BucketSilent, Objects
from awsrun.worker.patience import OFFERED
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.patience import LONG, PatientTable
from awsrun.worker.protocol.records import Limits, Me, Report, Run, Standing, TrialRecord
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Condition, Item, Unanswered
from awsrun.worker.supervisor import Supervisor

ME, OTHER = Me(0, 1000), Me(1, 1000)
RUN = a_run().run
HOUR = 3600.0
GONE = EndpointConnectionError(endpoint_url="https://s3")


class Clock:
    """Seconds that pass only where somebody waits."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FarTable(MemoryTable):
    """Out of reach until some time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self.back = clock, 0.0

    def _check(self, pk: str, sk: str, when: Condition) -> Item | None:
        self._reach()
        return super()._check(pk, sk, when)

    def get(self, pk: str, sk: str) -> Item | None:
        self._reach()
        return super().get(pk, sk)

    def _reach(self) -> None:
        if self._clock.now < self.back:
            raise Unanswered("update_item: Could not connect to the endpoint URL")


class Bucket:
    """An S3 client whose calls fail as they are told, then answer."""

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.keys: list[str] = []

    def put_object(self, Key: str, **_: Any) -> None:
        self._answer()
        self.keys.append(Key)

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        self._answer()
        return {"Contents": [{"Key": key} for key in self.keys]}

    def _answer(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


class Scene:
    """A worker's courier, with a trial that it has run for three hours."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.run = Clock(), a_run(total=1, next=1)
        self.table = FarTable(self.clock)
        patient = PatientTable(self.table, self.clock.sleep)
        self.store = RunStore(patient, self.clock.sleep, LONG)
        assert self.store.create(self.run) and self.store.register(RUN, ME)
        record = self.store.claim(RUN, 0, ME, {})
        assert record is not None
        self.record: TrialRecord = record
        self.bucket = Bucket()
        objects = Objects(self.bucket, "b", RUN, pauses=(), clock=lambda: self.clock.now)
        self.claims = Claims(self.store, self.run, Identity(ME), Tools(lambda n: {}, lambda: self.clock.now))
        self.courier = Courier(
            self.store, objects, self.run, self.claims, lambda: None, folder, lambda: self.clock.now, self.clock.sleep
        )
        self._folder, self._files = folder, dict[str, Any]()
        self.attempt: Any = SimpleNamespace(
            name="t0.1", began=0.0, checkpointed=False, kept={}, reports=[], record=record, has_checkpoint=True,
            take_checkpoints=self._take, claimed=Claimed(record, folder / "t0.1"),
        )  # fmt: skip
        (folder / "t0.1" / "out").mkdir(parents=True)
        self.clock.now = 3 * HOUR

    def checkpoint(self, step: int, *kinds: str) -> None:
        for kind in kinds or ("last",):
            path = self._folder / f"{kind}.ckpt"
            path.write_text("state")
            self._files[kind] = path, {"attempt": 1, "step": step}

    def _take(self) -> dict[str, Any]:
        files, self._files = self._files, {}
        return files

    def trial(self) -> TrialRecord:
        found = RunStore(self.table).trial(RUN, 0)
        assert found is not None
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_trial_that_runs_goes_on_and_its_checkpoints_are_stored_and_its_reports_kept(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.table.back = 9 * HOUR
    for step in range(3):
        scene.attempt.reports.append(Report(0, 1, step, {"y": step}))
        scene.checkpoint(step)
        scene.courier.note(scene.attempt).result(10)
    assert scene.clock.now == 3 * HOUR, "nothing waits for the table, least of all a checkpoint"
    assert scene.bucket.keys == [f"{RUN}/ckpt/0/000001"] * 3 and scene.attempt.kept["last"]["step"] == 2
    assert capsys.readouterr().out.count("reports are kept until they can be written") == 1
    scene.clock.now = 9 * HOUR
    scene.courier.note(scene.attempt).result(10)
    assert [report.step for report in scene.store.reports(RUN, 0)] == [0, 1, 2] and scene.attempt.reports == []


def test_a_result_is_offered_for_as_long_as_its_trial_ran(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.attempt.reports.append(Report(0, 1, 0, {"y": 1}))
    scene.table.back = 5.5 * HOUR
    done = replace(scene.record, state="done", result=7, ended_ms=1)
    assert scene.courier.commit(scene.attempt, done).result(10)
    assert scene.clock.now < 5.5 * HOUR + 60 and scene.trial().result == 7
    assert len(scene.store.reports(RUN, 0)) == 1, "and the history is whole"
    assert "the table does not answer (update_item: Could not connect" in capsys.readouterr().out


def test_it_is_given_up_in_the_end_and_the_trial_goes_on_elsewhere_from_its_checkpoint(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.checkpoint(4)
    scene.table.back = 99 * HOUR
    done = replace(scene.record, state="done", result=7, ended_ms=1)
    with pytest.raises(Unanswered):
        scene.courier.commit(scene.attempt, done).result(10)
    assert 6 * HOUR <= scene.clock.now < 6 * HOUR + sum(LONG) + 60
    assert "what attempt t0.1 came to in 10,800 s is lost" in capsys.readouterr().out
    scene.table.back = 0.0
    scene.store.leave(RUN, ME, "")
    assert scene.store.register(RUN, OTHER)
    taken = scene.store.take_over(RUN, scene.trial(), OTHER, {})
    assert taken is not None and (taken.attempt, taken.losses) == (2, ("0.1",))
    assert scene.bucket.keys == [f"{RUN}/ckpt/0/000001"]


def test_a_short_trial_too_is_offered_for_a_quarter_of_an_hour(scene: Scene) -> None:
    scene.attempt.began = scene.clock.now
    scene.table.back = scene.clock.now + OFFERED
    assert scene.courier.commit(scene.attempt, replace(scene.record, state="done", result=1)).result(10)


def test_a_trial_at_a_rung_is_not_held_up_for_ever(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.table.back = 99 * HOUR
    assert scene.courier.compare(Standing(0, 0, 1, 0.5)).result(10)
    assert "trial 0 goes on uncompared" in capsys.readouterr().out


def test_a_result_stands_though_what_follows_for_the_run_was_not_answered(scene: Scene) -> None:
    def settled(trial: TrialRecord, ok: bool) -> None:
        raise Unanswered("get_item: no answer")

    scene.claims.settled = settled  # type: ignore[method-assign]
    assert scene.courier.commit(scene.attempt, replace(scene.record, state="done", result=1)).result(10)
    assert scene.trial().state == "done"


def test_a_trial_whose_checkpoint_cannot_be_fetched_is_given_back_and_no_worker_is_lost_with_it(scene: Scene) -> None:
    scene.store.settle(RUN, replace(scene.record, state="retry"))
    scene.bucket.fails = [GONE]
    assert scene.courier.claim(scene.claims.sweep).result(10) is None
    assert (scene.trial().state, scene.trial().attempt, scene.trial().losses) == ("retry", 2, ())
    assert not scene.claims.active


def test_files_are_offered_as_long_as_the_result(scene: Scene) -> None:
    (scene.attempt.claimed.artifacts / "model.pt").write_text("weights")
    scene.bucket.fails = [GONE] * 50
    assert scene.courier.commit(scene.attempt, replace(scene.record, state="done", result=1)).result(10)
    assert scene.trial().artifacts == {"model.pt": 7}


def test_of_a_worker_that_is_told_to_go_the_bucket_takes_what_it_can_and_the_trial_is_given_back(scene: Scene) -> None:
    scene.checkpoint(2)
    scene.courier.note(scene.attempt).result(10)
    scene.courier.hurry(HURRY)
    scene.clock.now += HURRY
    scene.checkpoint(5, "best", "last")
    scene.bucket.fails = [ReadTimeoutError(endpoint_url="https://s3")]
    assert scene.courier.commit(scene.attempt, replace(scene.record, state="retry")).result(10)
    assert (scene.trial().state, scene.trial().checkpoints["last"]["step"]) == ("retry", 2), "the one before stands"
    assert scene.bucket.keys == [f"{RUN}/ckpt/0/000001"], "no second file is tried: there may be no time for it"


def bucket(*fails: Exception) -> tuple[Objects, Bucket, Clock]:
    found, clock = Bucket(), Clock()
    found.fails = list(fails)
    return Objects(found, "b", RUN, pauses=(0.0,) * len(PAUSES), clock=lambda: clock.now), found, clock


def test_the_bucket_is_asked_again_unless_it_refuses(tmp_path: Path) -> None:
    slow = ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "PutObject")  # type: ignore[typeddict-item]
    denied = ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject")  # type: ignore[typeddict-item]
    (tmp_path / "a").write_text("x")
    objects, made, _ = bucket(slow, GONE)
    objects.put_checkpoint(0, 1, tmp_path / "a")
    assert made.keys and 60 < sum(PAUSES) < 180
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket(denied)[0].put_checkpoint(0, 1, tmp_path / "a")
    with pytest.raises(BucketSilent):
        bucket(*[GONE] * 50)[0].put_checkpoint(0, 1, tmp_path / "a")
    objects, made, clock = bucket(GONE, GONE)
    objects.hurry()
    objects.put_checkpoint(0, 1, tmp_path / "a")
    assert made.keys, "there is a little time"
    made.fails, clock.now = [GONE], HURRY + 1
    with pytest.raises(BucketSilent):
        objects.put_checkpoint(0, 1, tmp_path / "a")


def test_a_worker_that_goes_for_want_of_an_answer_says_so() -> None:
    run: Run = a_run(next=0)
    store = RunStore(MemoryTable())
    supervisor = Supervisor(run, Claims(store, run, Identity(ME), Tools(lambda n: {})), pytest.fail)
    unanswered: Future[Any] = Future()
    unanswered.set_exception(Unanswered("query: Connect timeout"))
    supervisor._tasks.add(unanswered)
    supervisor._collect()
    assert (supervisor._leaving, supervisor._code) == ("no answer for too long (query: Connect timeout)", AWAY)


def test_a_trial_that_could_not_even_be_given_back_is_taken_up_again_by_its_own_worker(scene: Scene) -> None:
    scene.store.settle(RUN, replace(scene.record, state="retry"))

    def both_gone(**_: Any) -> dict[str, Any]:
        scene.table.back = scene.clock.now + HOUR
        raise GONE

    scene.bucket.list_objects_v2, answers = both_gone, scene.bucket.list_objects_v2  # type: ignore[method-assign]
    assert scene.courier.claim(scene.claims.sweep).result(10) is None
    scene.clock.now, scene.bucket.list_objects_v2 = scene.table.back, answers  # type: ignore[method-assign]
    again = scene.courier.claim(scene.claims.sweep).result(10)
    assert again is not None and (again.record.n, again.record.attempt, again.record.state) == (0, 3, "run")


def test_that_some_trial_succeeded_is_said_until_it_is_on_record(scene: Scene) -> None:
    done = replace(scene.record, state="done", result=1)
    scene.table.back = 99 * HOUR
    with pytest.raises(Unanswered):
        scene.claims.settled(done, True)
    scene.table.back = 0.0
    scene.claims.settled(done, True)
    assert scene.table.get(f"{RUN}#F", "!ok"), "else the run may fail by failures alike"


def test_a_run_that_has_what_it_wants_is_cut_though_the_table_was_silent_then(scene: Scene) -> None:
    run = a_run(run="wants", next=0, limits=Limits(until=0.9), mode="max")
    assert scene.store.create(run)
    claims = Claims(scene.store, run, Identity(ME), Tools(lambda n: {}, lambda: scene.clock.now))
    trial = claims.next()
    assert trial is not None
    good = replace(trial, state="done", value=0.95)
    assert scene.store.settle(run.run, good)
    scene.table.back = 99 * HOUR
    with pytest.raises(Unanswered):
        claims.settled(good, True)
    scene.table.back = 0.0
    assert claims.next() is None and scene.store.status(run.run).cut == 1


def test_a_trial_that_is_done_as_its_worker_is_told_to_go_is_given_back_if_its_files_cannot_be_stored(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    (scene.attempt.claimed.artifacts / "model.pt").write_text("weights")
    scene.courier.hurry(HURRY)
    scene.clock.now += HURRY
    scene.bucket.fails = [GONE] * 50
    assert scene.courier.commit(scene.attempt, replace(scene.record, state="done", result=1)).result(10)
    assert (scene.trial().state, scene.trial().losses, scene.trial().failures) == ("retry", (), 0)
    assert scene.clock.now < 3 * HOUR + 20, "it will be killed"
    assert "[t0.1] awsrun: its files cannot be stored, and the worker is to go: it is given back" in (
        capsys.readouterr().out
    )
