"""Which rights each operation takes, service by service.

The source is the Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/):
where it lists a resource type as optional and the call names such a resource, it is asked for here.  An operation
without an entry is denied to everybody but root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from awsrun.local.calls import Call
from awsrun.local.iam.request import Rule
from awsrun.local.iam.tables import batch, dynamodb, ec2, ecr, ecs, functions, iam, logs, plain, s3


@dataclass(frozen=True)
class Table:
    """One service.

    Attributes:
        prefix: of its actions in policies.
        name: the operation of a call; the empty string where it cannot be told.
    """

    prefix: str
    rules: Mapping[str, Rule]
    name: Callable[[Call], str] = lambda call: call.action


TABLES: Mapping[str, Table] = {
    "apigateway": Table("apigateway", functions.API_GATEWAY, functions.method),
    "batch": Table("batch", batch.RULES, batch.name),
    "dynamodb": Table("dynamodb", dynamodb.RULES),
    "ec2": Table("ec2", ec2.RULES),
    "ecr": Table("ecr", ecr.RULES),
    "ecs": Table("ecs", ecs.RULES),
    "freetier": Table("freetier", plain.FREE_TIER),
    "iam": Table("iam", iam.RULES),
    "lambda": Table("lambda", functions.LAMBDA, functions.name),
    "logs": Table("logs", logs.RULES),
    "pricing": Table("pricing", plain.PRICING),
    "s3": Table("s3", s3.RULES, s3.name),
    "servicequotas": Table("servicequotas", plain.QUOTAS),
    "sqs": Table("sqs", plain.SQS),
    "ssm": Table("ssm", plain.SSM),
    "sts": Table("sts", plain.STS),
    "tagging": Table("tag", plain.TAGGING),
}
"""By the name that signatures have for the service."""
