"""ECS Fargate as a way to get workers: the one request that starts some.

The laptop starts all of a run's workers with it, ten a call; a worker starts another one in a lost one's place.  All
tasks of a call have the same command, so they are given as many slots as they are, and each takes one that is free
(`RunStore.sit`).  A task in a lost one's place has that one's slot.

Limits: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.worker import bootstrap
from awsrun.worker.protocol.runs import Run

KIND = "fargate"
MOST = 10  # tasks of one call
_DENIED = ("AccessDenied", "AccessDeniedException")
SEATS, ATTEMPT = "AWSRUN_SEATS", "AWSRUN_ATTEMPT"
"""Variables of a task: how many slots its call has, and which start of its slot it is."""


@dataclass(frozen=True)
class Start:
    """What one call starts.

    Attributes:
        slot, seats: the slots from which its tasks take theirs.
        count: how many tasks.
        attempt: which start of the slot it is; above 1 there is one slot alone.
        ask: how often the same was asked for before, where ECS had no room.
        tries: how often the run's workers were asked for before, and none was started: ECS remembers that answer too.
    """

    slot: int
    seats: int = 1
    count: int = 1
    attempt: int = 1
    ask: int = 0
    tries: int = 0

    def token(self, run: str) -> str:
        """The client token: of a repeated request the same, so that it starts nothing twice
        (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html)."""
        told = f"{run}/{self.slot}/{self.seats}/{self.count}/{self.attempt}/{self.ask}/{self.tries}"
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def request(run: Run, start: Start) -> dict[str, Any]:
    """What RunTask takes; a function of the run's record, so that it is the same wherever it is made.

    ``run.engine`` has ``cluster`` and ``definition`` (ARNs), ``container``, ``capacity``, ``subnets``,
    ``security_groups``, ``public``, ``tags``, ``table``, ``region`` and ``groups``; ``run.size`` what differs from the
    task definition.
    """
    engine = run.engine
    network = {
        "subnets": list(engine["subnets"]),
        "securityGroups": list(engine["security_groups"]),
        "assignPublicIp": "ENABLED" if engine["public"] else "DISABLED",
    }
    tags = {**engine["tags"], "awsrun:slot": str(start.slot)}
    return {
        "cluster": engine["cluster"],
        "taskDefinition": engine["definition"],
        "capacityProviderStrategy": [{"capacityProvider": engine["capacity"], "weight": 1}],
        "count": start.count,
        "clientToken": start.token(run.run),
        "startedBy": group_of(run, start.slot),
        "networkConfiguration": {"awsvpcConfiguration": network},
        "overrides": _overrides(run, start),
        "tags": [{"key": key, "value": value} for key, value in sorted(tags.items())],
    }


class Denied(Exception):
    """This identity may not run tasks."""


def ask(client: Callable[[], Any], run: Run, start: Start) -> str:
    """Ask ECS for a start; what hinders it, or ``""``.

    Args:
        client: makes boto3's ECS client when it is needed.

    Raises:
        Denied: the worker's role does not allow it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client().run_task(**request(run, start))
    except ClientError as error:
        if error.response["Error"]["Code"] in _DENIED:
            raise Denied(error.response["Error"]["Message"]) from error
        return str(error)
    except BotoCoreError as error:
        return str(error)
    return "; ".join(str(failed.get("reason", "")) for failed in answer.get("failures", ()))


def group_of(run: Run, slot: int) -> str:
    """What the tasks of a slot are listed by: the name of the group that has it."""
    groups: list[Mapping[str, Any]] = list(run.engine.get("groups", ()))
    return next(str(one["job"]) for one in groups if 0 <= slot - one["slot"] < one["workers"])


def _overrides(run: Run, start: Start) -> dict[str, Any]:
    engine = run.engine
    variables = {"AWSRUN_RUN": run.run, "AWSRUN_SLOT": start.slot, ATTEMPT: start.attempt}
    if start.attempt == 1:
        variables[SEATS] = start.seats
    container = {
        "name": engine["container"],
        "command": bootstrap.command(
            run.bucket, run.code_key, run.code_hash, run.run, engine["table"], engine["region"], start.slot
        ),
        "environment": [{"name": name, "value": str(value)} for name, value in variables.items()],
    }
    size = {}
    if run.size:
        size = {"cpu": str(int(run.size["vcpus"] * 1024)), "memory": str(run.size["memory_mib"])}
    return {**size, "containerOverrides": [container]}
