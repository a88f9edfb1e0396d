"""The inline policy of a role: what its grants come to, in as many characters as IAM takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL, Context
from awsrun.aws.errors import AwsrunError, matches
from awsrun.reconcile.calls import explain
from awsrun.resources.dynamodb_table import TableSpec
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.kind import Refs
from awsrun.resources.registry import Kinds, kind
from awsrun.resources.s3_bucket import BucketSpec
from awsrun.spec.references import ResourceSpec


class OfAStack(Refs):
    """What the role of a stack asks of the rest of it."""

    def __init__(self, resources: Mapping[str, ResourceSpec]) -> None:
        self.stack, self.name, self.account, self.region = "s" * 24, "worker", "123456789012", "ap-southeast-1"
        self._resources = resources
        self._kinds = Kinds(Cloud(None, Context("aws", region=self.region, account=self.account), None))

    def output(self, name: str, key: str) -> Any:
        raise AssertionError("a role's grants follow from names")

    def arn(self, name: str) -> str:
        spec = self._resources[name]
        made = self._kinds[spec.kind]
        return made.arn(made.physical(self.stack, name, spec))

    def spec(self, name: str) -> ResourceSpec:
        return self._resources[name]


def _policy_of(tables: int, buckets: int) -> str:
    """Of the role that may read and write so many, all with long names."""
    names = [f"{'k' * 36}{number:04}" for number in range(tables + buckets)]
    made = {name: TableSpec(hash_key="id") for name in names[:tables]} | {name: BucketSpec() for name in names[tables:]}
    refs = OfAStack(made)
    role = kind("iam.role")(Cloud(None, LOCAL, None))
    return str(role.lower(RoleSpec(service="ecs-tasks", read_write=names, jobs=True), refs).policy)


def test_the_rights_of_a_role_fit_into_its_policy_or_are_refused_before_any_call() -> None:
    """Rights of one kind share a statement: apart, those of a table would have 500 characters."""
    policy = json.loads(_policy_of(tables=20, buckets=15))
    assert len(policy["Statement"]) == 4, "tables, lists of buckets, their objects, the runs table"
    tables = next(one for one in policy["Statement"] if "dynamodb:Scan" in one["Action"])
    assert len(tables["Resource"]) == 40, "with their indexes"
    with pytest.raises(AwsrunError, match=r"its policy has 1\d,\d{3} characters, and IAM takes 10,240"):
        _policy_of(tables=50, buckets=0)


def test_a_service_that_aws_does_not_know_is_an_error_at_once() -> None:
    """It was taken for a principal that IAM does not know yet, and waited for."""
    said = 'Invalid principal in policy: "SERVICE":"ecs-task.amazonaws.com"'
    error = ClientError({"Error": {"Code": "MalformedPolicyDocument", "Message": said}}, "CreateRole")
    assert not matches(error, kind("iam.role").retry)
    assert "ecs-tasks" in explain(error, "create may", kind("iam.role").advice).hint
