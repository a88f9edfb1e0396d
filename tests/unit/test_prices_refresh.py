"""Fresh figures: what is asked of AWS, how its answers are read, how long they are kept, and that nothing can fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import Context
from awsrun.prices.refresh import AGAIN, FRESH, PriceList
from awsrun.prices.table import Prices

DAY = 86400.0


def product(usd: str, **attributes: str) -> str:
    """As https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html has them."""
    dimension = {
        "unit": "Hrs",
        "endRange": "Inf",
        "beginRange": "0",
        "description": f"${usd} per hour",
        "appliesTo": [],
        "rateCode": "ABC.JRTCKXETXF.6YS6EN2CT7",
        "pricePerUnit": {"USD": usd},
    }
    term = {
        "priceDimensions": {"ABC.JRTCKXETXF.6YS6EN2CT7": dimension},
        "sku": "ABC",
        "effectiveDate": "2026-11-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": "ABC"},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {"ABC.JRTCKXETXF": term}, "Reserved": {}},
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )


M5 = product(
    "0.1070000000", instanceType="m5.large", vcpu="2", memory="8 GiB", physicalProcessor="Intel Xeon Platinum 8175"
)
X2GD = product(
    "0.1840000000", instanceType="x2gd.large", vcpu="2", memory="32 GiB", physicalProcessor="AWS Graviton2 Processor"
)


class Paginator:
    def __init__(self, answer: Callable[[str, dict[str, tuple[str, str]]], list[str]]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, tuple[str, str]]]] = []

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "get_products"
        return self

    def paginate(self, ServiceCode: str, Filters: list[dict[str, str]]) -> Iterator[dict[str, list[str]]]:
        filters = {one["Field"]: (one["Type"], one["Value"]) for one in Filters}
        self.asked.append((ServiceCode, filters))
        yield {"PriceList": self.answer(ServiceCode, filters)}


class FakeCloud(Cloud):
    def __init__(self, client: Any, context: str = "aws") -> None:
        super().__init__(None, Context(context, region="eu-west-1", account="1"), None)
        self.client = client

    def elsewhere(self, region: str) -> Cloud:
        assert region == "us-east-1", "the Price List answers there"
        return self

    def read(self, service: str) -> Any:
        assert service == "pricing"
        return self.client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))
    return tmp_path


def of(*types: str) -> Callable[[Prices], list[float | None]]:
    return lambda prices: [found.hourly if (found := prices.instance(type)) else None for type in types]


def test_fresh_figures_go_before_the_table_and_say_their_date() -> None:
    client = Paginator(lambda service, filters: [M5])
    (found,), source = PriceList(FakeCloud(client), now=lambda: 20_000 * DAY).quote(of("m5.large"))
    assert found == 0.107
    assert source == "AWS's Price List of 2024-10-04, eu-west-1"
    (asked,) = client.asked
    assert asked[0] == "AmazonEC2"
    assert asked[1]["regionCode"] == ("TERM_MATCH", "eu-west-1")
    assert asked[1]["instanceType"] == ("TERM_MATCH", "m5.large")
    assert asked[1]["operatingSystem"] == ("TERM_MATCH", "Linux")


def test_a_type_that_the_table_does_not_have_is_learnt_with_its_size() -> None:
    price_list = PriceList(FakeCloud(Paginator(lambda service, filters: [M5, X2GD])))
    found, _ = price_list.quote(lambda prices: (prices.matching("m5.large"), prices.matching("x2gd.large")))
    (x2gd,) = found[1]
    assert (x2gd.hourly, x2gd.vcpus, x2gd.memory_mib, x2gd.gpus, x2gd.architecture) == (0.184, 2, 32768, 0, "arm64")


def test_rates_are_found_by_usage_type_whatever_the_region_calls_itself() -> None:
    answers = {
        "NatGateway-Hours": [product("0.0480000000", usagetype="EU-NatGateway-Hours")],
        "Fargate-GB-Hours": [
            product("0.9000000000", usagetype="EU-SpotUsage-Fargate-GB-Hours"),
            product("0.0048000000", usagetype="EU-Fargate-GB-Hours"),
            product("0.9000000000", usagetype="EU-Fargate-ARM-GB-Hours"),
        ],
        "PublicIPv4:InUseAddress": [],
    }
    client = Paginator(lambda service, filters: answers[filters["usagetype"][1]])
    found, source = PriceList(FakeCloud(client)).quote(
        lambda p: (p.rate("nat_gateway_hour"), p.rate("fargate_gb_hour"), p.rate("public_ipv4_hour"))
    )
    assert found == (0.048, 0.0048, 0.005), "what the Price List does not have is the table's"
    assert "; the rest " in source
    assert {service for service, _ in client.asked} == {"AmazonEC2", "AmazonECS", "AmazonVPC"}


def test_what_was_fetched_is_kept_for_a_week() -> None:
    client = Paginator(lambda service, filters: [M5])
    now = 20_000 * DAY
    PriceList(FakeCloud(client), now=lambda: now).quote(of("m5.large"))
    PriceList(FakeCloud(client), now=lambda: now + FRESH - 1).quote(of("m5.large"))
    assert len(client.asked) == 1
    PriceList(FakeCloud(client), now=lambda: now + FRESH + 1).quote(of("m5.large"))
    assert len(client.asked) == 2


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"rates": 3}', '{"rates": {}, "instances": {"m5.large": {}}, "at": {}}']
)
def test_a_damaged_store_is_as_none(home: Path, damage: str) -> None:
    path = home / "data" / "prices" / "eu-west-1.json"
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    (found,), _ = PriceList(FakeCloud(Paginator(lambda service, filters: [M5]))).quote(of("m5.large"))
    assert found == 0.107


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_without_permission_or_connection_the_table_serves() -> None:
    def refuse(service: str, filters: Any) -> list[str]:
        raise RuntimeError("AccessDeniedException")

    client = Paginator(refuse)
    for later in (0, AGAIN - 1):
        (found,), source = PriceList(FakeCloud(client), now=lambda: 20_000 * DAY + later).quote(of("m5.large"))  # noqa: B023
        assert found == pytest.approx(0.107, rel=0.01)
        assert source.startswith("AWS's list prices of ")
    assert len(client.asked) == 1, "what is not allowed is not tried with every command"
    PriceList(FakeCloud(client), now=lambda: 20_000 * DAY + AGAIN + 1).quote(of("m5.large"))
    assert len(client.asked) == 2


def test_aws_keeping_us_waiting_holds_nothing_up() -> None:
    never = threading.Event()

    def wait(service: str, filters: Any) -> list[str]:
        never.wait(60)
        return [M5]

    quoted: list[str] = []
    work = threading.Thread(
        target=lambda: quoted.append(PriceList(FakeCloud(Paginator(wait)), wait=0.05).quote(of("m5.large"))[1]),
        daemon=True,
    )
    work.start()
    work.join(30)
    never.set()
    assert quoted and quoted[0].startswith("AWS's list prices of ")


def test_the_embedded_cloud_is_priced_by_the_table_without_a_call() -> None:
    client = Paginator(lambda service, filters: [M5])
    PriceList(FakeCloud(client, "local")).quote(of("m5.large"))
    assert not client.asked
