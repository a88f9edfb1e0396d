"""The kinds awsrun knows, each imported only when a spec or a command needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.resources.kind import Kind

KINDS = {
    "vpc": "vpc:Vpc",
    "vpc.internet_gateway": "vpc_parts:InternetGateway",
    "vpc.route_table": "vpc_parts:RouteTable",
    "vpc.subnet": "vpc_parts:Subnet",
    "vpc.endpoint": "vpc_endpoint:Endpoint",
    "vpc.nat_gateway": "vpc_nat:NatGateway",
    "key_pair": "key_pair:KeyPair",
    "elastic_ip": "elastic_ip:ElasticIp",
    "ec2.instance": "ec2_instance:Instance",
    "ec2.launch_template": "ec2_launch_template:LaunchTemplate",
    "security_group": "security_group:SecurityGroup",
    "iam.role": "iam_role:Role",
    "iam.instance_profile": "iam_instance_profile:InstanceProfile",
    "s3.bucket": "s3_bucket:Bucket",
    "s3.site": "s3_site:Site",
    "dynamodb.table": "dynamodb_table:Table",
    "ecr.repository": "ecr_repository:Repository",
    "ecr.image": "ecr_image:Image",
    "logs.group": "logs_group:LogGroup",
    "sqs.queue": "sqs_queue:Queue",
    "ssm.parameter": "ssm_parameter:Parameter",
    "lambda.function": "lambda_function:Function",
    "apigateway.rest_api": "apigateway_rest_api:RestApi",
    "batch.compute_environment": "batch_compute_environment:ComputeEnvironment",
    "batch.job_queue": "batch_job_queue:JobQueue",
    "batch.job_definition": "batch_job_definition:JobDefinition",
    "ecs.cluster": "ecs_cluster:Cluster",
    "ecs.task_definition": "ecs_task_definition:TaskDefinition",
    "ecs.service": "ecs_service:Service",
}


@cache
def kind(name: str) -> type[Kind[Any, Any]]:
    """The class of a kind.  Raises KeyError for a name that is not in KINDS."""
    module, _, attribute = KINDS[name].partition(":")
    found: type[Kind[Any, Any]] = getattr(import_module(f"awsrun.resources.{module}"), attribute)
    return found


class Kinds(Mapping[str, Kind[Any, Any]]):
    """Every kind, ready to work on one cloud; each is imported and made when it is looked up."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._made: dict[str, Kind[Any, Any]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Kind[Any, Any]:
        with self._lock:
            if name not in self._made:
                self._made[name] = kind(name)(self._cloud)
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)
