"""Functions for tests: made from source text, invoked, their logs read back."""

from __future__ import annotations

import base64
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import LocalCloud

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass(frozen=True)
class Answer:
    """What an invocation answered.

    Attributes:
        error: FunctionError; empty for none.
        log: the tail.
    """

    status: int
    payload: Any
    error: str
    log: str
    version: str


@dataclass(frozen=True)
class Bench:
    """Makes functions in a cloud."""

    cloud: LocalCloud

    @property
    def functions(self) -> Any:
        return self.cloud.client("lambda", read_timeout=30)

    def role(self, *statements: dict[str, Any]) -> str:
        """The ARN of a new role of Lambda's, with these rights."""
        name, iam = f"role-{uuid.uuid4().hex[:8]}", self.cloud.client("iam")
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"])
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy)
        return arn

    def make(self, source: str, role: str = "", **settings: Any) -> str:
        """The name of a new function with ``app.handler`` from ``source``."""
        name = f"function-{uuid.uuid4().hex[:8]}"
        given = {"Handler": "app.handler", "Runtime": "python3.12", "Code": {"ZipFile": package(source)}, **settings}
        self.functions.create_function(FunctionName=name, Role=role or self.role(), **given)
        return name

    def invoke(self, name: str, event: Any = None, **options: Any) -> Answer:
        """Invoke and wait."""
        options.setdefault("LogType", "Tail")
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event), **options)
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        payload = answer["Payload"].read()
        error, version = answer.get("FunctionError", ""), answer.get("ExecutedVersion", "")
        return Answer(answer["StatusCode"], json.loads(payload or b"null"), error, log, version)

    def logged(self, group: str) -> list[str]:
        """All events of a log group, or none where there is no such group."""
        logs = self.cloud.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        return [one["message"] for one in logs.filter_log_events(logGroupName=group)["events"]]


def package(source: str, **files: str) -> bytes:
    """A zip with ``app.py`` and other modules by name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in {"app": source, **files}.items():
            archive.writestr(f"{name}.py", text)
    return made.getvalue()


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``condition`` says as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return found
