"""SIGKILL at every mutating call of an adopt: run again it ends where an undisturbed one ends, and the apply after it
makes the resources right where they are.  ``AWSRUN_CHAOS=all`` tries every call, without it a sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from inventory import clients_of, inventory, remembered, settle
from killing_proxy import Moment

EVERY = os.environ.get("AWSRUN_CHAOS") == "all"
OPTIONS = {"strict": True, "throttle": 0.1 if EVERY else 0.0, "time_scale": 0.01}
SAMPLE: list[tuple[int, Moment]] = [(5, "after")]  # where the first has got its tags
SPEC = """\
stack: lab
resources:
  images: {kind: ecr.repository, name: our-images, keep: 3}
  people: {kind: dynamodb.table, name: our-people, hash_key: id, ttl: gone_at}
  network: {kind: vpc, cidr: 10.10.0.0/24, max_azs: 1}
"""


@pytest.fixture
def specs(tmp_path: Path) -> list[Path]:
    path = tmp_path / "lab.yaml"
    path.write_text(SPEC)
    return [path, path]


def make(clients: dict[str, Any]) -> str:
    """Resources as somebody made them by hand; the id of the VPC."""
    clients["ecr"].create_repository(repositoryName="our-images")
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    clients["dynamodb"].create_table(TableName="our-people", AttributeDefinitions=attributes, **keys)
    vpc: str = clients["ec2"].create_vpc(CidrBlock="10.10.0.0/24")["Vpc"]["VpcId"]
    settle(clients)
    return vpc


def there(clients: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: found for kind, found in inventory(clients).items() if found}


@pytest.mark.parametrize("options", [OPTIONS], ids=["strict"])
def test_killed_anywhere_and_run_again_each_is_taken_over_once(commands: Commands, fresh_cloud: Any) -> None:
    clients = clients_of(fresh_cloud.endpoint)
    count = len(cycle(commands, clients, 0, "before")) if EVERY else 0
    every: list[tuple[int, Moment]] = [(at, moment) for at in range(1, count + 1) for moment in ("before", "after")]
    for at, moment in every or SAMPLE:
        cycle(commands, clients, at, moment)


def cycle(commands: Commands, clients: dict[str, Any], at: int, moment: Moment) -> list[str]:
    """Adopted, killed there, adopted again, applied, torn down; the writing calls of the first."""
    vpc = make(clients)
    adopt = f"adopt images=our-images people=our-people network={vpc}"
    status, said, trap = commands.run(adopt, at, moment)
    history = f"killed {moment} call {at} ({trap.sprung}) of {trap.seen}"
    assert status == (-9 if trap.sprung else 0), f"{history}: {said}"
    commands.clean(adopt)
    commands.clean("apply")
    made = [one["VpcId"] for one in clients["ec2"].describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    assert made == [vpc], history
    assert there(clients)["repository"] == ["our-images"], history
    assert remembered(clients) == 9, f"{history}: something was forgotten, or remembered twice"
    assert commands.run("apply")[2].seen == [], f"{history}: another apply still writes"
    commands.clean("teardown")
    assert there(clients) == {}, history
    return trap.seen
