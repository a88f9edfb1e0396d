"""What resources cost: the shipped table, pools of machines, and what is said where a figure is missing."""

from __future__ import annotations

import pytest

from awsrun.prices import machines
from awsrun.prices.price import dollars, metered
from awsrun.prices.table import shipped

HOME = shipped("us-east-1")
BESIDE = 0.005 + 30 * 0.08 / 730  # an address and a root disk


def test_a_pool_of_one_type_is_so_many_machines_of_it() -> None:
    price = machines.ec2(HOME, ["g4dn.xlarge"], 0, 64)
    assert price.idle == 0.0
    assert price.full == pytest.approx(16 * (0.526 + BESIDE))
    assert price.note == "16 × g4dn.xlarge, each with a public IPv4 address and a 30 GB disk"


def test_vcpus_kept_without_jobs_are_paid_while_idle() -> None:
    price = machines.ec2(HOME, ["m5.large"], 3, 10, public=False)
    assert price.idle == pytest.approx(2 * (0.096 + 30 * 0.08 / 730)), "half a machine cannot be kept"
    assert price.full == pytest.approx(5 * (0.096 + 30 * 0.08 / 730))


def test_of_several_types_the_dearest_choice_is_the_price() -> None:
    price = machines.ec2(HOME, ["c5.xlarge", "m5.xlarge"], 0, 8)
    assert price.full == pytest.approx(2 * (0.192 + BESIDE))
    assert price.note.startswith("2 × c5.xlarge to 2 × m5.xlarge")


def test_families_and_bundles_stand_for_their_sizes_without_bare_metal() -> None:
    c5 = HOME.matching("c5")
    assert [one.type for one in c5][:2] == ["c5.large", "c5.xlarge"]
    assert not any("metal" in one.type for one in c5)
    assert {one.family for one in HOME.matching("optimal")} == {"m6i", "c6i", "r6i", "c7i"}
    assert [one.type for one in HOME.matching("c5.metal")] == ["c5.metal"]


def test_no_machine_is_larger_than_the_pool_where_a_smaller_one_will_do() -> None:
    assert machines.ec2(HOME, ["c5"], 0, 4).note.startswith("1 × c5.xlarge to 2 × c5.large")


def test_what_the_table_does_not_have_is_unknown_and_not_free() -> None:
    price = machines.ec2(HOME, ["g4dn.xlarge", "x99.large"], 0, 64)
    assert (price.idle, price.full) == (0.0, None)
    assert "x99.large" in price.note
    assert machines.ec2(HOME, ["x99.large"], 4, 64).idle is None
    nowhere = shipped("mars-north-1")
    assert nowhere.instance("m5.large") is not None, "sizes are the same everywhere"
    assert machines.ec2(nowhere, ["m5.large"], 0, 2).full is None
    assert nowhere.rate("nat_gateway_hour") is None
    assert nowhere.rate("public_ipv4_hour") == 0.005
    assert "mars-north-1" in nowhere.source


def test_another_region_is_an_estimate_and_says_so() -> None:
    frankfurt = shipped("eu-central-1")
    found = frankfurt.instance("m5.large")
    assert found is not None and found.hourly == pytest.approx(0.115, rel=0.02), "AWS's list price there is 0.115"
    assert "estimated for eu-central-1" in frankfurt.source
    assert shipped("us-west-2").source.endswith("us-west-2")


def test_spot_is_priced_as_what_it_never_exceeds() -> None:
    spot, demand = (machines.ec2(HOME, ["c5.large"], 0, 2, spot=yes) for yes in (True, False))
    assert spot.full == demand.full
    assert "spot" in spot.note and "spot" not in demand.note


def test_fargate_is_paid_by_vcpu_and_memory() -> None:
    price = machines.fargate(HOME, 10)
    assert price.idle == 0.0
    assert price.full == pytest.approx(10 * (0.04048 + 8 * 0.004445 + 0.005))


@pytest.mark.parametrize(
    ("amount", "said"), [(0.0, "$0.00"), (8.416, "$8.42"), (0.045, "$0.045"), (0.005, "$0.0050"), (1234.5, "$1,234.50")]
)
def test_small_amounts_keep_their_digits(amount: float, said: str) -> None:
    assert dollars(amount) == said


def test_what_is_billed_beside_the_hours_is_named_only_where_it_is_known() -> None:
    assert metered((HOME.rate("s3_gb_month"), "per GB and month stored")).note == "$0.023 per GB and month stored"
    assert metered((None, "per GB"), (0.5, "per GB written")).note == "$0.50 per GB written"
    assert metered((0.5, "per GB written")).free


def test_workers_are_priced_by_the_machines_that_hold_them() -> None:
    assert machines.jobs(HOME, ["g4dn.xlarge"], 2, 4, 1, 12000) == pytest.approx(2 * (0.526 + BESIDE))
    assert machines.jobs(HOME, ["m5.xlarge"], 3, 2, 0, 1000) == pytest.approx(2 * (0.192 + BESIDE)), "two on a machine"
    assert machines.jobs(HOME, ["m5"], 1, 4, 0, 16000) == pytest.approx(0.384 + BESIDE), "16 GiB is not left of 16 GiB"
    assert machines.jobs(HOME, ["m5.large"], 1, 4, 0, 1000) is None
    assert machines.jobs(shipped("mars-north-1"), ["m5.large"], 1, 1, 0, 1000) is None
    assert machines.fargate_jobs(HOME, 2, 1, 2048) == pytest.approx(2 * (0.04048 + 2 * 0.004445 + 0.005))


def test_small_amounts_keep_two_digits() -> None:
    amounts = (0, 8.554, 1234.5, 0.05, 0.005, 0.00042, 0.0000042)
    assert [dollars(amount) for amount in amounts] == [
        "$0.00", "$8.55", "$1,234.50", "$0.050", "$0.0050", "$0.00042", "$0.0000042",
    ]  # fmt: skip
