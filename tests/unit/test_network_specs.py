"""Who is in which subnets: what a spec leaves open is filled in, and what contradicts is refused, before any call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import Context
from awsrun.aws.errors import AwsrunError
from awsrun.prices.table import shipped
from awsrun.resources.kind import UNKNOWN, Refs
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import kind
from awsrun.spec.load import load, parse
from awsrun.spec.stack import StackSpec

CLOUD = Cloud(None, Context("aws", region="us-east-1", account="123456789012"), None)
SPECS = Path(__file__).parents[2] / "specs"
NAT = "network: {kind: vpc, private: nat}"
SHUT = "network: {kind: vpc, private: endpoints}"
OPEN = "network: {kind: vpc}"
EC2 = "compute: {kind: batch.compute_environment, vpc: network, max_vcpus: 4}"
FARGATE = "burst: {kind: batch.compute_environment, vpc: network, fargate: true, max_vcpus: 4}"
ARM = "burst: {kind: batch.compute_environment, vpc: network, instance_types: [c7g], max_vcpus: 4}"
QUEUE = "queue: {kind: batch.job_queue, compute_environments: [compute, burst]}"
JOB = "train: {kind: batch.job_definition, image: 'python:3.11', memory_mib: 2048}"
TASK = "train: {kind: batch.job_definition, image: 'python:3.11', memory_mib: 2048, fargate: true}"
OURS = "'123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1'"


def stack(*resources: str) -> StackSpec:
    return parse("stack: s\nresources:\n" + "".join(f"  {one}\n" for one in resources), "spec.yaml", SpecModels())


def with_(resource: str, field: str) -> str:
    return resource.replace("}", f", {field}}}")


@pytest.mark.parametrize(
    ("network", "written", "means"),
    [
        (OPEN, "", "public"),
        (OPEN, "subnets: public", "public"),
        (NAT, "", "private"),
        (SHUT, "", "private"),
        (NAT, "subnets: public", "public"),
    ],
)
@pytest.mark.parametrize("environment", [EC2, FARGATE], ids=["ec2", "fargate"])
def test_an_environment_uses_the_private_subnets_that_there_are(
    network: str, environment: str, written: str, means: str
) -> None:
    spec = stack(network, with_(environment, written) if written else environment)
    (compute,) = (one for name, one in spec.resources.items() if name != "network")
    assert compute.subnets == means  # type: ignore[attr-defined]


def address(spec: StackSpec) -> Any:
    return spec.resources["train"].public_address  # type: ignore[attr-defined]


def test_a_task_has_a_public_address_where_its_subnets_need_one() -> None:
    assert address(stack(OPEN, FARGATE, TASK)) is True
    assert address(stack(NAT, FARGATE, TASK)) is False
    assert address(stack(NAT, with_(FARGATE, "subnets: public"), TASK)) is True
    assert address(stack(TASK)) is True, "no environment in this stack"
    assert address(stack(NAT, FARGATE, JOB)) is None, "on EC2 it is the instances'"
    both = stack(NAT, FARGATE, with_(FARGATE, "subnets: public").replace("burst", "other"), TASK)
    assert address(both) is True, "it must run in either"
    assert address(stack(OPEN, with_(TASK, "public_address: false"))) is False, "an environment of another stack"


REFUSED = [
    ([OPEN, with_(EC2, "subnets: private")], "resources.compute.subnets", "give 'network' private: nat"),
    ([OPEN, with_(FARGATE, "subnets: private")], "resources.burst.subnets", "no private subnets"),
    ([OPEN, FARGATE, with_(TASK, "public_address: false")], "resources.train.public_address", "cannot pull its image"),
    ([NAT, FARGATE, with_(TASK, "public_address: true")], "resources.train.public_address", "$0.005 an hour each"),
    ([SHUT, EC2, JOB], "resources.train.image", "push it to an ecr.repository"),
    ([SHUT, FARGATE, TASK], "resources.train.image", "python:3.11 comes from the internet"),
    (
        [OPEN, EC2, FARGATE, QUEUE],
        "resources.queue.compute_environments",
        "has x86 machines and 'burst' has Fargate",
    ),
    ([OPEN, EC2, with_(ARM, "spot: true"), QUEUE], "resources.queue.compute_environments", "'burst' has ARM machines"),
    (
        [OPEN, with_(EC2, "instance_types: [g4ad.xlarge]"), with_(JOB, "gpus: 1")],
        "resources.train.gpus",
        "no GPUs of g4ad.xlarge",
    ),
]


@pytest.mark.parametrize(("resources", "field", "says"), REFUSED, ids=lambda value: value if value is str else "")
def test_what_contradicts_is_refused_with_its_line(resources: list[str], field: str, says: str) -> None:
    with pytest.raises(AwsrunError, match=re.escape(says)) as caught:
        stack(*resources)
    assert field in str(caught.value), caught.value


@pytest.mark.parametrize(
    "resources",
    [
        [SHUT, EC2, JOB.replace("'python:3.11'", OURS)],
        [SHUT, EC2, TASK],  # no Fargate here: it runs somewhere else
        [SHUT, EC2, with_(EC2, "subnets: public").replace("compute:", "other:"), JOB],
        [NAT, EC2, JOB],
        [OPEN, EC2, with_(EC2, "spot: true").replace("compute:", "burst:"), QUEUE],
    ],
)
def test_images_that_can_be_reached_are_not_refused(resources: list[str]) -> None:
    stack(*resources)


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_that_come_along_are_right(path: Path) -> None:
    spec = load(path, SpecModels())
    workers = [one for one in spec.resources.values() if getattr(one, "jobs", False)]
    assert bool(workers) == (spec.jobs is not None)


class NothingYet(Refs):
    """References before anything is made."""

    def output(self, name: str, key: str) -> Any:
        return UNKNOWN

    def arn(self, name: str) -> str:
        raise NotImplementedError

    def spec(self, name: str) -> Any:
        raise NotImplementedError


def nodes(written: str) -> dict[str, Any]:
    spec: Any = stack(written).resources["network"]
    return dict(kind("vpc")(CLOUD).expand("network", spec))


@pytest.mark.parametrize(
    ("more", "hourly"),
    [
        ("", 0.0),
        (", private: nat", 0.045 + 0.005),
        (", private: nat, private_per_az: true, max_azs: 3", 3 * (0.045 + 0.005)),
        (", private: endpoints", 6 * 0.01),
        (", private: endpoints, private_per_az: true, max_azs: 2", 2 * 6 * 0.01),
    ],
)
def test_a_network_costs_what_was_asked_for_from_the_first_plan_on(more: str, hourly: float) -> None:
    """Nothing is there yet, so that no id is known; what costs nothing by default costs nothing."""
    total = 0.0
    for spec in nodes(f"network: {{kind: vpc{more}}}").values():
        one: Any = kind(spec.kind)(CLOUD)
        price = one.price(one.lower(spec, NothingYet()), shipped("us-east-1"))
        assert price.idle is not None and price.full == price.idle
        assert price.note or not price.idle
        total += price.idle
    assert total == pytest.approx(hourly)
