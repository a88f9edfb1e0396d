"""How the embedded cloud behaves: kind as an emulator, or as hard as AWS.  Kept over restarts until said otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from awsrun.aws.quotas import Quota
from awsrun.local.state import replace as write_aside


@dataclass(frozen=True)
class Options:
    """What ``awsrun local start`` was told.

    Attributes:
        strict: in-use errors, lists that lag, states that take their time, published throttles, as on AWS.
        throttle: with strict: the share of calls that are throttled at random, 0 to 1.
        lose: with strict: the share of calls whose answer is lost (done or not), 0 to 1.
        scarce: with strict: the share of Fargate tasks for which RunTask finds no capacity, 0 to 1.
        time_scale: with strict: seconds here for one second of AWS; durations and lags are multiplied by it, published
            rates divided.
        iam: calls are allowed by IAM policies, and by nothing else.
        quotas: code -> value, where Service Quotas are not those of a new account.  With strict, what they limit is
            not to be had: vCPUs of Fargate, and of the machines of Batch.
        containers: jobs run in their images, with the Docker engine of this machine.
    """

    strict: bool = False
    throttle: float = 0.0
    lose: float = 0.0
    scarce: float = 0.0
    time_scale: float = 1.0
    iam: bool = False
    containers: bool = False
    quotas: Mapping[str, float] = field(default_factory=dict)

    def quota(self, one: Quota) -> float:
        """What the account has of a quota."""
        return self.quotas.get(one.code, one.default)

    def changed(self, given: Mapping[str, Any]) -> Options:
        """These, but for what is ``given`` and not None."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def arguments(self) -> list[str]:
        """As ``python -m awsrun.local serve`` takes them."""
        return ["--options", json.dumps(asdict(self))]

    def __str__(self) -> str:
        words = [name for name in ("strict", "iam", "containers") if getattr(self, name)]
        if self.strict:
            words += [
                f"{name} {getattr(self, name):g}" for name in ("throttle", "lose", "scarce") if getattr(self, name)
            ]
            words += [f"time scale {self.time_scale:g}"] if self.time_scale != 1.0 else []
        words += [f"quota {code} {value:g}" for code, value in self.quotas.items()]
        return ", ".join(words)


def parse(text: str) -> Options:
    """Options as JSON; names that a later version wrote are left out."""
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in json.loads(text).items() if name in known})


def read(path: Path) -> Options:
    """What ``path`` says; the plain emulator where it says nothing."""
    try:
        return parse(path.read_text())
    except (OSError, ValueError, TypeError):
        return Options()


def write(path: Path, options: Options) -> None:
    """Keep ``options`` in ``path``."""
    write_aside(path, json.dumps(asdict(options)).encode())
