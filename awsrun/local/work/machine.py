"""What jobs and tasks run on: this machine's processes, or containers of its Docker engine (`containers`)."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from awsrun.local.work import environment
from awsrun.local.work.process import JobProcess


class Work(Protocol):
    """One container of a job or a task that was started.

    Attributes:
        folder: what it leaves; ``output`` is in it.
        reason: what the container has to say of its end, as ECS reports it: it was not started, memory ran out.
        started: whether it ever ran; of what was adopted it is known once `poll` tells that it is over.
    """

    folder: Path
    reason: str
    started: bool

    def poll(self) -> int | None:
        """The exit code; None while it runs; `process.LOST`."""

    def signal(self, number: int) -> None:
        """Send a signal, where it still lives."""

    def remove(self) -> None:
        """Delete what it leaves."""


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes:
        command: empty for the image's own.
        entrypoint: before the command; empty for the image's own.
        region: whose registry the image may be in.
        variables: what it finds in its environment, wherever it runs.
        vcpus, memory_mib, gpus: what it may have; 0 MiB is no limit.
        shared_memory_mib: how large /dev/shm is; 0 for as Docker has it.
        user: of the container; the image's own where it is None.
        init: an init process comes before it, as Docker has one.
    """

    image: str
    command: Sequence[str]
    region: str
    variables: Mapping[str, str]
    vcpus: float = 1.0
    memory_mib: int = 0
    shared_memory_mib: int = 0
    gpus: int = 0
    user: str | None = None
    entrypoint: Sequence[str] = ()
    init: bool = False


class Machine(Protocol):
    """Starts what is ordered, and finds again what a server before this one started."""

    def start(self, folder: Path, order: Order) -> Work:
        """Start it in a fresh folder; what takes long (an image to pull) goes on by itself.

        Raises:
            OSError: the machine has no process or file left for it.
        """

    def adopt(self, folder: Path) -> Work:
        """What a server before this one started."""

    def tidy(self, known: Collection[str]) -> None:
        """Remove what is left of work whose folders have other names than ``known``."""


def end_unknown(machine: Machine, folder: Path, known: Collection[str]) -> None:
    """End and remove what has a folder in ``folder`` of another name than ``known``: it was started, and its record was
    lost with the server."""
    for path in folder.iterdir():
        if path.name not in known:
            lost = machine.adopt(path)
            lost.signal(signal.SIGKILL)
            lost.remove()


class Processes:
    """Jobs and tasks run as processes with this very interpreter; images are ignored.

    Args:
        shims: a folder for a ``python`` where this interpreter has none beside it.
    """

    def __init__(self, shims: Path) -> None:
        self._shims = shims

    def start(self, folder: Path, order: Order) -> JobProcess:
        variables = {**environment.of_machine(self._shims), **order.variables}
        return JobProcess.start(folder, [*order.entrypoint, *order.command] or ["true"], variables)

    def adopt(self, folder: Path) -> JobProcess:
        return JobProcess.adopt(folder)

    def tidy(self, known: Collection[str]) -> None:
        """Folders are all that processes leave, and those the schedulers know."""
