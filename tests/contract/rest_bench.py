"""REST APIs for tests: made by hand or by the kind, called over HTTP."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import LocalCloud
from tests.contract.functions_bench import Bench

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Answer:
    """What came back; ``headers`` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request, by Python's own client; ``Content_Type`` is the header Content-Type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, _headers(answer), answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, _headers(error), error.read())


def curl(*arguments: str) -> str:
    """What ``curl`` prints."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _headers(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


@dataclass
class Api:
    """One API, defined by OpenAPI.

    Attributes:
        paths: what it has; changed by `define` and shown once it is deployed.
    """

    cloud: LocalCloud
    id: str = ""
    paths: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def made(cls, cloud: LocalCloud) -> Api:
        endpoint = {"types": ["REGIONAL"]}
        made = cloud.client("apigateway").create_rest_api(name=uuid.uuid4().hex, endpointConfiguration=endpoint)
        return cls(cloud, made["id"])

    def route(self, method: str, path: str, function: str, allow: bool = True, **integration: Any) -> None:
        """Let a function answer, and let it be called for that."""
        arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri, **integration}
        verb = "x-amazon-apigateway-any-method" if method == "ANY" else method.lower()
        self.paths.setdefault(path, {})[verb] = {"responses": {}, "x-amazon-apigateway-integration": proxy}
        if allow:
            self.cloud.client("lambda").add_permission(
                FunctionName=function,
                StatementId=uuid.uuid4().hex,
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{self.id}/*/*/*",
            )

    def define(self, **more: Any) -> None:
        """Put what it has into API Gateway."""
        body = {"openapi": "3.0.1", "info": {"title": "test", "version": "1"}, "paths": self.paths, **more}
        self.cloud.client("apigateway").put_rest_api(
            restApiId=self.id, mode="overwrite", body=json.dumps(body).encode()
        )

    def deploy(self, stage: str = "live", **variables: str) -> None:
        self.cloud.client("apigateway").create_deployment(restApiId=self.id, stageName=stage, variables=variables)

    def url(self, path: str, stage: str = "live") -> str:
        return f"{self.cloud.endpoint}/_apis/{self.id}/{stage}{path}"


def echo(cloud: LocalCloud) -> str:
    """A function that answers with its event."""
    return Bench(cloud).make("import json\ndef handler(event, _):\n    return {'body': json.dumps(event)}\n")
