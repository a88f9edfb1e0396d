"""The embedded Price List over HTTP: in the form of the real one, so that refreshing prices runs for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from awsrun.aws.clients import connect
from awsrun.prices import machines
from awsrun.prices.refresh import PRODUCTS, PriceList
from awsrun.prices.table import shipped

if TYPE_CHECKING:
    from tests.conftest import LocalCloud


@pytest.fixture
def on_aws(local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"AWSRUN_HOME": str(tmp_path), "AWS_ENDPOINT_URL": local_cloud.endpoint, "AWS_REGION": "eu-west-1"}
    for name, value in {**settings, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("on_aws")
def test_a_pool_is_priced_by_what_the_price_list_answers(tmp_path: Path) -> None:
    cloud = connect("aws")
    found, source = PriceList(cloud, now=lambda: 1_800_000_000.0).quote(lambda p: machines.ec2(p, ["m5", "g5"], 0, 64))
    assert found == machines.ec2(shipped("eu-west-1"), ["m5", "g5"], 0, 64)
    assert source == "AWS's Price List of 2027-01-15, eu-west-1", "every figure was fetched, none is the table's"
    (stored,) = (tmp_path / "data" / "prices").iterdir()
    assert set(json.loads(stored.read_text())["rates"]) == {"public_ipv4_hour", "ebs_gp3_gb_month"}


@pytest.mark.usefixtures("on_aws")
def test_every_rate_that_may_be_asked_for_is_answered() -> None:
    found, source = PriceList(connect("aws")).quote(lambda prices: [prices.rate(name) for name in PRODUCTS])
    assert found == pytest.approx([shipped("eu-west-1").rate(name) for name in PRODUCTS])
    assert "the rest" not in source


def test_pages_and_filters_are_aws_own(local_cloud: LocalCloud) -> None:
    client = local_cloud.client("pricing")
    linux = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
        {"Type": "TERM_MATCH", "Field": "operatingSystem", "Value": "Linux"},
    ]
    first = client.get_products(ServiceCode="AmazonEC2", Filters=linux, MaxResults=7)
    assert len(first["PriceList"]) == 7
    pages = client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=linux)
    listed = [json.loads(one)["product"]["attributes"]["instanceType"] for page in pages for one in page["PriceList"]]
    assert len(listed) == len(set(listed)) == len(shipped("us-east-1").instances)
    one = {"Type": "TERM_MATCH", "Field": "instanceType", "Value": "g4dn.xlarge"}
    (found,) = client.get_products(ServiceCode="AmazonEC2", Filters=[*linux, one])["PriceList"]
    ((_, term),) = json.loads(found)["terms"]["OnDemand"].items()
    ((_, dimension),) = term["priceDimensions"].items()
    assert float(dimension["pricePerUnit"]["USD"]) == 0.526
    assert not client.get_products(ServiceCode="AmazonRDS", Filters=linux)["PriceList"]
