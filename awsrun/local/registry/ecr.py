"""ECR's API, where it has to know of the registry: addresses and passwords.  Everything else of ECR is moto's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from awsrun.local import clock
from awsrun.local.calls import Call, Reply
from awsrun.local.iam.principals import ROOT
from awsrun.local.registry.passwords import Passwords

_WITH_ADDRESS = frozenset({"CreateRepository", "DescribeRepositories", "DeleteRepository"})
_LETTING_GO = frozenset({"BatchDeleteImage", "DeleteRepository", "PutImage"})


class Ecr:
    """Stands before moto's ECR.  All methods are called with the world's lock held.

    Args:
        moto: carries a call out.
        caller: who makes a call, as passwords have it.

    Attributes:
        address: host and port of the registry.
        released: called when images may have gone.
    """

    name = "ecr"

    def __init__(self, moto: Callable[[Call], Reply], passwords: Passwords, caller: Callable[[Call], str]) -> None:
        self._moto, self._passwords, self._caller = moto, passwords, caller
        self.address = ""
        self.released: Callable[[], None] = lambda: None

    def handle(self, call: Call) -> Reply | None:
        service, region = call.scope
        if service != "ecr":
            return None
        if call.action == "GetAuthorizationToken":
            return self._token(region, self._caller(call))
        reply = self._moto(call)
        if reply.status < 400 and call.action in _LETTING_GO:
            self.released()
        if reply.status < 400 and call.action in _WITH_ADDRESS:
            return Reply(reply.status, reply.headers, self._addressed(reply.content))
        return reply

    def login(self, image: str, region: str) -> dict[str, str] | None:
        """Username and password by which this machine itself pulls an image of this registry; None for one of another.

        (On AWS an instance or a task does with a role of its own, which Batch's environments always have.)
        """
        if not image.startswith(f"{self.address}/"):
            return None
        return {"username": "AWS", "password": self._passwords.make(region, clock.now(), ROOT.written())[0]}

    def apply(self, event: tuple[Any, ...]) -> None:
        """There are no events here."""

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """Nothing is kept here: passwords say themselves what they are good for."""

    def _token(self, region: str, caller: str) -> Reply:
        password, expires = self._passwords.make(region, clock.now(), caller)
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        data = {"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": f"http://{self.address}"}
        content = json.dumps({"authorizationData": [data]}).encode()
        return Reply(200, [("Content-Type", "application/x-amz-json-1.1")], content)

    def _addressed(self, content: bytes) -> bytes:
        """Docker takes a repository on 127.0.0.0/8 without TLS: https://docs.docker.com/reference/cli/dockerd/."""
        answer = json.loads(content)
        for repository in answer.get("repositories", [answer.get("repository")]):
            repository["repositoryUri"] = f"{self.address}/{repository['repositoryName']}"
        return json.dumps(answer).encode()
