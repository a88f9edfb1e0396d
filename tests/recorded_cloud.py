"""An embedded cloud that enforces IAM and writes down each right that somebody used or was denied.

Run as a script it is the server: ``python -m awsrun.local serve`` with one method wrapped.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import boto3

if __name__ == "__main__":  # a script does not see the folder above its own
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import LocalCloud

LOG = "RECORD"


class Used(NamedTuple):
    """One right that a call took."""

    who: str
    action: str
    resource: str
    allowed: bool


@dataclass
class RecordedCloud(LocalCloud):
    """Attributes: server: its process."""

    server: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, home: Path, **options: Any) -> RecordedCloud:
        """A running one, its data below ``home``; ``options`` as `start`."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
        cloud = cls(home, env={**clean, "AWSRUN_HOME": str(home)})
        cloud.start(**options)
        return cloud

    def start(self, **options: Any) -> None:
        log = self.home / "server.log"
        command = [sys.executable, __file__, "serve", "--options", json.dumps({"iam": True, **options})]
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {**self.env, LOG: str(self.record), "PYTHONHASHSEED": "0"}
        with log.open("ab") as out:
            self.server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + 60
        while not self.status()["running"]:
            assert self.server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        self.endpoint = str(self.status()["endpoint"])

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(60)

    @property
    def record(self) -> Path:
        return self.home / "rights.jsonl"

    def used(self, who: str) -> list[Used]:
        """What ``who`` used, and was denied, so far."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [one for one in (Used(*json.loads(line)) for line in lines) if one.who == who]

    def user(self, name: str, policies: Iterable[Mapping[str, Any]]) -> User:
        """A new IAM user with these managed policies and no other right."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        for number, policy in enumerate(policies):
            made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=json.dumps(policy))["Policy"]
            iam.attach_user_policy(UserName=name, PolicyArn=made["Arn"])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return User(name, self, key["AccessKeyId"], key["SecretAccessKey"])


@dataclass(eq=False)
class User:
    """An IAM user with an access key."""

    name: str
    cloud: RecordedCloud
    key: str
    secret: str

    @functools.cached_property
    def session(self) -> Any:
        """A boto3 session; making one, and its first client of each service, takes a while."""
        return boto3.Session(self.key, self.secret, region_name="us-east-1")

    @property
    def env(self) -> dict[str, str]:
        """For commands: the aws context, at the embedded cloud's address, with this user's key."""
        found = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}
        place = {"AWS_ENDPOINT_URL": self.cloud.endpoint, "AWS_REGION": "us-east-1", "AWSRUN_CONTEXT": "aws"}
        return {**self.cloud.env, **found, **place, "AWS_EC2_METADATA_DISABLED": "true"}

    @functools.cache  # noqa: B019
    def client(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        return self.session.client(service, endpoint_url=self.cloud.endpoint, config=config)

    def used(self) -> set[str]:
        """The actions that were allowed so far."""
        return {one.action for one in self.cloud.used(self.name) if one.allowed}

    def denied(self) -> set[tuple[str, str]]:
        """(action, resource) that were denied so far."""
        return {(one.action, one.resource) for one in self.cloud.used(self.name) if not one.allowed}


def _serve() -> int:
    from awsrun.local.__main__ import main
    from awsrun.local.iam.layer import Enforcement

    judge, seen, one_by_one = Enforcement.verdict, set(), threading.Lock()

    def verdict(self: Any, call: Any, who: Any, needed: Any) -> str:
        reason = judge(self, call, who, needed)
        line = json.dumps([who.name, needed.action, needed.resource, not reason])
        if line not in seen:
            seen.add(line)
            with one_by_one, open(os.environ[LOG], "a") as file:
                file.write(line + "\n")
        return reason

    Enforcement.verdict = verdict  # type: ignore[method-assign]
    return main()


if __name__ == "__main__":
    sys.exit(_serve())
