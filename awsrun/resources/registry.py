"""The kinds awsrun knows, each imported only when a spec or a command needs it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from awsrun.resources.kind import Kind

KINDS = {
    "vpc": "vpc:Vpc",
    "vpc.internet_gateway": "vpc_parts:InternetGateway",
    "vpc.route_table": "vpc_parts:RouteTable",
    "vpc.subnet": "vpc_parts:Subnet",
    "vpc.endpoint": "vpc_parts:Endpoint",
    "security_group": "security_group:SecurityGroup",
    "iam.role": "iam_role:Role",
    "iam.instance_profile": "iam_instance_profile:InstanceProfile",
    "s3.bucket": "s3_bucket:Bucket",
    "dynamodb.table": "dynamodb_table:Table",
    "ecr.repository": "ecr_repository:Repository",
    "logs.group": "logs_group:LogGroup",
    "batch.compute_environment": "batch_compute_environment:ComputeEnvironment",
    "batch.job_queue": "batch_job_queue:JobQueue",
    "batch.job_definition": "batch_job_definition:JobDefinition",
}


@cache
def kind(name: str) -> type[Kind[Any, Any]]:
    """The class of a kind.  Raises KeyError for a name that is not in KINDS."""
    module, _, attribute = KINDS[name].partition(":")
    found: type[Kind[Any, Any]] = getattr(import_module(f"awsrun.resources.{module}"), attribute)
    return found
