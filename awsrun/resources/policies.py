"""IAM policies: one canonical text for equal documents, and least-privilege grants by reference."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Statement = dict[str, Any]
Access = Literal["read", "read_write", "send", "consume", "invoke", "log"]

MOST_INLINE = 10_240
"""Characters of a role's inline policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
_LISTS = ("Action", "NotAction", "Resource", "NotResource")

BUCKET_LIST = ("s3:ListBucket",)  # without it a missing object is a 403, not a 404
BUCKET_READ = ("s3:GetObject",)
BUCKET_WRITE = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject")  # boto3 gives up a broken upload
TABLE_READ = ("BatchGetItem", "ConditionCheckItem", "DescribeTable", "GetItem", "Query", "Scan")
TABLE_WRITE = ("BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem")
RUNS = ("BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem")
"""What a worker does to the runs table; tests/e2e/test_iam_worker.py takes each of them away and sees it fail."""
IMAGES_READ = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
IMAGES_WRITE = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")
PARAMETER_READ = ("ssm:GetParameter", "ssm:GetParameters")  # the key of SecureStrings lets in whoever may do these
PARAMETER_WRITE = ("ssm:PutParameter",)
QUEUE_SEND = ("sqs:GetQueueUrl", "sqs:SendMessage")
QUEUE_CONSUME = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
)
# What Lambda does in the function's name: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def canonical(document: Any) -> str:
    """The policy as JSON that is equal for equal meaning: sorted keys, sorted lists where AWS allows a single string.

    Args:
        document: a policy as a mapping (boto3 decodes those of IAM) or as JSON text.
    """
    loaded = json.loads(document) if isinstance(document, str) else document
    statements = loaded.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    return _compact({**loaded, "Statement": sorted((_normal(one) for one in statements), key=_compact)})


def policy(statements: Sequence[Statement]) -> str:
    """A canonical policy of these statements, those that differ in their resources alone joined; empty for none."""
    return canonical({"Version": "2012-10-17", "Statement": _joined(statements)}) if statements else ""


def trust(services: Iterable[str]) -> str:
    """Who may assume a role: AWS services by their short names (``ecs-tasks``)."""
    principals = {"Service": [f"{service}.amazonaws.com" for service in services]}
    return policy([{"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}])


def allow(actions: Iterable[str], *resources: str) -> Statement:
    """One Allow statement."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def grant(kind: str, arn: str, access: Access) -> list[Statement]:
    """What one kind of access to a resource of ``kind`` takes, on that resource alone.

    Raises:
        KeyError: there is no such access to such a kind.
    """
    write = access == "read_write"
    if access in ("read", "read_write"):
        makers = {"s3.bucket": _bucket, "dynamodb.table": _table, "ecr.repository": _repository}
        return {**makers, "ssm.parameter": _parameter}[kind](arn, write)
    of_kind = {
        ("sqs.queue", "send"): [allow(QUEUE_SEND, arn)],
        ("sqs.queue", "consume"): [allow(QUEUE_CONSUME, arn)],
        ("lambda.function", "invoke"): [allow(["lambda:InvokeFunction"], arn)],
        # Not logs:CreateLogGroup: a late writer would bring a deleted group back.
        ("logs.group", "log"): [allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{arn}:*")],
    }
    return of_kind[kind, access]


def in_vpc(function: str) -> list[Statement]:
    """What Lambda needs to put a function (its ARN) into a VPC; the function's own code may not do the same."""
    denied = {"Effect": "Deny", "Action": list(INTERFACES), "Resource": "*"}
    from_code = {"Condition": {"ArnEquals": {"lambda:SourceFunctionArn": [function]}}}
    return [allow(INTERFACES, "*"), {**denied, **from_code}]


def run_tasks(definition: str, *roles: str) -> list[Statement]:
    """Running tasks of one task definition (its ARN without a revision), tagged in the same call, with its roles.

    Which rights that takes: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html (the roles
    of the definition are passed) and supported-iam-actions-tagging.html (only what is being run may be tagged).
    """
    tagging = allow(["ecs:TagResource"], f"{definition.partition(':task-definition/')[0]}:task/*")
    passing = allow(["iam:PassRole"], *sorted(roles))
    return [
        allow(["ecs:RunTask"], f"{definition}:*"),
        {**tagging, "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}}},
        {**passing, "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}},
    ]


def runs(table_arn: str) -> list[Statement]:
    """What a job's worker may do: items of the runs table, and no more (a grant of logs:CreateLogGroup would let a late
    worker bring a deleted log group back)."""
    return [allow([f"dynamodb:{name}" for name in RUNS], table_arn)]


def _bucket(arn: str, write: bool) -> list[Statement]:
    on_objects = (*BUCKET_READ, *(BUCKET_WRITE if write else ()))
    return [allow(BUCKET_LIST, arn), allow(on_objects, f"{arn}/*")]


def _table(arn: str, write: bool) -> list[Statement]:
    actions = (*TABLE_READ, *(TABLE_WRITE if write else ()))
    return [allow([f"dynamodb:{name}" for name in actions], arn, f"{arn}/index/*")]


def _parameter(arn: str, write: bool) -> list[Statement]:
    return [allow((*PARAMETER_READ, *(PARAMETER_WRITE if write else ())), arn)]


def _repository(arn: str, write: bool) -> list[Statement]:
    actions = (*IMAGES_READ, *(IMAGES_WRITE if write else ()))
    return [allow(actions, arn), allow(["ecr:GetAuthorizationToken"], "*")]  # this one knows no resources


def _joined(statements: Iterable[Statement]) -> list[Statement]:
    joined: dict[str, Statement] = {}
    for one in map(_normal, statements):
        alike = joined.setdefault(_compact({**one, "Resource": []}), one)
        if "Resource" in one:
            alike["Resource"] = sorted({*alike["Resource"], *one["Resource"]})
    return list(joined.values())


def _normal(statement: Statement) -> Statement:
    normal = dict(statement)
    for key in _LISTS:
        if key in normal:
            normal[key] = _listed(normal[key])
    for key in ("Principal", "NotPrincipal"):
        if isinstance(normal.get(key), dict):
            normal[key] = {who: _listed(names) for who, names in normal[key].items()}
    return normal


def _listed(value: Any) -> list[Any]:
    return sorted(value) if isinstance(value, list) else [value]


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
