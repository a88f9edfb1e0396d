"""Which rights a call takes."""

from __future__ import annotations

from awsrun.local.calls import Call
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import Unlisted
from awsrun.local.iam.request import Authorization, Request
from awsrun.local.iam.tables import TABLES

_MOTO = Directory()


def authorizations(call: Call, directory: Directory = _MOTO) -> list[Authorization]:
    """The rights that AWS would ask for: action, resource's ARN, condition keys of the call; each has to be allowed.

    The world's lock has to be held: names are looked up in the cloud's state, before the call changes it.

    Raises:
        Unlisted: no table knows the operation.
    """
    service = call.scope[0] or "s3"  # without a signature, or with one in the URL
    table = TABLES.get(service)
    if table is None:
        raise Unlisted(service, call.action or call.path)
    operation = table.name(call)
    rule = table.rules.get(operation)
    if rule is None:
        raise Unlisted(table.prefix, operation or f"{call.method} {call.path}")
    return list(rule(Request(call, table.prefix, operation, directory)))
