"""What any table must do; each test runs on every table there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from awsrun.worker.protocol.table import ConditionFailed, Item, Table, When


@pytest.fixture
def table(make_table: Callable[[], Table]) -> Table:
    return make_table()


def test_an_item_comes_back_as_it_was(table: Table) -> None:
    item: Item = {"pk": "a", "sk": "1", "text": "é\n", "empty": "", "number": -(10**20), "yes": True, "no": False}
    table.put(item)
    found = table.get("a", "1")
    assert found == item
    assert found is not None and found["yes"] is True and found["no"] is False
    assert table.get("a", "2") is None


@pytest.mark.parametrize(
    ("when", "holds", "reason"),
    [
        (When("n", "=", 5), True, "equal numbers"),
        (When("n", "=", 6), False, "other numbers"),
        (When("n", "=", "5"), False, "a number is no text"),
        (When("flag", "=", False), True, "equal booleans"),
        (When("n", "<", 6), True, "less"),
        (When("n", "<", 5), False, "equal is not less"),
        (When("n", "<=", 5), True, "equal is less or equal"),
        (When("none", "=", 5), False, "a missing attribute equals nothing"),
        (When("none", "<", 5), False, "a missing attribute is not less"),
        (When("none", "absent"), True, "missing"),
        (When("n", "absent"), False, "there"),
        (When("none", "absent or <", 1), True, "missing, so the number does not matter"),
        (When("n", "absent or <", 6), True, "there and less"),
        (When("n", "absent or <", 5), False, "there and not less"),
    ],
)
def test_conditions(table: Table, when: When, holds: bool, reason: str) -> None:
    item: Item = {"pk": "a", "sk": "1", "n": 5, "flag": False}
    table.put(item)
    if holds:
        table.update("a", "1", {"new": 1}, when=(when,))
        table.put(item, (when,))
    else:
        for write in (
            lambda: table.put({"pk": "a", "sk": "1"}, (when,)),
            lambda: table.update("a", "1", {"n": 9}, when=(When("n", "=", 5), when)),
        ):
            with pytest.raises(ConditionFailed) as refused:
                write()
            assert refused.value.old == item, reason
        assert table.get("a", "1") == item, reason


def test_a_condition_on_no_item(table: Table) -> None:
    with pytest.raises(ConditionFailed) as refused:
        table.update("a", "1", {"n": 1}, when=(When("n", "=", 1),))
    assert refused.value.old is None
    assert table.get("a", "1") is None
    table.put({"pk": "a", "sk": "1"}, (When("pk", "absent"),))
    with pytest.raises(ConditionFailed):
        table.put({"pk": "a", "sk": "1"}, (When("pk", "absent"),))


def test_an_update_sets_adds_and_makes_the_item(table: Table) -> None:
    assert table.update("a", "1", {"s": "x"}, {"n": 2}) == {"pk": "a", "sk": "1", "s": "x", "n": 2}
    assert table.update("a", "1", {"s": "y"}, {"n": 3}) == {"pk": "a", "sk": "1", "s": "y", "n": 5}
    assert table.update("a", "1", {}, {"n": 1}, (When("n", "=", 5),))["n"] == 6


def test_a_query_is_in_order(table: Table) -> None:
    table.put_all({"pk": "a", "sk": f"{i:03d}", "n": i} for i in reversed(range(60)))
    table.put({"pk": "b", "sk": "000"})
    assert [item["n"] for item in table.query("a")] == list(range(60))
    assert [item["n"] for item in table.query("a", "01")] == list(range(10, 20))
    assert [item["n"] for item in table.query("a", limit=3, backwards=True)] == [59, 58, 57]
    assert [item["n"] for item in table.query("a", "00", limit=30)] == list(range(10))
    assert [item["n"] for item in table.query("a", start="0575")] == [58, 59]
    assert [item["n"] for item in table.query("a", start="058")] == [58, 59]
    assert list(table.query("c")) == []


def test_a_query_reads_on_after_a_page(table: Table) -> None:
    text = "x" * 100_000  # a page of DynamoDB's is 1 MB
    table.put_all({"pk": "a", "sk": f"{i:03d}", "text": text} for i in range(25))
    assert [item["sk"] for item in table.query("a")] == [f"{i:03d}" for i in range(25)]


def test_the_same_key_twice_in_a_batch(table: Table) -> None:
    table.put_all([{"pk": "a", "sk": "1", "n": 1}, {"pk": "a", "sk": "1", "n": 2}])
    assert table.get("a", "1") == {"pk": "a", "sk": "1", "n": 2}


def test_an_update_that_makes_an_item_too_large_changes_nothing(make_dynamo: Callable[[], Table]) -> None:
    table = make_dynamo()
    before: Item = {"pk": "a", "sk": "1", "state": "run", "n": 1}
    table.put(before)
    with pytest.raises(ClientError, match="exceeded the maximum allowed size"):
        table.update("a", "1", {"state": "done", "text": "x" * 500_000}, {"n": 1})
    assert table.get("a", "1") == before
