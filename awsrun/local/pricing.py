"""AWS's Price List: GetProducts, answered from the shipped table in the form of the real one.

Only what awsrun asks for is there: instance types and the rates of `awsrun.prices.refresh.PRODUCTS`.  moto 5.2 answers
500 here.  Documented at https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from awsrun.local.calls import Call, Reply
from awsrun.prices.refresh import PRODUCTS
from awsrun.prices.table import Instance, Prices, shipped

_MOST = 100  # products of a page
_TARGET = "AWSPriceListService.GetProducts"
_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "TERM_MATCH": lambda value, wanted: value == wanted,
    "EQUALS": lambda value, wanted: value == wanted,
    "CONTAINS": lambda value, wanted: wanted in value,
    "ANY_OF": lambda value, wanted: value in wanted.split(","),
    "NONE_OF": lambda value, wanted: value not in wanted.split(","),
}


class PriceListService:
    """The Price List API.  It has no state."""

    name = "pricing"

    def handle(self, call: Call) -> Reply | None:
        if call.scope[0] != "pricing" or call.environ.get("HTTP_X_AMZ_TARGET") != _TARGET:
            return None
        asked = json.loads(call.body or b"{}")
        filters = asked.get("Filters", [])
        region = next((one["Value"] for one in filters if one["Field"] == "regionCode"), call.scope[1])
        found = [one for one in _products(shipped(region)) if _fits(one, asked["ServiceCode"], filters)]
        first, size = int(asked.get("NextToken") or 0), min(int(asked.get("MaxResults") or _MOST), _MOST)
        page = found[first : first + size]
        answer = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(one) for one in page]}
        if len(found) > first + size:
            answer["NextToken"] = str(first + size)
        return Reply(200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(answer).encode())

    def apply(self, event: tuple[Any, ...]) -> None:
        """Nothing happens here."""

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """There is nothing to restore."""


def _fits(product: Mapping[str, Any], service: str, filters: list[dict[str, str]]) -> bool:
    attributes = {**product["product"]["attributes"], "productFamily": product["product"].get("productFamily", "")}
    return product["serviceCode"] == service and all(
        _MATCHES[one["Type"]](attributes.get(one["Field"], ""), one["Value"]) for one in filters
    )


def _products(prices: Prices) -> Iterator[dict[str, Any]]:
    for one in prices.instances.values():
        if one.hourly is not None:
            yield _product(prices, "AmazonEC2", _machine(one), one.hourly, "Compute Instance")
    for name, product in PRODUCTS.items():
        usd = prices.rate(name)
        if usd is not None:
            yield _product(prices, product.service, {"usagetype": f"LOCAL-{product.usage}"}, usd)


def _machine(one: Instance) -> dict[str, str]:
    machine = {
        "instanceType": one.type,
        "vcpu": str(one.vcpus),
        "memory": f"{one.memory_mib / 1024:g} GiB",
        "physicalProcessor": "AWS Graviton Processor" if one.architecture == "arm64" else "Intel Xeon Family",
        "tenancy": "Shared",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "usagetype": f"BoxUsage:{one.type}",
    }
    return machine | ({"gpu": str(one.gpus)} if one.gpus else {})


def _product(
    prices: Prices, service: str, attributes: Mapping[str, str], usd: float, family: str = ""
) -> dict[str, Any]:
    dimension = {"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    whole = {"servicecode": service, "regionCode": prices.region, "locationType": "AWS Region", **attributes}
    return {
        "product": {
            "attributes": whole,
            **({"productFamily": family} if family else {}),
            "sku": attributes["usagetype"],
        },
        "serviceCode": service,
        "terms": {"OnDemand": {"SKU.TERM": {"priceDimensions": {"SKU.TERM.RATE": dimension}}}},
        "version": prices.date,
        "publicationDate": f"{prices.date}T00:00:00Z",
    }
