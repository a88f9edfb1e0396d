"""Commands in processes of their own, behind a proxy that can kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from inventory import clients_of
from killing_proxy import KillingProxy, Moment, Trap

ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
ROOT = Path(__file__).parents[2]
SPEC = Path(os.environ.get("AWSRUN_CHAOS_SPEC", str(ROOT / "specs" / "batch.yaml")))
# What the changed spec has instead: a new environment, a smaller one, another revision; a route elsewhere;
# another folder.
CHANGES = {
    "g4dn.xlarge": "g5.xlarge",
    "instance_type: t3.micro": "instance_type: t3.small",
    "max_vcpus: 64": "max_vcpus: 32",
    "memory_mib: 12000": "memory_mib: 11000",
    "memory_mib: 4096": "memory_mib: 8192",
    "value_env: AWSRUN_HOME": "value_env: PATH",
    "value: lost.name": "value: tasks.name",
    "visibility: 30s": "visibility: 60s",
    "retention: 14d": "retention: 13d",
    "context): return event": "context): return {}",
    "reserved: 5": "memory_mib: 256",
    "memory_mib: 128": "memory_mib: 256",
    "memory_mib: 256, ": "memory_mib: 512, ",
    "PATCH /haiku": "PUT /haiku",
    "../apps": str(ROOT / "apps"),
    '"PATCH /items/{id}": change': "PUT /items: list",
    "folder: ../contract/site": f"folder: {ROOT}/tests/contract/site/sub",
}


@dataclass
class Commands:
    """A process that forks commands, and the proxy that they talk through.

    Attributes:
        proxy: None where they talk to the cloud itself.
    """

    process: subprocess.Popen[str]
    proxy: KillingProxy | None = None
    trap: Trap = field(default_factory=lambda: Trap(0))

    def run(self, command: str, at: int = 0, moment: Moment = "before") -> tuple[int, str, Trap]:
        """Run a command, killed at its ``at``-th mutating call: (exit status, what it said, the trap)."""
        self.begin(command, at, moment)
        return self.end()

    def begin(self, command: str, at: int = 0, moment: Moment = "before", blow: int = signal.SIGKILL) -> None:
        """Start a command; `end` waits for it."""
        self._tell(command)
        self.trap = Trap(int(self._hear()["pid"]), at, moment, signal.Signals(blow))
        if self.proxy is not None:
            self.proxy.trap = self.trap
        self._tell("")

    def end(self) -> tuple[int, str, Trap]:
        found = self._hear()
        return found["status"], found["said"], self.trap

    def clean(self, command: str) -> str:
        status, said, _ = self.run(command)
        assert status == 0, f"{command} failed:\n{said}"
        return said

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def forking(env: dict[str, str], url: str, specs: Sequence[Path], *before: str) -> Iterator[subprocess.Popen[str]]:
    """The process that forks commands, behind the command ``before``."""
    command = [*before, sys.executable, str(Path(__file__).with_name("commands.py")), url, *map(str, specs)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env | {"PYTHONPATH": str(ROOT)}
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def specs(tmp_path: Path) -> list[Path]:
    """The spec, and the changed one."""
    text = SPEC.read_text()
    for old, new in CHANGES.items():
        text = text.replace(old, new)
    changed = tmp_path / "changed.yaml"
    changed.write_text(text)
    return [SPEC, changed]


@pytest.fixture
def options() -> dict[str, Any]:
    """Of the embedded cloud."""
    return {}


@pytest.fixture
def commands(fresh_cloud: Any, options: dict[str, Any], specs: list[Path]) -> Iterator[Commands]:
    keys = _limited(fresh_cloud, specs) if options.get("iam") else ROOT_KEYS
    fresh_cloud.control("start", "--options", json.dumps(options))
    with KillingProxy(fresh_cloud.endpoint) as proxy, forking(fresh_cloud.env | keys, proxy.url, specs) as process:
        yield Commands(process, proxy)


def _limited(cloud: Any, specs: Sequence[Path]) -> dict[str, str]:
    """The keys of a user who has just what ``awsrun policy`` prints for the specs, in managed policies."""
    iam = clients_of(cloud.endpoint)["iam"]
    iam.create_user(UserName="limited")
    command = [str(Path(sys.executable).with_name("awsrun")), "policy", str(specs[0]), "--json"]
    said = subprocess.run(command, env=cloud.env, capture_output=True, text=True, check=True).stdout
    for number, document in enumerate(json.loads(said)["documents"]):
        arn = iam.create_policy(PolicyName=f"limited-{number}", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
        iam.attach_user_policy(UserName="limited", PolicyArn=arn)
    made = iam.create_access_key(UserName="limited")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
