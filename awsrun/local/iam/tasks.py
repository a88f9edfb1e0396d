"""Credentials of jobs and tasks, as ECS gives them: by HTTP, for as long as the thing runs, of its role.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from awsrun.local import clock
from awsrun.local.app import CREDENTIALS
from awsrun.local.batch.jobs import Job, Unit
from awsrun.local.batch.service import Batch
from awsrun.local.calls import Call, Reply
from awsrun.local.ecs.service import Ecs
from awsrun.local.ecs.task import ON_MACHINE, Task
from awsrun.local.iam import principals, trust
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import PolicyError
from awsrun.local.iam.request import ACCOUNT
from awsrun.local.iam.sessions import LIFETIME, Session, Sessions
from awsrun.local.work.errors import NoRole

SERVICE = "ecs-tasks.amazonaws.com"


def lifetime(environ: Mapping[str, str] = os.environ) -> float:
    """Seconds for which a job's credentials are good: an hour; ``AWSRUN_LOCAL_CREDENTIAL_SECONDS`` overrides."""
    given = environ.get("AWSRUN_LOCAL_CREDENTIAL_SECONDS", "")
    return float(given) if given.replace(".", "", 1).isdigit() else LIFETIME


class Tasks:
    """What jobs and tasks find in their environment, and what they get for it.

    Nothing is remembered: the token itself says which attempt or task it is of, so both outlive a restart of the
    server.

    Args:
        lock: the world's.
        seconds: how long credentials are good.
    """

    def __init__(self, batch: Batch, ecs: Ecs, sessions: Sessions, lock: Any, seconds: float) -> None:
        self._batch, self._ecs, self._sessions, self._lock, self._seconds = batch, ecs, sessions, lock, seconds
        self._directory = Directory()

    def of_job(self, endpoint: str, region: str, job: Job, unit: Unit) -> dict[str, str]:
        """How the attempt that starts now finds its credentials; nothing for a job without a role.

        Raises:
            NoRole: the role is not there, or does not trust ECS.
        """
        claim = ["batch", region, unit.id, unit.attempts[-1].stream]
        return self._variables(endpoint, str(job.container.get("jobRoleArn") or ""), claim)

    def of_task(self, endpoint: str, region: str, task: Task) -> dict[str, str]:
        """The same for the containers of a task.  Its execution role, which is ECS's own to use, has to be there too.

        Raises:
            NoRole: a role is not there, or does not trust ECS.
        """
        if task.execution_role:
            with self._lock:
                self._check(task.execution_role)
        return self._variables(endpoint, task.role, ["ecs", region, task.id, ""])

    def _variables(self, endpoint: str, role: str, claim: list[str]) -> dict[str, str]:
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}  # the user's are not its
        if not role:
            return nowhere
        with self._lock:
            self._check(role)
        payload = base64.urlsafe_b64encode(json.dumps(claim).encode()).decode()
        token = f"{payload}.{self._sign(payload)}"
        return {
            **nowhere,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint}{CREDENTIALS}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        }

    def answer(self, call: Call) -> Reply:
        """New credentials for the job or task whose token the call carries."""
        try:
            with self._lock:
                role, task = self._claimed(call.environ.get("HTTP_AUTHORIZATION", ""))
                self._check(role)
        except NoRole as error:
            return _json(400, {"code": "CredentialsError", "message": str(error)})
        made = self._sessions.open(Session(role, task, clock.now() + self._seconds))
        expiration = datetime.fromtimestamp(made.session.expires, timezone.utc)
        return _json(
            200,
            {
                "RoleArn": role,
                "AccessKeyId": made.key,
                "SecretAccessKey": made.secret,
                "Token": made.token,
                "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "AccountId": ACCOUNT,
            },
        )

    def _claimed(self, token: str) -> tuple[str, str]:
        """Role and task id of what a token is for.

        Raises:
            NoRole: it is none of ours, or what it is for is over.
        """
        payload, _, signature = token.partition(".")
        if not hmac.compare_digest(signature, self._sign(payload)):
            raise NoRole("the authorization token is not valid")
        try:
            service, region, id, stream = json.loads(base64.urlsafe_b64decode(payload))
            return self._task(region, id) if service == "ecs" else self._job(region, id, stream)
        except (ValueError, KeyError, binascii.Error) as error:
            raise NoRole("the job is not there any more") from error

    def _job(self, region: str, id: str, stream: str) -> tuple[str, str]:
        job, unit = self._batch.regions[region].unit(id)
        if not unit.running or unit.attempts[-1].stream != stream:
            raise NoRole("the attempt is over")
        return str(job.container["jobRoleArn"]), stream.rpartition("/")[2]

    def _task(self, region: str, id: str) -> tuple[str, str]:
        task = self._ecs.regions[region].tasks[id]
        if task.status not in ON_MACHINE:
            raise NoRole("the task is over")
        return task.role, task.id

    def _check(self, role: str) -> None:
        found = principals.role(self._directory, role.rpartition("/")[2])
        try:
            if found is not None and found.arn == role and trust.trusts(found.assume_role_policy_document, SERVICE):
                return
        except PolicyError:
            pass  # a trust policy that cannot be read trusts nobody
        raise NoRole(
            f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role "
            "being passed has the proper trust relationship and permissions and that your IAM user has permissions to "
            "pass this role."
        )

    def _sign(self, payload: str) -> str:
        return self._sessions.sign(f"task {payload}")


def _json(status: int, body: Mapping[str, str]) -> Reply:
    return Reply(status, [("Content-Type", "application/json")], json.dumps(body).encode())
