"""Lambda and API Gateway, whose operations are in method and path.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html,
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from awsrun.local.calls import Call
from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, pairs, passing, tag_keys, tags

_FUNCTION = r"/2015-03-31/functions/(?P<name>[^/]+)"
_PATHS = [
    (method, re.compile(path), operation)
    for method, path, operation in (
        ("POST", r"/2015-03-31/functions/?", "CreateFunction"),
        ("GET", r"/2015-03-31/functions/?", "ListFunctions"),
        ("GET", _FUNCTION, "GetFunction"),
        ("DELETE", _FUNCTION, "DeleteFunction"),
        ("PUT", rf"{_FUNCTION}/code", "UpdateFunctionCode"),
        ("GET", rf"{_FUNCTION}/configuration", "GetFunctionConfiguration"),
        ("PUT", rf"{_FUNCTION}/configuration", "UpdateFunctionConfiguration"),
        ("POST", rf"{_FUNCTION}/invocations/?", "InvokeFunction"),
        ("POST", r"/2014-11-13/functions/(?P<name>[^/]+)/invoke-async/?", "InvokeFunction"),
        ("PUT", r"/2017-10-31/functions/(?P<name>[^/]+)/concurrency", "PutFunctionConcurrency"),
        ("DELETE", r"/2017-10-31/functions/(?P<name>[^/]+)/concurrency", "DeleteFunctionConcurrency"),
        ("GET", r"/2019-09-30/functions/(?P<name>[^/]+)/concurrency", "GetFunctionConcurrency"),
        ("GET", rf"{_FUNCTION}/policy", "GetPolicy"),
        ("POST", rf"{_FUNCTION}/policy", "AddPermission"),
        ("DELETE", rf"{_FUNCTION}/policy/[^/]+", "RemovePermission"),
        ("GET", r"/2017-03-31/tags/(?P<name>.+)", "ListTags"),
        ("POST", r"/2017-03-31/tags/(?P<name>.+)", "TagResource"),
        ("DELETE", r"/2017-03-31/tags/(?P<name>.+)", "UntagResource"),
    )
]


def name(call: Call) -> str:
    """The operation of a call to Lambda; InvokeFunction for the one that the API calls Invoke."""
    return next((op for method, path, op in _PATHS if method == call.method and path.fullmatch(call.path)), "")


def method(call: Call) -> str:
    """API Gateway's actions are HTTP's methods."""
    return call.method


def _arn(request: Request, given: str) -> str:
    return given if given.startswith("arn:") else request.arn(f"function:{given}")


def _qualified(arn: str, request: Request) -> str:
    """The ARN of what is invoked: a policy for the function alone does not allow its versions and aliases."""
    qualifier = request.call.query.get("Qualifier", [""])[0]
    return f"{arn}:{qualifier}" if qualifier and arn.count(":") == 6 else arn


def _function(request: Request) -> Iterator[Authorization]:
    match = next(
        m for verb, path, _ in _PATHS if verb == request.call.method and (m := path.fullmatch(request.call.path))
    )
    if request.operation == "InvokeFunction":
        yield Authorization(request.action, _qualified(_arn(request, unquote(match["name"])), request))
        return
    context = tags(pairs(request.body.get("Tags"))) or tag_keys(request.call.query.get("tagKeys", ()))
    yield Authorization(request.action, _arn(request, unquote(match["name"])), context)
    if request.body.get("Role"):
        yield passing(request.body["Role"], "lambda.amazonaws.com")


def _create(request: Request) -> Iterator[Authorization]:
    resource, given = _arn(request, str(request.body.get("FunctionName", ""))), tags(pairs(request.body.get("Tags")))
    yield Authorization(request.action, resource, given)
    if given:
        yield Authorization("lambda:TagResource", resource, given)
    yield passing(str(request.body.get("Role", "")), "lambda.amazonaws.com")


def _path(request: Request) -> Iterator[Authorization]:
    """Tags take rights of their own: a PUT on them, at the creation too, and a PATCH of what has them
    (https://github.com/iann0036/iam-dataset/pull/39, https://github.com/mattclay/aws-terminator/pull/284).  In the ARN
    of tags, that of what has them is percent-encoded."""
    path = str(request.call.environ.get("RAW_URI", request.call.path)).partition("?")[0]
    given = tags(pairs(request.body.get("tags"))) or tag_keys(request.call.query.get("tagKeys", ()))
    yield Authorization(request.action, request.arn(path, account=""), given)
    if path.startswith("/tags/"):
        yield Authorization("apigateway:PATCH", unquote(path.removeprefix("/tags/")), given)
    elif request.body.get("tags"):
        tagged = quote(request.arn(f"{path}/", account=""), safe="") + "*"
        yield Authorization("apigateway:PUT", request.arn(f"/tags/{tagged}", account=""), given)


LAMBDA: Mapping[str, Rule] = {
    **{operation: _function for _, _, operation in _PATHS},
    "CreateFunction": _create,
    "ListFunctions": everywhere,
}
API_GATEWAY: Mapping[str, Rule] = dict.fromkeys(("DELETE", "GET", "PATCH", "POST", "PUT"), _path)
