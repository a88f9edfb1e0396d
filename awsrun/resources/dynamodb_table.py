"""DynamoDB tables, billed by request: they cost nothing while idle."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field, model_validator

from awsrun.aws.errors import matches
from awsrun.aws.names import stack_table
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME, mapping, pairs
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, REPLACE, Change, Found, Kind, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import arn, ours, unless_denied
from awsrun.resources.rights import named
from awsrun.spec.references import ResourceSpec

KeyType = Literal["S", "N", "B"]
PHASES: Mapping[str, Phase] = {
    "CREATING": "pending",
    "UPDATING": "pending",
    "ACTIVE": "ready",
    "DELETING": "deleting",
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": "broken",
    "ARCHIVING": "pending",
    "ARCHIVED": "broken",
}


class TableSpec(ResourceSpec):
    """A table billed by request. Other keys mean another table."""

    outputs = ("arn", "name")
    example = """
    people: {kind: dynamodb.table, hash_key: id}
    """
    kind: Literal["dynamodb.table"] = "dynamodb.table"
    name: str | None = Field(
        default=None, min_length=3, max_length=255, pattern=r"^[A-Za-z0-9_.-]+$", description="Physical name."
    )
    hash_key: str = Field(min_length=1, max_length=255, description="Attribute that items are spread by.")
    hash_type: KeyType = Field(default="S", description="Its type: S string, N number, B bytes.")
    range_key: str | None = Field(
        default=None, min_length=1, max_length=255, description="Attribute that sorts items of one hash key."
    )
    range_type: KeyType = Field(default="S", description="Its type: S string, N number, B bytes.")
    ttl: str | None = Field(
        default=None, min_length=1, description="Attribute with the time, in Unix seconds, at which an item is deleted."
    )
    purge: bool = Field(default=False, description="Its items may be deleted with it.")

    @model_validator(mode="after")
    def _two_keys(self) -> TableSpec:
        if self.hash_key == self.range_key:
            raise ValueError(f"hash_key and range_key are both {self.hash_key!r}")
        if self.name and self.name.startswith(stack_table("")):
            raise ValueError(f"names that start with {stack_table('')} are those of awsrun's own tables")
        return self


@dataclass(frozen=True)
class TableState(State):
    """Keys as ``name:type``, ``range_key`` and ``ttl`` empty for none."""

    hash_key: Annotated[str, REPLACE]
    range_key: Annotated[str, REPLACE]
    on_demand: bool
    ttl: str


class Table(Kind[TableSpec, TableState]):
    kind = "dynamodb.table"
    Spec = TableSpec
    State = TableState
    identity = "name"
    service = "dynamodb"
    usual = 15.0
    name_limit = 255
    holds_data = True
    absent = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
    exists = frozenset({"ResourceInUseException", "TableAlreadyExistsException"})
    # Created, changed or deleted right now; 500 tables changing at once; one change of the TTL an hour.
    retry = frozenset(
        {"ResourceInUseException", "LimitExceededException", "ValidationException:Time to live has been modified"}
    )

    def lower(self, spec: TableSpec, refs: Refs) -> TableState:
        range_key = f"{spec.range_key}:{spec.range_type}" if spec.range_key else ""
        return TableState(f"{spec.hash_key}:{spec.hash_type}", range_key, on_demand=True, ttl=spec.ttl or "")

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "dynamodb", f"table/{physical}")

    def price(self, state: TableState, prices: Prices) -> Price:
        return metered(
            (prices.rate("dynamodb_million_writes"), "per million writes"),
            (prices.rate("dynamodb_million_reads"), "per million reads"),
            (prices.rate("dynamodb_gb_month"), "per GB and month stored"),
        )

    def rights(self, stack: str, specs: Mapping[str, TableSpec]) -> Iterable[Right]:
        """Tags in the create call need dynamodb:TagResource
        (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.Operations.html)."""
        tables = named(self, f"{stack}-*", specs)
        yield allow("find", "dynamodb", "ListTables")
        yield allow("find", "dynamodb", "ListTagsOfResource", *tables)
        yield allow("read", "dynamodb", "DescribeTable DescribeTimeToLive Scan", *tables)
        yield allow("create", "dynamodb", "CreateTable TagResource", *tables)
        yield allow("update", "dynamodb", "UpdateTable UpdateTimeToLive", *tables)
        yield allow("tag", "dynamodb", "TagResource UntagResource", *tables)
        yield allow("delete", "dynamodb", "DeleteTable", *tables)
        yield allow("empty", "dynamodb", "DeleteTable", *tables)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted.
        awsrun's own tables are left out: they are not resources of a spec."""
        pages = self._dynamodb.get_paginator("list_tables").paginate()
        names = (name for page in pages for name in page["TableNames"])
        for name in (name for name in names if not name.startswith(stack_table(""))):
            if stack is None or name.startswith(f"{stack}-") or name in hints:
                tags = unless_denied(stack, self._tags, name) or {}
                if ours(tags, stack):
                    yield Found(tags[NAME], name, tags, self.read(name))

    def read(self, id: str) -> Seen[TableState]:
        try:
            table = self._dynamodb.describe_table(TableName=id)["Table"]
            ttl = self._dynamodb.describe_time_to_live(TableName=id)["TimeToLiveDescription"]
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
        keys = {key["KeyType"]: f"{key['AttributeName']}:{types[key['AttributeName']]}" for key in table["KeySchema"]}
        on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
        changing = ttl["TimeToLiveStatus"] in ("ENABLING", "DISABLING")
        attribute = ttl.get("AttributeName", "") if ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else ""
        state = TableState(keys["HASH"], keys.get("RANGE", ""), on_demand, attribute)
        phase = PHASES[table["TableStatus"]]
        why = "its TTL is changing" if changing else ""
        return Seen(state, phase, why, outputs={"name": id, "arn": table["TableArn"]})

    def create(self, state: TableState, owner: Owner) -> str:
        keys = [("HASH", state.hash_key), *([("RANGE", state.range_key)] if state.range_key else [])]
        attributes = [key.rpartition(":") for _, key in keys]
        self.cloud.write("dynamodb").create_table(
            TableName=owner.physical,
            KeySchema=[{"KeyType": role, "AttributeName": key.rpartition(":")[0]} for role, key in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": type} for name, _, type in attributes],
            BillingMode="PAY_PER_REQUEST",
            Tags=pairs(dict(owner.tags)),
        )
        return owner.physical

    def update(self, id: str, wanted: TableState, seen: TableState, changed: Collection[Change]) -> None:
        """One change at a time: DynamoDB refuses a second one while the first goes on."""
        dynamodb, fields = self.cloud.write("dynamodb"), {change.field for change in changed}
        if "on_demand" in fields:
            dynamodb.update_table(TableName=id, BillingMode="PAY_PER_REQUEST")
        elif "ttl" in fields:
            # Another attribute can be named only after the present one is switched off.
            setting = {"Enabled": not seen.ttl, "AttributeName": seen.ttl or wanted.ttl}
            dynamodb.update_time_to_live(TableName=id, TimeToLiveSpecification=setting)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("dynamodb").tag_resource(ResourceArn=self.arn(id), Tags=pairs(dict(set)))
        if unset:
            self.cloud.write("dynamodb").untag_resource(ResourceArn=self.arn(id), TagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[TableState]) -> None:
        if seen.phase != "deleting":
            self.cloud.write("dynamodb").delete_table(TableName=id)

    def holds(self, id: str) -> int:
        """0 also for a table that is being deleted."""
        if self.read(id).phase in ("absent", "deleting"):
            return 0
        try:
            return int(self._dynamodb.scan(TableName=id, Limit=1, Select="COUNT", ConsistentRead=True)["Count"])
        except ClientError as error:
            if matches(error, self.absent):
                return 0
            raise

    def empty(self, id: str) -> None:
        """Deletes the table: emptying one item by item costs money and time, and is only ever asked for before that."""
        self.delete(id, self.read(id))

    @property
    def _dynamodb(self) -> Any:
        return self.cloud.read("dynamodb")

    def _tags(self, name: str) -> dict[str, str]:
        try:
            return mapping(self._dynamodb.list_tags_of_resource(ResourceArn=self.arn(name))["Tags"])
        except ClientError as error:
            if matches(error, self.absent):  # deleted since it was listed
                return {}
            raise
