"""Carries what an attempt leaves to the table and the bucket, in threads of its own, and commits it.

Where table or bucket do not answer for long, what has been computed is worth waiting for.  A trial that runs goes on:
its reports are kept until they can be written, its checkpoints go to the bucket all the same.  What a trial has come to
is offered for as long as the trial ran, and for a quarter of an hour at least: to wait costs no more than to run it
again.  Whoever has nothing to lose goes after some minutes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from awsrun.worker.attempt import Attempt, Claimed
from awsrun.worker.job.failures import describe
from awsrun.worker.objects import BucketSilent, Objects
from awsrun.worker.patience import Patience, say_silent
from awsrun.worker.protocol.claims import Claims
from awsrun.worker.protocol.reads import PAUSES
from awsrun.worker.protocol.records import LARGEST, Report, Run, Standing, TrialRecord
from awsrun.worker.protocol.space import block_text, blocked
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered

Task = Callable[[], Any]


class Courier:
    """The worker's input and output.

    Claims go one after the other, and so do reports and checkpoints: the reports up to a checkpoint are written before
    it.  Commits go in parallel.

    Args:
        wake: called, in whatever thread, when something is finished.
        scratch: a folder for the files of attempts.
        clock, sleep: seconds of a monotonic clock, and to wait some.
    """

    def __init__(
        self,
        store: RunStore,
        objects: Objects,
        run: Run,
        claims: Claims,
        wake: Callable[[], None],
        scratch: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._objects, self._run, self._claims = store, objects, run.run, claims
        self._kept_back = False
        self._space, self._kinds = run.space, run.limits.kinds
        self._wake, self._scratch = wake, scratch
        self._clock, self._sleep = clock, sleep
        self._patience = Patience(clock, sleep)
        self._claimer = ThreadPoolExecutor(1, "claims")
        self._notes = ThreadPoolExecutor(1, "notes")
        self._commits = ThreadPoolExecutor(3, "commits")

    def claim(self, how: Callable[[], TrialRecord | None]) -> Future[Claimed | None]:
        """Claim a trial and fetch what it goes on from; None also where the table is too busy to answer.

        A claim that was made all the same is found by the next sweep, which takes this worker's own lost trials over.
        """
        return self._submit(self._claimer, lambda: self._patience.ask(lambda: self._prepare(how())))

    def commit(self, attempt: Attempt, record: TrialRecord) -> Future[bool]:
        """Write everything that an attempt left, then settle it; False if it was lost to another worker."""
        return self._submit(self._commits, lambda: self._commit(attempt, record))

    def give_back(self, claimed: Claimed) -> Future[bool]:
        """Settle a trial that was claimed and not started: ``retry``."""
        return self._submit(self._commits, lambda: self._give_back(claimed))

    def note(self, attempt: Attempt) -> Future[None]:
        """While the trial goes on: write its reports, then upload the newest checkpoint, and the best."""
        return self._note_all(attempt, attempt.has_checkpoint)

    def _note_all(self, attempt: Attempt, upload: bool) -> Future[None]:
        reports, attempt.reports = attempt.reports, []
        files = attempt.take_checkpoints() if upload else {}
        return self._submit(self._notes, lambda: self._note(attempt, reports, files))

    def compare(self, standing: Standing) -> Future[bool]:
        """Say where a trial stands at a rung; whether it goes on, which it does, too, if nobody can tell."""
        return self._submit(self._commits, lambda: self._compare(standing))

    def call(self, task: Task) -> Future[Any]:
        """Do something else in a thread."""
        return self._submit(self._claimer, task)

    def hurry(self, seconds: float) -> None:
        """The worker is told to go, and will be killed: what S3 does not take in ``seconds`` stays behind."""
        self._patience.hurried = True
        self._objects.hurry(seconds)

    def close(self) -> None:
        """Wait for what is under way."""
        self._claimer.shutdown(cancel_futures=True)
        self._notes.shutdown()
        self._commits.shutdown()

    def _submit(self, pool: ThreadPoolExecutor, task: Task) -> Future[Any]:
        future: Future[Any] = pool.submit(task)
        future.add_done_callback(lambda _: self._wake())
        return future

    def _compare(self, standing: Standing) -> bool:
        try:
            return self._claims.goes_on(standing)
        except Unanswered as error:
            say_silent(error, f"trial {standing.n} goes on uncompared")
            return True

    def _prepare(self, record: TrialRecord | None) -> Claimed | None:
        """Fetch what a trial goes on from; where that cannot be, it is given back."""
        if record is None:
            return None
        claimed = Claimed(record, Path(tempfile.mkdtemp(prefix=f"t{record.n}.{record.attempt}-", dir=self._scratch)))
        try:
            return self._fetch(claimed)
        except Exception:
            self._give_back(claimed)
            raise

    def _fetch(self, claimed: Claimed) -> Claimed:
        record, folder, restored, lines = claimed.record, claimed.folder, None, None
        if record.attempt > record.since:
            restored = self._objects.get_checkpoint(record.n, record.since, record.attempt, folder)
        if blocked(self._space):
            lines = folder / "lines.jsonl"
            lines.write_bytes(block_text(self._space, record.n, self._objects.read_range))
        return replace(claimed, restored=restored, lines=lines)

    def _give_back(self, claimed: Claimed) -> bool:
        """Release a trial that did not start; if the table is silent, a sweep finds it, this worker's or, if it has
        gone by then, another's."""
        store = RunStore(self._store.table, self._sleep, PAUSES)
        try:
            return self._settle(replace(claimed.record, state="retry"), claimed, store.settle)
        except Unanswered as error:
            say_silent(error, f"trial {claimed.record.n} is not given back")
            self._claims.settled(claimed.record, False)
            return False

    def _commit(self, attempt: Attempt, record: TrialRecord) -> bool:
        worth = self._clock() - attempt.began
        if record.state in ("done", "failed", "retry", "paused"):
            self._note_all(attempt, upload=True).result()  # behind those that are under way
            record = replace(record, checkpoints={**record.checkpoints, **attempt.kept})
        if record.state in ("done", "failed", "paused"):
            record = self._with_artifacts(record, attempt.claimed.artifacts, worth)
        if record.state == "done":
            record = replace(record, checkpoints=self._staying(record))
        try:
            won = self._patience.insist(lambda: self._write(record, attempt), worth)
        except Unanswered as error:
            lost = f"what attempt {attempt.name} came to in {worth:,.0f} s is lost: it could not be written down"
            say_silent(error, lost)
            raise
        if attempt.checkpointed:
            try:
                self._tidy(record if won else self._store.trial(self._run, record.n), attempt)
            except Exception as error:  # the trial is settled: its result is worth more than a clean bucket
                print(f"[{attempt.name}] awsrun: old checkpoints not deleted: {error}", flush=True)
        return won

    def _write(self, record: TrialRecord, attempt: Attempt) -> bool:
        """Settle an attempt, behind the reports that could not be written before."""
        reports, attempt.reports = attempt.reports, []
        try:
            self._store.put_reports(self._run, reports)
        except Unanswered:
            attempt.reports = reports
            raise
        return self._settle(record, attempt.claimed)

    def _with_artifacts(self, record: TrialRecord, folder: Path, worth: float) -> TrialRecord:
        """Upload the files of a trial.  Where that cannot be, it has failed: a result without its files is none."""
        try:
            put = partial(self._objects.put_artifacts, record.n, record.attempt, folder)
            return replace(record, artifacts=self._patience.insist(put, worth))
        except Exception as error:
            if self._patience.hurried and isinstance(error, BucketSilent) and record.state != "failed":
                why = "its files cannot be stored, and the worker is to go: it is given back"
                print(f"[t{record.n}.{record.attempt}] awsrun: {why}", flush=True)
                return replace(record, state="retry", result=None, value=None)
            found = describe(error, folder)
            message = f"its files cannot be stored: {found['message']}"
            print(f"[t{record.n}.{record.attempt}] awsrun: {message}", flush=True)
            if record.state == "failed":
                return record
            error_of = {"type": found["type"], "message": message}
            return replace(record, state="failed", failures=record.failures + 1, error=error_of)

    def _staying(self, record: TrialRecord) -> dict[str, Mapping[str, Any]]:
        """The checkpoints of a done trial that are kept; where the best is the last state, it stands for both."""
        found = {kind: about for kind, about in record.checkpoints.items() if kind in self._kinds}
        if len(found) == 2 and found["best"]["step"] >= found["last"]["step"]:
            del found["last"]
        return found

    def _tidy(self, trial: TrialRecord | None, attempt: Attempt) -> None:
        """Delete the checkpoints of a trial that has ended, but for those that are kept."""
        if trial is None or not trial.settled or trial.state == "failed":
            return
        if trial.attempt > 1 or attempt.kept.keys() - trial.checkpoints.keys():
            self._objects.drop_checkpoints(trial.n, trial.checkpoints)

    def _settle(
        self, record: TrialRecord, claimed: Claimed, settle: Callable[[str, TrialRecord], bool] | None = None
    ) -> bool:
        if record.size > LARGEST:
            message = f"parameters, result and list of files take {record.size:,} bytes, and a record holds {LARGEST:,}"
            error = {"type": "TooLarge", "message": message}
            record = replace(record, state="failed", result=None, artifacts={}, error=error)
        won = (settle or self._store.settle)(self._run, record)
        try:
            self._claims.settled(record, won)
        except Unanswered as silence:  # it is settled, and that is what counts
            say_silent(silence, "what follows for the run is left to others")
        claimed.discard()
        return won

    def _note(
        self, attempt: Attempt, reports: list[Report], files: Mapping[str, tuple[Path, Mapping[str, Any]]]
    ) -> None:
        try:
            self._brief.put_reports(self._run, reports)
            self._kept_back = False
        except Unanswered as error:
            attempt.reports[:0] = reports
            if not self._kept_back:
                say_silent(error, "reports are kept until they can be written")
            self._kept_back = True
        for kind, (path, about) in files.items():
            attempt.checkpointed = True
            began = attempt.kept.get(kind, {}).get("step", 0)
            try:
                self._objects.put_checkpoint(attempt.record.n, attempt.record.attempt, path, kind)
                attempt.kept[kind] = {**about, "bytes": path.stat().st_size}
                if kind == "last" and about["step"] > began:
                    self._got_further(attempt)
            except Exception as error:  # the trial is worth more than its checkpoint
                print(f"[{attempt.name}] awsrun: checkpoint not stored: {error}", flush=True)
                if isinstance(error, BucketSilent):
                    break  # the last one counts on the best; and there may be little time
            finally:
                path.unlink(missing_ok=True)

    def _got_further(self, attempt: Attempt) -> None:
        """Its trial is not what ended the workers that were lost with it."""
        if attempt.record.losses:
            with suppress(Unanswered):  # the next checkpoint says it again
                self._brief.got_further(self._run, attempt.record)
                attempt.record = replace(attempt.record, losses=())

    @property
    def _brief(self) -> RunStore:
        """For what is said again soon: no checkpoint waits for a table that does not answer."""
        return RunStore(self._store.table, self._sleep, pauses=())
