"""The definition of a REST API: made of routes and CORS as OpenAPI, and read back from what API Gateway has.

Routes are written ``GET /items/{id} -> FUNCTION``, with the function's name.  Each is a proxy integration: the function
gets the whole request, and its answer is the answer
(https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html).  CORS is a mock
integration of OPTIONS on each path, and a header on all answers that API Gateway makes itself
(https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from awsrun.aws.names import digest

ARROW = " -> "
MIXED = "mixed"  # CORS that is not the same everywhere
APART = 16  # routes of a function that have a permission of their own each: of 500 bytes, and others may call it too
ERRORS = ("DEFAULT_4XX", "DEFAULT_5XX")
_ALLOW = "Access-Control-Allow-"
_ANY = "x-amazon-apigateway-any-method"
_FUNCTION = re.compile(r":lambda:path/2015-03-31/functions/(arn:[^/]+)/invocations$")
_PARAMETER = re.compile(r"\{([^}+]+)\+?\}")


def parts(route: str) -> tuple[str, str, str]:
    """Method, path, function."""
    call, _, function = route.partition(ARROW)
    method, _, path = call.partition(" ")
    return method, path, function


def functions(routes: Iterable[str]) -> frozenset[str]:
    """The functions of this account and region that ``routes`` lead to."""
    names = (one.partition(ARROW)[2] for one in routes)
    return frozenset(name for name in names if " " not in name and ":" not in name)


def cors(origin: str, headers: Iterable[str]) -> str:
    """``* with Authorization,Content-Type``."""
    return f"{origin} with {','.join(headers)}"


def permissions(stage: str, routes: Iterable[str]) -> frozenset[str]:
    """What API Gateway must be allowed for these routes: ``live/GET/items/* -> get_item``.

    A function with more than `APART` of them lets the whole stage in, by one statement, ``live/* -> app``: all of a
    function's have to fit into 20 KB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
    has the form; a parameter stands for anything.
    """
    by_function: dict[str, list[str]] = {}
    for method, path, function in map(parts, routes):
        call = f"{stage}/{'*' if method == 'ANY' else method}{_PARAMETER.sub('*', path)}"
        by_function.setdefault(function, []).append(call)
    return frozenset(
        f"{call}{ARROW}{function}"
        for function, calls in by_function.items()
        for call in (calls if len(calls) <= APART else [f"{stage}/*"])
    )


# -- to API Gateway ---------------------------------------------------------------------------------------------------


def openapi(title: str, routes: frozenset[str], allowed: str, region: str, functions_arn: str) -> dict[str, Any]:
    """The body of PutRestApi.

    Args:
        allowed: `cors`, or empty.
        functions_arn: ARN of a function without its name.
    """
    paths: dict[str, Any] = {}
    for path, listed in _by_path(routes):
        methods = [method for method, _ in listed]
        found = {
            _ANY if method == "ANY" else method.lower(): _proxy(path, _uri(region, functions_arn + function))
            for method, function in listed
        }
        paths[path] = found | ({"options": _preflight(path, methods, allowed)} if allowed else {})
    body: dict[str, Any] = {"openapi": "3.0.1", "info": {"title": title, "version": "1"}, "paths": paths}
    if allowed:
        origin = {f"gatewayresponse.header.{_ALLOW}Origin": f"'{allowed.partition(' ')[0]}'"}
        body["x-amazon-apigateway-gateway-responses"] = {kind: {"responseParameters": origin} for kind in ERRORS}
    return body


def fingerprint(body: Mapping[str, Any]) -> str:
    """Stands for all of a definition that shows once it is deployed."""
    return digest(json.dumps({**body, "info": ""}, sort_keys=True), length=32)


def _by_path(routes: Iterable[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each path with its methods and their functions, all sorted."""
    listed = sorted((path, method, function) for method, path, function in map(parts, routes))
    for path, group in groupby(listed, key=lambda one: one[0]):
        yield path, [(method, function) for _, method, function in group]


def _uri(region: str, function: str) -> str:
    partition = function.split(":", 2)[1]
    return f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


def _proxy(path: str, uri: str) -> dict[str, Any]:
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": uri,
        "passthroughBehavior": "when_no_match",
        "timeoutInMillis": 29_000,
    }
    return {**_parameters(path), "responses": {}, "x-amazon-apigateway-integration": integration}


def _preflight(path: str, methods: Iterable[str], allowed: str) -> dict[str, Any]:
    headers = {f"{_ALLOW}{what}": f"'{value}'" for what, value in _allowing(methods, allowed).items()}
    answer = {"statusCode": "204", "responseParameters": {f"method.response.header.{k}": v for k, v in headers.items()}}
    integration = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 204}'},
        "passthroughBehavior": "when_no_match",
        "responses": {"default": answer},
    }
    shown = {name: {"schema": {"type": "string"}} for name in headers}
    responses = {"204": {"description": "what may be sent", "headers": shown}}
    return {**_parameters(path), "responses": responses, "x-amazon-apigateway-integration": integration}


def _allowing(methods: Iterable[str], allowed: str) -> dict[str, str]:
    origin, _, headers = allowed.partition(" with ")
    listed = set(methods)
    every = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} if "ANY" in listed else listed
    return {"Headers": headers, "Methods": ",".join(sorted(every | {"OPTIONS"})), "Origin": origin}


def _parameters(path: str) -> dict[str, Any]:
    names = _PARAMETER.findall(path)
    listed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"parameters": listed} if listed else {}


# -- from API Gateway -------------------------------------------------------------------------------------------------


def read(
    resources: Iterable[Mapping[str, Any]], errors: Mapping[str, Mapping[str, Any]], functions_arn: str
) -> tuple[frozenset[str], str]:
    """Routes and CORS as API Gateway has them, whether deployed or not.

    Args:
        resources: of GetResources, methods embedded.
        errors: the gateway responses, by type.
        functions_arn: as in `openapi`; a function elsewhere is shown by its ARN.
    """
    routes: set[str] = set()
    preflights: dict[str, dict[str, str]] = {}
    for resource in resources:
        for method, found in (resource.get("resourceMethods") or {}).items():
            headers = _preflight_of(method, found)
            if headers is None:
                routes.add(f"{method} {resource['path']}{ARROW}{_answering(found, functions_arn)}")
            else:
                preflights[resource["path"]] = headers
    return frozenset(routes), _cors_of(routes, preflights, errors)


def _answering(method: Mapping[str, Any], functions_arn: str) -> str:
    """The function; or what else it is, in a form that equals no function."""
    integration = method.get("methodIntegration") or {}
    kind, uri = integration.get("type") or "nothing", integration.get("uri") or ""
    found, guard = _FUNCTION.search(uri), method.get("authorizationType") or "NONE"
    if kind.upper() != "AWS_PROXY" or found is None:
        return f"{kind} {uri}".strip()
    name = found[1].removeprefix(functions_arn)
    return name if guard == "NONE" and not method.get("apiKeyRequired") else f"{name} (for {guard} alone)"


def _preflight_of(method: str, found: Mapping[str, Any]) -> dict[str, str] | None:
    """The headers of a preflight's answer, by what follows ``Access-Control-Allow-``; None where it is none."""
    integration = found.get("methodIntegration") or {}
    if method != "OPTIONS" or (integration.get("type") or "").upper() != "MOCK":
        return None
    answers = list((integration.get("integrationResponses") or {}).values())
    prefix = f"method.response.header.{_ALLOW}"
    return {
        name.removeprefix(prefix): value.strip("'")
        for answer in answers
        for name, value in (answer.get("responseParameters") or {}).items()
        if name.startswith(prefix)
    }


def _cors_of(
    routes: Iterable[str], preflights: Mapping[str, Mapping[str, str]], errors: Mapping[str, Mapping[str, Any]]
) -> str:
    name = f"gatewayresponse.header.{_ALLOW}Origin"
    origins = {(errors.get(kind, {}).get("responseParameters") or {}).get(name, "").strip("'") for kind in ERRORS}
    if not preflights and origins == {""}:
        return ""
    first = next(iter(preflights.values()), {})
    allowed = cors(first.get("Origin", ""), [first.get("Headers", "")])
    wanted = {path: _allowing([method for method, _ in listed], allowed) for path, listed in _by_path(routes)}
    return allowed if wanted == preflights and origins == {first.get("Origin", "")} else MIXED
