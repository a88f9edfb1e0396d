"""Servers in specs: what is refused before any call, what they cost, and what the account must have for them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.preflight.linked_roles import wanted_roles
from awsrun.preflight.need import networks, pools
from awsrun.prices.machines import server
from awsrun.prices.table import HOURS, shipped
from awsrun.resources.ec2_instance_spec import InstanceSpec
from awsrun.resources.models import SpecModels
from awsrun.spec.load import load, parse
from awsrun.spec.stack import StackSpec

SPECS = Path(__file__).parents[2] / "specs"
STACK = """
stack: s
resources:
  network: {kind: vpc, max_azs: 1}
  may: {kind: iam.role, service: ecs-tasks}
  fixed: {kind: elastic_ip}
  web: {kind: ec2.instance, vpc: network, FIELDS}
"""


def stack(fields: str, more: str = "") -> StackSpec:
    return parse(STACK.replace("FIELDS", fields) + more, "spec.yaml", SpecModels())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("ami: amazon-linx", "neither amazon-linux nor deep-learning"),
        ("ami: {owner: nobody, name: al2023-*}", "owner"),
        ("subnet: private-0", "has no private subnets"),
        ("subnet: public-1", "raise its max_azs"),
        ("role: may", "give it service: ec2"),
        ("spot: true, stop_when_idle: 30", "cannot be stopped"),
        ("stop_when_idle: 30, user_data: '# not for cloud-init'", "#cloud-config"),
        ("user_data: setup.sh", "there is no file"),
        ("key_pair: network", "names a key_pair"),
        ("disk_gib: 4", "disk_gib"),
        ("instance_type: t3", "instance_type"),
    ],
)
def test_mistakes_are_named_before_any_call(fields: str, said: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        stack(fields)
    assert said in str(caught.value)


def test_one_address_is_of_one_server() -> None:
    more = "  other: {kind: ec2.instance, vpc: network, elastic_ip: fixed}\n"
    with pytest.raises(AwsrunError, match="that of one server only"):
        stack("elastic_ip: fixed", more)


def test_user_data_is_text_or_a_file_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("#!/bin/sh\necho from a file\n")
    (tmp_path / "spec.yaml").write_text(STACK.replace("FIELDS", "user_data: setup.sh"))
    for written, read in (
        (load(tmp_path / "spec.yaml", SpecModels()), "#!/bin/sh\necho from a file\n"),
        (stack("user_data: '#!/bin/sh'"), "#!/bin/sh"),
    ):
        web = written.resources["web"]
        assert isinstance(web, InstanceSpec) and web.user_data == read


def test_a_server_costs_its_machine_its_address_and_its_disk() -> None:
    prices = shipped("us-east-1")
    disk = 16 * 0.08 / HOURS
    plain = server(prices, "t3.micro", 16, "gp3", spot=False, public=True, stops=False)
    assert plain.full is not None and math.isclose(plain.full, 0.0104 + 0.005 + disk)
    assert plain.idle == plain.full, "nobody stops it"
    stops = server(prices, "t3.micro", 16, "gp3", spot=True, public=False, stops=True)
    assert stops.idle is not None and math.isclose(stops.idle, disk)
    assert stops.full is not None and math.isclose(stops.full, 0.0104 + disk)
    assert "spot" in stops.note and "16 GB disk" in stops.note
    dearer = server(prices, "t3.micro", 16, "gp2", spot=False, public=True, stops=False)
    assert dearer.full is not None and math.isclose(dearer.full - plain.full, 16 * 0.02 / HOURS)
    assert server(prices, "x99.large", 16, "gp3", spot=False, public=True, stops=False).full is None


def test_the_account_must_have_room_for_servers_and_addresses() -> None:
    resources = load(SPECS / "gpu.yaml", SpecModels()).resources
    (pool,) = pools(resources)
    assert (pool.name, pool.max_vcpus, pool.server) == ("gpu", 4, True)
    assert [quota.code for quota in pool.quotas()] == ["L-DB2E81BA"]
    assert wanted_roles([pool]) == [], "Batch and ECS have nothing to do with it"
    assert networks(stack("elastic_ip: fixed").resources) == (1, 1)
