"""The server process: loads what was there, listens on loopback, and writes everything down when told to stop."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

import awsrun
from awsrun.local import state
from awsrun.local.options import Options, read, write
from awsrun.local.state import HOST, Files, Server

if TYPE_CHECKING:
    from awsrun.local.calls import Perform
    from awsrun.local.http import HttpServer
    from awsrun.local.registry.catalog import Catalog
    from awsrun.local.registry.ecr import Ecr
    from awsrun.local.registry.passwords import Passwords


def serve(data: Path, port: int | None, options: Options) -> int:
    """Serve ``data`` until SIGTERM or SIGINT; returns the exit code."""
    began = time.monotonic()
    files = Files(data.absolute())
    files.make()
    os.chdir(files.data)
    lock = files.server_lock.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # a server that was killed may have left a child that still writes a snapshot
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    from awsrun.local.app import application
    from awsrun.local.batch import environment
    from awsrun.local.batch.containers import Containers
    from awsrun.local.batch.machine import Processes
    from awsrun.local.batch.scheduler import Scheduler
    from awsrun.local.batch.service import Batch
    from awsrun.local.blobs import Blobs
    from awsrun.local.emulator import Moto
    from awsrun.local.iam.layer import Enforcement
    from awsrun.local.iam.sessions import Sessions
    from awsrun.local.iam.tasks import Tasks, lifetime
    from awsrun.local.pricing import PriceListService
    from awsrun.local.quotas import ServiceQuotas
    from awsrun.local.registry.catalog import Catalog
    from awsrun.local.registry.ecr import Ecr
    from awsrun.local.registry.passwords import Passwords
    from awsrun.local.strict.faults import Faults
    from awsrun.local.strict.layer import Strict
    from awsrun.local.strict.overlaps import Overlaps
    from awsrun.local.strict.throttles import Throttles
    from awsrun.local.tokens import ClientTokens
    from awsrun.local.world import Service, World

    batch = Batch()
    blobs = Blobs(files.store / "blobs")
    moto = Moto(blobs)
    tokens = ClientTokens(moto)
    strict = Strict(batch, tokens)
    passwords = Passwords(files.store / "registry-secret")
    sessions = Sessions.of(files.store / "session-secret")
    iam = Enforcement(batch, sessions)
    ecr = Ecr(moto, passwords, iam.caller)
    services: list[Service] = [batch, tokens, ecr, PriceListService(), ServiceQuotas(options.quotas)]
    world = World(files.store, blobs, moto, services, [iam, strict])
    strict.behave(read(files.journaled))  # as it did when what is replayed now was carried out
    replayed = world.recover()
    strict.behave(options)
    iam.enforced = options.iam  # what was replayed had been allowed
    write(files.journaled, options)
    _start_registry(Catalog(world, iam.objection), files, ecr, passwords)
    perform = world.perform
    if options.strict:
        perform = Faults(Overlaps(perform), options, Throttles(options.time_scale))
    tasks = Tasks(batch, sessions, world.lock, lifetime())
    about = {"data": str(files.data), "version": awsrun.__version__, **asdict(options)}
    app = application(perform, about, tasks.answer)
    http = _listen(app, state.last_port(files.port) if port is None else port, fixed=bool(port))
    endpoint = f"http://{HOST}:{http.port}"
    threading.Thread(target=http.serve_forever, daemon=True, name="http").start()
    world.keep()
    roles = tasks.variables if options.iam else None
    processes = Processes(files.jobs / "bin")
    machine = Containers(files.data, ecr.login, processes) if options.containers else processes
    scheduler = Scheduler(world, batch, machine, files.jobs, endpoint, environment.slots(), roles)
    scheduler.start()
    state.write(files, Server(os.getpid(), http.port, endpoint, time.time(), awsrun.__version__, asdict(options)))
    took = time.monotonic() - began
    print(
        f"{time.strftime('%F %T')} listening at {endpoint} after {took:.2f} s, {replayed} records replayed", flush=True
    )
    while not ended.wait(5.0):
        if not _holds(lock, files.server_lock):  # the folder was deleted: what is there now is another server's
            print("the data folder is gone: stopping", flush=True)
            os._exit(1)
    scheduler.stop()
    world.close()
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


def _start_registry(catalog: Catalog, files: Files, ecr: Ecr, passwords: Passwords) -> None:
    """Start the registry of images, on the port of the last time: job definitions name it."""
    from awsrun.local.registry.http import RegistryServer
    from awsrun.local.registry.layers import Layers

    parts = catalog, Layers(files.registry), passwords
    try:
        registry = RegistryServer((HOST, state.last_port(files.registry_port)), *parts)
    except OSError:
        registry = RegistryServer((HOST, 0), *parts)
    ecr.address, ecr.released = f"{HOST}:{registry.server_port}", registry.tidy
    state.replace(files.registry_port, str(registry.server_port).encode())
    registry.start()


def _listen(app: Perform, port: int, fixed: bool) -> HttpServer:
    from awsrun.local.http import listen

    try:
        return listen(HOST, port, app)
    except OSError:
        if fixed:
            sys.exit(f"port {port} is taken; another: awsrun local start --port P")
        return listen(HOST, 0, app)
