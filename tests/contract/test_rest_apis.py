"""REST APIs over HTTP, in front of functions that really run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LocalCloud
from tests.contract.functions_bench import Bench
from tests.contract.rest_bench import Api, curl, echo, fetch

ODD = """
import time
def handler(event, _):
    what = (event["queryStringParameters"] or {}).get("do", "")
    if what == "fail":
        raise ValueError("boom")
    if what == "sleep":
        time.sleep(5)
    return {"bytes": {"statusCode": 200, "body": "iVBORw0KGgo=", "isBase64Encoded": True,
                      "headers": {"Content-Type": "image/png"}},
            "cookies": {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}},
            "text": "no answer", "empty": {"statusCode": 204}}.get(what, {"statusCode": 200, "body": what})
"""
GONE = {"message": "Missing Authentication Token"}
BROKEN = {"message": "Internal server error"}


@pytest.fixture(scope="module")
def functions(local_cloud: LocalCloud) -> dict[str, str]:
    return {"echo": echo(local_cloud), "odd": Bench(local_cloud).make(ODD)}


@pytest.fixture
def api(local_cloud: LocalCloud, functions: dict[str, str]) -> Api:
    made = Api.made(local_cloud)
    made.route("GET", "/items", functions["echo"])
    made.route("PATCH", "/items/{id}", functions["echo"])
    made.route("ANY", "/rest/{path+}", functions["echo"])
    made.route("ANY", "/odd", functions["odd"])
    return made


def test_a_request_reaches_its_function_and_the_answer_comes_back(api: Api) -> None:
    api.define()
    api.deploy(colour="red")
    sent = ["-X", "PATCH", "-H", "X-Mine: 1", "-d", '{"a": 1}', api.url("/items/a%20b?q=1&q=2%20x")]
    event = json.loads(curl(*sent))
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/items/{id}", "/items/a%20b", "PATCH")
    assert event["pathParameters"] == {"id": "a%20b"}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2 x"]}
    assert event["headers"]["X-Mine"] == "1" and event["body"] == '{"a": 1}'
    assert event["stageVariables"] == {"colour": "red"}
    assert event["requestContext"]["stage"] == "live" and event["requestContext"]["apiId"] == api.id
    answer = fetch(api.url("/rest/a/b/c"), "DELETE")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["pathParameters"] == {"path": "a/b/c"}
    assert answer.headers["x-amzn-requestid"] == answer.json["requestContext"]["requestId"]
    assert curl("--head", api.url("/rest/x")).splitlines()[0] == "HTTP/1.1 200 OK"


def test_what_a_function_answers_is_what_comes_back(api: Api) -> None:
    api.define(**{"x-amazon-apigateway-binary-media-types": ["image/png"]})
    api.deploy()
    assert fetch(api.url("/odd?do=fine"), Accept="image/png").body == b"fine"
    image = fetch(api.url("/odd?do=bytes"), Accept="image/png")
    assert image.body == b"\x89PNG\r\n\x1a\n" and image.headers["content-type"] == "image/png"
    cookies = curl("--include", api.url("/odd?do=cookies"))
    assert "Set-Cookie: a=1" in cookies and "Set-Cookie: b=2" in cookies
    assert fetch(api.url("/odd?do=empty")).status == 204
    for what in ("text", "fail"):
        answer = fetch(api.url(f"/odd?do={what}"))
        assert (answer.status, answer.json) == (502, BROKEN)


def test_only_what_is_deployed_is_live(api: Api, functions: dict[str, str], local_cloud: LocalCloud) -> None:
    api.define()
    assert (fetch(api.url("/items")).status, fetch(api.url("/items")).json) == (403, {"message": "Forbidden"})
    api.deploy()
    api.paths.pop("/items")
    api.route("GET", "/new", functions["echo"])
    api.define()
    assert fetch(api.url("/items")).status == 200 and fetch(api.url("/new")).json == GONE
    api.deploy("next")
    assert fetch(api.url("/items")).status == 200 and fetch(api.url("/new", "next")).status == 200
    api.deploy()
    assert fetch(api.url("/items")).json == GONE and fetch(api.url("/new")).status == 200
    gateway = local_cloud.client("apigateway")
    first = min(gateway.get_deployments(restApiId=api.id)["items"], key=lambda one: one["createdDate"])
    back = [{"op": "replace", "path": "/deploymentId", "value": first["id"]}]
    gateway.update_stage(restApiId=api.id, stageName="live", patchOperations=back)
    assert fetch(api.url("/items")).status == 200


def test_what_api_gateway_answers_itself(api: Api) -> None:
    """With the headers that the API defines, as pages in browsers need them."""
    origin = {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}
    api.paths["/odd"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["timeoutInMillis"] = 300
    api.route("GET", "/lost", "nobody", allow=False)
    api.define(**{"x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": origin, "DEFAULT_5XX": origin}})
    api.deploy()
    large = b"x" * (10 * 1024 * 1024 + 1)
    for said, answer in (
        ((403, GONE), fetch(api.url("/nothing"))),
        ((403, GONE), fetch(api.url("/items"), "POST")),
        ((413, {"message": "Request Too Long"}), fetch(api.url("/rest/x"), "POST", large)),
        ((500, BROKEN), fetch(api.url("/lost"))),
        ((504, {"message": "Endpoint request timed out"}), fetch(api.url("/odd?do=sleep"))),
    ):
        assert (answer.status, answer.json) == said
        assert answer.headers["access-control-allow-origin"] == "*"


def test_a_stage_lets_through_what_it_is_set_to(api: Api, local_cloud: LocalCloud) -> None:
    api.define()
    api.deploy()
    limits = {"burstLimit": "3", "rateLimit": "0.001"}
    edits = [{"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in limits.items()]
    local_cloud.client("apigateway").update_stage(restApiId=api.id, stageName="live", patchOperations=edits)
    api.deploy()  # which leaves the stage's settings as they are
    answers = [fetch(api.url("/items")) for _ in range(5)]
    assert [one.status for one in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json == {"message": "Too Many Requests"}


def test_a_mock_answers_preflights(api: Api) -> None:
    headers = {"method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'"}
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 204}'},
        "responses": {"default": {"statusCode": "204", "responseParameters": headers}},
    }
    api.paths["/items"]["options"] = {"responses": {"204": {}}, "x-amazon-apigateway-integration": mock}
    api.define()
    api.deploy()
    answer = fetch(api.url("/items"), "OPTIONS", Origin="http://127.0.0.1", Access_Control_Request_Method="GET")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET,OPTIONS"


def test_fifty_clients_at_once_and_a_cloud_that_goes_on(api: Api, local_cloud: LocalCloud) -> None:
    """Each gets its own answer; calls of AWS's API are answered while a function still runs."""
    api.define()
    api.deploy()
    slow = threading.Thread(target=fetch, args=(api.url("/odd?do=sleep"),))
    slow.start()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: fetch(api.url(f"/rest/{n}")), range(100)))
    assert local_cloud.client("apigateway").get_rest_api(restApiId=api.id)["id"] == api.id
    assert slow.is_alive(), "the lock was held for as long as the function ran"
    assert [(one.status, one.json["pathParameters"]["path"]) for one in answers] == [(200, str(n)) for n in range(100)]
    slow.join()


