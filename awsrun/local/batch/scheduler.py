"""One thread that starts jobs, ends them, and sends their output to the logs.

It holds the world's lock only to look at records and to write events, never while it waits for a process.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from awsrun.local.batch import environment, logs, queues, retry
from awsrun.local.batch.jobs import Job, Unit
from awsrun.local.batch.room import Place, Taken
from awsrun.local.batch.service import ACCOUNT, Batch
from awsrun.local.work.environment import ROOT
from awsrun.local.work.errors import NoRole
from awsrun.local.work.logs import read
from awsrun.local.work.machine import Machine, Work, end_unknown
from awsrun.local.work.process import LOST
from awsrun.local.work.rounds import POLL, SHIP, STOP_GRACE, Rounds
from awsrun.local.work.slots import Slots
from awsrun.local.world import World

GRACE = 30.0  # seconds from SIGTERM to SIGKILL, as AWS has it
EXITED = "Essential container in task exited"
HOST_LOST = "Host EC2 (instance terminated): the machine or its embedded cloud went down"
TIMED_OUT = "Job attempt duration exceeded timeout"
NOT_STARTED = "Task failed to start"
INTERRUPTED = "The embedded cloud was stopped; the job starts again with it"

Credentials = Callable[[str, str, Job, Unit], Mapping[str, str]]
"""Endpoint, region, job and unit -> the variables that give the attempt its role; may raise `NoRole`."""


@dataclass
class Running:
    """An attempt under way.

    Attributes:
        place: where it counts as running.
        ends: monotonic seconds, when its time is over: a machine that sleeps meanwhile takes none of it.
        adopted: a server before this one started it, or was about to.
    """

    region: str
    job: Job
    unit: Unit
    process: Work
    place: Place
    ends: float = float("inf")
    adopted: bool = False
    kill_at: float | None = None  # monotonic seconds
    timed_out: bool = False
    warned: bool = False


class Scheduler:
    """Runs the jobs of a `Batch`.

    Args:
        machine: what they run on.
        folder: for the attempts' folders.
        endpoint: what jobs find in AWS_ENDPOINT_URL.
        slots: what runs takes one.
        credentials: None gives every job all rights.
    """

    def __init__(
        self,
        world: World,
        batch: Batch,
        machine: Machine,
        folder: Path,
        endpoint: str,
        slots: Slots,
        credentials: Credentials | None = None,
    ) -> None:
        self._world, self._batch, self._machine, self._folder = world, batch, machine, folder
        self._endpoint, self._slots = endpoint, slots
        self._credentials = credentials or (lambda *_: ROOT)
        self._running: dict[str, Running] = {}
        self._rounds = Rounds("batch", self._turn)
        self._next_ship = 0.0
        batch.wake = self._rounds.wake
        slots.when_free(self._rounds.wake)

    def adopt(self) -> set[str]:
        """Take over what a server before this one started; the names of the folders that are in use."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._world.lock:
            for name, region in self._batch.regions.items():
                for job in region.jobs.values():
                    for unit in job.units if job.counts["RUNNING"] else ():
                        if unit.status == "RUNNING":
                            work = self._machine.adopt(self._folder_of(unit))
                            place = queues.place(self._batch, region, job, self._taken()[name]) or Place("")
                            ends = _ends(job, unit.started)
                            self._running[unit.id] = Running(name, job, unit, work, place, ends, adopted=True)
                            self._slots.take(always=True)
        known = {self._folder_of(running.unit).name for running in self._running.values()}
        end_unknown(self._machine, self._folder, known | {"bin"})
        return known

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End all jobs: they get SIGTERM and a while; what does not finish by itself runs again at the next start."""
        self._rounds.stop()
        for running in self._running.values():
            running.process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE
        while self._running:
            if time.monotonic() > deadline:
                for running in self._running.values():
                    running.process.signal(signal.SIGKILL)
                deadline = float("inf")
            self._reap()
            time.sleep(POLL)

    def _turn(self, woken: bool) -> float | None:
        if self._reap() or woken:
            self._end_what_must_end()
            self._start_what_may_start()
        self._time_out()
        if time.monotonic() >= self._next_ship:
            self._next_ship = time.monotonic() + SHIP
            for running in self._running.values():
                self._ship(running, last=False)
        return POLL if self._running else None

    # Starting

    def _start_what_may_start(self) -> None:
        free = self._slots.free
        if free <= 0:
            return
        with self._world.lock:
            chosen = queues.choose(self._batch, self._taken(), free)
        for name, region, job, unit, place in chosen:
            stream = logs.stream_of(job, uuid.uuid4().hex)
            at = int(time.time() * 1000)
            if not self._slots.take():
                return
            with self._world.lock:
                if unit.status != "RUNNABLE":
                    self._slots.give()
                    continue
                queue = region.plane.queues[job.queue]
                places = (queue["jobQueueName"], place.environment)
                self._world.happened("batch", ("started", name, unit.id, at, stream))
            try:
                role = self._credentials(self._endpoint, name, job, unit)
            except NoRole as error:
                self._slots.give()
                then = self._after(job, unit, None, str(error), NOT_STARTED)
                self._happened_ended(name, unit, None, NOT_STARTED, str(error), then)
                continue
            variables = environment.of(job, unit, self._endpoint, name, self._slots.total, places, role)
            try:
                process = self._machine.start(self._folder_of(unit), environment.order(job, name, variables))
            except OSError as error:
                self._slots.give()
                reason = f"CannotStartContainerError: {error}"
                self._happened_ended(name, unit, None, reason, reason, self._after(job, unit, None, reason, reason))
                continue
            self._running[unit.id] = Running(name, job, unit, process, place, _ends(job))

    def _taken(self) -> dict[str, Taken]:
        """What runs, by region."""
        taken = {name: Taken() for name in self._batch.regions}
        for running in self._running.values():
            taken[running.region].add(running.place, environment.vcpus(running.job))
        return taken

    # Ending

    def _reap(self) -> bool:
        """Record what has ended; True where anything had."""
        over = []
        for running in self._running.values():
            code = running.process.poll()
            if code is not None:
                over.append((running, code))
        for running, code in over:
            self._ship(running, last=True)
            self._ended(running, code)
            del self._running[running.unit.id]
            if not self._world.owes:  # else a server after this one has to find its exit code there
                running.process.remove()
            self._slots.give()
        return bool(over)

    def _ended(self, running: Running, code: int) -> None:
        job, unit = running.job, running.unit
        exit_code = None if code == LOST else code
        counted, container_reason = True, running.process.reason
        if unit.ending is not None:
            then, reason = "FAILED", unit.ending
        elif running.timed_out:
            then, reason = "FAILED", TIMED_OUT
        elif code == 0:
            then, reason = "SUCCEEDED", EXITED
        elif self._rounds.stopping or (running.adopted and not running.process.started):
            then, reason, counted = "RUNNABLE", INTERRUPTED, False
        else:
            reason = EXITED if code != LOST else HOST_LOST if running.process.started else NOT_STARTED
            then = self._after(job, unit, exit_code, container_reason, reason)
        self._happened_ended(running.region, unit, exit_code, reason, container_reason, then, counted)

    def _after(self, job: Job, unit: Unit, exit_code: int | None, container_reason: str, reason: str) -> str:
        more = retry.again(job.retry, unit.number, exit_code, container_reason, reason)
        return "RUNNABLE" if more else "FAILED"

    def _happened_ended(
        self,
        region: str,
        unit: Unit,
        exit_code: int | None,
        reason: str,
        container_reason: str,
        then: str,
        counted: bool = True,
    ) -> None:
        at = int(time.time() * 1000)
        self._world.happened(
            "batch", ("ended", region, unit.id, at, exit_code, reason, container_reason, then, counted)
        )
        self._rounds.wake()

    def _end_what_must_end(self) -> None:
        for running in self._running.values():
            if running.unit.ending is not None and running.kill_at is None:
                self._terminate(running)

    def _time_out(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if now > running.ends and running.kill_at is None:
                running.timed_out = True
                self._terminate(running)
            if running.kill_at is not None and now > running.kill_at:
                running.process.signal(signal.SIGKILL)

    def _terminate(self, running: Running) -> None:
        running.kill_at = time.monotonic() + GRACE
        running.process.signal(signal.SIGTERM)

    # Output

    def _ship(self, running: Running, last: bool) -> None:
        job, unit = running.job, running.unit
        attempt, group = unit.attempts[-1], logs.group_of(job)
        output = running.process.folder / "output"
        while True:
            events, offset = read(output, attempt.shipped, int(time.time() * 1000), last)
            if offset == attempt.shipped and not (last and attempt.shipped == 0):
                return
            with self._world.lock:
                if not running.warned and not logs.exists(ACCOUNT, running.region, group):
                    running.warned = True
                    print(f"job {unit.id}: there is no log group {group}, its output is dropped", flush=True)
                self._world.happened("batch", ("logs", running.region, unit.id, group, attempt.stream, events, offset))
            if not last or not events:
                return

    def _folder_of(self, unit: Unit) -> Path:
        return self._folder / f"{unit.id.replace(':', '.')}-{len(unit.attempts)}"


def _ends(job: Job, started: int | None = None) -> float:
    """When an attempt's time is over, in monotonic seconds.

    Args:
        started: milliseconds since the epoch; None for now.
    """
    passed = 0.0 if started is None else max(0.0, time.time() - started / 1000)
    return float("inf") if job.timeout is None else time.monotonic() + job.timeout - passed
