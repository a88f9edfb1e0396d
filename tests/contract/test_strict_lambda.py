"""Lambda as hard as AWS's: roles that it cannot assume yet, functions that are not there yet, one change at a time."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import matches
from awsrun.functions.archive import File
from awsrun.functions.package import Package, Target
from awsrun.resources import apigateway_definition as definition
from awsrun.resources.kind import diff
from awsrun.resources.registry import kind
from tests.conftest import LocalCloud
from tests.contract.strict_bench import passes, refused, sometimes, unique, until

ASSUMED = "InvalidParameterValueException:cannot be assumed by Lambda"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def code() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event")
    return made.getvalue()


@pytest.fixture
def functions(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("lambda")


@pytest.fixture
def role(strict_cloud: LocalCloud) -> str:
    return str(
        strict_cloud.client("iam").create_role(RoleName=unique(), AssumeRolePolicyDocument=trust("lambda"))["Role"][
            "Arn"
        ]
    )


def create(functions: Any, name: str, role: str) -> Any:
    return functions.create_function(
        FunctionName=name, Role=role, Runtime="python3.12", Handler="app.handler", Code={"ZipFile": code()}
    )


def made(functions: Any, role: str) -> str:
    """A function, as soon as its role can be assumed."""
    name = unique()
    passes(ASSUMED, create, functions=functions, name=name, role=role)
    return name


def active(functions: Any, role: str) -> str:
    """A function that can be called."""
    name = made(functions, role)
    until(lambda: state(functions, name) == ("Active", "Successful"))
    return name


def state(functions: Any, name: str) -> tuple[str, str]:
    found = passes("ResourceNotFoundException", functions.get_function, FunctionName=name)["Configuration"]
    return found["State"], found["LastUpdateStatus"]


def test_a_fresh_role_cannot_be_assumed_at_first(strict_cloud: LocalCloud, functions: Any) -> None:
    iam = strict_cloud.client("iam")

    def attempt(name: str) -> None:
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda"))
        create(functions, name, made["Role"]["Arn"])

    name = sometimes(ASSUMED, attempt)
    passes(ASSUMED, create, functions=functions, name=name, role=f"arn:aws:iam::123456789012:role/{name}")


def test_no_tags_while_it_changes_which_a_new_package_does_not_mind(
    strict_cloud: LocalCloud, functions: Any, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package with requirements is known by a tag: set after the code, it was refused, and the code sent again."""
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))
    name, busy = active(functions, role), "ResourceConflictException:update is in progress"
    arn = functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"]

    def tag(_: str) -> None:
        passes(busy, functions.update_function_configuration, FunctionName=name, Timeout=9)
        functions.tag_resource(Resource=arn, Tags={"a": "b"})

    sometimes(busy, tag)
    package = Package.of({"index.py": File(b"x = 1"), "requirements.txt": File(b"six")}, Target("3.12", "any"))
    package.keep(code())
    lambdas = kind("lambda.function")(
        Cloud(boto3.Session("l", "l", region_name="us-east-1"), LOCAL, strict_cloud.endpoint)
    )
    until(lambda: state(functions, name) == ("Active", "Successful"))
    seen = lambdas.read(name)
    wanted = replace(seen.state, package=package)
    lambdas.update(name, wanted, seen.state, diff(wanted, seen.state))
    assert until(lambda: lambdas.read(name).phase == "ready" and lambdas.read(name).state.package == package)


def test_its_variables_wait_for_the_key(strict_cloud: LocalCloud, functions: Any) -> None:
    iam = strict_cloud.client("iam")
    settings = {"Runtime": "python3.12", "Handler": "app.handler", "Code": {"ZipFile": code()}}

    def attempt(name: str) -> None:
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda"))["Role"]["Arn"]
        made = {"FunctionName": name, "Role": role, "Environment": {"Variables": {"A": "1"}}, **settings}
        passes(ASSUMED, functions.create_function, **made)

    granted = "InvalidParameterValueException:KMS key is invalid for CreateGrant"
    name = sometimes(granted, attempt)
    assert granted in kind("lambda.function").retry
    create(functions, name, f"arn:aws:iam::123456789012:role/{name}")  # without any it does not matter


