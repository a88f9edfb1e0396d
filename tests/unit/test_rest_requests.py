"""Where a request to a REST API goes, what a function is told of it, and what goes back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from awsrun.local.apis import answers
from awsrun.local.apis.deployed import Deployed, Limit
from awsrun.local.apis.event import Incoming, event
from awsrun.local.apis.routing import Route, find
from awsrun.local.apis.throttling import Buckets
from awsrun.local.calls import Call
from awsrun.local.http import HEADERS

TREE = {
    "/": ["GET"],
    "/items": ["GET", "POST"],
    "/items/{id}": ["GET", "PATCH"],
    "/items/new": ["PATCH"],
    "/items/{id}/parts": ["GET"],
    "/files/{path+}": ["ANY"],
    "/files/index": ["GET"],
}
METHODS = {path: {name: {"named": f"{name} {path}"} for name in names} for path, names in TREE.items()}
STAGE = Deployed("us-east-1", "api1", "live", "d1", {"v": "1"}, METHODS, {}, ("image/png",), {})


@pytest.mark.parametrize(
    ("method", "path", "goes", "parameters"),
    [
        ("GET", "/", "GET /", {}),
        ("GET", "/items", "GET /items", {}),
        ("GET", "/items/", "GET /items", {}),
        ("GET", "/items/a%2Fb%20c", "GET /items/{id}", {"id": "a%2Fb%20c"}),
        ("PATCH", "/items/new", "PATCH /items/new", {}),
        ("GET", "/items/new", "GET /items/{id}", {"id": "new"}),
        ("GET", "/%69tems", "GET /items", {}),
        ("GET", "/items/new/parts", "GET /items/{id}/parts", {"id": "new"}),
        ("PUT", "/files/a/b/c", "ANY /files/{path+}", {"path": "a/b/c"}),
        ("GET", "/files/index", "GET /files/index", {}),
        ("POST", "/files/index", "ANY /files/{path+}", {"path": "index"}),
        ("GET", "/files", "", {}),
        ("DELETE", "/items", "", {}),
        ("GET", "/nothing", "", {}),
        ("GET", "/items/1/parts/2", "", {}),
    ],
)
def test_a_request_goes_to_the_most_specific_resource_that_has_its_method(
    method: str, path: str, goes: str, parameters: dict[str, str]
) -> None:
    route = find(METHODS, method, path)
    assert (route.method["named"] if route else "") == goes
    assert route is None or route.parameters == parameters


def incoming(body: bytes = b"", query: str = "", **headers: str) -> Incoming:
    came = [("Host", "127.0.0.1:4000"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/_apis/api1/live/items",
        "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1:4000",
        HEADERS: came,
    }
    return Incoming("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", Call(environ, body), "/items", 1_800_000_000.0)


def told(request: Incoming) -> dict[str, Any]:
    return event(STAGE, Route("/items", {}, "POST"), request)


def test_a_function_is_told_all_of_a_request() -> None:
    request = incoming(b"caf\xc3\xa9", "q=a%20b&q=2&empty=", User_Agent="curl", X_Twice="1", x_twice="2")
    said = told(request)
    assert (said["resource"], said["path"], said["httpMethod"]) == ("/items", "/items", "POST")
    assert said["queryStringParameters"] == {"q": "2", "empty": ""}
    assert said["multiValueQueryStringParameters"] == {"q": ["a b", "2"], "empty": [""]}
    assert said["headers"]["X-Twice"] == "1" and said["multiValueHeaders"]["x-twice"] == ["2"]
    assert said["pathParameters"] is None and said["stageVariables"] == {"v": "1"}
    assert (said["body"], said["isBase64Encoded"]) == ("café", False)
    context = said["requestContext"]
    assert context["requestId"] == request.id and context["path"] == "/live/items"
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["identity"]["userAgent"] == "curl"
    assert (context["stage"], context["apiId"], context["deploymentId"]) == ("live", "api1", "d1")
    assert (context["requestTime"], context["requestTimeEpoch"]) == ("15/Jan/2027:08:00:00 +0000", 1_800_000_000_000)


def test_bytes_come_as_base64_where_the_api_says_so() -> None:
    assert told(incoming(b"\x89PNG", Content_Type="image/png; x=y"))["body"] == base64.b64encode(b"\x89PNG").decode()
    assert told(incoming(b"a", Content_Type="image/gif"))["isBase64Encoded"] is False
    assert told(incoming())["body"] is None


@pytest.mark.parametrize(
    ("output", "status", "reason"),
    [
        ({"statusCode": 201, "body": "x"}, 201, "an answer"),
        ({"statusCode": "404"}, 404, "digits will do"),
        ({}, 200, "nothing said is 200"),
        ("hello", 502, "no object"),
        (None, 502, "nothing at all"),
        ({"status": 200}, 502, "a key that is none of an answer's"),
        ({"statusCode": "x"}, 502, "no status"),
        ({"statusCode": 99}, 502, "no status of HTTP"),
        ({"statusCode": 200, "body": {"a": 1}}, 502, "a body that is no text"),
        ({"statusCode": 200, "headers": {"a": {}}}, 502, "a header that is no text"),
        ({"statusCode": 200, "headers": ["a"]}, 502, "headers that are none"),
    ],
)
def test_what_has_not_the_form_of_an_answer_is_a_502(output: Any, status: int, reason: str) -> None:
    reply = answers.proxied(json.dumps(output).encode(), STAGE, incoming())
    assert reply.status == status, reason
    assert status != 502 or json.loads(reply.content) == {"message": "Internal server error"}


def test_headers_of_both_forms_go_back() -> None:
    output = {
        "statusCode": 200,
        "headers": {"Content-Type": "text/html", "Set-Cookie": "lost=1", "X-N": 3, "Content-Length": "9"},
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
        "body": "<p>",
    }
    reply = answers.proxied(json.dumps(output).encode(), STAGE, incoming())
    assert [value for name, value in reply.headers if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert [value for name, value in reply.headers if name.lower() == "content-type"] == ["text/html"]
    assert ("X-N", "3") in reply.headers and "Content-Length" not in dict(reply.headers)


@pytest.mark.parametrize(("accept", "content"), [("image/png", b"\x89PNG"), ("text/html", b"iVBORw==")])
def test_bytes_go_back_to_those_that_accept_them(accept: str, content: bytes) -> None:
    output = {"statusCode": 200, "body": "iVBORw==", "isBase64Encoded": True}
    assert answers.proxied(json.dumps(output).encode(), STAGE, incoming(Accept=accept)).content[:8] == content[:8]


def test_a_bucket_lets_through_its_burst_and_then_its_rate() -> None:
    now = [0.0]
    buckets, limit = Buckets(lambda: now[0]), Limit(rate=2.0, burst=3.0)
    assert [buckets.take(("a",), limit) for _ in range(4)] == [True, True, True, False]
    assert buckets.take(("b",), limit) and buckets.take(("a",), None)
    now[0] = 1.0
    assert [buckets.take(("a",), limit) for _ in range(3)] == [True, True, False]
    now[0] = 100.0
    assert [buckets.take(("a",), limit) for _ in range(4)] == [True, True, True, False]
