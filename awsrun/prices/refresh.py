"""Today's figures from AWS's Price List API, for what a command asks for, kept on disk for a week.

A command that has no permission (``pricing:GetProducts``), no connection or no patience gets the shipped table: prices
never fail and never hold anything up for longer than `WAIT`.  Products and terms are as documented at
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html; the
filters are those of Karpenter's own refresh,
https://github.com/aws/karpenter-provider-aws/blob/main/pkg/providers/pricing/pricing.go.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from awsrun.aws.clients import Cloud
from awsrun.aws.names import digest
from awsrun.aws.paths import data_dir
from awsrun.aws.rights import Right, allow
from awsrun.prices.table import Instance, Prices, Rate, shipped

T = TypeVar("T")
WAIT = 2.0  # seconds
FRESH = 7 * 86400.0  # seconds
AGAIN = 3600.0  # seconds after which what was asked for in vain (no permission, no connection) is asked for again
HOME = "us-east-1"  # https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
_LINUX = {
    "tenancy": "Shared",
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


@dataclass(frozen=True)
class Product:
    """Where the Price List has a rate.

    Attributes:
        service: the service code.
        usage: the usage type, which mostly has a prefix for the region (``EUC1-NatGateway-Hours``).
    """

    service: str
    usage: str


PRODUCTS: Mapping[Rate, Product] = {
    "fargate_vcpu_hour": Product("AmazonECS", "Fargate-vCPU-Hours:perCPU"),
    "fargate_gb_hour": Product("AmazonECS", "Fargate-GB-Hours"),
    "fargate_arm_vcpu_hour": Product("AmazonECS", "Fargate-ARM-vCPU-Hours:perCPU"),
    "fargate_arm_gb_hour": Product("AmazonECS", "Fargate-ARM-GB-Hours"),
    "fargate_storage_gb_hour": Product("AmazonECS", "Fargate-EphemeralStorage-GB-Hours"),
    "public_ipv4_hour": Product("AmazonVPC", "PublicIPv4:InUseAddress"),
    "nat_gateway_hour": Product("AmazonEC2", "NatGateway-Hours"),
    "nat_gateway_gb": Product("AmazonEC2", "NatGateway-Bytes"),
    "interface_endpoint_hour": Product("AmazonVPC", "VpcEndpoint-Hours"),
    "interface_endpoint_gb": Product("AmazonVPC", "VpcEndpoint-Bytes"),
    "ebs_gp3_gb_month": Product("AmazonEC2", "EBS:VolumeUsage.gp3"),
    "ebs_gp2_gb_month": Product("AmazonEC2", "EBS:VolumeUsage.gp2"),
}


@dataclass(frozen=True)
class Fetched:
    """Figures from the Price List, and when each came (seconds since 1970).

    Attributes:
        tried: what was asked for in vain, and when.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    at: Mapping[str, float] = field(default_factory=dict)
    tried: Mapping[str, float] = field(default_factory=dict)

    def only(self, keep: Callable[[str], bool]) -> Fetched:
        """Those whose name passes."""
        whole = (self.rates, self.instances, self.at, self.tried)
        parts = ({k: v for k, v in part.items() if keep(k)} for part in whole)
        return Fetched(*parts)  # type: ignore[arg-type]

    def plus(self, other: Fetched) -> Fetched:
        return Fetched(
            {**self.rates, **other.rates},
            {**self.instances, **other.instances},
            {**self.at, **other.at},
            {**self.tried, **other.tried},
        )


@dataclass(frozen=True)
class _Asking(Prices):
    """Remembers what was asked for that the Price List has."""

    asked: set[str] = field(default_factory=set)

    def rate(self, name: Rate) -> float | None:
        if name in PRODUCTS:
            self.asked.add(name)
        return super().rate(name)

    def instance(self, type: str) -> Instance | None:
        self.asked.add(type)
        return super().instance(type)


