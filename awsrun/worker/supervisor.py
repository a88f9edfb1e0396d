"""A worker's main process: claims trials, has them run, commits what became of them.  It never imports the job.

One thread waits for whatever happens first (a trial's message, output or end, an answer from the table, a signal, a
deadline) and starts what is possible then.  Whatever waits for the network is done by :mod:`awsrun.worker.courier`.
Trials shorter than a second are claimed ahead, and settled while the next one runs; longer ones, and those of a search
that learns from the trials before, one at a time.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from awsrun.worker.attempt import Attempt, Claimed
from awsrun.worker.bootstrap import AWAY
from awsrun.worker.courier import Courier
from awsrun.worker.heartbeat import Notice
from awsrun.worker.job import wire
from awsrun.worker.job.failures import died
from awsrun.worker.nursery import Zygote
from awsrun.worker.objects import HURRY
from awsrun.worker.protocol.claims import Claims
from awsrun.worker.protocol.records import Run, Standing, TrialRecord
from awsrun.worker.protocol.table import Unanswered
from awsrun.worker.reclaim import GRACE, LEFT

_Answer = TypeVar("_Answer")

SHORT = 1.0  # seconds: shorter trials are reserved in blocks and claimed ahead
AHEAD = 4
FLUSH = 2.0  # seconds between two writes of a running trial's reports
LOADING = 3600.0  # seconds: a job whose import takes longer hangs, and its worker costs money
TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM: not 0, so that the engine starts the slot anew where it can (a spot instance taken back)."""


