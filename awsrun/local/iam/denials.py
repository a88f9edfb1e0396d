"""How each service says no."""

from __future__ import annotations

from xml.sax.saxutils import escape

from awsrun.local.calls import Call, Reply
from awsrun.local.errors import refusal
from awsrun.local.iam.tables.s3 import deletions

_QUERY = frozenset({"iam", "sts"})
_REST_JSON = frozenset({"apigateway", "batch", "lambda"})

# Kind of refused credentials -> style of the service -> code, HTTP status, sentence.
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html,
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CommonErrors.html
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_CREDENTIALS: dict[str, dict[str, tuple[str, int, str]]] = {
    "unknown": {
        "ec2": ("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
        "json": ("UnrecognizedClientException", 400, _INVALID),
        "query": ("InvalidClientTokenId", 403, _INVALID),
        "rest": ("UnrecognizedClientException", 403, _INVALID),
        "s3": ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    },
    "expired": {
        "ec2": ("RequestExpired", 400, "Request has expired."),
        "json": ("ExpiredTokenException", 400, _EXPIRED),
        "query": ("ExpiredToken", 403, _EXPIRED),
        "rest": ("ExpiredTokenException", 403, _EXPIRED),
        "s3": ("ExpiredToken", 400, "The provided token has expired."),
    },
    "missing": {
        "ec2": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "json": ("MissingAuthenticationTokenException", 400, "Request is missing Authentication Token"),
        "query": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "rest": ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        "s3": ("AccessDenied", 403, "Access Denied"),
    },
}
_DENIED = {
    "ec2": ("UnauthorizedOperation", 403),
    "json": ("AccessDeniedException", 400),
    "query": ("AccessDenied", 403),
    "rest": ("AccessDeniedException", 403),
    "s3": ("AccessDenied", 403),
}


def credentials(call: Call, kind: str) -> Reply:
    """The answer to credentials that are ``unknown``, ``expired`` or ``missing``."""
    code, status, message = _CREDENTIALS[kind][_style(call)]
    return _spoken(call, code, message, status)


def denied(call: Call, who: str, action: str, resource: str, reason: str) -> Reply:
    """The answer to a call without the right to make it
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).

    Args:
        reason: from "because" or "with" on.
    """
    style = _style(call)
    code, status = _DENIED[style]
    said = sentence(who, action, f'"{resource}"' if style == "s3" and resource != "*" else resource, reason)
    if style == "ec2":
        said = f"You are not authorized to perform this operation. {said}"
    if style == "s3" and call.method == "POST" and "delete" in call.query:
        return _undeleted(call, said)
    return _spoken(call, code, said, status)


def sentence(who: str, action: str, resource: str, reason: str) -> str:
    """AWS's words."""
    on = "" if resource == "*" else f" on resource: {resource}"
    return f"User: {who} is not authorized to perform: {action}{on} {reason}"


def _undeleted(call: Call, said: str) -> Reply:
    """DeleteObjects answers for each object.  Here it is carried out whole or not at all."""
    errors = "".join(
        f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code><Message>{escape(said)}</Message></Error>"
        for key, _ in deletions(call)
    )
    body = f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{errors}</DeleteResult>'
    return Reply(200, [("Content-Type", "text/xml")], body.encode(), done=False)


def _spoken(call: Call, code: str, message: str, status: int) -> Reply:
    reply = refusal(call, code, message, status)
    return Reply(reply.status, reply.headers) if call.method == "HEAD" else reply


def _style(call: Call) -> str:
    service = call.scope[0]
    if service in ("ec2", "s3"):
        return service
    if service in _QUERY:
        return "query"
    if service in _REST_JSON:
        return "rest"
    return "json" if call.environ.get("HTTP_X_AMZ_TARGET") else "s3"
