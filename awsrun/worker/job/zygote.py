"""Imports the job once, then forks a process per trial; or runs trials itself.

It runs a single one itself where forking is not safe, and one after the other where a trial is a block of inputs:
there what the job has loaded (a model) is meant to serve them all.

Forking is for Linux only, and only if importing the job left one thread, no tensor and no GPU in use: a child forked
after a parallel torch operation hangs.  Unsure means a fresh process.  This process has no threads and no boto3.

Started as ``python -m awsrun.worker.job.zygote FD ROOT JOB FUNCTION BATCH`` with a Unix socket as FD.  It says
``{"ready": ...}`` or ``{"error": ...}``, then takes a trial at a time with three descriptors: messages, orders, output.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from awsrun.worker.job import jobfile, randomness, wire
from awsrun.worker.job.failures import describe
from awsrun.worker.job.trial import Stop, Trial
from awsrun.worker.protocol.rungs import Halving

_PR_SET_PDEATHSIG = 1  # prctl(2)


class PipeChannel:
    """Talks to the supervisor: messages out, orders in: ``s`` is to checkpoint and stop, ``g`` to go on at a rung."""

    def __init__(self, messages: int, orders: int) -> None:
        os.set_blocking(orders, False)
        self._messages, self._orders = messages, orders
        self._stopping = False
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        with self._sending:  # long messages are several writes, and a job may report from several threads
            wire.write(self._messages, message)

    def stopping(self) -> bool:
        if not self._stopping:
            self._listen()
        return self._stopping

    def told_to_stop(self) -> bool:
        while not self._stopping:
            select.select([self._orders], [], [])
            if b"g" in self._listen():
                break
        return self._stopping

    def _listen(self) -> bytes:
        data, closed = wire.drain(self._orders)
        self._stopping = self._stopping or b"s" in data or closed
        return data


def main(arguments: list[str]) -> int:
    """The zygote's life."""
    fd, root, job, function, batch = arguments
    parent = os.getppid()
    die_with(parent)
    signal.signal(signal.SIGTERM, _ignore)  # the supervisor decides; it tells the trial in its own time
    signal.signal(signal.SIGINT, _ignore)
    sock = socket.socket(fileno=int(fd))
    sock.set_inheritable(False)
    os.register_at_fork(after_in_child=sock.close)  # open as long as this process lives, and no longer
    os.chdir(root)
    try:
        entry = jobfile.load(Path(root), job, function, batch)
    except BaseException as error:
        wire.send(sock, {"error": describe(error, Path(root))})
        return 1
    if entry.many is not None:
        return serve(entry, sock, Path(root))
    warm()
    why = unsafe_to_fork()
    wire.send(sock, {"ready": True, "why": why})
    gc.freeze()  # children do not touch, and so copy, what is only collected
    while (received := wire.receive(sock, 3)) is not None:
        spec, fds = received
        if why:
            wire.send(sock, {"pid": os.getpid()})
            _run(entry, spec, fds, Path(root))
        me, pid = os.getpid(), os.fork()
        if pid == 0:
            die_with(me)
            _run(entry, spec, fds, Path(root))
        for descriptor in fds:
            os.close(descriptor)
        wire.send(sock, {"pid": pid})
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # not reaped yet: its group's number is nobody else's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it has started and not ended
        _, status, usage = os.wait4(pid, 0)
        wire.send(sock, {"code": os.waitstatus_to_exitcode(status), "peak_kib": usage.ru_maxrss})
    return 0


def serve(entry: jobfile.Entry, sock: socket.socket, root: Path) -> int:
    """Run trials in this process, one after the other; one that fails ends it: nobody knows what it leaves behind."""
    wire.send(sock, {"ready": True, "why": ""})
    _stand_alone()
    own = os.dup(1), os.dup(2)
    while (received := wire.receive(sock, 3)) is not None:
        spec, fds = received
        wire.send(sock, {"pid": os.getpid()})
        messages, orders, output = fds
        _print_to(output, output)
        os.close(output)
        said = outcome(entry, spec, PipeChannel(messages, orders), root)
        _print_to(*own)
        wire.write(messages, said)
        if said["type"] == "error":
            os._exit(0)
        for descriptor in (messages, orders):
            os.close(descriptor)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "linux" else 1024)
        wire.send(sock, {"code": 0, "peak_kib": peak})
    return 0


def warm() -> None:
    """Import here, once, what torch imports when a process makes its first optimizer: 1.7 s and more, measured."""
    if "torch" in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module("torch._dynamo")


def unsafe_to_fork() -> str:
    """Why trials should not be forked from this process; empty if they may."""
    if sys.platform != "linux":
        return f"forking is not safe on {sys.platform}"
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return f"importing the job started {threads - 1} threads"
    if torch := sys.modules.get("torch"):
        if torch.cuda.is_initialized():
            return "importing the job initialised CUDA"
        if any(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()):
            return "importing the job made tensors"
    return ""


def die_with(parent: int) -> None:
    """Die when the parent does (Linux; elsewhere a trial notices at its next report)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that took hold
            os._exit(1)


def _stand_alone() -> None:
    """As the process of trials: what they start is killed with it, and the log shows a line when it is printed."""
    os.setsid()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _print_to(out: int, err: int) -> None:
    """Send standard output and error there, from now on."""
    _flush()
    os.dup2(out, 1)
    os.dup2(err, 2)


def _run(entry: jobfile.Entry, spec: dict[str, Any], fds: list[int], root: Path) -> None:
    """Run one trial in this process, which ends with it."""
    messages, orders, output = fds
    _stand_alone()
    _print_to(output, output)
    os.close(output)
    channel = PipeChannel(messages, orders)
    try:
        channel.send(outcome(entry, spec, channel, root))
    finally:
        _flush()
        os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the job may have closed or replaced it
            stream.flush()


def outcome(entry: jobfile.Entry, spec: Mapping[str, Any], channel: PipeChannel, root: Path) -> dict[str, Any]:
    """What became of a trial: its result, an error, or that it stopped as it was told."""
    try:
        trial = Trial(
            spec["n"],
            spec["params"],
            spec["seed"],
            Path(spec["dir"]),
            channel,
            attempt=spec["attempt"],
            every=spec["every"],
            scratch=Path(spec["scratch"]),
            restored=Path(spec["restored"]) if spec["restored"] else None,
            halving=Halving(spec["eta"], spec["least"]) if spec["eta"] else None,
            passed=spec["passed"],
            metric=spec["metric"],
            mode=spec["mode"],
            kept=frozenset(spec["kept"]),
        )
        randomness.seed(trial.seed)
        lines = spec["lines"]
        result = jobfile.call_many(entry, trial, Path(lines)) if lines else jobfile.call(entry.one, trial)
        trial.conclude()
        return {"type": "result", "result": result}
    except Stop:
        return {"type": "stopped"}
    except BaseException as error:
        return {"type": "error", "error": describe(error, root)}


def _ignore(*_: object) -> None:
    """A handler, rather than SIG_IGN, because programs that the job starts would inherit that."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
