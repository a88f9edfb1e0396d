"""Carries what an attempt leaves to the table and the bucket, in threads of its own, and commits it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from awsrun.worker.attempt import Attempt, Claimed
from awsrun.worker.claims import Claims
from awsrun.worker.objects import Objects
from awsrun.worker.records import Report, TrialRecord
from awsrun.worker.store import RunStore

Task = Callable[[], Any]


class Courier:
    """The worker's input and output.  Claims go one after the other; commits and uploads in parallel.

    Args:
        wake: called, in whatever thread, when something is finished.
        scratch: a folder for the files of attempts.
    """

    def __init__(
        self, store: RunStore, objects: Objects, run: str, claims: Claims, wake: Callable[[], None], scratch: Path
    ) -> None:
        self._store, self._objects, self._run, self._claims = store, objects, run, claims
        self._wake, self._scratch = wake, scratch
        self._claimer = ThreadPoolExecutor(1, "claims")
        self._movers = ThreadPoolExecutor(3, "courier")
        self._uploading = threading.Lock()

    def claim(self, how: Callable[[], TrialRecord | None]) -> Future[Claimed | None]:
        """Claim a trial and fetch what it goes on from."""
        return self._submit(self._claimer, lambda: self._prepare(how()))

    def commit(self, attempt: Attempt, record: TrialRecord) -> Future[bool]:
        """Write everything that an attempt left, then settle it; False if it was lost to another worker."""
        return self._submit(self._movers, lambda: self._commit(attempt, record))

    def give_back(self, claimed: Claimed, state: str) -> Future[bool]:
        """Settle a trial that was claimed and not started: ``retry`` or ``cancelled``."""
        return self._submit(self._movers, lambda: self._settle(replace(claimed.record, state=state), claimed))

    def report(self, reports: list[Report]) -> Future[None]:
        """Write reports while the trial goes on."""
        return self._submit(self._movers, lambda: self._store.put_reports(self._run, reports))

    def checkpoint(self, attempt: Attempt) -> Future[None]:
        """Upload the newest checkpoint while the trial goes on."""
        return self._submit(self._movers, lambda: self._upload(attempt))

    def call(self, task: Task) -> Future[Any]:
        """Do something else in a thread."""
        return self._submit(self._claimer, task)

    def close(self) -> None:
        """Wait for what is under way."""
        self._claimer.shutdown(cancel_futures=True)
        self._movers.shutdown()

    def _submit(self, pool: ThreadPoolExecutor, task: Task) -> Future[Any]:
        future: Future[Any] = pool.submit(task)
        future.add_done_callback(lambda _: self._wake())
        return future

    def _prepare(self, record: TrialRecord | None) -> Claimed | None:
        if record is None:
            return None
        folder = Path(tempfile.mkdtemp(prefix=f"t{record.n}.{record.attempt}-", dir=self._scratch))
        restored = None
        if record.attempt > record.since:
            restored = self._objects.get_checkpoint(record.n, record.since, record.attempt, folder)
        return Claimed(record, folder, restored)

    def _commit(self, attempt: Attempt, record: TrialRecord) -> bool:
        if record.state in ("done", "failed", "retry"):
            self._store.put_reports(self._run, attempt.reports)
            self._upload(attempt)
        if record.state in ("done", "failed"):
            artifacts = self._objects.put_artifacts(record.n, record.attempt, attempt.claimed.artifacts)
            record = replace(record, artifacts=artifacts)
        won = self._settle(record, attempt.claimed)
        if won and record.state == "done" and attempt.checkpointed:
            self._objects.drop_checkpoints(record.n)
        return won

    def _settle(self, record: TrialRecord, claimed: Claimed) -> bool:
        won = self._store.settle(self._run, record)
        self._claims.settled(record, won)
        claimed.discard()
        return won

    def _upload(self, attempt: Attempt) -> None:
        with self._uploading:  # an older checkpoint must not arrive after a newer one
            path = attempt.take_checkpoint()
            if path is None:
                return
            attempt.checkpointed = True
            try:
                self._objects.put_checkpoint(attempt.record.n, attempt.record.attempt, path)
            except Exception as error:  # the trial is worth more than its checkpoint
                print(f"[{attempt.name}] awsrun: checkpoint not stored: {error}", flush=True)
            path.unlink(missing_ok=True)
