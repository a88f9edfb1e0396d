"""The process of one job or task: started in a group of its own, found again by a server that was killed in between.

Its folder holds ``output``, ``group`` (the process group), ``exit`` (the code, once it is over),
``temporary`` (a link to the job's TMPDIR, which is elsewhere because the paths of sockets must be short) and ``alive``,
a file on which the job's processes hold a lock: whether they live is asked of the kernel, not guessed from a number
that may have been given to somebody else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

YOUNG = 1.0  # seconds in which the shell may still be about to start the command
AGAIN = 0.5  # seconds until a process that was told to go while it was young is told once more
LOST = -1  # neither alive nor with an exit code: it went down with the machine
_WRAPPER = """
folder=$1
shift
echo $$ >"$folder/group.new" && mv "$folder/group.new" "$folder/group"
trap : TERM INT HUP
"$@" >>"$folder/output" 2>&1 </dev/null
echo $? >"$folder/exit.new" && mv "$folder/exit.new" "$folder/exit"
"""  # the trap is not inherited by the command: the shell outlives it to write down how it ended


class JobProcess:
    """One container's processes: a `machine.Work`."""

    reason = ""

    def __init__(self, folder: Path, child: subprocess.Popen[bytes] | None) -> None:
        self.folder, self.started = folder, True
        self._child = child
        self._young_until = time.monotonic() + YOUNG if child is not None else 0.0
        self._again_at: float | None = None  # monotonic seconds

    @classmethod
    def start(cls, folder: Path, command: list[str], environment: dict[str, str]) -> JobProcess:
        """Run ``command`` in a fresh folder.

        Raises:
            OSError: the machine has no process or file left for it.
        """
        cls(folder, None).remove()
        work = folder / "work"
        work.mkdir(parents=True)
        temporary = tempfile.mkdtemp(prefix="awsrun-job-")
        (folder / "temporary").symlink_to(temporary)
        with (folder / "alive").open("w") as alive, (folder / "output").open("ab") as output:
            fcntl.flock(alive, fcntl.LOCK_EX)
            child = subprocess.Popen(
                ["/bin/sh", "-c", _WRAPPER, "awsrun-job", str(folder), *command],
                cwd=work,
                env={**environment, "TMPDIR": temporary},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                pass_fds=[alive.fileno()],
                start_new_session=True,
            )
        return cls(folder, child)

    @classmethod
    def adopt(cls, folder: Path) -> JobProcess:
        """What a server before this one started, or was about to."""
        found = cls(folder, None)
        found.started = found._alive() or (folder / "group").exists()
        return found

    def poll(self) -> int | None:
        """The exit code; None while it runs; `LOST`."""
        if self._child is not None:
            code = self._poll_child(self._child)
            if code is None and self._again_at is not None and time.monotonic() >= self._again_at:
                self._again_at = None
                self._send(signal.SIGTERM)
            return code
        code = self._exit_code()
        if code is not None or self._alive():
            return code
        code = self._exit_code()  # it may have ended between the two questions
        return LOST if code is None else code

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, where it still lives.

        A shell that is just forking has a SIGTERM for itself, and the command never hears of it: so one that comes so
        early is sent again by a later `poll`.
        """
        self._send(number)
        if number == signal.SIGTERM and time.monotonic() < self._young_until:
            self._again_at = time.monotonic() + AGAIN

    def _send(self, number: int) -> None:
        group = self._group()
        if group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def remove(self) -> None:
        """Delete its folders: as a container's disk, they go with it."""
        with contextlib.suppress(OSError):
            shutil.rmtree(os.readlink(self.folder / "temporary"), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _poll_child(self, child: subprocess.Popen[bytes]) -> int | None:
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) if child.returncode is None else ()
        if found is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # a container's end is the end of all its processes
        code = child.wait()
        written = self._exit_code()
        if written is not None:
            return written
        return 128 - code if code < 0 else code  # the shell itself was killed: as Docker tells it

    def _exit_code(self) -> int | None:
        try:
            return int((self.folder / "exit").read_text())
        except (OSError, ValueError):
            return None

    def _group(self) -> int | None:
        if self._child is not None:
            return self._child.pid if self._child.returncode is None else None
        if not self._alive():
            return None
        try:
            return int((self.folder / "group").read_text())
        except (OSError, ValueError):
            return None

    def _alive(self) -> bool:
        try:
            with (self.folder / "alive").open("r") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
