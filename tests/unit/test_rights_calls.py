"""Every operation of AWS that the code names is in somebody's rights: none is made that no policy would allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import botocore.session
from botocore import xform_name
from test_rights import CLOUD, SPECS, everything, named, networks, servers

from awsrun.prices import refresh
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import KINDS, Kinds
from awsrun.spec.load import load

CODE = Path(__file__).parents[2] / "awsrun"
ELSEWHERE = {"local", "worker"}  # the embedded cloud is called; workers have roles of their own
SERVICES = (
    "batch",
    "dynamodb",
    "ec2",
    "ecr",
    "iam",
    "lambda",
    "logs",
    "pricing",
    "s3",
    "service-quotas",
    "sqs",
    "ssm",
    "sts",
)
# Operations that IAM knows by another name:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
OTHER_NAMES = {
    "delete_bucket_lifecycle": "PutLifecycleConfiguration",
    "delete_objects": "DeleteObjectVersion",
    "get_bucket_lifecycle_configuration": "GetLifecycleConfiguration",
    "get_public_access_block": "GetBucketPublicAccessBlock",
    "head_bucket": "ListBucket",
    "head_object": "GetObject",
    "list_buckets": "ListAllMyBuckets",
    "list_object_versions": "ListBucketVersions",
    "list_objects_v2": "ListBucket",
    "put_bucket_lifecycle_configuration": "PutLifecycleConfiguration",
    "put_public_access_block": "PutBucketPublicAccessBlock",
}
# Operations that no policy of a stack has, and why.
WITHOUT = {
    "describe_regions": "teardown --all looks for stacks everywhere, which is not a right on one stack",
    "get_caller_identity": "everybody may call it",
    "put_role_permissions_boundary": "only where roles have a boundary",
}


def _operations() -> dict[str, str]:
    """snake_case -> CamelCase of the services that are called."""
    session = botocore.session.get_session()
    names = [name for service in SERVICES for name in session.get_service_model(service).operation_names]
    return {xform_name(name): name for name in names}


def _named_in_the_code() -> Iterator[str]:
    for path in CODE.rglob("*.py"):
        if path.relative_to(CODE).parts[0] not in ELSEWHERE:
            yield from re.findall(r"""[.'"](\w+)['"(,)]""", path.read_text())


def _allowed() -> set[str]:
    specs = [load(path, SpecModels()) for path in SPECS.glob("*.yaml")] + [named(), networks(), servers()]
    rights = [right for spec in specs for right in everything(spec)] + list(refresh.rights())
    kinds = Kinds(CLOUD)
    rights += [right for name in KINDS for right in kinds[name].rights("mnist", {})]
    return {action.partition(":")[2] for right in rights for action in right.actions}


def test_no_call_is_made_that_no_policy_allows() -> None:
    operations, allowed = _operations(), _allowed()
    called = {name for name in _named_in_the_code() if "_" in name and name in operations}
    assert len(called) > 80, "the code is not read as it is written any more"
    denied = {name for name in called if OTHER_NAMES.get(name, operations[name]) not in allowed}
    assert denied == WITHOUT.keys()
