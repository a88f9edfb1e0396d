"""The evaluator's verdicts: one policy, one call, and the reason for what comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awsrun.local.iam.context import Context
from awsrun.local.iam.decision import Named, Rights, decide
from awsrun.local.iam.errors import PolicyError
from awsrun.local.iam.policy import compiled

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/runs"


def statement(effect: str = "Allow", **parts: Any) -> dict[str, Any]:
    named = {"Action": "dynamodb:*", "Resource": "*"}
    named = {key: value for key, value in named.items() if f"Not{key}" not in parts}
    return {"Effect": effect, **named, **parts}


def rights(*statements: dict[str, Any], version: str = "2012-10-17") -> Rights:
    return Rights((Named("p", compiled(json.dumps({"Version": version, "Statement": list(statements)}))),))


def allowed(
    statements: list[dict[str, Any]], action: str = "dynamodb:GetItem", resource: str = TABLE, **keys: tuple[str, ...]
) -> bool:
    context = Context({name.replace("__", ":"): values for name, values in keys.items()})
    return decide(rights(*statements), action, resource, context).allowed


ACTIONS_AND_RESOURCES = [
    ([], False, "nothing allows it"),
    ([statement(Action="dynamodb:GetItem")], True, "the action by its name"),
    ([statement(Action="DYNAMODB:getitem")], True, "actions do not depend on case"),
    ([statement(Action=["s3:*", "dynamodb:Get*"])], True, "one of several, with a wildcard"),
    ([statement(Action="dynamodb:Ge?Item")], True, "a question mark is one character"),
    ([statement(Action="dynamodb:Ge?tItem")], False, "and not none"),
    ([statement(Action="dynamodb:PutItem")], False, "another action"),
    ([statement(Action="*")], True, "every action of every service"),
    ([statement(NotAction="dynamodb:Put*")], True, "all actions but others"),
    ([statement(NotAction=["dynamodb:*"])], False, "all actions but this one"),
    ([statement(Resource=TABLE)], True, "the resource by its ARN"),
    ([statement(Resource=TABLE.upper())], False, "ARNs depend on case"),
    ([statement(Resource=f"{TABLE}/index/*")], False, "an index is not its table"),
    ([statement(Resource="arn:aws:dynamodb:*:*:table/runs")], True, "any region and account"),
    ([statement(Resource="arn:aws:dynamodb:us-*-2:*:table/runs")], False, "another region"),
    ([statement(Resource="arn:aws:dynamodb:us-*1:*:table/r*")], True, "wildcards within segments"),
    ([statement(Resource="arn:aws:dynamodb:us*2:table/runs")], False, "a * inside a segment stays in it"),
    ([statement(Resource="arn:aws:dynamodb:*")], True, "a * at the end goes on over colons"),
    ([statement(NotResource=f"{TABLE}*")], False, "all resources but this one"),
    ([statement(NotResource="arn:aws:dynamodb:*:*:table/other")], True, "all resources but another"),
    ([statement(), statement("Deny", Action="dynamodb:Get*")], False, "Deny wins over Allow"),
    ([statement("Deny", Resource="arn:aws:s3:::*"), statement()], True, "a Deny of something else"),
    ([statement("Deny", NotAction="dynamodb:GetItem"), statement()], True, "a Deny of all but this"),
]


@pytest.mark.parametrize(("statements", "expected", "reason"), ACTIONS_AND_RESOURCES)
def test_actions_and_resources(statements: list[dict[str, Any]], expected: bool, reason: str) -> None:
    assert allowed(statements) is expected, reason


CONDITIONS = [
    ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, {"aws__RequestedRegion": ("us-east-1",)}, True, "equal"),
    ({"StringEquals": {"AWS:requestedregion": "us-east-1"}}, {"aws__RequestedRegion": ("us-east-1",)}, True,
     "names of keys do not depend on case"),
    ({"StringEquals": {"aws:RequestedRegion": ["a", "b"]}}, {"aws__RequestedRegion": ("b",)}, True, "one of several"),
    ({"StringEquals": {"k": "A"}}, {"k": ("a",)}, False, "values depend on case"),
    ({"StringEqualsIgnoreCase": {"k": "A"}}, {"k": ("a",)}, True, "unless told otherwise"),
    ({"StringEquals": {"k": "a"}}, {}, False, "the key is missing"),
    ({"StringEqualsIfExists": {"k": "a"}}, {}, True, "the key may be missing"),
    ({"StringEqualsIfExists": {"k": "a"}}, {"k": ("b",)}, False, "but if it is there it has to be right"),
    ({"StringNotEquals": {"k": "a"}}, {}, True, "a missing key is not equal"),
    ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": ("b",)}, False, "not equal means to none of them"),
    ({"StringLike": {"k": "awsrun-*"}}, {"k": ("awsrun-x",)}, True, "a wildcard"),
    ({"StringEquals": {"k": "awsrun-*"}}, {"k": ("awsrun-x",)}, False, "which StringEquals does not know"),
    ({"StringNotLike": {"k": "awsrun-*"}}, {"k": ("other",)}, True, "unlike"),
    ({"ArnLike": {"k": "arn:aws:iam::*:role/awsrun/*"}}, {"k": ("arn:aws:iam::1:role/awsrun/a/b",)}, True, "below"),
    ({"ArnLike": {"k": "arn:aws:*:role/x"}}, {"k": ("arn:aws:iam::1:role/x",)}, False, "segments count in ArnLike"),
    ({"ArnNotLike": {"k": "arn:aws:iam::*:role/*"}}, {"k": ("arn:aws:iam::1:user/x",)}, True, "another kind"),
    ({"Bool": {"aws:SecureTransport": True}}, {"aws__SecureTransport": ("true",)}, True, "a JSON boolean"),
    ({"Bool": {"aws:SecureTransport": "false"}}, {"aws__SecureTransport": ("true",)}, False, "and its opposite"),
    ({"Null": {"aws:RequestTag/a": "true"}}, {}, True, "no such tag"),
    ({"Null": {"aws:RequestTag/a": "false"}}, {}, False, "the tag has to be there"),
    ({"Null": {"aws:RequestTag/a": "false"}}, {"aws__RequestTag/a": ("1",)}, True, "and it is"),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws__TagKeys": ("a",)}, True, "all are known"),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws__TagKeys": ("a", "c")}, False, "one is not"),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {}, True, "all of none"),
    ({"ForAnyValue:StringLike": {"aws:TagKeys": ["a*"]}}, {"aws__TagKeys": ("c", "ab")}, True, "one is enough"),
    ({"ForAnyValue:StringLike": {"aws:TagKeys": ["a*"]}}, {}, False, "but there has to be one"),
    ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a"]}}, {"aws__TagKeys": ("b", "a")}, False, "one is"),
    ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3__max-keys": ("10",)}, True, "numbers"),
    ({"NumericLessThan": {"s3:max-keys": 10}}, {"s3__max-keys": ("10",)}, False, "not less"),
    ({"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}},
     {"aws__CurrentTime": ("2026-01-01T00:00:00+00:00",)}, True, "before"),
    ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"aws__SourceIp": ("127.0.0.1",)}, True, "in the network"),
    ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"aws__SourceIp": ("127.0.0.1",)}, False, "not outside of it"),
    ({"StringEquals": {"a": "1", "b": "1"}}, {"a": ("1",)}, False, "all keys have to hold"),
    ({"StringEquals": {"a": "1"}, "StringLike": {"b": "?"}}, {"a": ("1",), "b": ("22",)}, False, "and all operators"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "keys", "expected", "reason"), CONDITIONS)
def test_conditions(condition: dict[str, Any], keys: dict[str, tuple[str, ...]], expected: bool, reason: str) -> None:
    assert allowed([statement(Condition=condition)], **keys) is expected, reason


VARIABLES = [
    ("arn:aws:s3:::b/${aws:username}/*", {"aws__username": ("ann",)}, True, "the caller's own folder"),
    ("arn:aws:s3:::b/${aws:username}/*", {"aws__username": ("bob",)}, False, "somebody else's"),
    ("arn:aws:s3:::b/${aws:username}/*", {}, False, "a variable without a value matches nothing"),
    ("arn:aws:s3:::b/${aws:username, 'ann'}/*", {}, True, "unless it has a default"),
]


@pytest.mark.parametrize(("resource", "keys", "expected", "reason"), VARIABLES)
def test_variables(resource: str, keys: dict[str, tuple[str, ...]], expected: bool, reason: str) -> None:
    found = allowed([statement(Action="s3:*", Resource=resource)], "s3:GetObject", "arn:aws:s3:::b/ann/x", **keys)
    assert found is expected, reason


def test_old_policies_have_no_variables() -> None:
    old = rights(statement(Action="s3:*", Resource="arn:aws:s3:::${aws:username}"), version="2008-10-17")
    context = Context({"aws:username": ("ann",)})
    assert not decide(old, "s3:ListBucket", "arn:aws:s3:::ann", context).allowed


def test_tags_of_the_resource_are_looked_up_only_if_a_condition_asks() -> None:
    asked: list[str] = []

    def find(key: str) -> tuple[str, ...]:
        asked.append(key)
        return ("mine",)

    context = Context({}, {"aws:resourcetag/": find})
    assert decide(rights(statement()), "dynamodb:GetItem", TABLE, context).allowed
    assert not asked
    wanted = statement(Condition={"StringEquals": {"aws:ResourceTag/awsrun:stack": "mine"}})
    assert decide(rights(wanted, wanted), "dynamodb:GetItem", TABLE, context).allowed
    assert asked == ["awsrun:stack"]


def test_boundary_and_session_limit_what_is_allowed() -> None:
    reads = Named("b", compiled(json.dumps({"Statement": statement(Action="dynamodb:Get*")})))
    mighty = rights(statement(Action="*")).identity
    for layer, word in (("boundary", "permissions boundary"), ("session", "session policy")):
        limited = Rights(mighty, **{layer: reads})
        assert decide(limited, "dynamodb:GetItem", TABLE, Context({})).allowed
        verdict = decide(limited, "dynamodb:PutItem", TABLE, Context({}))
        assert (verdict.allowed, word in verdict.reason) == (False, True)
        assert not decide(Rights((), **{layer: reads}), "dynamodb:GetItem", TABLE, Context({})).allowed


@pytest.mark.parametrize(
    "broken",
    [
        {"Effect": "allow", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Resource": "*"},
        statement(Condition={"StringSounds": {"k": "a"}}),
        statement(Condition={"ForSome:StringEquals": {"k": "a"}}),
    ],
)
def test_what_is_no_policy_is_refused_and_not_ignored(broken: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        rights(broken)
