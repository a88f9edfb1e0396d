"""The record of an applied stack: what resources put out, and what jobs need to know to run there.

It is one item of the table ``awsrun-STACK``; apply writes it, everything else reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import DENIED, AwsrunError, matches
from awsrun.aws.names import RUNS, stack_table

ABSENT = ("ResourceNotFoundException",)
_KEY = {"pk": {"S": "OUTPUTS"}}


@dataclass(frozen=True)
class StackRecord:
    """What the last apply left.

    Attributes:
        outputs: logical name -> output -> value (``{"results": {"name": "mnist-results-1a2b", "arn": ...}}``).
        jobs: where jobs run, or empty: ``definition`` (an ARN), ``bucket``, ``table``, ``log_group`` (names),
            ``vcpus``, ``gpus``, ``memory_mib`` (of one worker), ``max_vcpus`` (of all), ``capacity`` (``EC2``,
            ``SPOT``, ``FARGATE``, ``FARGATE_SPOT``).  On Batch ``queue`` (an ARN) and ``instance_types`` (none on
            Fargate); on ECS ``engine`` (``fargate``), ``cluster`` (an ARN), ``subnets`` and ``security_groups`` (ids),
            ``public`` (tasks have a public address), ``container`` (its name), ``architecture``, ``storage_gib`` and
            ``stop_timeout`` (seconds).
        applied_at: ISO 8601, UTC.
        since: when the first apply ended, or began where none got that far: ISO 8601, UTC.
        variables: the values that the spec's variables had.
        complete: False while an apply is under way or after one that failed.
    """

    stack: str
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: Mapping[str, Any] = field(default_factory=dict)
    applied_at: str = ""
    complete: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    since: str = ""


def find(cloud: Cloud, stack: str) -> StackRecord | None:
    """The record of ``stack``; None where there is none, be it that a first apply was cut short before it."""
    from botocore.exceptions import ClientError

    try:
        answer = cloud.read("dynamodb").get_item(TableName=stack_table(stack), Key=_KEY, ConsistentRead=True)
    except ClientError as error:
        if not matches(error, ABSENT):
            raise
        return None
    return StackRecord(**json.loads(answer["Item"]["data"]["S"])) if "Item" in answer else None


def read(cloud: Cloud, stack: str) -> StackRecord:
    """The record of ``stack``.

    Raises:
        AwsrunError: no such stack is applied in this account and region.
    """
    record = find(cloud, stack)
    if record is None:
        known = names(cloud)
        raise AwsrunError(
            f"stack {stack!r} is not applied in context {cloud.context}",
            f"applied here: {', '.join(known) or 'nothing yet'}",
            "awsrun apply SPEC",
        )
    return record


def readable(cloud: Cloud) -> Iterator[StackRecord]:
    """The records of all stacks that this identity may read; others' are passed over."""
    from botocore.exceptions import ClientError

    for name in names(cloud):
        try:
            record = find(cloud, name)
        except ClientError as error:
            if not matches(error, DENIED):
                raise
            continue
        if record is not None:
            yield record


def write(cloud: Cloud, record: StackRecord) -> None:
    """Put the record, replacing the last one."""
    data = json.dumps(record.__dict__, sort_keys=True)
    cloud.write("dynamodb").put_item(TableName=stack_table(record.stack), Item={**_KEY, "data": {"S": data}})


def names(cloud: Cloud) -> list[str]:
    """The stacks of this account and region, sorted; those too of which an apply made no more than the runs table."""
    prefix, found = stack_table(""), []
    for page in cloud.read("dynamodb").get_paginator("list_tables").paginate():
        found += [name.removeprefix(prefix) for name in page["TableNames"] if name.startswith(prefix)]
    return sorted({name.removesuffix(RUNS) for name in found})
