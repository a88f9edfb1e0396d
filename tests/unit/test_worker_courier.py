"""What holds a worker up, and does not end it: a busy table, a record that no table takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.worker.attempt import Claimed
from awsrun.worker.courier import Courier
from awsrun.worker.patience import NOTHING_TO_DO
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import LARGEST, Me
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered


def test_a_claim_that_is_not_answered_is_made_again_for_some_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now, slept, nothing = [0.0], list[float](), None
    no_store: Any = nothing
    courier = Courier(
        no_store, no_store, a_run(), no_store, lambda: None, tmp_path, clock=lambda: now[0], sleep=slept.append
    )

    def claim(how: Callable[[], None], at: float) -> object:
        now[0] = at
        return courier.claim(how).result(timeout=10)

    def busy() -> None:
        raise Unanswered("query: ThrottlingException")

    assert claim(busy, 5) is None and claim(busy, NOTHING_TO_DO) is None, "the worker looks again"
    assert "the table does not answer (query: ThrottlingException)" in capsys.readouterr().out
    assert claim(lambda: None, NOTHING_TO_DO + 3) is None and claim(busy, NOTHING_TO_DO + 20) is None, (
        "an answer starts it anew"
    )
    with pytest.raises(Unanswered):
        claim(busy, 2 * NOTHING_TO_DO + 21)
    assert slept == [1.0, 1.0, 1.0]
    courier.close()


def test_a_record_that_is_too_large_for_the_table_is_a_failed_trial(tmp_path: Path) -> None:
    store, run, me = RunStore(MemoryTable()), a_run(next=1), Me(0, 1000)
    store.create(run)
    record = store.claim(run.run, 0, me, {"text": "a" * (LARGEST // 2)})
    assert record is not None
    no_objects: Any = None
    courier = Courier(store, no_objects, run, Claims(store, run, Identity(me), Tools(lambda n: {})), print, tmp_path)
    done = replace(record, result={"text": "b" * (LARGEST // 2)})
    assert courier.give_back(Claimed(done, tmp_path / "t0.1")).result(timeout=10)
    found = store.trial(run.run, 0)
    assert found is not None and (found.state, found.result) == ("failed", None)
    assert (found.error or {})["message"].startswith("parameters, result and list of files take 390,")
    courier.close()


class Checkpoints:
    """A bucket that takes checkpoints."""

    def put_checkpoint(self, *_: Any) -> None: ...


def test_a_checkpoint_beyond_the_one_that_it_began_from_clears_the_trial_of_losses(tmp_path: Path) -> None:
    store, run, me = RunStore(MemoryTable()), a_run(next=1), Me(1, 1000)
    store.create(run)
    lost, bucket = store.claim(run.run, 0, Me(0, 1000), {}), Checkpoints()
    assert lost is not None
    record, objects = store.take_over(run.run, lost, me, {}), bucket
    assert record is not None and record.losses == ("0.1",)
    anything: Any = objects
    courier = Courier(store, anything, run, Claims(store, run, Identity(me), Tools(lambda n: {})), print, tmp_path)

    def losses_after(step: int) -> tuple[str, ...]:
        """Of the trial, once a checkpoint of ``step`` is stored by an attempt that began at step 5."""
        file = tmp_path / "checkpoint"
        file.write_bytes(b"state")
        files = {"last": (file, {"attempt": 2, "step": step})}
        attempt: Any = SimpleNamespace(
            record=record, name="t0.2", reports=[], kept={"last": {"attempt": 1, "step": 5}}, checkpointed=True,
            has_checkpoint=True, take_checkpoints=lambda: files,
        )  # fmt: skip
        courier.note(attempt).result(timeout=10)
        found = store.trial(run.run, 0)
        assert found is not None
        return found.losses

    assert losses_after(5) == ("0.1",), "it is where it was"
    assert losses_after(6) == ()
    courier.close()


class NoDeletes:
    """A bucket whose policy lets nobody delete."""

    def put_artifacts(self, n: int, attempt: int, folder: Path) -> dict[str, int]:
        return {}

    def drop_checkpoints(self, *_: Any) -> None:
        raise PermissionError("AccessDenied")


def test_a_result_stands_though_old_checkpoints_cannot_be_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, run, me = RunStore(MemoryTable()), a_run(next=1), Me(0, 1000)
    store.create(run)
    record, objects = store.claim(run.run, 0, me, {}), NoDeletes()
    assert record is not None
    bucket: Any = objects
    courier = Courier(store, bucket, run, Claims(store, run, Identity(me), Tools(lambda n: {})), print, tmp_path)
    kept = {"last": {"attempt": 1, "step": 1}, "best": {"attempt": 1, "step": 1}}
    attempt: Any = SimpleNamespace(
        name="t0.1", began=0.0, checkpointed=True, kept=kept, reports=[], take_checkpoints=dict,
        claimed=Claimed(record, tmp_path / "t0.1"),
    )  # fmt: skip
    assert courier.commit(attempt, replace(record, state="done", result=1)).result(timeout=10)
    found = store.trial(run.run, 0)
    assert found is not None and (found.state, found.result) == ("done", 1)
    assert "[t0.1] awsrun: old checkpoints not deleted: AccessDenied" in capsys.readouterr().out
    courier.close()
