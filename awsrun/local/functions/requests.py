"""The calls that run a function, as they come in: Invoke, and InvokeAsync as it was before.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html,
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Literal

from awsrun.local.calls import Call
from awsrun.local.functions.definition import Target
from awsrun.local.functions.errors import Refused

SYNCHRONOUS = 6291456  # bytes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)
ASYNCHRONOUS = 1048576  # bytes; 1 MB since October 2025, on the same page
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_INVOKE_ASYNC = re.compile(r"/2014-11-13/functions/([^/]+)/invoke-async/?")
_FUNCTION = re.compile(r"/[\d-]+/functions/([^/]+)(/.*)?")

Kind = Literal["RequestResponse", "Event", "DryRun"]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        kind: RequestResponse waits, Event does not, DryRun does nothing.
        tail: whether the end of the log is wanted.
    """

    region: str
    target: Target
    kind: Kind
    payload: bytes
    tail: bool = False
    client_context: str = ""


def read(call: Call) -> Request | None:
    """The request of a call; None for one that runs nothing.

    Raises:
        Refused: the payload is too large, or is not JSON.
    """
    service, region = call.scope
    if service != "lambda" or call.method != "POST":
        return None
    if found := _INVOKE_ASYNC.fullmatch(call.path):
        return Request(region, Target.read(found[1]), "Event", checked(call.body, "Event"))
    found = _INVOKE.fullmatch(call.path)
    if found is None:
        return None
    given = call.environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
    kinds: dict[str, Kind] = {"RequestResponse": "RequestResponse", "Event": "Event", "DryRun": "DryRun"}
    if given not in kinds:
        said = (
            f"1 validation error detected: Value '{given}' at 'invocationType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
        )
        raise Refused("ValidationException", said, 400)
    return Request(
        region,
        Target.read(found[1], call.query.get("Qualifier", [""])[0]),
        kinds[given],
        checked(call.body, kinds[given]),
        call.environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail",
        _client_context(call.environ.get("HTTP_X_AMZ_CLIENT_CONTEXT", "")),
    )


def changed(call: Call) -> tuple[str, str] | None:
    """Region and name of the function that a call may change in a way that asks for new environments."""
    found = _FUNCTION.fullmatch(call.path) if call.scope[0] == "lambda" and call.method in ("PUT", "DELETE") else None
    return (call.scope[1], Target.read(found[1]).name) if found else None


def checked(payload: bytes, kind: Kind) -> bytes:
    """The payload of an invocation; an empty one is an empty object.

    Raises:
        Refused: it is too large, or is not JSON.
    """
    if len(payload) > SYNCHRONOUS:
        said = f"Request must be smaller than {SYNCHRONOUS} bytes for the InvokeFunction operation"
        raise Refused("RequestEntityTooLargeException", said, 413)
    if kind == "Event" and len(payload) > ASYNCHRONOUS:
        said = f"{len(payload)} byte payload is too large for the Event invocation type (limit {ASYNCHRONOUS} bytes)"
        raise Refused("RequestEntityTooLargeException", said, 413)
    try:
        if payload:
            json.loads(payload)
    except ValueError as error:
        said = f"Could not parse request body into json: {error}"
        raise Refused("InvalidRequestContentException", said, 400) from error
    return payload or b"{}"


def _client_context(given: str) -> str:
    try:
        return json.dumps(json.loads(base64.b64decode(given))) if given else ""
    except (ValueError, binascii.Error) as error:
        raise Refused(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON", 400
        ) from (error)
