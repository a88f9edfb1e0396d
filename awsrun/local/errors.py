"""Errors in the shapes that AWS's protocols have."""

from __future__ import annotations

import json
from html import escape

from awsrun.local.calls import Call, Reply

_REST_JSON = frozenset({"apigateway", "batch", "lambda"})
_JSON = [("Content-Type", "application/x-amz-json-1.1")]
_XML = [("Content-Type", "text/xml")]


def refusal(call: Call, code: str, message: str, status: int = 400) -> Reply:
    """The answer to ``call`` that makes a client raise ``code`` with ``message``."""
    service = call.scope[0]
    if call.environ.get("HTTP_X_AMZ_TARGET") or service in _REST_JSON:
        body = json.dumps({"__type": code, "message": message}).encode()
        return Reply(status, [*_JSON, ("x-amzn-ErrorType", code)], body)
    said = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        whole = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>0</RequestID></Response>"
    elif service == "s3":
        whole = f"<Error>{said}<RequestId>0</RequestId></Error>"
    else:
        side = "Receiver" if status >= 500 else "Sender"
        whole = f"<ErrorResponse><Error><Type>{side}</Type>{said}</Error><RequestId>0</RequestId></ErrorResponse>"
    return Reply(status, list(_XML), whole.encode())