def test_a_policy_has_20_kb(functions: Any, role: str) -> None:
    name, permit = active(functions, role), {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
    source = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/live"

    def allow(number: int, path: str) -> None:
        id = f"{unique()}-{number}"
        functions.add_permission(FunctionName=name, StatementId=id, SourceArn=f"{source}/{path}", **permit)

    routes = [f"GET /items/{number} -> {name}" for number in range(200)]
    with pytest.raises(ClientError) as caught:
        for number, one in enumerate(routes):
            allow(number, one.partition(" ")[2])
    assert matches(caught.value, ("PolicyLengthExceededException",)), caught.value
    there = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
    for one in there:
        functions.remove_permission(FunctionName=name, StatementId=one["Sid"])
    assert len(definition.permissions("live", routes[: definition.APART])) == definition.APART
    for number, one in enumerate(definition.permissions("live", routes)):
        allow(number, one)


def test_a_role_for_others_never(strict_cloud: LocalCloud, functions: Any, role: str) -> None:
    iam, name = strict_cloud.client("iam"), unique()
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2"))["Role"]["Arn"]
    until(lambda: name in {one["RoleName"] for one in iam.list_roles(MaxItems=1000)["Roles"]})
    made(functions, role)  # a role of the same age can be assumed
    refused(ASSUMED, create, functions=functions, name=name, role=arn)
    refused(ASSUMED, create, functions=functions, name=name, role="arn:aws:iam::123456789012:role/nobody")


def test_a_new_function_is_pending_and_does_nothing(functions: Any, role: str) -> None:
    waiting = active(functions, role)  # the role can be assumed by now
    arn = functions.get_function(FunctionName=waiting)["Configuration"]["Role"]

    def invoke(name: str) -> None:
        assert create(functions, name, arn)["State"] == "Pending"
        passes("ResourceNotFoundException", functions.invoke, FunctionName=name, Payload=b"{}")

    name = sometimes("ResourceConflictException:Pending", invoke)
    until(lambda: state(functions, name)[0] == "Active")
    assert functions.get_function_configuration(FunctionName=name)["State"] == "Active"

    def delete(name: str) -> None:
        create(functions, name, arn)
        passes("ResourceNotFoundException", functions.delete_function, FunctionName=name)

    name = sometimes("ResourceConflictException:Pending", delete)
    passes("ResourceConflictException", functions.delete_function, FunctionName=name)
    refused("ResourceNotFoundException", functions.get_function, FunctionName=name)


def test_a_new_function_is_not_found_for_a_moment_and_listed_later(functions: Any, role: str) -> None:
    arn = functions.get_function(FunctionName=active(functions, role))["Configuration"]["Role"]

    def attempt(name: str) -> None:
        create(functions, name, arn)
        functions.get_function(FunctionName=name)

    name = sometimes("ResourceNotFoundException", attempt)

    def listed() -> set[str]:
        pages = functions.get_paginator("list_functions").paginate()
        return {one["FunctionName"] for page in pages for one in page["Functions"]}

    until(lambda: name in listed())


def test_one_change_at_a_time(functions: Any, role: str) -> None:
    name = active(functions, role)
    for attempt in range(100):
        answer = passes(
            "ResourceConflictException",
            functions.update_function_configuration,
            FunctionName=name,
            Timeout=10 + attempt,
        )
        assert answer["LastUpdateStatus"] == "InProgress"
        try:
            refused(
                "ResourceConflictException:update is in progress",
                functions.update_function_code,
                FunctionName=name,
                ZipFile=code(),
            )
            break
        except pytest.fail.Exception:
            continue  # this machine took longer than the change
    else:
        raise AssertionError("two changes went on at once every time")
    until(lambda: state(functions, name) == ("Active", "Successful"))
