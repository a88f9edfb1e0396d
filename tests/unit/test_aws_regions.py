"""Other regions, some of which say no."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import Context
from awsrun.aws.regions import elsewhere

TABLES: dict[str, Any] = {
    "ap-east-1": ClientError({"Error": {"Code": "UnrecognizedClientException", "Message": "invalid"}}, "ListTables"),
    "eu-north-1": ClientError({"Error": {"Code": "AccessDeniedException", "Message": "with an explicit deny in a "
        "service control policy"}}, "ListTables"),
    "eu-west-1": ["awsrun-far", "awsrun-far.runs", "people"],
    "eu-west-2": [],
    "us-east-1": ["awsrun-near"],
    "us-west-1": EndpointConnectionError(endpoint_url="https://dynamodb.us-west-1.amazonaws.com"),
}  # fmt: skip


class Region(Cloud):
    """A cloud of these regions and tables."""

    def elsewhere(self, region: str) -> Region:
        return Region(None, Context("aws", region=region), None)

    def read(self, service: str) -> Any:
        return self

    def describe_regions(self) -> dict[str, Any]:
        return {"Regions": [{"RegionName": name} for name in TABLES]}

    def get_paginator(self, operation: str) -> Any:
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        found = TABLES[self.region]
        if isinstance(found, Exception):
            raise found
        yield {"TableNames": found}


def test_a_region_that_says_no_is_named_and_keeps_nothing_from_being_told_of_the_others() -> None:
    found = elsewhere(Region(None, Context("aws", region="us-east-1"), None))
    assert {cloud.region: names for cloud, names in found.stacks.items()} == {"eu-west-1": ["far"]}
    assert found.unseen == {
        "ap-east-1": "UnrecognizedClientException",
        "eu-north-1": "AccessDeniedException",
        "us-west-1": "EndpointConnectionError",
    }


class Narrow(Region):
    """Whoever may look after one stack."""

    def describe_regions(self) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeRegions")


def test_who_may_not_list_regions_is_told_so() -> None:
    found = elsewhere(Narrow(None, Context("aws", region="us-east-1"), None))
    assert (found.stacks, found.unseen) == ({}, {"any other region": "UnauthorizedOperation"})