class PriceList:
    """The prices of one cloud's region: the shipped ones, and on AWS fresh ones in their place.

    Args:
        now: seconds since 1970.
        wait: seconds to wait for AWS at most.
    """

    def __init__(self, cloud: Cloud, now: Callable[[], float] = time.time, wait: float = WAIT) -> None:
        self._cloud, self._now, self._wait = cloud, now, wait
        self._prices = shipped(cloud.region)

    def quote(self, work: Callable[[Prices], T]) -> tuple[T, str]:
        """``work(prices)``, and where the figures that it asked for come from."""
        asking = _Asking(**self._prices.__dict__)
        found = work(asking)
        known = self._known(frozenset(asking.asked)) if self._cloud.context.name == "aws" else Fetched()
        if not known.at:
            return found, self._prices.source
        source = f"AWS's Price List of {_day(min(known.at.values()))}, {self._prices.region}"
        if asking.asked - known.at.keys():
            source += f"; the rest {self._prices.source}"
        rates, instances = {**self._prices.rates, **known.rates}, {**self._prices.instances, **known.instances}
        return work(replace(self._prices, rates=rates, instances=instances)), source

    def _known(self, keys: frozenset[str]) -> Fetched:
        """What is stored of ``keys`` and fresh, and what could be fetched of the rest."""
        kept = self._stored()
        stored = kept.only(
            lambda key: self._now() - kept.at.get(key, 0) < FRESH or self._now() - kept.tried.get(key, 0) < AGAIN
        )
        if missing := keys - stored.at.keys() - stored.tried.keys():
            stored = stored.plus(self._fetched(missing))
            self._store(stored)
        return stored.only(lambda key: key in keys)

    def _fetched(self, keys: frozenset[str]) -> Fetched:
        """Asks for all in parallel.  Threads that AWS keeps waiting are left behind; they end with the process."""
        found: list[Fetched] = []

        def fetch(call: Callable[[], Fetched]) -> None:
            with suppress(Exception):  # whatever it was, the table serves; prices are no reason to stop anything
                found.append(call())

        client = self._cloud.elsewhere(HOME).read("pricing")
        threads = [threading.Thread(target=fetch, args=(call,), daemon=True) for call in self._calls(client, keys)]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + self._wait
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        whole = Fetched()
        for part in tuple(found):
            whole = whole.plus(part)
        at = dict.fromkeys([*whole.rates, *whole.instances], self._now())
        return replace(whole, at=at, tried=dict.fromkeys(keys - at.keys(), self._now()))

    def _calls(self, client: Any, keys: frozenset[str]) -> Iterator[Callable[[], Fetched]]:
        region = self._prices.region
        if types := sorted(key for key in keys if "." in key):
            yield partial(_instances, client, region, types)
        for name, product in PRODUCTS.items():
            if name in keys:
                yield partial(_rate, client, region, name, product)

    def _stored(self) -> Fetched:
        try:
            loaded: dict[str, Any] = json.loads(self._path().read_text())
            instances = {type: Instance(**one) for type, one in loaded["instances"].items()}
            return Fetched(loaded["rates"], instances, loaded["at"], loaded["tried"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Fetched()

    def _store(self, fetched: Fetched) -> None:
        path = self._path()
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        with suppress(OSError):  # a full or read-only disk: the next command asks again
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(asdict(fetched), indent=1))
            fresh.replace(path)

    def _path(self) -> Path:
        endpoint = self._cloud.endpoint_url
        name = f"{self._prices.region}-{digest(endpoint)}" if endpoint else self._prices.region
        return data_dir() / "prices" / f"{name}.json"


def rights() -> Iterator[Right]:
    """What refreshed figures take; who lacks it gets the shipped ones."""
    yield allow("price", "pricing", "GetProducts")


def _instances(client: Any, region: str, types: list[str]) -> Fetched:
    """Types by name, those that the shipped table does not have among them."""
    several = ("ANY_OF", ",".join(types)) if len(types) > 1 else ("TERM_MATCH", types[0])
    filters = {name: ("TERM_MATCH", value) for name, value in {"regionCode": region, **_LINUX}.items()}
    found = _products(client, "AmazonEC2", {**filters, "instanceType": several})
    return Fetched(instances={one["instanceType"]: _instance(one, usd) for one, usd in found if usd > 0})


def _instance(attributes: Mapping[str, str], usd: float) -> Instance:
    arm = "Graviton" in attributes.get("physicalProcessor", "")
    memory = float(attributes["memory"].removesuffix(" GiB").replace(",", ""))
    gpus = int(attributes.get("gpu") or 0)
    architecture = "arm64" if arm else "x86_64"
    return Instance(attributes["instanceType"], usd, int(attributes["vcpu"]), int(memory * 1024), gpus, architecture)


def _rate(client: Any, region: str, name: Rate, product: Product) -> Fetched:
    """Nothing where the region has no such product."""
    filters = {"regionCode": ("TERM_MATCH", region), "usagetype": ("CONTAINS", product.usage)}
    found = _products(client, product.service, filters)
    usd = [usd for attributes, usd in found if usd > 0 and _is(attributes["usagetype"], product.usage)]
    return Fetched(rates={name: max(usd)} if usd else {})


def _is(usagetype: str, usage: str) -> bool:
    """Whether ``usagetype`` is ``usage`` with at most a region before it: not ``USE1-SpotUsage-Fargate-GB-Hours``."""
    _, _, rest = usagetype.partition("-")
    return usage in (usagetype, rest)


def _products(
    client: Any, service: str, filters: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[Mapping[str, str], float]]:
    """Attributes and on-demand price per unit of each product; of tiers the first."""
    listed = [{"Type": type, "Field": name, "Value": value} for name, (type, value) in filters.items()]
    for page in client.get_paginator("get_products").paginate(ServiceCode=service, Filters=listed):
        for text in page["PriceList"]:
            product = json.loads(text)
            for term in product.get("terms", {}).get("OnDemand", {}).values():
                tiers = sorted(term["priceDimensions"].values(), key=lambda one: float(one.get("beginRange") or 0))
                if tiers and "USD" in tiers[0]["pricePerUnit"]:
                    yield product["product"]["attributes"], float(tiers[0]["pricePerUnit"]["USD"])


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).date().isoformat()
