"""How long client tokens are valid, and what for, on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from awsrun.local import clock
from awsrun.local.calls import Call, Reply
from awsrun.local.tokens import ClientTokens

DAY = 24 * 3600.0
Ask = Callable[..., Reply]


def call(service: str, action: str, region: str = "us-east-1", **parameters: Any) -> Call:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=key/20250101/{region}/{service}/aws4_request, ...",
        "HTTP_X_AMZ_TARGET": f"T.{action}",
    }
    return Call(environ, json.dumps(parameters).encode())


@pytest.fixture
def ask() -> Ask:
    """Asks at a moment; every call that is carried out gets another answer."""
    done: list[Call] = []

    def carry_out(call: Call) -> Reply:
        done.append(call)
        return Reply(200, content=str(len(done)).encode())

    tokens = ClientTokens(carry_out)

    def ask(at: float, call: Call) -> Reply:
        with clock.moment(at, "seed"):
            return tokens.handle(call) or carry_out(call)

    return ask


@pytest.mark.parametrize(
    ("service", "action", "field", "valid"),
    [
        ("ecs", "RunTask", "clientToken", DAY),
        ("ecs", "CreateService", "clientToken", DAY),
        ("dynamodb", "TransactWriteItems", "ClientRequestToken", 600.0),
    ],
)
def test_a_token_is_good_for_its_time(ask: Ask, service: str, action: str, field: str, valid: float) -> None:
    same = call(service, action, **{field: "one", "a": 1})
    first = ask(0.0, same)
    assert ask(valid - 1, same) == first
    assert ask(valid - 1, call(service, action, **{field: "two", "a": 1})) != first
    assert ask(valid + 1, same) != first


@pytest.mark.parametrize(
    ("service", "action", "field", "code"),
    [
        ("ecs", "RunTask", "clientToken", "ConflictException"),
        ("ecs", "CreateService", "clientToken", "InvalidParameterException"),
        ("dynamodb", "TransactWriteItems", "ClientRequestToken", "IdempotentParameterMismatchException"),
    ],
)
def test_other_parameters_are_refused(ask: Ask, service: str, action: str, field: str, code: str) -> None:
    ask(0.0, call(service, action, **{field: "one", "a": 1}))
    refused = ask(1.0, call(service, action, **{field: "one", "a": 2}))
    assert (refused.status, json.loads(refused.content)["__type"]) == (400, code)


def test_elsewhere_it_is_another_token(ask: Ask) -> None:
    first = ask(0.0, call("ecs", "RunTask", cluster="a", clientToken="one"))
    assert ask(0.0, call("ecs", "RunTask", cluster="b", clientToken="one")) != first
    assert ask(0.0, call("ecs", "RunTask", cluster="a", clientToken="one", region="eu-west-1")) != first
    arn = "arn:aws:ecs:us-east-1:123456789012:cluster/a"
    assert ask(0.0, call("ecs", "RunTask", cluster=arn, clientToken="one")).status == 400, "the same cluster, reworded"


def test_what_is_too_old_is_not_kept(ask: Ask) -> None:
    tokens = ClientTokens(lambda call: Reply(200))
    for at in range(20):
        with clock.moment(at * 100.0, "seed"):
            tokens.handle(call("dynamodb", "TransactWriteItems", ClientRequestToken=str(at)))
    assert len(tokens.state()) == 6
