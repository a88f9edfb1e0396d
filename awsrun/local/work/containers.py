"""Jobs and tasks in containers of their image, with the Docker engine of this machine, as an instance of ECS has them.

They share the host's network, so that they reach the embedded cloud on loopback.  Their end is told in ECS's words:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.images import engine
from awsrun.local.work import logs
from awsrun.local.work.machine import Order, Processes, Work
from awsrun.local.work.process import LOST

CLOUD = "awsrun.cloud"  # label: which embedded cloud a container is of
MARK = "container"  # file in a folder: the container's name
_MADE = "made"  # file in a folder: there is, or was, such a container
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
LONGEST_PULL = 3600.0  # seconds without a word
_AWAY = 60.0  # seconds that an engine may be away (it is restarted) until its containers are given up
_LOG = {"max-size": f"{4 * logs.LIMIT >> 20}m", "max-file": "1"}  # of the engine's own copy

Login = Callable[[str, str], Mapping[str, str] | None]
"""Image and region -> username and password for its registry; None where it needs none."""


class Containers:
    """Runs jobs and tasks in containers.

    Args:
        data: the folder of this embedded cloud, by which its containers are known.
        processes: adopts what a server without containers started.
    """

    def __init__(self, data: Path, login: Login, processes: Processes) -> None:
        self._cloud, self._login, self._processes = cloud_of(data), login, processes
        self._told: set[str] = set()

    def start(self, folder: Path, order: Order) -> Work:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        name = f"awsrun-{self._cloud}-{folder.name}"
        (folder / MARK).write_text(name)
        return JobContainer(folder, name, lambda: self._create(name, order))

    def adopt(self, folder: Path) -> Work:
        try:
            return JobContainer(folder, (folder / MARK).read_text())
        except FileNotFoundError:
            return self._processes.adopt(folder)

    def tidy(self, known: Collection[str]) -> None:
        remove_all(self._cloud, {f"awsrun-{self._cloud}-{name}" for name in known})

    def _create(self, name: str, order: Order) -> Any:
        """A container that is ready to start.

        Raises:
            _NotStarted: there is no image, or the engine does not like it.
        """
        from docker.errors import DockerException
        from docker.types import LogConfig

        client = _client()
        self._pull(client, order.image, order.region)
        own = {"entrypoint": list(order.entrypoint)} if order.entrypoint else {}
        try:
            return client.containers.create(
                order.image,
                command=list(order.command) or None,
                name=name,
                labels={CLOUD: self._cloud},
                environment=dict(order.variables),
                network_mode="host",
                user=order.user,
                init=order.init,
                log_config=LogConfig(type=LogConfig.types.JSON, config=_LOG),
                **own,
                **self._limits(order),
            )
        except (DockerException, OSError) as error:
            raise _NotStarted(
                f"CannotCreateContainerError: Error response from daemon: {engine.short(error)}"
            ) from error

    def _pull(self, client: Any, image: str, region: str) -> None:
        """From the cloud's own registry always, as a tag may have moved; anything else only once."""
        from docker.errors import DockerException, ImageNotFound

        login = self._login(image, region)
        try:
            if login is None:
                with contextlib.suppress(ImageNotFound):
                    client.images.get(image)
                    return
            client.images.pull(image, auth_config=dict(login) if login else None)
        except (DockerException, OSError) as error:
            raise _NotStarted(f"CannotPullContainerError: Error response from daemon: {engine.short(error)}") from error

    def _limits(self, order: Order) -> dict[str, Any]:
        """What the definition asks for, as far as this machine has it."""
        memory = order.memory_mib
        limits: dict[str, Any] = {"cpu_shares": max(2, int(order.vcpus * 1024))}
        if 0 < memory << 20 <= _memory():
            limits |= {"mem_limit": f"{memory}m", "memswap_limit": f"{memory}m"}
        elif memory:
            self._tell(f"jobs want {memory} MiB, which this machine does not have: they run without a limit of memory")
        if order.shared_memory_mib:
            limits["shm_size"] = f"{order.shared_memory_mib}m"
        if order.gpus:
            self._tell("jobs want GPUs, which containers here do not get: they run without")
        return limits

    def _tell(self, notice: str) -> None:
        if notice not in self._told:
            self._told.add(notice)
            print(notice, flush=True)


