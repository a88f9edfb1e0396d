"""The event that a function gets for a request, in the form of a proxy integration.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format;
paths come percent-encoded and queries decoded (https://github.com/middleapi/standard-server/pull/93).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from awsrun.local.apis.deployed import Deployed
from awsrun.local.apis.routing import Route
from awsrun.local.calls import Call
from awsrun.local.http import HEADERS
from awsrun.local.iam.request import ACCOUNT

CALLER = "127.0.0.1"
_NOBODY = (  # of callers that are signed in
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


@dataclass(frozen=True)
class Incoming:
    """A request to a stage.

    Attributes:
        id: by which the answer and the function know it.
        path: behind the stage, percent-encoded, with a slash in front.
        at: POSIX seconds.
    """

    id: str
    call: Call
    path: str
    at: float

    @property
    def headers(self) -> list[tuple[str, str]]:
        """As they came, and what API Gateway adds."""
        call = self.call.environ
        root = f"Root=1-{int(self.at):08x}-{self.id.replace('-', '')[:24]}"
        _, _, port = call.get("HTTP_HOST", "").rpartition(":")
        forwarded = {"X-Forwarded-For": CALLER, "X-Forwarded-Port": port or "80", "X-Forwarded-Proto": "http"}
        return [*call.get(HEADERS, ()), ("X-Amzn-Trace-Id", root), *forwarded.items()]

    def header(self, name: str) -> str:
        """The last value of a header; empty where there is none."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name.lower()), "")


def event(stage: Deployed, route: Route, request: Incoming) -> dict[str, Any]:
    """The event."""
    query = parse_qsl(request.call.environ.get("QUERY_STRING", ""), keep_blank_values=True)
    body, encoded = _body(request, stage.binary)
    return {
        "resource": route.resource,
        "path": request.path,
        "httpMethod": request.call.method,
        "headers": dict(request.headers) or None,
        "multiValueHeaders": _lists(request.headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _lists(query),
        "pathParameters": dict(route.parameters) or None,
        "stageVariables": dict(stage.variables) or None,
        "requestContext": _context(stage, route, request),
        "body": body,
        "isBase64Encoded": encoded,
    }


def binary(types: Iterable[str], media: str) -> bool:
    """Whether bodies of a media type are bytes: ``image/png`` may be listed as itself or as ``*/*``."""
    wanted = media.split(",")[0].split(";")[0].strip().lower()
    return any(one == "*/*" or (wanted and one.lower() == wanted) for one in types)


def _body(request: Incoming, types: Iterable[str]) -> tuple[str | None, bool]:
    content = request.call.body
    if not content:
        return None, False
    if binary(types, request.header("Content-Type")):
        return base64.b64encode(content).decode(), True
    return content.decode("utf-8", "replace"), False


def _context(stage: Deployed, route: Route, request: Incoming) -> dict[str, Any]:
    identity = {**dict.fromkeys(_NOBODY), "sourceIp": CALLER, "userAgent": request.header("User-Agent") or None}
    host = request.header("Host")
    return {
        "resourceId": stage.api[:6],
        "resourcePath": route.resource,
        "httpMethod": request.call.method,
        "extendedRequestId": request.id.replace("-", "")[:15] + "=",
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.at)),
        "path": f"/{stage.stage}{request.path}",
        "accountId": ACCOUNT,
        "protocol": "HTTP/1.1",
        "stage": stage.stage,
        "domainPrefix": host.partition(".")[0],
        "requestTimeEpoch": int(request.at * 1000),
        "requestId": request.id,
        "identity": identity,
        "domainName": host,
        "deploymentId": stage.deployment,
        "apiId": stage.api,
    }


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found or None
