"""What attempts run on: this machine's processes, or containers of its Docker engine (`containers`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from awsrun.local.batch import environment
from awsrun.local.batch.jobs import Job
from awsrun.local.batch.process import JobProcess


class Work(Protocol):
    """One attempt that was started.

    Attributes:
        folder: what it leaves; ``output`` is in it.
        reason: what the container has to say of its end, as Batch reports it: it was not started, memory ran out.
        started: whether it ever ran.
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
        variables: what every attempt finds in its environment, wherever it runs.
        region: of the job.
    """

    job: Job
    region: str
    variables: Mapping[str, str]


class Machine(Protocol):
    """Starts attempts, and finds again those that a server before this one started."""

    def start(self, folder: Path, order: Order) -> Work:
        """Start an attempt in a fresh folder; what takes long (an image to pull) goes on by itself.

        Raises:
            OSError: the machine has no process or file left for it.
        """

    def adopt(self, folder: Path) -> Work:
        """An attempt that a server before this one started."""

    def tidy(self, known: Collection[str]) -> None:
        """Remove what is left of attempts whose folders have other names than ``known``."""


class Processes:
    """Jobs run as processes with this very interpreter; images are ignored.

    Args:
        shims: a folder for a ``python`` where this interpreter has none beside it.
    """

    def __init__(self, shims: Path) -> None:
        self._shims = shims

    def start(self, folder: Path, order: Order) -> JobProcess:
        variables = {**environment.of_machine(self._shims), **order.variables}
        return JobProcess.start(folder, order.job.container["command"] or ["true"], variables)

    def adopt(self, folder: Path) -> JobProcess:
        return JobProcess.adopt(folder)

    def tidy(self, known: Collection[str]) -> None:
        """Folders are all that processes leave, and those the scheduler knows."""
