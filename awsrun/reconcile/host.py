"""Who holds a lock: a process that others on the same machine can look up, and others elsewhere can read."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """One process of one machine.

    Attributes:
        user, host, pid: for people.
        machine: the same for all processes that see each other's pids: host, boot and pid namespace.
        started: the process's start as the system has it; a pid may be used again, the pair may not.
        id: this very acquisition.
    """

    user: str
    host: str
    pid: int
    machine: str
    started: str
    id: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid})"

    def to_item(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_item(cls, item: dict[str, str]) -> Holder:
        return cls(**{**item, "pid": int(item["pid"])})  # type: ignore[arg-type]


def myself() -> Holder:
    """This process, with a new id."""
    pid = os.getpid()
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = str(os.getuid())
    return Holder(user, platform.node(), pid, _machine(), _started(pid), uuid.uuid4().hex)


def is_dead(holder: Holder) -> bool:
    """True where it is sure that the holder's process is gone: it ran on this machine, since this boot, and is not."""
    return bool(holder.machine) and holder.machine == _machine() and _started(holder.pid) != holder.started


def _machine() -> str:
    """Empty where the system does not tell: then nobody is ever taken for dead."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        boot = _ask("sysctl", "-n", "kern.boottime")
        return f"{platform.node()} {boot}" if boot else ""


def _started(pid: int) -> str:
    """When a process started, in the system's own words; empty where there is none (or only its zombie)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _ask("ps", "-o", "lstart=", "-p", str(pid))
    return "" if state in "ZX" else fields[18]  # field 22 of proc(5): ticks since boot


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
