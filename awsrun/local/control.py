"""Start, stop, status and reset of the embedded cloud, for the command line.

Every function may be called by several commands at once: a file lock makes one of them do the work, the others find it
done.  moto is not imported here.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from awsrun.aws.errors import AwsrunError
from awsrun.aws.paths import data_dir
from awsrun.images import engine
from awsrun.local import disk, options, state
from awsrun.local.options import Options
from awsrun.local.state import HOST, Files

START_SECONDS = 60.0
ANSWER_SECONDS = 15.0
STOP_SECONDS = 60.0  # jobs get SIGTERM and a while to end, then the state is written


@dataclass(frozen=True)
class Status:
    """Whether the embedded cloud runs, where, and how it behaves (from its next start on, where it does not run)."""

    running: bool
    endpoint: str | None = None
    pid: int | None = None
    options: Options = field(default_factory=Options)


def folder() -> Path:
    """The data folder of this user's embedded cloud."""
    return data_dir() / "local"


def status(data: Path) -> Status:
    """What runs on ``data`` now."""
    found = state.read(Files(data))
    if found is None or _health(found.endpoint) != found.pid:
        return Status(running=False, options=options.read(Files(data).options))
    return Status(True, found.endpoint, found.pid, Options(**found.options))


def start(data: Path, port: int | None = None, changes: Mapping[str, Any] | None = None) -> Status:
    """Start the server unless it runs, and wait until it answers.

    Args:
        data: its data folder, made where it is missing.
        port: to listen on; None means the last one if it is free, else any.
        changes: options by name that are to be other than they were.  A server that runs with others, or on another
            port than was asked for, is restarted.

    Raises:
        AwsrunError: moto is not installed, there is no Docker for the containers that are asked for, the port is taken,
            its files cannot be written, or the server ended or hung while starting (its log says why).
    """
    if (changes or {}).get("containers"):
        engine.connect().close()
    files = Files(data)
    with disk.written(data):
        files.make()
    with _exclusive(files):
        running = _answering(files)
        if port is not None and running.endpoint != f"http://{HOST}:{port}":
            _check_free(port)
        wanted = options.read(files.options).changed(changes or {})
        if wanted != options.read(files.options):
            with disk.written(data):
                options.write(files.options, wanted)
        if running.running and running.options == wanted and port in (None, urlparse(running.endpoint).port):
            return running
        if running.running:
            _stop(files)
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise AwsrunError(
                "the embedded cloud needs moto", "it is not installed here", "pip install 'awsrun-jobs[local]'"
            )
        return _launch(files, port)


def stop(data: Path) -> Status:
    """Stop the server; its state stays, and jobs that ran are retried at the next start.

    Raises:
        AwsrunError: it does not end in time.
    """
    files = Files(data)
    if not data.exists():
        return Status(running=False)
    with _exclusive(files):
        _stop(files)
    return Status(running=False)


def reset(data: Path) -> Status:
    """Stop the server and forget everything it held."""
    files = Files(data)
    if not data.exists():
        return Status(running=False)
    with _exclusive(files):
        _stop(files)
        if options.read(files.options).containers:  # a server that was killed has left them running
            from awsrun.local.work import containers

            containers.remove_all(containers.cloud_of(data))
        state.remove(files.functions)
        for path in (files.store, files.jobs, files.tasks):
            shutil.rmtree(path, ignore_errors=True)
        for path in (files.server, files.log, files.options):
            path.unlink(missing_ok=True)
    return Status(running=False)


def _launch(files: Files, port: int | None) -> Status:
    wanted = options.read(files.options)
    command = [sys.executable, "-m", "awsrun.local", "serve", "--data", str(files.data), *wanted.arguments()]
    if port is not None:
        command += ["--port", str(port)]
    with disk.written(files.data):
        log = files.log.open("ab")
    with log:
        log_start = log.tell()
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in this terminal is not for the server
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"},
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = state.read(files)
        if found is not None and found.pid == server.pid:
            running = status(files.data)
            if running.running:
                return running
        if server.poll() is not None:
            break
        time.sleep(0.01)
    ended = server.poll()
    if ended is None:
        server.kill()
    if full := disk.full(files.data):
        raise AwsrunError("the embedded cloud did not start", full, disk.MAKE_ROOM)
    why = f"it ended with exit code {ended}" if ended is not None else f"no answer within {START_SECONDS:.0f} s"
    raise AwsrunError(
        "the embedded cloud did not start",
        f"{why}; the end of {files.log}:\n{_tail(files.log, log_start)}",
        f"the whole of it is in {files.log}; to begin anew, and lose what it holds: awsrun local reset",
    )


def _answering(files: Files) -> Status:
    """What runs.  A server that lives and does not answer where it should gets a while to.

    Raises:
        AwsrunError: it does not.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (found := status(files.data)).running and (pid := _server(files)):
        if time.monotonic() > deadline:
            what = f"process {pid} is the embedded cloud of {files.data}, and does not answer"
            raise AwsrunError(what, "it hangs, or was suspended", f"kill -9 {pid}: what it holds is kept")
        time.sleep(0.1)
    return found


def _check_free(port: int) -> None:
    """Raises `AwsrunError` where somebody else listens on ``port``."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            hint = "awsrun local start takes one that is free; --port N another one"
            raise AwsrunError(f"port {port} is taken", str(error), hint) from error


def _stop(files: Files) -> None:
    pid = _server(files)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _holds(files.server_lock):
        if time.monotonic() > deadline:
            raise AwsrunError("the embedded cloud does not stop", f"process {pid}", f"kill -9 {pid}")
        time.sleep(0.02)


def _server(files: Files) -> int | None:
    """The process that is the server; None where there is none, whatever an old file says."""
    if not _holds(files.server_lock):
        return None
    try:
        written = files.server_lock.read_text()
        if not written:  # by an older version, which holds the lock without a word: it is who answers
            return status(files.data).pid
        pid = int(written)
        os.kill(pid, 0)
    except (OSError, ValueError):  # it was killed, and its child still writes a snapshot
        return None
    return pid


@contextlib.contextmanager
def _exclusive(files: Files) -> Iterator[None]:
    with disk.written(files.data):
        lock = files.control_lock.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _holds(path: Path) -> bool:
    """Whether some process holds the lock on ``path``."""
    try:
        with path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _health(endpoint: str) -> int | None:
    """The process that answers at ``endpoint``, or None."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_awsrun/health", timeout=5) as answer:
            found = json.loads(answer.read())
        return int(found["pid"])
    except (OSError, ValueError, KeyError, TypeError, urllib.error.URLError):
        return None


def _tail(path: Path, start: int, lines: int = 15) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
