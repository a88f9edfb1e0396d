"""The supervisor's view of its zygotes: processes that have imported the job, and the trials they run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.worker.job import wire

_LIBRARY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Job:
    """What is run: the project's root, the job file below it, its entry function, and the one for blocks or ""."""

    root: Path
    file: str
    function: str
    batch: str = ""


class Zygote:
    """A process that imports the job and then runs trials, one at a time.

    Attributes:
        sock: readable when the zygote has something to say; see :meth:`hear`.
        state: ``loading``, ``ready``, ``busy`` or ``gone``.
        lasts: whether it is there for the next trial when one has ended well; else it is gone with its first one.
        began: when it was started, on the monotonic clock.
        error: why it could not import the job, or None.
        pid: of the trial it runs, 0 if there is none.
        code: exit code of the trial that ended last (minus the signal), None while it runs.
        peak_kib: the most memory that trial had, in KiB.
    """

    def __init__(self, job: Job, site: str = "", env: Mapping[str, str] | None = None) -> None:
        self.sock, theirs = socket.socketpair()
        given = os.environ if env is None else env
        paths = [site, str(_LIBRARY), given.get("PYTHONPATH", "")]
        env = {
            **given,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking for a GPU must not initialise CUDA before a fork
        }
        arguments = [str(theirs.fileno()), str(job.root), job.file, job.function, job.batch]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awsrun.worker.job.zygote", *arguments],
            pass_fds=[theirs.fileno()],
            cwd=_LIBRARY,
            env=env,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._lines = wire.Lines()
        self.state = "loading"
        self.began = time.monotonic()
        self.lasts = False
        self.why = ""
        self.error: Mapping[str, Any] | None = None
        self.pid = 0
        self.code: int | None = None
        self.peak_kib = 0

    def begin(self, spec: Mapping[str, Any], fds: tuple[int, int, int]) -> None:
        """Run a trial; the descriptors are its messages, orders and output."""
        self.state, self.pid, self.code = "busy", 0, None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died just now: `hear` will find out
            wire.send(self.sock, spec, fds)

    def hear(self) -> None:
        """Take what the zygote says, when ``sock`` is readable."""
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        for line in self._lines.feed(data):
            self._take(json.loads(line))
        if not data:
            self._reap()

    def _take(self, message: Mapping[str, Any]) -> None:
        if "error" in message:
            self.error = message["error"]
        elif "ready" in message:
            self.state, self.lasts, self.why = "ready", not message["why"], message["why"]
        elif "pid" in message:
            self.pid = message["pid"]
        else:
            self.state, self.pid = "ready", 0
            self.code, self.peak_kib = message["code"], message["peak_kib"]

    def kill_trial(self) -> None:
        """Kill the trial and what it started."""
        if self.pid:
            _kill(self.pid)

    def give_up(self, why: str) -> None:
        """End it while it imports the job: it could not."""
        self.error = {"type": "ImportHangs", "message": why}
        os.kill(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and whatever it runs."""
        if self.state != "gone":
            self._reap()

    def _reap(self) -> None:
        """End it for good, and what its trial has started: without its socket it is of no use."""
        self.kill_trial()
        _kill(self._process.pid)  # of one that has ended already the exit code stays what it was
        _, status, usage = os.wait4(self._process.pid, 0)
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_kib = usage.ru_maxrss // (1 if sys.platform == "linux" else 1024)
        self.state, self.pid = "gone", 0
        self.sock.close()


def _kill(pid: int) -> None:
    """Kill a process and its group, which is its own but in its first moments."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of one that has ended
            kill(pid, signal.SIGKILL)
