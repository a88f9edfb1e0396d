"""The parts of the embedded cloud, put together: what is kept, what stands around it, what runs beside it.

Imported only by the server: moto and all that is ours come with it.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict

import awsrun
from awsrun.local import options as settings
from awsrun.local import polls, state
from awsrun.local.account_plan import AccountPlan
from awsrun.local.apis.gateway import Gateway
from awsrun.local.app import application
from awsrun.local.batch.scheduler import Scheduler
from awsrun.local.batch.service import Batch
from awsrun.local.blobs import Blobs
from awsrun.local.calls import Perform
from awsrun.local.ecs.metadata import Metadata
from awsrun.local.ecs.reclaims import Reclaims
from awsrun.local.ecs.scheduler import Scheduler as TaskScheduler
from awsrun.local.ecs.service import Ecs
from awsrun.local.emulator import Moto
from awsrun.local.functions.errors import Refused
from awsrun.local.functions.invocations import Invocations
from awsrun.local.functions.outcome import Outcome
from awsrun.local.functions.roles import Roles
from awsrun.local.functions.service import Functions
from awsrun.local.http import HttpServer, listen
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.layer import Enforcement
from awsrun.local.iam.sessions import Sessions
from awsrun.local.iam.tasks import Tasks, lifetime
from awsrun.local.options import Options
from awsrun.local.pricing import PriceListService
from awsrun.local.quotas import ServiceQuotas
from awsrun.local.registry.catalog import Catalog
from awsrun.local.registry.ecr import Ecr
from awsrun.local.registry.http import RegistryServer
from awsrun.local.registry.layers import Layers
from awsrun.local.registry.passwords import Passwords
from awsrun.local.sites import Sites
from awsrun.local.state import HOST, Files
from awsrun.local.strict.faults import Faults
from awsrun.local.strict.layer import Strict
from awsrun.local.strict.overlaps import Overlaps
from awsrun.local.strict.throttles import Throttles
from awsrun.local.tokens import ClientTokens
from awsrun.local.work import environment
from awsrun.local.work.containers import Containers
from awsrun.local.work.machine import Processes
from awsrun.local.work.slots import Slots
from awsrun.local.world import Service, World


class EmbeddedCloud:
    """One embedded cloud on one data folder: made, recovered, started, stopped, in this order.

    Args:
        options: how it is to behave from now on; what is recovered is replayed as it was carried out.
    """

    def __init__(self, files: Files, options: Options) -> None:
        self._files, self._options = files, options
        moto, self._batch, self._tasks = Moto(blobs := Blobs(files.store / "blobs")), Batch(), Ecs()
        tokens = ClientTokens(lambda call: self._tasks.handle(call) or moto(call))
        self._passwords = Passwords(files.store / "registry-secret")
        self._sessions = Sessions.of(files.store / "session-secret")
        self._iam = Enforcement(self._batch, self._tasks, self._sessions)
        self._strict = Strict(self._batch, self._tasks, tokens, self._iam.role_may)
        self._ecr = Ecr(moto, self._passwords, self._iam.caller)
        self._functions = Functions(moto)
        own: list[Service] = [
            self._functions,
            self._tasks,
            self._ecr,
            PriceListService(),
            ServiceQuotas(options.quotas),
            AccountPlan(),
        ]
        services: list[Service] = [self._batch, tokens, polls.Receives(moto), *own]
        self._world = World(files.store, blobs, moto, services, [self._iam, self._strict])
        self._functions.phase = lambda region, name: self._strict.phase("lambda", region, name)
        function_roles = Roles(self._iam, self._sessions, options.strict)
        pace = options.time_scale if options.strict else None
        self._invocations = Invocations(self._world, self._functions, function_roles, files.functions, pace)
        self._schedulers: tuple[Scheduler, TaskScheduler]

    def recover(self) -> int:
        """Load what was there; how many records were replayed."""
        before = settings.read(self._files.journaled)
        self._strict.behave(before)
        replayed = self._world.recover()
        if replayed and before != self._options:  # what comes from now on is not to be replayed as that was
            self._world.checkpoint()
        self._strict.behave(self._options)
        self._iam.enforced = self._options.iam  # what was replayed had been allowed
        settings.write(self._files.journaled, self._options)
        return replayed

    def start(self, port: int | None) -> int:
        """Answer calls, run jobs and tasks; the port.

        Args:
            port: to listen on; None means that of the last time if it is free, else any.
        """
        self._start_registry()
        roles = Tasks(self._batch, self._tasks, self._sessions, self._world.lock, lifetime())
        about = {"data": str(self._files.data), "version": awsrun.__version__, **asdict(self._options)}
        about["sites"] = self._start_sites()
        metadata = Metadata(self._tasks, self._world.lock)
        reclaims = Reclaims(self._tasks, self._world)
        apis = Gateway(self._world.lock, self._call_for_api)
        app = application(self._outermost(), about, roles.answer, metadata.answer, reclaims.answer, apis.answer)
        http = self._listen(app, port)
        self._invocations.start(f"http://{HOST}:{http.port}")
        threading.Thread(target=http.serve_forever, daemon=True, name="http").start()
        self._world.keep()
        self._start_work(f"http://{HOST}:{http.port}", roles)
        return http.port

    def stop(self) -> None:
        """End jobs and tasks and write everything down; no call is answered any more."""
        self._invocations.stop()
        for scheduler in self._schedulers:
            scheduler.stop()
        self._world.close()

    def _start_work(self, endpoint: str, roles: Tasks) -> None:
        """Begin to run jobs and tasks, which share this machine; what an earlier server started goes on."""
        processes = Processes(self._files.jobs / "bin")
        contained, iam = self._options.containers, self._options.iam
        machine = Containers(self._files.data, self._ecr.login, processes) if contained else processes
        slots = Slots(environment.slots())
        pace = self._options.time_scale if self._options.strict else 0.0
        jobs = Scheduler(
            self._world, self._batch, machine, self._files.jobs, endpoint, slots, roles.of_job if iam else None
        )
        tasks = TaskScheduler(
            self._world, self._tasks, machine, self._files.tasks, endpoint, slots, roles.of_task if iam else None, pace
        )
        self._schedulers = jobs, tasks
        machine.tidy(jobs.adopt() | tasks.adopt())
        for scheduler in self._schedulers:
            scheduler.start()

    def _outermost(self) -> Perform:
        """What a call meets first: under strict, all that goes wrong between a client and AWS."""
        perform = polls.patient(self._invocations.around(self._world.perform))
        if not self._options.strict:
            return perform
        return Faults(Overlaps(perform), self._options, Throttles(self._options.time_scale))

    def _call_for_api(self, function: str, event: bytes, request: str) -> Outcome | None:
        """Run a function for a request to an API; None where it cannot be run, or does not let itself be."""
        try:
            return self._invocations.invoke(function, event, caller="apigateway.amazonaws.com", source_arn=request)
        except Refused as refused:
            print(f"{request}: {refused.code}: {refused.message}", flush=True)
            return None

    def _listen(self, app: Perform, port: int | None) -> HttpServer:
        wanted = state.last_port(self._files.port) if port is None else port
        try:
            return listen(HOST, wanted, app)
        except OSError:
            if port is not None:
                sys.exit(f"port {port} is taken; another: awsrun local start --port P")
            return listen(HOST, 0, app)

    def _start_sites(self) -> str:
        """The websites of buckets; where they are."""
        sites = Sites(self._world.lock, Directory(), self._iam.public)
        try:
            http = listen(HOST, state.last_port(self._files.sites_port), sites.answer)
        except OSError:
            http = listen(HOST, 0, sites.answer)
        state.replace(self._files.sites_port, str(http.port).encode())
        threading.Thread(target=http.serve_forever, daemon=True, name="sites").start()
        return f"http://{HOST}:{http.port}"

    def _start_registry(self) -> None:
        """The registry of images, on the port of the last time: job definitions name it."""
        parts = Catalog(self._world, self._iam.objection), Layers(self._files.registry), self._passwords
        try:
            registry = RegistryServer((HOST, state.last_port(self._files.registry_port)), *parts)
        except OSError:
            registry = RegistryServer((HOST, 0), *parts)
        self._ecr.address, self._ecr.released = f"{HOST}:{registry.server_port}", registry.tidy
        state.replace(self._files.registry_port, str(registry.server_port).encode())
        registry.start()