class Supervisor:
    """Runs trials until there is nothing left to do.

    Args:
        spawn: starts a process that imports the job.
        courier: made with :meth:`wake` as its ``wake``.
    """

    def __init__(self, run: Run, claims: Claims, spawn: Callable[[], Zygote]) -> None:
        self._run, self._claims, self._spawn = run, claims, spawn
        self._courier: Courier
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()
        for fd in (self._woken, self._waker):
            os.set_blocking(fd, False)
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: wire.drain(self._woken))
        self._notices: deque[Notice] = deque()
        self._ready: deque[Claimed] = deque()
        self._claiming: Future[Claimed | None] | None = None
        self._tasks: set[Future[Any]] = set()
        self._noting: Future[None] | None = None
        self._asked: tuple[Attempt, Standing, Future[bool]] | None = None
        self._zygote: Zygote | None = None
        self._spare: Zygote | None = None
        self._attempt: Attempt | None = None
        self._leaving = ""
        self._releasing = False
        self._grace, self._left = run.limits.grace, HURRY
        self._code = 0
        self._ran = 0
        self._mean = SHORT
        self._idle_since = 0.0
        self._look_again = 0.0
        self._bide_until = 0.0
        self._flush_at = 0.0
        self._said_why = self._said_anew = False

    def wake(self) -> None:
        """Make the main thread look around; from any thread or signal handler."""
        try:
            os.write(self._waker, b"w")
        except BlockingIOError:
            return  # it has been woken often enough

    def tell(self, notice: Notice) -> None:
        """Pass on what the heartbeat brought; from any thread."""
        self._notices.append(notice)
        self.wake()

    def terminate(self, *_: object) -> None:
        """The handler of SIGTERM: give the trial back and go."""
        self._leave("terminated", TERMINATED)
        self._releasing, self._left = True, HURRY
        self.wake()

    def work(self, courier: Courier) -> int:
        """The worker's life; its exit code."""
        self._courier = courier
        try:
            while True:
                self._collect()
                self._obey()
                if self._gone():
                    break
                self._advance()
                self._wait()
        finally:
            for zygote in (self._zygote, self._spare):
                if zygote is not None:
                    zygote.close()
        print(f"[awsrun] this worker goes: {self._leaving}", flush=True)
        return self._code

    def _leave(self, why: str, code: int) -> None:
        if not self._leaving:
            self._leaving, self._code = why, code

    def _gone(self) -> bool:
        """Whether it is time to go and everything is brought home."""
        busy = self._attempt or self._ready or self._claiming or self._tasks
        return bool(self._leaving) and not busy

    def _obey(self) -> None:
        """Do what the heartbeat's notices and signals ask for."""
        while self._notices:
            notice = self._notices.popleft()
            if notice.kind == "cancel":
                if self._attempt and self._attempt.name == f"t{notice.n}.{notice.attempt}":
                    self._attempt.kill("cancelled")
            elif notice.kind == "over":
                self._leave(f"the run is {notice.why}", 0)
                self._end_attempt("cancelled")
            elif notice.kind == "superseded":
                self._leave(notice.kind, 0)
                self._end_attempt("lost")
            elif notice.kind == "reclaimed":
                self._leave(notice.why, TERMINATED)
                self._left = self._left if self._releasing else LEFT
                self._releasing, self._grace = True, max(self._grace, GRACE)
            else:  # "broken", too: the trial is whose it is, and its checkpoint of use to whoever is next
                self._leave(notice.why, 0 if notice.kind == "leave" else 1)
                self._releasing = True
        if self._leaving:
            self._claims.release()
            if self._releasing:
                self._courier.hurry(self._left)
            while self._ready:
                self._tasks.add(self._courier.give_back(self._ready.popleft()))
            if self._attempt and self._releasing:
                self._attempt.stop("released", self._grace)

    def _end_attempt(self, why: str) -> None:
        if self._attempt:
            self._attempt.kill(why)

    def _collect(self) -> None:
        """Take what the courier's threads have finished."""
        if self._claiming and self._claiming.done():
            claimed = self._result_of(self._claiming)
            self._claiming = None
            if claimed is not None:
                self._ready.append(claimed)
                self._idle_since = 0.0
            elif self._claims.ended:
                self._leave(f"the run is {self._claims.ended}", 0)
        if self._asked and self._asked[2].done():
            self._answer(*self._asked)
            self._asked = None
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            self._result_of(task)

    def _result_of(self, task: Future[_Answer]) -> _Answer | None:
        """What came of a task; None if it was not answered: the worker goes then, and what runs comes to its end."""
        try:
            return task.result()
        except Unanswered as error:
            self._leave(f"no answer for too long ({error})", AWAY)
            return None

    def _answer(self, attempt: Attempt, standing: Standing, goes_on: Future[bool]) -> None:
        """Tell a trial that waits at a rung what becomes of it."""
        if attempt is not self._attempt:
            return
        if goes_on.result():
            attempt.go_on(standing)
            return
        attempt.pause(standing, self._run.limits.grace)
        if not (attempt.checkpointed or attempt.has_checkpoint or self._said_anew):
            print("[awsrun] the job keeps nothing (trial.keep): if a paused trial goes on, it starts anew", flush=True)
            self._said_anew = True

    def _advance(self) -> None:
        """Start whatever can be started."""
        if self._leaving:
            return
        if self._zygote is None and (self._ready or not self._claims.exhausted):
            self._zygote, self._spare = self._spare or self._launch(), None
        if self._zygote and self._zygote.state == "ready" and self._attempt is None and self._ready:
            self._start(self._ready.popleft(), self._zygote)
        if not self._claiming:
            self._bide() if self._loading else self._fetch()

    @property
    def _loading(self) -> bool:
        """The job is being imported: nothing is claimed before it is known that it can be."""
        return self._zygote is not None and self._zygote.state == "loading" and not self._claims.exhausted

    def _bide(self) -> None:
        """While the job is imported: the run's limits hold, and patience ends."""
        now, zygote = time.monotonic(), self._zygote
        if now < self._bide_until or zygote is None:
            return
        self._bide_until = now + self._run.limits.beat
        if now - zygote.began > LOADING:
            zygote.give_up(f"importing the job took longer than {LOADING:g} s")
        elif self._run.limits.bounded:
            self._claiming = self._courier.claim(self._claims.cut_if_enough)

    def _start(self, claimed: Claimed, zygote: Zygote) -> None:
        attempt = self._attempt = Attempt(self._run, claimed, zygote)
        self._listen(attempt.messages, attempt.hear)
        self._listen(attempt.output, attempt.show)
        if not zygote.lasts:
            if not self._said_why:
                print(f"[awsrun] a fresh process for each trial: {zygote.why}", flush=True)
                self._said_why = True
            if not (self._claims.exhausted and not self._ready):
                self._spare = self._launch()  # it imports the job while this trial runs

    def _fetch(self) -> None:
        """Claim the next trial if it is time to; look for abandoned ones when none is left."""
        short = self._ran > 0 and self._mean < SHORT and not (self._run.adaptive or self._run.prunes)
        want = AHEAD if short else 0 if self._attempt else 1
        if len(self._ready) >= want:
            return
        if self._run.adaptive and self._tasks:
            return  # the next trial learns from the one before: that one's result is on its way to the table
        if not self._claims.exhausted:
            count = min(max(int(SHORT / max(self._mean, 0.01)), 1), 50) if short else 1
            self._claiming = self._courier.claim(lambda: self._claims.next(count))
        elif not (self._attempt or self._ready or self._tasks):
            self._look_around()

    def _look_around(self) -> None:
        """Nothing is left to reserve: sweep now and then, for a lease, then go."""
        now = time.monotonic()
        limits = self._run.limits
        crowd = limits.workers / 20  # seconds over which many workers spread their reading
        if not self._idle_since:
            self._idle_since = now
            self._look_again = now + random.uniform(0, min(crowd, limits.lease) if crowd > 1 else 0)
        if now < self._look_again:
            return
        pause = max(min(limits.beat, limits.lease / 6, 5.0), crowd)
        if now - self._idle_since > limits.lease + 2 * pause:
            self._leave("nothing is left for this worker", 0)
            return
        self._look_again = now + pause * random.uniform(0.8, 1.2)
        self._claiming = self._courier.claim(self._claims.sweep)

    def _launch(self) -> Zygote:
        zygote = self._spawn()
        self._selector.register(zygote.sock, selectors.EVENT_READ, lambda: self._hear(zygote))
        return zygote

    def _hear(self, zygote: Zygote) -> None:
        """A zygote said something."""
        sock = zygote.sock.fileno()
        zygote.hear()
        if zygote.state == "gone":
            self._selector.unregister(sock)
            self._bury(zygote)
        if self._attempt and zygote is self._attempt.zygote and zygote.code is not None:
            self._finish(self._attempt)

    def _bury(self, zygote: Zygote) -> None:
        """A zygote is gone: after its trial, or because the job cannot be imported."""
        if zygote is self._spare:
            self._spare = None
        if zygote is self._zygote:
            self._zygote = None
        if self._attempt and zygote is self._attempt.zygote:
            return
        error = zygote.error or died(zygote.code or 0, zygote.peak_kib)
        print(f"[awsrun] the job cannot be imported\n{error.get('traceback') or error['message']}", flush=True)
        self._leave("the job cannot be imported", 1)
        if not (self._ran or self._attempt or self._run.limits.keep_going):
            self._tasks.add(self._courier.call(lambda: self._cannot_start({**error, "import": True})))

    def _cannot_start(self, error: Mapping[str, Any]) -> None:
        if self._claims.fail_run(error) and self._leaving == "the job cannot be imported":
            self._code = 0  # the run says what is wrong, this worker need not

    def _finish(self, attempt: Attempt) -> None:
        """A trial's process has ended."""
        for fd in (attempt.messages, attempt.output):
            self._deafen(fd)
        record = attempt.finish()
        self._attempt = None
        if attempt.why in ("cancelled", "lost") and not self._leaving:
            self._claims.active.discard(record.n)  # a single trial, cancelled in the table already
            attempt.claimed.discard()
            return
        self._ran += 1
        seconds = time.monotonic() - attempt.began
        self._mean = seconds if self._ran == 1 else 0.8 * self._mean + 0.2 * seconds
        ending = "cancelled" if attempt.why == "cancelled" else _ending(record, self._run.metric)
        told = [*_traceback(record), f"awsrun: {ending} after {seconds:.3g} s"]
        print("".join(f"[{attempt.name}] {line}\n" for line in told), end="", flush=True)
        if attempt.why != "lost":
            self._tasks.add(self._courier.commit(attempt, record))

    def _listen(self, fd: int, take: Callable[[], bool]) -> None:
        """Call ``take`` whenever there is something to read, until it says that the other end is closed."""
        self._selector.register(fd, selectors.EVENT_READ, lambda: self._deafen(fd) if take() else None)

    def _deafen(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _wait(self) -> None:
        """Wait until something happens; pass on what a running trial has said."""
        now = time.monotonic()
        due = [self._look_again] if self._idle_since and not (self._claiming or self._loading) else []
        due += [self._bide_until] if self._loading and not self._claiming else []
        if self._attempt:
            due += [
                self._attempt.wake_at(),
                self._flush_at if self._attempt.reports and self._noting not in self._tasks else 0.0,
            ]
        due = [at for at in due if at]
        for key, _ in self._selector.select(max(0.0, min(due) - now) if due else None):
            if self._selector.get_map().get(key.fd) is key:  # an earlier event of the same round may have closed it
                key.data()
        if self._attempt:
            self._attempt.check()
            self._pass_on(self._attempt)

    def _pass_on(self, attempt: Attempt) -> None:
        """Write what the trial has said: at once with a checkpoint, else every few seconds; ask what it asks."""
        now = time.monotonic()
        if attempt.asks and not self._asked:
            standing, attempt.asks = attempt.asks, None
            self._asked = attempt, standing, self._courier.compare(standing)
            self._tasks.add(self._asked[2])
        if attempt.reports and not self._flush_at:
            self._flush_at = now + FLUSH
        due = attempt.has_checkpoint or (attempt.reports and now >= self._flush_at)
        if due and self._noting not in self._tasks:
            self._noting = self._courier.note(attempt)
            self._tasks.add(self._noting)
            self._flush_at = 0.0


def _traceback(record: TrialRecord) -> list[str]:
    """Where a trial raised, for whoever reads its log."""
    return str((record.error or {}).get("traceback") or "").splitlines()


def _ending(record: TrialRecord, metric: str) -> str:
    error: Mapping[str, Any] = record.error or {}
    why = f" ({error.get('type')}: {error.get('message')})" if error else ""
    if record.state == "done" and metric and (record.value is None or record.value != record.value):
        why = f", but it has no {metric} that is a number,"
    words = {"retry": "to be run again", "done": "done"}
    return words.get(record.state, record.state) + why
