"""How plans and progress look, and that nobody at the keyboard means no."""

from __future__ import annotations

import re

import click
import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.cli.ask import agreed
from awsrun.cli.changes import show_changes, summary, text
from awsrun.cli.progress import Progress
from awsrun.prices.price import Price, always, metered
from awsrun.reconcile.bill import Bill
from awsrun.reconcile.plan import Plan, Planned
from awsrun.reconcile.progress import Event
from awsrun.resources.kind import UNKNOWN, Change


def lines_of(plan: Plan, details: bool = False) -> list[str]:
    lines: list[str] = []
    show_changes(plan, lambda line: lines.append(click.unstyle(line)), details)
    return lines


def test_a_plan_shows_each_action_with_its_reason() -> None:
    plan = Plan(
        "mnist",
        (
            Planned("network", "vpc", "create", (Change("cidr", None, "10.0.0.0/16", False),)),
            Planned("compute", "batch.compute_environment", "update", (Change("max_vcpus", 64, 32, False),)),
            Planned(
                "people",
                "dynamodb.table",
                "replace",
                (Change("key", "id", "email", True),),
                "AWS cannot change key",
                refused="mnist-people holds data (3 or more)",
            ),
            Planned("old", "s3.bucket", "delete", (), "it is not in the spec any more"),
        ),
    )
    assert lines_of(plan) == [
        "stack mnist:",
        "  + network  vpc",
        "  ~ compute  batch.compute_environment",
        "        max_vcpus: 64 → 32",
        "-/+ people   dynamodb.table             AWS cannot change key",
        "        key: id → email  (cannot change in place)",
        "        apply will refuse: mnist-people holds data (3 or more)",
        "  - old      s3.bucket                  it is not in the spec any more",
        "1 to create, 1 to change, 1 to replace, 1 to delete",
    ]
    assert "        cidr: 10.0.0.0/16" in lines_of(plan, details=True)


def test_a_plan_ends_with_what_it_costs_and_how_long_it_takes() -> None:
    prices = {
        "compute": Price(0.0, 8.5486, "16 × g4dn.xlarge"),
        "way-out": always(0.045, "$0.045 per GB"),
        "results": metered((0.023, "per GB and month stored")),
    }
    changes = tuple(Planned(name, "kind", "create") for name in prices)
    assert lines_of(Plan("mnist", changes, Bill(prices, "list prices of today"), usual=188)) == [
        "stack mnist:",
        "  + compute  kind",
        "        $0.00/h idle, up to $8.55/h: 16 × g4dn.xlarge",
        "  + way-out  kind",
        "        $0.045/h, used or not; $0.045 per GB",
        "  + results  kind",
        "3 to create, 0 to change; usually 3 min",
        "idle $0.045/h (apart from what is stored), at full use up to $8.59/h",
        "by list prices of today",
    ]
    free = Bill({"compute": prices["compute"]}, "list prices of today", billed=False)
    assert lines_of(Plan("mnist", changes[:1], free, usual=20))[-3:] == [
        "1 to create, 0 to change; usually under a minute on AWS",
        "free here; on AWS: nothing here costs while idle, at full use up to $8.55/h",
        "by list prices of today",
    ]


def test_an_unknown_price_is_never_shown_as_nothing() -> None:
    bill = Bill({"compute": Price(0.0, None, "price of x99.large not known"), "nat": always(None)}, "list prices")
    said = lines_of(Plan("mnist", (Planned("compute", "kind", "create"),), bill))
    assert "        price of x99.large not known" in said
    assert "not counted, as the price is not known: compute, nat" in said
    assert "nothing here costs while idle" not in "\n".join(said)
    assert bill.to_json()["unknown"] == ["compute", "nat"]


def test_an_empty_plan_says_so() -> None:
    assert lines_of(Plan("mnist", ())) == ["stack mnist: no change"]
    assert summary(["create"] * 14) == "14 to create, 0 to change"


def test_values_fit_a_line() -> None:
    assert text(UNKNOWN) == "(known after apply)"
    assert text(frozenset({"b", "a"})) == '["a", "b"]'
    assert text(None) == "none"
    assert len(text("x" * 1000)) == 100


def test_without_a_terminal_each_finished_resource_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress(Event("network", "vpc", "create", "started"))
        progress(Event("network", "vpc", "create", "waiting", "AWS has not shown it yet", 0.1))
        progress(Event("network", "vpc", "create", "done", "", 0.34))
        progress(Event("results", "s3.bucket", "delete", "kept", "it holds 3 objects", 0.0))
        progress(Event("queue", "batch.job_queue", "create", "failed", "no such environment", 1.0))
    captured = capsys.readouterr()
    assert captured.out == "", "stdout belongs to --json"
    said = [re.sub(" +", " ", line) for line in click.unstyle(captured.err).splitlines()]
    assert said == [
        "created network vpc 0.3 s",
        "kept results s3.bucket 0.0 s it holds 3 objects",
        "failed queue batch.job_queue 1.0 s no such environment",
    ]


def test_a_live_table_shows_what_is_under_way_and_for_how_long() -> None:
    from rich.console import Console

    now = [100.0]
    progress = Progress(clock=lambda: now[0])
    progress(Event("compute", "batch.compute_environment", "create", "started"))
    now[0] = 107.0
    progress(Event("compute", "batch.compute_environment", "create", "waiting", "it is [CREATING]", 7.0))
    now[0] = 109.0
    console = Console(width=120)
    with console.capture() as capture:
        console.print(progress._table())
    assert " ".join(capture.get().split()) == "creating compute batch.compute_environment 9 s it is [CREATING]"


def test_nobody_at_the_keyboard_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115 (closed with the process)
    assert agreed("Delete it?", yes=True, why="1 to delete")
    with pytest.raises(AwsrunError) as caught:
        agreed("Delete it?", yes=False, why="1 to delete")
    assert (caught.value.why, caught.value.hint) == ("1 to delete", "add --yes")
