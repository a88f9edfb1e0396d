"""What users may write of each kind: impossible values are refused in words, before any call."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from awsrun.aws.clients import Cloud, offline
from awsrun.aws.context import LOCAL, Context
from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.graph import build
from awsrun.resources import policies
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import KINDS, Kinds, kind
from awsrun.resources.units import Duration
from awsrun.spec.load import parse

JOB: dict[str, Any] = {"kind": "batch.job_definition", "image": "a", "memory_mib": 2048}
FARGATE: dict[str, Any] = {**JOB, "fargate": True}
COMPUTE: dict[str, Any] = {"kind": "batch.compute_environment", "vpc": "n", "max_vcpus": 8}
GROUP: dict[str, Any] = {"kind": "security_group", "vpc": "n"}

FUNCTION = {"kind": "lambda.function", "code": "def handler(event, context): pass"}
REFUSED = [
    ({"kind": "vpc", "cidr": "10.10.0.1/23"}, "did you mean 10.10.0.0/23"),
    ({"kind": "vpc", "cidr": "10.10.0/23"}, "is not a CIDR"),
    ({"kind": "vpc", "cidr": "10.0.0.0/8"}, "AWS takes /16 to /28"),
    ({"kind": "vpc", "cidr": "10.0.0.0/26"}, "too small"),
    ({"kind": "vpc", "cidr": "127.0.0.0/16"}, "not usable"),
    ({"kind": "vpc", "private": True}, "nat (a NAT gateway, about $0.05 an hour"),
    ({"kind": "vpc", "private": "maybe"}, "'nat' or 'endpoints'"),
    ({"kind": "vpc", "private_per_az": True}, "give private (nat or endpoints) too"),
    ({"kind": "vpc", "private_cidrs": ["10.0.0.0/24"]}, "give private (nat or endpoints) too"),
    ({"kind": "vpc", "private": "nat", "private_cidrs": ["10.0.1.0/24"]}, "private_cidrs has 1 for max_azs: 2"),
    ({"kind": "vpc", "private": "nat", "max_azs": 1, "private_cidrs": ["10.0.0.0/28"]}, "overlaps 10.0.0.0/19"),
    ({"kind": "vpc", "private": "nat", "max_azs": 1, "private_cidrs": ["10.1.0.0/24"]}, "not within 10.0.0.0/16"),
    (
        {"kind": "vpc", "private": "nat", "cidr": "10.0.0.0/28", "max_azs": 1, "public_cidrs": ["10.0.0.0/28"]},
        "too small",
    ),
    ({"kind": "vpc", "max_azs": 5}, "less than or equal to 4"),
    ({"kind": "vpc", "public_cidrs": ["10.0.0.0/24"]}, "max_azs: 2"),
    ({"kind": "vpc", "public_cidrs": ["10.0.0.0/24", "10.0.0.128/25"]}, "overlaps 10.0.0.0/24"),
    ({"kind": "vpc", "public_cidrs": ["10.0.0.0/24", "10.1.0.0/24"]}, "not within 10.0.0.0/16"),
    ({**GROUP, "ingress": [{"port": 70000, "from": "self"}]}, "neither a port"),
    ({**GROUP, "ingress": [{"port": "90-80", "from": "self"}]}, "neither a port"),
    ({**GROUP, "ingress": [{"port": 22, "from": "10.0.0.1/8"}]}, "host bits"),
    ({**GROUP, "ingress": [{"port": 22, "from": "me"}]}, "neither my-address"),
    ({**GROUP, "ingress": [{"port": 22}]}, "one of from and from_group"),
    ({**GROUP, "ingress": [{"port": 22, "from": "self", "from_group": "a"}]}, "one of from and from_group"),
    ({**GROUP, "description": "naïve"}, "match pattern"),
    ({**GROUP, "name": "sg-web"}, "not begin with sg-"),
    ({"kind": "iam.role", "service": "ecs-tasks.amazonaws.com"}, "short name"),
    ({"kind": "iam.role", "service": []}, "name a service"),
    ({"kind": "iam.role", "service": "ec2", "name": "x" * 65}, "at most 64"),
    ({"kind": "s3.bucket", "name": "Upper"}, "match pattern"),
    ({"kind": "s3.bucket", "name": "a..b"}, "no two dots"),
    ({"kind": "s3.site", "folder": ".", "name": "10.0.0.1"}, "no IP address"),
    ({"kind": "s3.bucket", "name": "results--x-s3"}, "S3's own"),
    ({"kind": "s3.bucket", "expire_days": -1}, "greater than or equal to 0"),
    ({"kind": "dynamodb.table", "hash_key": "a", "range_key": "a"}, "both 'a'"),
    ({"kind": "dynamodb.table", "hash_key": "a", "name": "awsrun-x"}, "awsrun's own"),
    ({"kind": "logs.group", "retention_days": 31}, "the nearest is 30"),
    ({"kind": "logs.group", "name": "/aws/batch/job"}, "begins with /awsrun/"),
    ({**COMPUTE, "min_vcpus": 9}, "more than max_vcpus"),
    ({**COMPUTE, "fargate": True, "instance_types": ["c5"]}, "leave instance_types out"),
    ({**COMPUTE, "fargate": True, "min_vcpus": 1}, "leave min_vcpus out"),
    ({**COMPUTE, "instance_types": []}, "at least one"),
    ({**COMPUTE, "disk_gib": 20}, "greater than or equal to 30"),
    ({**COMPUTE, "disk_gib": 50, "launch_template": "t"}, "leave disk_gib out"),
    ({**COMPUTE, "fargate": True, "disk_gib": 50}, "leave disk_gib out"),
    ({**COMPUTE, "fargate": True, "launch_template": "t"}, "leave launch_template out"),
    ({**COMPUTE, "instance_types": ["G4DN.XLARGE"]}, "match pattern"),
    ({**COMPUTE, "instance_types": ["c5", "t3a.medium", "t4g"]}, "no burstable machines (t3a.medium, t4g)"),
    ({**COMPUTE, "instance_types": ["c5.large", "c6g.large"]}, "c6g.large has ARM processors"),
    ({**COMPUTE, "instance_types": ["optimal", "default_arm64"]}, "takes no others beside them (optimal)"),
    ({"kind": "batch.job_queue", "compute_environments": []}, "at least 1"),
    ({"kind": "batch.job_queue", "compute_environments": ["a", "a"]}, "twice"),
    ({**JOB, "timeout": "2 hours"}, "not a duration"),
    ({**JOB, "timeout": "10s"}, "too short"),
    ({**JOB, "vcpus": 0.5}, "with fargate only"),
    ({**JOB, "repository": "b"}, "one of image"),
    ({"kind": "batch.job_definition", "memory_mib": 4}, "one of image"),
    ({**JOB, "environment": {"AWS_BATCH_X": "1"}}, "Batch's own"),
    ({**JOB, "execution_role": "r"}, "for Fargate"),
    ({**JOB, "public_address": False}, "for Fargate"),
    ({**FARGATE, "gpus": 1}, "no GPUs"),
    ({**FARGATE, "shared_memory_mib": 64}, "leave shared_memory_mib out"),
    ({**JOB, "shared_memory_mib": 1 << 20}, "is more than memory_mib"),
    ({**FARGATE, "vcpus": 3}, "take one of 0.25"),
    ({**FARGATE, "vcpus": 4}, "the nearest is 8192"),
    ({**FARGATE, "vcpus": 0.25, "memory_mib": 4096}, "the nearest is 2048"),
    ({**JOB, "memory": 12}, "Extra inputs"),
    ({"kind": "sqs.queue", "deduplicate": True}, "for fifo queues"),
    ({"kind": "sqs.queue", "name": "a", "fifo": True}, "ends in .fifo"),
    ({"kind": "sqs.queue", "retention": "30d"}, "less than or equal to 1209600"),
    ({"kind": "ssm.parameter"}, "one of value, value_file"),
    ({"kind": "ssm.parameter", "value": "a", "value_env": "A"}, "one of value, value_file"),
    ({"kind": "ssm.parameter", "value": "a", "type": "SecureString"}, "does not belong into a spec"),
    ({"kind": "ssm.parameter", "value": "a", "name": "/AWS/x"}, "AWS's own"),
    ({"kind": "ssm.parameter", "value": "a", "name": "a/b"}, "match pattern"),
    ({"kind": "lambda.function"}, "one of code, folder"),
    ({**FUNCTION, "image": "a"}, "one of code, folder"),
    ({"kind": "lambda.function", "image": "a", "handler": "a.b"}, "its own handler"),
    ({**FUNCTION, "role": "r", "read": ["t"]}, "write read there"),
    ({**FUNCTION, "log_group": "g", "log_retention": 3}, "retention_days of log_group"),
    ({**FUNCTION, "log_retention": 4}, "the nearest is 3"),
    ({**FUNCTION, "subnets": "private"}, "name that"),
    ({**FUNCTION, "environment": {"AWS_REGION": "a"}}, "set by Lambda itself"),
    ({**FUNCTION, "environment": {"A": "a"}}, "two at least"),
    ({**FUNCTION, "environment": {"AB": "a" * 4096}}, "more than the 4096"),
    ({**FUNCTION, "timeout": "16m"}, "less than or equal to 900"),
    ({"kind": "lambda.function", "folder": str(Path(__file__).parent)}, "there is no index.py"),
]


@pytest.mark.parametrize(("written", "says"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_impossible_is_refused(written: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        kind(written["kind"]).Spec.model_validate(written)


@pytest.mark.parametrize(
    ("written", "meant"), [("2h", 7200), ("90m", 5400), ("30 s", 30), ("1h30m", 5400), ("1d", 86400), (45, 45)]
)
def test_durations(written: Any, meant: int) -> None:
    assert TypeAdapter(Duration).validate_python(written) == meant


@pytest.mark.parametrize("written", ["", "h", "2", "-2h", "2h!", "1.5h", True, None, -1])
def test_what_is_no_duration(written: Any) -> None:
    with pytest.raises(ValidationError, match="not a duration"):
        TypeAdapter(Duration).validate_python(written)


def test_raising_the_number_of_zones_moves_no_subnet() -> None:
    vpc = kind("vpc")
    carved = [vpc.Spec(max_azs=zones, cidr="10.10.0.0/23").subnets()[:zones] for zones in range(1, 5)]  # type: ignore[attr-defined]
    assert all(carved[3][: len(few)] == few for few in carved)
    assert str(carved[0][0]) == "10.10.0.0/26"
    for private in ("nat", "endpoints"):
        many = vpc.Spec(max_azs=4, cidr="10.10.0.0/23", private=private)
        assert many.subnets()[:4] == carved[3], "nor do private subnets"  # type: ignore[attr-defined]
        inner = many.private_subnets()  # type: ignore[attr-defined]
        assert [str(inner[0]), str(inner[3]), len(inner)] == ["10.10.1.0/26", "10.10.1.192/26", 4]


@pytest.mark.parametrize(
    ("more", "gib"),
    [
        ({}, 30),
        ({"instance_types": ["c5.large", "optimal"]}, 30),
        ({"instance_types": ["m5"], "disk_gib": 40}, 40),
        ({"instance_types": ["g4dn.xlarge"]}, 100),
        ({"instance_types": ["c5", "gr6.4xlarge"]}, 100),
        ({"instance_types": ["p4d"]}, 100),
        ({"instance_types": ["g5.xlarge"], "disk_gib": 60}, 60),
    ],
)
def test_gpu_instances_have_room_for_their_images(more: dict[str, Any], gib: int) -> None:
    environment: Any = kind("batch.compute_environment")
    made = environment(offline(LOCAL)).expand("compute", environment.Spec.model_validate({**COMPUTE, **more}))
    assert made["compute/template"].disk_gib == gib


def test_every_field_that_a_user_may_write_is_described() -> None:
    models = SpecModels()
    bare = [(name, field) for name in models for field, info in models[name].model_fields.items()
            if field != "kind" and not info.description]  # fmt: skip
    assert bare == []


LIMITS = {
    "iam.role": r"[A-Za-z0-9_+=,.@-]{1,64}",
    "security_group": r"(?!sg-)[A-Za-z0-9][\w-]{0,254}",
    "s3.bucket": r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "ecr.repository": r"[a-z0-9]+([._-][a-z0-9]+)*",
    "dynamodb.table": r"[\w.-]{3,255}",
    "logs.group": r"[\w./#-]{1,512}",
    "ssm.parameter": r"(?!/(aws|ssm))(/[\w.-]+){1,15}",
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_derived_names_are_ones_that_aws_takes(name: str) -> None:
    """Of the longest stack and the longest key there may be, and of the shortest."""
    region = "ap-southeast-1"
    one = kind(name)(Cloud(None, Context("aws", region=region, account="123456789012"), None))
    pattern = LIMITS.get(name, r"[A-Za-z0-9][\w-]*")
    made = set()
    for stack, key in (("s" * 24, "k_" + "k" * 38), ("s" * 24, "k_" + "k" * 37 + "l"), ("sg", "b"), ("a", "b/role")):
        physical = one.physical(stack, key, kind(name).Spec.model_construct())
        assert re.fullmatch(pattern, physical), physical
        assert len(physical) <= one.name_limit
        made.add(physical)
    assert len(made) == 4


def test_policies_that_mean_the_same_are_the_same_text() -> None:
    ours = policies.policy([policies.allow(["s3:B", "s3:A"], "arn:x"), policies.allow(["s3:C"], "arn:y")])
    theirs = {
        "Statement": [
            {"Resource": "arn:y", "Effect": "Allow", "Action": "s3:C"},
            {"Action": ["s3:A", "s3:B"], "Effect": "Allow", "Resource": ["arn:x"]},
        ],
        "Version": "2012-10-17",
    }
    assert policies.canonical(theirs) == policies.canonical(json.dumps(theirs)) == ours
    theirs["Statement"][0]["Action"] = "s3:D"  # type: ignore[index]
    assert policies.canonical(theirs) != ours


def test_a_worker_may_touch_items_of_the_runs_table_and_nothing_else() -> None:
    (statement,) = policies.runs("arn:runs")
    assert statement["Resource"] == ["arn:runs"]
    needed = {"GetItem", "PutItem", "UpdateItem", "Query", "BatchWriteItem"}
    assert {f"dynamodb:{name}" for name in needed} == set(statement["Action"])
    assert not [action for action in statement["Action"] if "Table" in action or "*" in action or "logs" in action]


@pytest.mark.parametrize("name", ["s3.bucket", "dynamodb.table", "ecr.repository", "ssm.parameter"])
def test_reading_is_less_than_writing(name: str) -> None:
    def actions(access: policies.Access) -> set[str]:
        return {action for statement in policies.grant(name, "arn:x", access) for action in statement["Action"]}

    assert actions("read") < actions("read_write")
    assert not [action for action in actions("read") if re.search(r":(Put|Delete|Update|BatchWrite|Abort)", action)]


def _owned(service: str) -> str:
    return (
        "stack: s\nresources:\n  n: {kind: vpc}\n"
        f"  r: {{kind: iam.role, service: {service}}}\n"
        "  c: {kind: batch.compute_environment, vpc: n, max_vcpus: 8, fargate: true, service_role: r}\n"
    )


def test_a_service_role_is_one_that_batch_may_assume() -> None:
    parse(_owned("[ec2, batch]"), "spec.yaml", SpecModels())
    with pytest.raises(AwsrunError, match=r"resources\.c\.service_role: Batch may not assume 'r'"):
        parse(_owned("ec2"), "spec.yaml", SpecModels())


def test_a_service_role_outlives_its_environment() -> None:
    cloud = Cloud(None, LOCAL, None)
    graph = build(parse(_owned("batch"), "spec.yaml", SpecModels()), Kinds(cloud))
    assert "r" in graph.nodes["c"].after


def _function(function: str, role: str = "service: lambda", queue: str = "") -> str:
    return (
        f"stack: s\nresources:\n  q: {{kind: sqs.queue{queue}}}\n  n: {{kind: vpc}}\n  r: {{kind: iam.role, {role}}}\n"
        f"  f: {{kind: lambda.function, code: 'x = 1', {function}}}\n"
    )


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (_function("dead_letter: q", queue=", fifo: true"), "f.dead_letter: Lambda sends to no fifo queue"),
        (_function("role: r", "service: ec2"), "f.role: Lambda may not assume 'r'"),
        (_function("role: r"), r"f.role: .*add log: \[f\] there"),
        (_function("role: r, dead_letter: q", "service: lambda, log: [f]"), r"add send: \[q\] there"),
        (_function("role: r, vpc: n", "service: lambda, log: [f]"), r"add in_vpc: \[f\] there"),
        (_function("vpc: n, subnets: private"), "'n' has no private subnets"),
        (_function("environment: {URL: q.uri}"), "'q' has no output 'uri'"),
    ],
)
def test_what_lambda_would_refuse_is_said_before_any_call(written: str, says: str) -> None:
    with pytest.raises(AwsrunError, match=says):
        parse(written, "spec.yaml", SpecModels())


def test_a_functions_own_role_allows_what_it_says_and_its_own_log() -> None:
    cloud = Cloud(None, LOCAL, None)
    written = _function("dead_letter: q, consume: [q], vpc: n")
    graph = build(parse(written, "spec.yaml", SpecModels()), Kinds(cloud))
    role = graph.nodes["f/role"].spec
    assert (role.service, role.send, role.consume, role.log, role.in_vpc) == (  # type: ignore[attr-defined]
        "lambda", ["q"], ["q"], ["f/logs"], ["f"],
    )  # fmt: skip
    assert {"f/role", "f/logs", "q"} <= graph.nodes["f"].after
    for denied in ("CreateLogGroup", "*"):
        assert denied not in json.dumps(policies.grant("logs.group", "arn", "log")).replace("arn:*", "")
