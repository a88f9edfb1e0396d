"""DynamoDB as hard as AWS's: tables that come and go in their time, and change one thing at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import LocalCloud
from tests.contract.strict_bench import passes, refused, sometimes, unique, until

MISSING, IN_USE = "ResourceNotFoundException", "ResourceInUseException"


@pytest.fixture
def dynamodb(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("dynamodb")


def create(dynamodb: Any, name: str) -> Any:
    return dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )["TableDescription"]


def status(dynamodb: Any, name: str) -> str:
    try:
        return str(dynamodb.describe_table(TableName=name)["Table"]["TableStatus"])
    except dynamodb.exceptions.ResourceNotFoundException:
        return ""


@pytest.fixture
def table(dynamodb: Any) -> str:
    name = unique()
    assert create(dynamodb, name)["TableStatus"] == "CREATING"
    until(lambda: status(dynamodb, name) == "ACTIVE")
    passes(MISSING, dynamodb.scan, TableName=name)
    return name


def put(dynamodb: Any, name: str) -> None:
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "a"}})


def test_a_new_table_is_not_found_then_creating_and_takes_no_items(dynamodb: Any) -> None:
    def describe(name: str) -> None:
        create(dynamodb, name)
        dynamodb.describe_table(TableName=name)

    name = sometimes(MISSING, describe)
    seen = []
    until(lambda: (seen.append(status(dynamodb, name)), seen[-1] == "ACTIVE")[1])
    assert "CREATING" in seen

    def write(name: str) -> None:
        create(dynamodb, name)
        put(dynamodb, name)

    name = sometimes(MISSING, write)
    passes(MISSING, put, dynamodb=dynamodb, name=name)
    refused(IN_USE, create, dynamodb=dynamodb, name=name)


def test_an_active_table_is_not_found_by_reads_and_writes_for_a_moment(dynamodb: Any) -> None:
    def write(name: str) -> None:
        create(dynamodb, name)
        until(lambda: status(dynamodb, name) == "ACTIVE")
        put(dynamodb, name)

    name = sometimes(MISSING, write)
    assert status(dynamodb, name) == "ACTIVE"
    passes(MISSING, put, dynamodb=dynamodb, name=name)


def test_a_table_is_not_deleted_nor_changed_while_it_is_made(dynamodb: Any) -> None:
    def delete(name: str) -> None:
        create(dynamodb, name)
        refused(IN_USE, create, dynamodb=dynamodb, name=name)
        dynamodb.delete_table(TableName=name)

    name = sometimes(IN_USE, delete)
    passes(IN_USE, dynamodb.delete_table, TableName=name)

    def change(name: str) -> None:
        create(dynamodb, name)
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)

    sometimes(IN_USE, change)


def test_a_new_table_is_listed_later(dynamodb: Any) -> None:
    def listed(name: str) -> bool:
        create(dynamodb, name)
        return name in all_tables(dynamodb)

    names = [unique() for _ in range(20)]
    shown = [listed(name) for name in names]
    assert not all(shown)
    until(lambda: set(names) <= all_tables(dynamodb))


def all_tables(dynamodb: Any) -> set[str]:
    return {name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]}


def test_a_change_takes_its_time_and_there_is_one_at_a_time(dynamodb: Any, table: str) -> None:
    def change(_: str) -> None:
        passes(IN_USE, dynamodb.update_table, TableName=table, BillingMode="PAY_PER_REQUEST")
        put(dynamodb, table)  # items can be written meanwhile
        dynamodb.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")

    sometimes(IN_USE, change)
    assert until(lambda: status(dynamodb, table) == "ACTIVE")


def test_a_deleted_table_is_deleting_until_it_is_gone(dynamodb: Any) -> None:
    """Deleting it again meanwhile is no error; making it again is one."""

    def deleting(_: int) -> bool:
        name = unique()
        create(dynamodb, name)
        until(lambda: status(dynamodb, name) == "ACTIVE")
        assert dynamodb.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
        try:
            again = dynamodb.delete_table(TableName=name)["TableDescription"]["TableStatus"]
            refused(IN_USE, create, dynamodb=dynamodb, name=name)
            refused(MISSING, put, dynamodb=dynamodb, name=name)
        except (dynamodb.exceptions.ResourceNotFoundException, pytest.fail.Exception, AssertionError):
            return False  # it was gone sooner than this machine asked
        until(lambda: status(dynamodb, name) == "")
        create(dynamodb, name)
        return bool(again == "DELETING")

    assert any(deleting(number) for number in range(20))


def test_a_protected_table_stays(dynamodb: Any, table: str) -> None:
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
    until(lambda: status(dynamodb, table) == "ACTIVE")
    refused("ValidationException", dynamodb.delete_table, TableName=table)
    assert status(dynamodb, table) == "ACTIVE"


def set_ttl(dynamodb: Any, name: str, enabled: bool) -> None:
    setting = {"Enabled": enabled, "AttributeName": "expires"}
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=setting)


def ttl(dynamodb: Any, name: str) -> str:
    return str(dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"])


def test_the_time_to_live_changes_once_an_hour(hasty_cloud: LocalCloud) -> None:
    dynamodb, name = hasty_cloud.client("dynamodb"), unique()
    create(dynamodb, name)
    until(lambda: status(dynamodb, name) == "ACTIVE")
    set_ttl(dynamodb, name, True)
    refused("ValidationException:fixed interval", set_ttl, dynamodb=dynamodb, name=name, enabled=False)
    until(lambda: ttl(dynamodb, name) == "ENABLED")
    passes("ValidationException:fixed interval", set_ttl, dynamodb=dynamodb, name=name, enabled=False)
    until(lambda: ttl(dynamodb, name) == "DISABLED")


def test_the_time_to_live_is_enabling_for_a_while(dynamodb: Any, table: str) -> None:
    set_ttl(dynamodb, table, True)
    assert ttl(dynamodb, table) == "ENABLING"
    until(lambda: ttl(dynamodb, table) == "ENABLED")


def test_transactions_find_a_new_table_no_sooner(dynamodb: Any) -> None:
    def attempt(name: str) -> None:
        create(dynamodb, name)
        item = {"TableName": name, "Item": {"pk": {"S": "a"}}}
        dynamodb.transact_write_items(TransactItems=[{"Put": item}])

    sometimes(MISSING, attempt)