def test_with_iam_a_function_has_to_let_itself_be_called(iam_cloud: LocalCloud) -> None:
    api, function = Api.made(iam_cloud), echo(iam_cloud)
    api.route("GET", "/items", function, allow=False)
    api.define()
    api.deploy()
    assert (fetch(api.url("/items")).status, fetch(api.url("/items")).json) == (500, BROKEN)
    allow: dict[str, Any] = {"FunctionName": function, "Action": "lambda:InvokeFunction"}
    allow |= {"Principal": "apigateway.amazonaws.com"}
    arn = f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/live"
    iam_cloud.client("lambda").add_permission(**allow, StatementId="other", SourceArn=f"{arn}/POST/items")
    assert fetch(api.url("/items")).status == 500
    iam_cloud.client("lambda").add_permission(**allow, StatementId="this", SourceArn=f"{arn}/GET/items")
    assert fetch(api.url("/items")).status == 200


def test_a_deployment_survives_a_kill(fresh_cloud: LocalCloud) -> None:
    api = Api.made(fresh_cloud)
    api.route("GET", "/items", echo(fresh_cloud))
    api.define()
    api.deploy()
    api.paths.clear()
    api.route("GET", "/other", "nobody", allow=False)
    api.define()
    fresh_cloud.kill()
    fresh_cloud.start()
    assert fetch(api.url("/items")).json["path"] == "/items"
    assert fetch(api.url("/other")).json == GONE


def test_the_aws_command_finds_what_was_made(api: Api, local_cloud: LocalCloud) -> None:
    api.define()
    api.deploy()
    command = [str(Path(sys.executable).parent / "aws"), "apigateway", "get-stages", "--rest-api-id", api.id]
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "a", "AWS_DEFAULT_REGION": "us-east-1"}
    env = {**local_cloud.env, **keys, "AWS_ENDPOINT_URL": local_cloud.endpoint}
    said = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert [one["stageName"] for one in said["item"]] == ["live"]


def test_a_request_without_a_host_is_answered(api: Api) -> None:
    api.define()
    api.deploy()
    with socket.create_connection(("127.0.0.1", int(api.cloud.endpoint.rpartition(":")[2]))) as connection:
        path = api.url("/rest/x").partition("/_apis")[2]
        connection.sendall(f"GET /_apis{path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
