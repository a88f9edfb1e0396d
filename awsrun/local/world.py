"""The state of the embedded cloud, and how it survives: a snapshot, and a journal of what changed since.

Calls are carried out one at a time under one lock, with the clock frozen and the randomness seeded (see `clock`), and a
successful change is in the journal before its answer leaves.  A snapshot is pickled by a forked child while calls go
on.  Generation N is ``snapshot-N`` (the state when ``journal-N`` began) and ``journal-N``; starting N+1 begins with its
journal, so that at any moment the newest snapshot and the journals from its number on are the whole state.

Where the disk is full, what happens by itself (a job ends) is taken in and owed to the journal; calls that change
something are refused until that is paid.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from awsrun.local import clock, journal, snapshot
from awsrun.local.blobs import LARGE, Blobs
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.journal import Journal
from awsrun.local.state import replace

REST = 5.0  # seconds between snapshots while calls come in, as long as they cost little
BACKLOG = 0.6  # seconds of work in the journal, after which a snapshot comes at once: replaying costs about the same


class Service(Protocol):
    """An AWS service of our own, beside moto's.  All methods are called with the world's lock held."""

    name: str

    def handle(self, call: Call) -> Reply | None:
        """Answer a call, or None where it is not for this service."""

    def apply(self, event: tuple[Any, ...]) -> None:
        """Take in something that happened outside of any call (a job ended).  Replayed after a restart."""

    def state(self) -> Any:
        """What goes into a snapshot; picklable."""

    def restore(self, state: Any) -> None:
        """Continue from `state`."""


class Layer(Protocol):
    """What stands between a call and the services.  All methods are called with the world's lock held.

    It is replayed with the calls: what it answers to a change may hang on nothing but the call, `clock.now()` and its
    own state.
    """

    name: str

    def around(self, call: Call, inner: Perform) -> Reply:
        """Answer ``call``, with the help of ``inner`` or without."""

    def state(self) -> Any:
        """What goes into a snapshot; picklable."""

    def restore(self, state: Any) -> None:
        """Continue from `state`."""


class World:
    """Carries out calls and remembers them.

    Args:
        folder: for snapshots and journals.
        blobs: for large bodies.
        moto: answers what is for no service of ours.
        services: by their order.
        layers: the outermost first.
    """

    def __init__(
        self, folder: Path, blobs: Blobs, moto: Perform, services: Sequence[Service], layers: Sequence[Layer] = ()
    ) -> None:
        self.lock = threading.RLock()
        self.folder = folder
        self.blobs = blobs
        self._moto = moto
        self._services = {service.name: service for service in services}
        self._kept: dict[str, Service | Layer] = {**self._services, **{layer.name: layer for layer in layers}}
        self._answer: Perform = self._serve
        for layer in reversed(layers):
            self._answer = partial(layer.around, inner=self._answer)
        self._id = _world_id(folder / "world")
        self._sequence = 0
        self._generation = 0
        self._journal: Journal | None = None
        self._owed: deque[tuple[Any, ...]] = deque()  # records that the disk had no room for, oldest first
        self._rotated = 0.0  # POSIX seconds
        self._cost = 0.0
        self._due = threading.Event()
        self._changed = threading.Event()

    def perform(self, call: Call) -> Reply:
        """Carry out one call; when this returns, a change survives the death of the process."""
        try:
            blob = self.blobs.put(call.body) if call.changes and len(call.body) > LARGE else None
        except OSError as error:
            return self._no_room(call, error)
        with self.lock:
            if not call.changes:
                return self._answer(call)
            if full := self._pay():
                return self._no_room(call, full)
            began = time.perf_counter()
            self._sequence += 1
            at = time.time()
            with clock.moment(at, f"{self._id}:{self._sequence}"):
                reply = self._answer(call)
            if reply.changed:
                body = call.body if blob is None else None
                record = ("call", self._sequence, at, call.environ, body, blob)
                if full := self._append(record, time.perf_counter() - began):
                    return self._no_room(call, full)
            return reply

    def happened(self, service: str, event: tuple[Any, ...]) -> None:
        """Record that something happened in one of our services, and let it take it in."""
        with self.lock:
            began = time.perf_counter()
            self._services[service].apply(event)
            self._append(("event", service, event), time.perf_counter() - began)

    @property
    def owes(self) -> bool:
        """Whether something that happened would be forgotten if the process died now."""
        return bool(self._owed)

    def recover(self) -> int:
        """Load the newest snapshot and replay what came after; returns the number of records replayed."""
        for path in self.folder.glob("*.tmp"):
            path.unlink()  # half a snapshot, of a server that was killed
        generations = _numbers(self.folder, "snapshot-", ".pickle")
        self._generation = max(generations, default=0)
        if generations:
            extras = snapshot.load(self._snapshot(self._generation), self.blobs)
            self._sequence = extras.pop("sequence")
            for name, state in extras.items():
                self._kept[name].restore(state)
        journals = sorted(number for number in _numbers(self.folder, "journal-", ".log") if number >= self._generation)
        replayed = 0
        for number in journals:
            for record in journal.read(self._path(number)):
                self._replay(record)
                replayed += 1
        self._generation = max([self._generation, *journals]) + (1 if journals or generations else 0)
        self._journal = Journal(self._path(self._generation))
        self._cost = 0.001 * replayed
        if replayed:
            self._changed.set()
        return replayed

    def checkpoint(self) -> None:
        """Write a snapshot now.

        Raises:
            OSError: it was not written; the journals have everything.
        """
        with self.lock:
            if error := self._pay():
                raise error
            self._rotate()
            generation = self._generation
            child = os.fork()
            if child == 0:
                self._child(generation)
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise OSError(f"the snapshot was not written (status {status}); the journals stay")
        self._finish(generation, set(self._used(generation).read_text().split()))

    def keep(self) -> None:
        """Write snapshots in the background, for as long as the process lives."""
        threading.Thread(target=self._keep, daemon=True, name="snapshots").start()

    def close(self) -> None:
        """Write a last snapshot; the lock is never let go of again, so that nothing changes after it."""
        self.lock.acquire()
        self._pay()
        if self._journal is not None and self._journal.count:
            self._rotate()
            try:
                self._finish(self._generation, self._write(self._generation))
            except Exception:  # some service holds what cannot be pickled: the journals have everything
                traceback.print_exc()

    def _serve(self, call: Call) -> Reply:
        for service in self._services.values():
            reply = service.handle(call)
            if reply is not None:
                return reply
        return self._moto(call)

    def _append(self, record: tuple[Any, ...], cost: float) -> OSError | None:
        """Why the disk does not take it (yet), if so."""
        self._owed.append(record)
        error = self._pay()
        if error and len(self._owed) == 1:
            print(f"{time.strftime('%F %T')} nothing can be written to {self.folder}: {error}", flush=True)
        self._cost += cost
        self._changed.set()
        if self._cost > BACKLOG:
            self._due.set()
        return error

    def _pay(self) -> OSError | None:
        """Write down what is owed; why the disk does not take it, if so."""
        assert self._journal is not None, "recover() comes first"
        while self._owed:
            try:
                self._journal.append(self._owed[0])
            except OSError as error:
                return error
            self._owed.popleft()
        return None

    def _no_room(self, call: Call, error: OSError) -> Reply:
        free = shutil.disk_usage(self.folder).free
        said = f"the embedded cloud cannot write to {self.folder}, where {free >> 10} KiB are free: {error}"
        return refusal(call, "InternalFailure", said, 500)

    def _replay(self, record: tuple[Any, ...]) -> None:
        if record[0] == "event":
            self._services[record[1]].apply(record[2])
            return
        _, sequence, at, environ, body, blob = record
        self._sequence = sequence
        try:
            call = Call(environ, self.blobs.get(blob) if blob else body)
        except FileNotFoundError:  # somebody deleted it: better without this one change than not at all
            print(f"cannot replay {environ['REQUEST_METHOD']} {environ['PATH_INFO']}: its body {blob} is gone")
            return
        with clock.moment(at, f"{self._id}:{sequence}"):
            reply = self._answer(call)
        if not reply.changed:
            print(f"replayed {call.method} {call.path} {call.action}: {reply.status} {reply.content[:200]!r}")

    def _keep(self) -> None:
        rest = REST
        while True:
            self._changed.wait()
            self._due.wait(rest)
            began = time.monotonic()
            try:
                self.checkpoint()
                rest = max(REST, 10 * (time.monotonic() - began))
            except OSError:
                traceback.print_exc()
                rest = min(10 * rest, 600.0)

    def _child(self, generation: int) -> None:
        """In the forked child, where only this thread is left: write and go, whatever happens."""
        code = 1
        try:
            self._used(generation).write_text("\n".join(self._write(generation)))
            code = 0
        except BaseException:
            with contextlib.suppress(OSError):
                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)

    def _rotate(self) -> None:
        """Start the next generation's journal; the state right now is what its snapshot has to hold."""
        assert self._journal is not None
        self._changed.clear()
        self._due.clear()
        fresh = Journal(self._path(self._generation + 1))
        self._journal.close()
        self._journal, self._generation, self._cost = fresh, self._generation + 1, 0.0
        self._rotated = time.time()

    def _write(self, generation: int) -> set[str]:
        extras = {name: kept.state() for name, kept in self._kept.items()}
        content, used = snapshot.dump({"sequence": self._sequence, **extras}, self.blobs)
        replace(self._snapshot(generation), content)
        return used

    def _finish(self, generation: int, used: set[str]) -> None:
        """The snapshot is in place: what came before it is not needed any more."""
        for name, ending in (("snapshot-", ".pickle"), ("journal-", ".log"), ("used-", ".txt")):
            for number in _numbers(self.folder, name, ending):
                if number < generation:
                    (self.folder / f"{name}{number}{ending}").unlink(missing_ok=True)
        self.blobs.sweep(used, self._rotated)

    def _path(self, generation: int) -> Path:
        return self.folder / f"journal-{generation}.log"

    def _snapshot(self, generation: int) -> Path:
        return self.folder / f"snapshot-{generation}.pickle"

    def _used(self, generation: int) -> Path:
        return self.folder / f"used-{generation}.txt"


def _world_id(path: Path) -> str:
    """Differs between data folders, so that two clouds do not make the same ids."""
    if not path.exists():
        replace(path, uuid.uuid4().hex.encode())
    return path.read_text()


def _numbers(folder: Path, prefix: str, ending: str) -> list[int]:
    names = (path.name for path in folder.iterdir())
    return [int(n[len(prefix) : -len(ending)]) for n in names if n.startswith(prefix) and n.endswith(ending)]
