"""DynamoDB as hard as it is: tables come and go in their time, and change one thing at a time.

Sources, below https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/: API_CreateTable.html (CREATING; only
ACTIVE tables are read and written), API_DescribeTable.html (right after CreateTable it may answer
ResourceNotFoundException), API_DeleteTable.html (DELETING; ResourceInUseException while CREATING or UPDATING, no error
while DELETING already) and API_UpdateTimeToLive.html (takes up to one hour; a second change meanwhile is a
ValidationException); https://github.com/scalar-labs/scalardb/pull/2769 (an ACTIVE table may not be found by reads and
writes yet).
"""

from __future__ import annotations

import json
from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.rules import Rules, document, with_document

CREATING, UPDATING, DELETING = 8.0, 10.0, 10.0  # seconds, at most
KNOWN, LISTED = 2.0, 5.0  # seconds until DescribeTable finds a new table, and ListTables shows it
SERVED = 3.0  # seconds from ACTIVE on until reads and writes find it, at most
TTL_CHANGE = 3600.0  # seconds between two changes of a table's time to live
TTL_ENABLING = 60.0

_DATA = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
_CONTROL = frozenset({"UpdateTable", "DeleteTable", "UpdateTimeToLive", "TagResource", "UntagResource"})


class DynamoRules(Rules):
    service = "dynamodb"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        action, names = call.action, _tables(call)
        for name in names:
            key = self.key(call, name)
            phase = self.ledger.phase(key)
            if action == "CreateTable" and phase:
                return refusal(call, "ResourceInUseException", f"Table already exists: {name}")
            if action == "DescribeTable" and self.ledger.unknown(key):
                return _missing(call, name)
            if action not in _CONTROL and action not in ("DescribeTable", "CreateTable") and phase == "CREATING":
                return _missing(call, name)
            if action in _DATA and self.ledger.phase((*key, "starting")):
                return _missing(call, name)
            if action == "DeleteTable" and phase == "DELETING":
                return self._dying(call, name, inner)
            if action in _CONTROL and phase:
                return refusal(
                    call, "ResourceInUseException", f"Attempt to change a resource which is still in use: {name}"
                )
            if phase == "DELETING" and action not in ("DescribeTable", "CreateTable"):
                return _missing(call, name)
            if action == "UpdateTimeToLive" and self.ledger.phase((*key, "ttl-fixed")):
                said = "Time to live has been modified multiple times within a fixed interval"
                return refusal(call, "ValidationException", said)
            if action == "DeleteTable":
                return self._delete(call, name, inner)
        return None

    def _delete(self, call: Call, name: str, inner: Perform) -> Reply | None:
        """The table is described as DELETING until it is gone; moto deletes at once, and so is asked only then."""
        described = inner(_like(call, "DescribeTable", {"TableName": name}))
        if described.status >= 400 or document(described)["Table"].get("DeletionProtectionEnabled"):
            return None  # moto says what is wrong
        seconds = self.ledger.lag(self.key(call, name), DELETING)
        self.ledger.enter(self.key(call, name), "DELETING", seconds)
        self.put_off(call, seconds)
        return self._dying(call, name, inner)

    def _dying(self, call: Call, name: str, inner: Perform) -> Reply:
        described = inner(_like(call, "DescribeTable", {"TableName": name}))
        return with_document(
            described, {"TableDescription": {**document(described)["Table"], "TableStatus": "DELETING"}}
        )

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        action, ledger = call.action, self.ledger
        name = next(iter(_tables(call)), "")
        key = self.key(call, name)
        if action == "CreateTable":
            ledger.made(key, KNOWN, LISTED)
            creating = ledger.lag(key, CREATING)
            ledger.enter(key, "CREATING", creating)
            ledger.enter((*key, "starting"), "starting", creating + ledger.lag((*key, "starting"), SERVED))
        elif action == "UpdateTable":
            ledger.enter(key, "UPDATING", ledger.lag(key, UPDATING))
        elif action == "UpdateTimeToLive":
            ledger.enter((*key, "ttl-fixed"), "fixed", TTL_CHANGE)
            ledger.enter((*key, "ttl"), "DISABLING" if not _enabling(call) else "ENABLING", TTL_ENABLING)
        elif action == "DescribeTimeToLive":
            return self._ttl(key, reply)
        elif action == "ListTables":
            hidden = ledger.unlisted_of(self.service, call.scope[1])
            found = document(reply)
            return with_document(reply, {**found, "TableNames": [n for n in found["TableNames"] if n not in hidden]})
        if action in ("CreateTable", "DescribeTable", "UpdateTable") and (phase := ledger.phase(key)):
            found = document(reply)
            part = "Table" if action == "DescribeTable" else "TableDescription"
            return with_document(reply, {**found, part: {**found[part], "TableStatus": phase}})
        return reply

    def _ttl(self, key: tuple[str, ...], reply: Reply) -> Reply:
        phase = self.ledger.phase((*key, "ttl"))
        if not phase:
            return reply
        said = document(reply)["TimeToLiveDescription"]
        return with_document(reply, {"TimeToLiveDescription": {**said, "TimeToLiveStatus": phase}})


def _tables(call: Call) -> list[str]:
    """The names of the tables that a call is about."""
    body = call.json
    if "TableName" in body:
        return [_short(body["TableName"])]
    if "ResourceArn" in body:
        return [_short(body["ResourceArn"])]
    if "RequestItems" in body:
        return [_short(name) for name in body["RequestItems"]]
    return [_short(next(iter(one.values()))["TableName"]) for one in body.get("TransactItems", [])]


def _short(name: str) -> str:
    return name.rpartition(":table/")[2].partition("/")[0]


def _enabling(call: Call) -> bool:
    return bool(call.json.get("TimeToLiveSpecification", {}).get("Enabled"))


def _missing(call: Call, name: str) -> Reply:
    return refusal(call, "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def _like(call: Call, action: str, body: dict[str, Any]) -> Call:
    """A call of another operation by the same caller."""
    version = call.environ["HTTP_X_AMZ_TARGET"].rpartition(".")[0]
    content = json.dumps(body).encode()
    environ = {**call.environ, "HTTP_X_AMZ_TARGET": f"{version}.{action}", "CONTENT_LENGTH": str(len(content))}
    return Call(environ, content)
