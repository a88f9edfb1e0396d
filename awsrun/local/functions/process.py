"""The process inside an execution environment: messages to and from `bootstrap`, its output, its memory, its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.local.functions import memory, outcome
from awsrun.local.functions.bootstrap import LENGTHS
from awsrun.local.functions.outcome import Failure

TICK = 0.02  # seconds between looks at the memory
_GONE = 2.0  # seconds that a process has to be gone in, once it hung up
_SCRIPT = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True)
class Place:
    """Where an execution environment runs.

    Attributes:
        modules: where modules are looked for first, as PYTHONPATH has it.
        temporary: a folder of its own, deleted with it.
    """

    code: Path
    modules: str
    temporary: Path
    variables: Mapping[str, str]


class Stopped(Exception):
    """The process is over, or has to be."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Process:
    """A process that was started; used by one thread at a time, but for `kill`.

    Args:
        limit: MB of memory.
        say: takes the lines of its output.
    Raises:
        OSError: the machine has no process or file left for it.
    """

    def __init__(self, place: Place, limit: int, say: Callable[[str], None]) -> None:
        self._limit, self._say = limit << 20, say
        self._half = b""  # a line whose end is still to come
        self._most = 0  # bytes
        self._channel, theirs = socket.socketpair()
        self._output, writes = os.pipe()
        os.set_blocking(self._output, False)
        command = [sys.executable, str(_SCRIPT), str(theirs.fileno()), place.modules]
        try:
            self._child = subprocess.Popen(
                command,
                cwd=place.code,
                env=dict(place.variables),
                stdin=subprocess.DEVNULL,
                stdout=writes,
                stderr=writes,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self._channel.close()
            os.close(self._output)
            raise
        finally:
            theirs.close()
            os.close(writes)
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._poll.register(self._output, select.POLLIN)

    @property
    def over(self) -> bool:
        """Whether it ended, by itself or not."""
        return self._child.returncode is not None or self._status() is not None

    @property
    def peak(self) -> int:
        """The most bytes of memory that it had."""
        return self._most

    def send(self, head: Mapping[str, Any], body: bytes, deadline: float) -> None:
        """Hand it a message.

        Args:
            deadline: monotonic seconds.
        Raises:
            Stopped: it is over.
            TimeoutError: it does not take the message in time.
        """
        packed = json.dumps(head).encode()
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            self._channel.sendall(LENGTHS.pack(len(packed), len(body)) + packed + body)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Stopped(self._exit()) from error

    def receive(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Its next message; all that it wrote before that is said.

        Args:
            deadline: monotonic seconds.
        Raises:
            Stopped: it is over, or used more memory than it may.
            TimeoutError: there was none in time.
        """
        while True:
            left = deadline - time.monotonic()
            ready = dict(self._poll.poll(max(0.0, min(left, TICK)) * 1000))
            if self._output in ready:
                self._read()
            if self._channel.fileno() in ready:
                message = self._message(deadline)
                self._look(memory.peak(self._child.pid))
                self._drain()
                return message
            self._look(memory.resident(self._child.pid))
            if left <= 0:
                raise TimeoutError
            if self.over:  # something that it started holds its socket
                raise Stopped(self._exit())

    def kill(self) -> None:
        """End it from another thread; whoever waits for it finds it over."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it with all that it started, and take what it still said."""
        if self._output < 0:
            return
        self.kill()
        self._child.wait()
        self._drain()
        self._channel.close()
        os.close(self._output)
        self._output = -1

    def _message(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        head, body = LENGTHS.unpack(self._exactly(LENGTHS.size, deadline))
        return json.loads(self._exactly(head, deadline)), self._exactly(body, deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._channel.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                part = self._channel.recv(min(size - len(parts), 1 << 20))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Stopped(self._exit())
            parts += part
        return bytes(parts)

    def _look(self, used: int) -> None:
        self._most = max(self._most, used)
        if used > self._limit:
            raise Stopped(outcome.out_of_memory())

    def _status(self) -> int | None:
        """How it ended, as `subprocess` has it; None where it did not.  It stays a zombie, so that its number, which
        is that of its group too, is given to nobody else."""
        found = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _exit(self) -> Failure:
        """Why it hung up."""
        end = time.monotonic() + _GONE
        while (status := self._status()) is None and time.monotonic() < end:
            time.sleep(0.001)
        return outcome.exited(-signal.SIGKILL if status is None else status)

    def _read(self) -> bool:
        """Say the lines that are there; whether there may be more."""
        try:
            piece = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return False
        if not piece:  # nobody has the other end any more
            self._poll.unregister(self._output)
            return False
        *lines, self._half = (self._half + piece).split(b"\n")
        for line in lines:
            self._say(line.decode(errors="replace"))
        return True

    def _drain(self) -> None:
        """Say everything that was written up to now, the beginning of a line too."""
        with contextlib.suppress(KeyError):
            while self._read():
                pass
        if self._half:
            self._say(self._half.decode(errors="replace"))
            self._half = b""
