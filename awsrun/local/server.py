"""The server process: loads what was there, listens on loopback, and writes everything down when told to stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO

import awsrun
from awsrun.local import state
from awsrun.local.options import Options
from awsrun.local.state import HOST, Files, Server

LOOK = 1.0  # seconds between looks at the files that others find the server by


def serve(data: Path, port: int | None, options: Options) -> int:
    """Serve ``data`` until SIGTERM or SIGINT; returns the exit code."""
    began = time.monotonic()
    files = Files(data.absolute())
    files.make()
    os.chdir(files.data)
    lock = files.server_lock.open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)  # a server that was killed may have left a child that still writes a snapshot
    lock.truncate(0)
    print(os.getpid(), file=lock, flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    from awsrun.local.assembly import EmbeddedCloud

    cloud = EmbeddedCloud(files, options)
    replayed = cloud.recover()
    port = cloud.start(port)
    endpoint = f"http://{HOST}:{port}"
    about = Server(os.getpid(), port, endpoint, time.time(), awsrun.__version__, asdict(options))
    state.write(files, about)
    took = time.monotonic() - began
    print(
        f"{time.strftime('%F %T')} listening at {endpoint} after {took:.2f} s, {replayed} records replayed", flush=True
    )
    while not ended.wait(LOOK):
        if not _holds(lock, files.server_lock):  # the folder was deleted: what is there now is another server's
            print("the data folder is gone: stopping", flush=True)
            os._exit(1)
        if state.read(files) != about:  # somebody deleted it, or wrote something else: nobody would find this server
            with contextlib.suppress(OSError):
                state.write(files, about)
    cloud.stop()
    if _holds(lock, files.server_lock):
        files.server.unlink(missing_ok=True)
    print(f"{time.strftime('%F %T')} stopped", flush=True)
    os._exit(0)  # what is written is written; threads in the middle of a call wait for a lock that nobody opens


def _holds(lock: IO[str], path: Path) -> bool:
    """Whether the lock that this process holds is still the one that others would find."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