class JobContainer:
    """One container, from the pull of its image to its removal.

    A thread of its own waits for the engine, so that nobody else has to.

    Args:
        make: makes the container; None for one that a server before this one made.
    """

    def __init__(self, folder: Path, name: str, make: Callable[[], Any] | None = None) -> None:
        self.folder, self.reason, self.started, self._adopted = folder, "", make is None, make is None
        self._name = name
        self._lock = threading.Lock()
        self._container: Any = None  # while it runs
        self._ending = 0  # a signal that came before it ran
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(make,), daemon=True, name=name)
        self._thread.start()

    def poll(self) -> int | None:
        with self._lock:
            if self._ending and not self.started:
                return 128 + self._ending  # while its image was pulled
        return self._code

    def signal(self, number: int) -> None:
        from docker.errors import DockerException

        with self._lock:
            self._ending = self._ending or number
            container = self._container
        if container is not None:
            with contextlib.suppress(DockerException, OSError):
                container.kill(signal=signal.Signals(number).name)

    def remove(self) -> None:
        """The container goes with its disk; one that is still being made goes as soon as it is."""
        from docker.errors import DockerException

        with contextlib.suppress(DockerException, OSError, _NotStarted):
            _client().containers.get(self._name).remove(force=True, v=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, make: Callable[[], Any] | None) -> None:
        code = LOST
        try:
            code = self._begin(make) if make is not None else self._follow()
        except _NotStarted as error:
            self.reason = str(error)
        finally:
            self._code = code

    def _begin(self, make: Callable[[], Any]) -> int:
        from docker.errors import DockerException

        container = make()
        (self.folder / _MADE).touch()
        with self._lock:
            if self._ending:
                container.remove()
                return 128 + self._ending
            try:
                container.start()
            except (DockerException, OSError) as error:
                raise _NotStarted(
                    f"CannotStartContainerError: Error response from daemon: {engine.short(error)}"
                ) from error
            self._container, self.started = container, True
        return self._follow()

    def _follow(self) -> int:
        """Copy its output until it is over; its exit code, or `LOST`."""
        from docker.errors import DockerException, NotFound

        end = time.monotonic() + _AWAY
        while True:
            try:
                container = _client().containers.get(self._name)
                if container.status == "created":  # the server went down before it was started
                    self.started = False
                    return LOST
                with self._lock:
                    self._container = container
                self._copy(container)
                return self._outcome(container)
            except NotFound:
                self.started = not self._adopted or (self.folder / _MADE).exists()
                return LOST
            except (DockerException, OSError, _NotStarted):
                if time.monotonic() > end:
                    return LOST
                time.sleep(1.0)

    def _copy(self, container: Any) -> None:
        """All of its output from the start: what was shipped of it is known by its length."""
        with (self.folder / "output").open("wb", buffering=0) as output:
            for piece in container.logs(stream=True, follow=True):
                if output.tell() < logs.LIMIT + logs.CHUNK:
                    output.write(piece)

    def _outcome(self, container: Any) -> int:
        code = int(container.wait()["StatusCode"])
        container.reload()
        if container.attrs["State"].get("OOMKilled"):
            self.reason = OUT_OF_MEMORY
        with self._lock:
            self._container = None
        return code


class _NotStarted(Exception):
    """There is no container; the text is Batch's reason."""


def cloud_of(data: Path) -> str:
    """What containers of the embedded cloud in ``data`` are labelled with."""
    return hashlib.blake2b(str(data.absolute()).encode(), digest_size=4).hexdigest()


def remove_all(cloud: str, but: Collection[str] = ()) -> None:
    """Remove all containers of a cloud except those with the names ``but``; nothing where no engine answers."""
    from docker.errors import DockerException

    with contextlib.suppress(DockerException, OSError, _NotStarted):
        for container in _client().containers.list(
            all=True, ignore_removed=True, filters={"label": f"{CLOUD}={cloud}"}
        ):
            if container.name not in but:
                container.remove(force=True, v=True)


def _client() -> Any:
    try:
        return engine.connect(LONGEST_PULL)
    except AwsrunError as error:
        raise _NotStarted(f"CannotStartContainerError: {error.what}: {error.why}") from error


def _memory() -> int:
    """Bytes that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
