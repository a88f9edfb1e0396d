"""The kind of REST APIs, cut short after any of its calls: it goes on from what is there, and nothing piles up."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from tests.conftest import LocalCloud
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import HELLO, spec

BEFORE = {"GET /a": "ask", "GET /b": "tell"}
AFTER = {"GET /a": "ask", "GET /c": "ask"}
CALLS = (
    "lambda.AddPermission",
    "api-gateway.TagResource",
    "api-gateway.PutRestApi",
    "api-gateway.CreateDeployment",
    "api-gateway.UpdateStage",
    "lambda.RemovePermission",
    "api-gateway.UntagResource",
    "api-gateway.DeleteDeployment",
)


class Cut(Exception):
    """The command ends here."""


@pytest.fixture
def bench(local_cloud: LocalCloud) -> Bench:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    function = spec("lambda.function", code=HELLO)
    specs = {"ask": function, "tell": function, "api": spec("apigateway.rest_api", routes=BEFORE)}
    made = Bench(Cloud(session, LOCAL, local_cloud.endpoint), f"k{uuid.uuid4().hex[:10]}", specs)
    made.make()
    return made


def test_it_may_end_after_any_call(bench: Bench, local_cloud: LocalCloud) -> None:
    gateway = local_cloud.client("apigateway")
    for name in CALLS:
        service = "lambda" if name.startswith("lambda") else "apigateway"
        events, struck = bench.cloud.write(service).meta.events, [False]

        def cut(*, struck: list[bool] = struck, **_: Any) -> None:
            if not struck[0]:
                struck[0] = True
                raise Cut

        events.register(f"after-call.{name}", cut, name)
        bench.put("api", spec("apigateway.rest_api", routes=AFTER))
        with pytest.raises(Cut):
            bench.settle("api")
        events.unregister(f"after-call.{name}", unique_id=name)
        bench.cloud.calls.clear()
        seen = bench.settle("api")
        assert bench.cloud.calls["api-gateway.CreateDeployment"] <= (name not in CALLS[3:]), (
            f"a second one after {name}"
        )
        assert len(gateway.get_deployments(restApiId=bench.ids["api"])["items"]) == 1, name
        assert not seen.state.leaving and "tell" not in "".join(seen.state.permissions), name
        with pytest.raises(local_cloud.client("lambda").exceptions.ResourceNotFoundException):
            local_cloud.client("lambda").get_policy(FunctionName=bench.made["tell"]["name"])
        bench.put("api", spec("apigateway.rest_api", routes=BEFORE))
        bench.settle("api")


def test_what_an_api_that_is_gone_was_allowed_is_replaced(bench: Bench, local_cloud: LocalCloud) -> None:
    """Statements have the id of the new API's, which Lambda would refuse a second time."""
    local_cloud.client("apigateway").delete_rest_api(restApiId=bench.ids["api"])
    old = bench.ids.pop("api")
    bench.make()
    policy = local_cloud.client("lambda").get_policy(FunctionName=bench.made["ask"]["name"])["Policy"]
    assert bench.ids["api"] in policy and old not in policy


def test_a_permission_goes_with_its_api(bench: Bench, local_cloud: LocalCloud) -> None:
    bench.remove("api")
    with pytest.raises(local_cloud.client("lambda").exceptions.ResourceNotFoundException):
        local_cloud.client("lambda").get_policy(FunctionName=bench.made["ask"]["name"])
