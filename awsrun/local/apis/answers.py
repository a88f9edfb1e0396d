"""What goes back: a function's answer, a mock's, and what API Gateway says itself.

Sources, the first three below https://docs.aws.amazon.com/apigateway/latest/developerguide/:
set-up-lambda-proxy-integrations.html (the form of a function's answer; anything else is a 502),
supported-gateway-response-types.html (types and statuses; DEFAULT_4XX and DEFAULT_5XX stand in for those that are not
defined), how-to-mock-integration.html; https://github.com/floci-io/floci/pull/3547 (a request that no method is for).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.local.apis.deployed import Deployed
from awsrun.local.apis.event import Incoming, binary
from awsrun.local.apis.routing import Route
from awsrun.local.calls import Reply

_JSON = "application/json"
_OUTPUT = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "trailer", "upgrade"})


@dataclass(frozen=True)
class Kind:
    """An answer of API Gateway's own.

    Attributes:
        type: under which an API may define it otherwise; empty where only a default can.
        error: the header ``x-amzn-ErrorType``.
    """

    type: str
    status: int
    message: str
    error: str


FORBIDDEN = Kind("", 403, "Forbidden", "ForbiddenException")
NO_ROUTE = Kind(
    "MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token", "MissingAuthenticationTokenException"
)
TOO_LARGE = Kind("REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestEntityTooLargeException")
TOO_MANY = Kind("THROTTLED", 429, "Too Many Requests", "TooManyRequestsException")
MISCONFIGURED = Kind("API_CONFIGURATION_ERROR", 500, "Internal server error", "InternalServerErrorException")
MALFORMED = Kind("", 502, "Internal server error", "InternalServerErrorException")
TIMED_OUT = Kind("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", "InternalServerErrorException")


def own(kind: Kind, stage: Deployed | None, request: Incoming) -> Reply:
    """API Gateway's own answer, as the API defines it."""
    responses = stage.responses if stage is not None else {}
    defined = responses.get(kind.type) or responses.get(f"DEFAULT_{kind.status // 100}XX") or {}
    template = (defined.get("responseTemplates") or {}).get(_JSON) or '{"message":$context.error.messageString}'
    body = template.replace("$context.error.messageString", json.dumps(kind.message))
    for name, value in (
        ("message", kind.message),
        ("responseType", kind.type or f"DEFAULT_{kind.status // 100}XX"),
    ):
        body = body.replace(f"$context.error.{name}", value)
    headers = [(name, value) for name, value in _own_headers(defined, request) if value]
    status = int(defined.get("statusCode") or kind.status)
    return Reply(status, [*_marks(request, stage, kind.error), *headers], body.encode())


def proxied(payload: bytes, stage: Deployed, request: Incoming) -> Reply:
    """A function's answer; `MALFORMED` where it has not the form of one."""
    try:
        output = json.loads(payload)
        if not isinstance(output, dict) or not output.keys() <= _OUTPUT:
            raise ValueError(output)
        body = output.get("body")
        if not isinstance(body, (str, type(None))):
            raise ValueError(body)
        status, headers = int(output.get("statusCode", 200)), _headers(output)
        if not 100 <= status <= 599:
            raise ValueError(status)
        content = (body or "").encode()
        if output.get("isBase64Encoded") is True and binary(stage.binary, request.header("Accept") or "*/*"):
            content = base64.b64decode(content, validate=True)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return own(MALFORMED, stage, request)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", _JSON))
    return Reply(status, [*_marks(request, stage)[1:], *headers], content)


def mocked(route: Route, stage: Deployed, request: Incoming) -> Reply:
    """The answer of a mock: its template says a status, which chooses among its responses.

    Templates are taken as they are: only one that is plain JSON is understood.
    """
    integration = route.method["methodIntegration"]
    try:
        wanted = json.loads((integration.get("requestTemplates") or {})[_JSON])["statusCode"]
        chosen = _chosen(integration.get("integrationResponses") or {}, str(wanted))
        status = int(chosen["statusCode"])
    except (KeyError, TypeError, ValueError, StopIteration):
        return own(MISCONFIGURED, stage, request)
    prefix = "method.response.header."
    headers = {
        name.removeprefix(prefix): _value(value, request)
        for name, value in (chosen.get("responseParameters") or {}).items()
        if name.startswith(prefix)
    }
    content = str((chosen.get("responseTemplates") or {}).get(_JSON) or "").encode()
    return Reply(status, [*_marks(request, stage), *headers.items()], content)


def _chosen(responses: Mapping[str, Mapping[str, Any]], status: str) -> Mapping[str, Any]:
    """The response whose pattern the status fits, else the one without a pattern."""
    listed = list(responses.values())
    fitting = (one for one in listed if one.get("selectionPattern") and re.fullmatch(one["selectionPattern"], status))
    return next(fitting, None) or next(one for one in listed if not one.get("selectionPattern"))


def _headers(output: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Those of a function's answer; where both forms name one, the lists count."""
    single, multiple = output.get("headers") or {}, output.get("multiValueHeaders") or {}
    named = {name.lower() for name in multiple}
    pairs = [(name, value) for name, value in single.items() if name.lower() not in named]
    pairs += [(name, value) for name, values in multiple.items() for value in values]
    if any(isinstance(value, (dict, list)) for _, value in pairs):
        raise ValueError(pairs)
    return [(name, _text(value)) for name, value in pairs if name.lower() not in _OURS]


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _own_headers(defined: Mapping[str, Any], request: Incoming) -> list[tuple[str, str]]:
    prefix = "gatewayresponse.header."
    listed = (defined.get("responseParameters") or {}).items()
    return [(name.removeprefix(prefix), _value(value, request)) for name, value in listed if name.startswith(prefix)]


def _value(mapped: str, request: Incoming) -> str:
    """``'text'``, or a header of the request: ``method.request.header.Origin``."""
    if mapped.startswith("'"):
        return mapped.strip("'")
    return request.header(mapped.rpartition(".")[2]) if mapped.startswith("method.request.header.") else ""


def _marks(request: Incoming, stage: Deployed | None, error: str = "") -> list[tuple[str, str]]:
    """The headers of every answer; the first says what the body is."""
    api = [("x-amz-apigw-id", stage.api)] if stage is not None else []
    said = [("x-amzn-ErrorType", error)] if error else []
    return [("Content-Type", _JSON), ("x-amzn-RequestId", request.id), *api, *said]
