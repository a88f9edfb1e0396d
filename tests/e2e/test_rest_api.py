"""A REST API in a stack's life: deployed again exactly when its definition changed, whatever happens around it."""

from __future__ import annotations

from typing import Any

import pytest
from stack_shell import Shell

from awsrun.aws.clients import Cloud, connect
from awsrun.reconcile import api
from tests.contract.rest_bench import fetch

SPEC = """\
stack: web
resources:
  say: {kind: lambda.function, name: web-say, code: "%s"}
  other: {kind: lambda.function, code: "%s"}
  api:
    kind: apigateway.rest_api
    cors: true
    routes: {%s}
"""
CODE = "def handler(event, _): return {'statusCode': 200, 'body': '%s'}"
ROUTES = '"GET /a": say, "GET /b/{id}": other'
DEPLOYMENTS = ("api-gateway.PutRestApi", "api-gateway.CreateDeployment", "api-gateway.UpdateStage")


@pytest.fixture
def cloud(fresh_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """An embedded cloud of this test's own."""
    for name in ("AWS_ENDPOINT_URL", "AWSRUN_CONTEXT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWSRUN_HOME", str(fresh_cloud.home))
    return connect("local")


def applied(cloud: Cloud, shell: Shell, routes: str = ROUTES, said: str = "one") -> tuple[str, list[int]]:
    """The URL after an apply, and how often it put the definition, deployed it and patched the stage."""
    cloud.calls.clear()
    spec = shell.write(SPEC % (CODE % said, CODE % "two", routes))
    done = api.apply(api.load(shell.folder / spec), cloud)
    assert done.failed == ()
    return str(done.outputs["api"]["url"]), [cloud.calls[name] for name in DEPLOYMENTS]


def deployments(fresh_cloud: Any, url: str) -> int:
    id = url.split("/")[-2]
    return len(fresh_cloud.client("apigateway").get_deployments(restApiId=id)["items"])


def test_it_is_deployed_once_for_each_change_and_never_without(cloud: Cloud, shell: Shell, fresh_cloud: Any) -> None:
    url, counted = applied(cloud, shell)
    assert counted == [1, 1, 1], "the last sets the limits, which no other call takes"
    assert fetch(f"{url}/a").body == b"one" and fetch(f"{url}/b/1").body == b"two"
    assert applied(cloud, shell) == (url, [0, 0, 0])
    assert applied(cloud, shell, said="three") == (url, [0, 0, 0]), "a function's code is none of its definition"
    assert fetch(f"{url}/a").body == b"three"

    assert applied(cloud, shell, '"GET /a": say, "POST /c": say', "three") == (url, [1, 1, 1])
    assert fetch(f"{url}/b/1").status == 403 and fetch(f"{url}/c", "POST").body == b"three"
    assert deployments(fresh_cloud, url) == 1
    functions = fresh_cloud.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_policy(FunctionName="web-other")
    assert applied(cloud, shell, '"GET /a": say, "POST /c": say', "three") == (url, [0, 0, 0])

    gone = api.teardown("web", cloud)
    assert not gone.left and fetch(f"{url}/a").status == 403


def test_a_function_made_anew_lets_itself_be_called_again(cloud: Cloud, shell: Shell, fresh_cloud: Any) -> None:
    """Its policy went with the old one; the API's definition is as it was, so that nothing is deployed."""
    url, _ = applied(cloud, shell)
    fresh_cloud.client("lambda").delete_function(FunctionName="web-say")
    assert fetch(f"{url}/a").status == 500
    assert applied(cloud, shell) == (url, [0, 0, 0])
    policy = fresh_cloud.client("lambda").get_policy(FunctionName="web-say")["Policy"]
    assert f"{url.split('/')[-2]}/live/GET/a" in policy
    assert fetch(f"{url}/a").body == b"one"
