"""One thread that starts the containers of tasks, ends them, sends their output to the logs, and keeps services going.

It holds the world's lock only to look at records and to write events, never while it waits for a process.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from awsrun.local.ecs import deploy, environment
from awsrun.local.ecs.running import NoLogs, Running, check_logs
from awsrun.local.ecs.service import Ecs
from awsrun.local.ecs.task import DEPROVISIONING, EXITED, ON_MACHINE, PENDING, PROVISIONING, STOPPED, Task
from awsrun.local.work import logs
from awsrun.local.work.environment import ROOT
from awsrun.local.work.errors import NoRole
from awsrun.local.work.machine import Machine, Work, end_unknown
from awsrun.local.work.process import LOST
from awsrun.local.work.rounds import POLL, SHIP, STOP_GRACE, Rounds
from awsrun.local.work.slots import Slots
from awsrun.local.world import World

LOOK = 0.1  # seconds between looks at services, and at tasks that wait
KILLED = 128 + signal.SIGKILL
LEASE = 10.0  # seconds of AWS to get a network interface, and to give it back; only under strict
NOT_STARTED, NOTICE = "TaskFailedToStart", "TerminationNotice"
ENDED = "Essential container in task exited"
HOST_LOST = "The machine or its embedded cloud went down"
STOPPED_HERE = "The embedded cloud was stopped"

Credentials = Callable[[str, str, Task], Mapping[str, str]]
"""Endpoint, region and task -> the variables that give its containers their role; may raise `NoRole`."""


class Scheduler:
    """Runs the tasks of an `Ecs`.

    Args:
        machine: what they run on.
        folder: for the containers' folders.
        endpoint: what tasks find in AWS_ENDPOINT_URL.
        slots: a task takes one.
        credentials: None gives every task all rights.
        pace: seconds here for a second of AWS; 0 lets nothing take time but what does.
    """

    def __init__(
        self,
        world: World,
        ecs: Ecs,
        machine: Machine,
        folder: Path,
        endpoint: str,
        slots: Slots,
        credentials: Credentials | None = None,
        pace: float = 0.0,
    ) -> None:
        self._world, self._ecs, self._machine, self._folder = world, ecs, machine, folder
        self._endpoint, self._slots, self._lease = endpoint, slots, LEASE * pace
        self._credentials = credentials or (lambda *_: ROOT)
        self._running: dict[str, Running] = {}
        self._leaving: list[tuple[float, str, Task]] = []  # from when on it is STOPPED, monotonic
        self._rounds = Rounds("ecs", self._turn)
        self._next_look, self._next_ship = 0.0, 0.0
        self._rest: float | None = None  # until the next look at what nobody wakes us for
        ecs.wake = self._rounds.wake
        slots.when_free(self._rounds.wake)

    def adopt(self) -> set[str]:
        """Take over what a server before this one started; the names of the folders that are in use."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        known: set[str] = set()
        with self._world.lock:
            for name, region in self._ecs.regions.items():
                for task in region.tasks.values():
                    if task.status in ON_MACHINE:
                        folders = [self._folder_of(task, index) for index in range(len(task.containers))]
                        known |= {folder.name for folder in folders}
                        works = [self._machine.adopt(folder) for folder in folders]
                        self._running[task.id] = Running(name, task, works, adopted=True)
                        self._slots.take(always=True)
                    elif task.status == DEPROVISIONING:
                        self._leaving.append((0.0, name, task))
        end_unknown(self._machine, self._folder, known)
        return known

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End all tasks: they get SIGTERM and a while.  Services start theirs again at the next start."""
        self._rounds.stop()
        for running in self._running.values():
            self._happened("ending", running.region, running.task.id, _now(), NOTICE, STOPPED_HERE)
            self._terminate(running, STOP_GRACE)
        while self._running:
            self._kill_late()
            self._reap()
            time.sleep(POLL)
        self._take_leave(at_once=True)

    def _turn(self, woken: bool) -> float | None:
        if self._reap() or woken or time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK
            self._take_leave()
            self._keep_services()
            self._end_what_must_end()
            self._start_what_may_start()
        self._kill_late()
        if time.monotonic() >= self._next_ship:
            self._next_ship = time.monotonic() + SHIP
            for running in self._running.values():
                for index, _ in running.living():
                    self._ship(running, index, last=False)
        return POLL if self._running else self._rest

    # Services

    def _keep_services(self) -> None:
        """One step further with every service; how soon to look again."""
        unsteady = False
        with self._world.lock:
            for name, region in self._ecs.regions.items():
                for key, service in region.services.items():
                    tasks = region.tasks_of(service)
                    for step in deploy.steps(service, tasks, _now(), self._slots.free > 0):
                        self._happened("service_step", name, key, _now(), step, uuid.uuid4().hex)
                    unsteady = unsteady or not (service.steady or service.status == "INACTIVE")
                unsteady = unsteady or any(task.status == PROVISIONING for task in region.tasks.values())
        self._rest = LOOK if unsteady or self._leaving else None

    # Starting

    def _start_what_may_start(self) -> None:
        for name, task in self._waiting():
            if not self._slots.take():
                return
            with self._world.lock:
                if task.status != PROVISIONING:
                    self._slots.give()
                    continue
                self._happened("provisioned", name, task.id, _now())
            works: list[Work] = []
            try:
                with self._world.lock:
                    check_logs(name, task)
                role = self._credentials(self._endpoint, name, task)
                for index in range(len(task.containers)):
                    variables = environment.of(task, index, self._endpoint, name, self._slots.total, role)
                    order = environment.order(task, index, name, variables)
                    works.append(self._machine.start(self._folder_of(task, index), order))
            except (NoRole, NoLogs) as error:
                self._never_started(name, task, str(error))
            except OSError as error:
                for work in works:
                    work.signal(signal.SIGKILL)
                    work.remove()
                self._never_started(name, task, f"CannotStartContainerError: {error}")
            else:
                self._running[task.id] = Running(name, task, works)

    def _waiting(self) -> list[tuple[str, Task]]:
        """Tasks without a place, the oldest first; as many as there may be room for."""
        ready = _now() - 1000 * self._lease
        with self._world.lock:
            found = [
                (name, task)
                for name, region in self._ecs.regions.items()
                for task in region.tasks.values()
                if task.status == PROVISIONING and task.times["createdAt"] <= ready
            ]
        return sorted(found, key=lambda entry: entry[1].times["createdAt"])[: max(0, self._slots.free)]

    def _never_started(self, region: str, task: Task, reason: str) -> None:
        self._happened("ending", region, task.id, _now(), NOT_STARTED, reason)
        self._gone(region, task, [(None, "") for _ in task.containers])

    # Ending

    def _end_what_must_end(self) -> None:
        for running in self._running.values():
            if running.task.desired == STOPPED and not running.ending:
                self._happened("ending", running.region, running.task.id, _now(), "", "")
                self._terminate(running)

    def _terminate(self, running: Running, most: float = float("inf")) -> None:
        running.ending = True
        for index, work in running.living():
            grace = min(most, running.task.containers[index].grace)
            running.kill_at[index] = time.monotonic() + grace
            work.signal(signal.SIGTERM)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            for index, work in running.living():
                if now > running.kill_at.get(index, float("inf")):
                    work.signal(signal.SIGKILL)

    def _reap(self) -> bool:
        """Record what has come to run and what has ended; True where anything had."""
        changed = False
        for running in list(self._running.values()):
            ended = {index: code for index, work in running.living() if (code := work.poll()) is not None}
            if ended and running.never_began():
                self._wait_again(running)
                changed = True
                continue
            changed = self._note_start(running, ended) or changed or bool(ended)
            for index, code in ended.items():
                self._ship(running, index, last=True)
                late = time.monotonic() > running.kill_at.get(index, float("inf"))
                running.codes[index] = KILLED if code == LOST and late else code
                if not running.ending and running.task.containers[index].essential:
                    self._begin_end(running, index)
            if len(running.codes) == len(running.works):
                self._over(running)
        return changed

    def _note_start(self, running: Running, ended: Mapping[int, int]) -> bool:
        """It runs once all of its containers do."""
        if running.task.status != PENDING or LOST in ended.values() or not all(w.started for w in running.works):
            return False
        self._happened("running", running.region, running.task.id, _now())
        return True

    def _wait_again(self, running: Running) -> None:
        """The server before this one went down when it was about to start it: it waits for a place as before."""
        self._happened("unplaced", running.region, running.task.id, _now())
        del self._running[running.task.id]
        for work in running.works:
            work.remove()
        self._slots.give()

    def _begin_end(self, running: Running, index: int) -> None:
        """A container without which the task is nothing has ended: the others are told to."""
        code, work = running.codes[index], running.works[index]
        if code != LOST:
            why, reason = EXITED, ENDED
        elif work.started:
            why, reason = NOTICE, HOST_LOST
        else:
            why, reason = NOT_STARTED, work.reason or "Task failed to start"
        self._happened("ending", running.region, running.task.id, _now(), why, reason)
        self._terminate(running)

    def _over(self, running: Running) -> None:
        codes = (running.codes[index] for index in range(len(running.works)))
        ends = [(None if code == LOST else code, work.reason) for code, work in zip(codes, running.works, strict=True)]
        del self._running[running.task.id]
        self._gone(running.region, running.task, ends)
        for work in running.works:
            if not self._world.owes:  # else a server after this one has to find its exit code there
                work.remove()

    def _gone(self, region: str, task: Task, ends: list[tuple[int | None, str]]) -> None:
        """Nothing of it runs (any more); its interface goes too, and then it is STOPPED."""
        self._happened("over", region, task.id, _now(), ends)
        self._leaving.append((time.monotonic() + self._lease, region, task))
        self._slots.give()

    def _take_leave(self, at_once: bool = False) -> None:
        now = time.monotonic()
        for entry in [one for one in self._leaving if at_once or one[0] <= now]:
            self._leaving.remove(entry)
            self._happened("stopped", entry[1], entry[2].id, _now())

    # Output

    def _ship(self, running: Running, index: int, last: bool) -> None:
        task, container = running.task, running.task.containers[index]
        where = environment.destination(task, container)
        if where is None:
            return
        output = running.works[index].folder / "output"
        while True:
            events, offset = logs.read(output, container.shipped, _now(), last)
            if offset == container.shipped and not (last and container.shipped == 0):
                return
            known = ("logs", running.region, task.id, index, where.group, where.stream, events, offset, where.make)
            self._world.happened("ecs", known)
            if not last or not events:
                return

    def _happened(self, *event: Any) -> None:
        self._world.happened("ecs", event)

    def _folder_of(self, task: Task, index: int) -> Path:
        return self._folder / f"{task.id}-{index}"


def _now() -> int:
    """Milliseconds."""
    return int(time.time() * 1000)
