"""What several kinds need to say of their rights: which names are a stack's, and whose roles may be handed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.rights import Right, allow, passed_to
from awsrun.resources.kind import Kind
from awsrun.resources.ours import partition
from awsrun.spec.references import ResourceSpec


def named(kind: Kind[Any, Any], pattern: str, specs: Mapping[str, ResourceSpec]) -> list[str]:
    """The ARNs of all that a kind may make in a stack: ``pattern`` of derived names, and the names that users gave."""
    return [kind.arn(name) for name in (pattern, *explicit(specs.values()))]


def explicit(specs: Iterable[ResourceSpec]) -> list[str]:
    """The physical names that users gave."""
    return [spec.name for spec in specs if spec.name]


def iam_arn(cloud: Cloud, resource: str) -> str:
    """The ARN of something of IAM, which knows no regions: ``role/awsrun/*``."""
    return f"arn:{partition(cloud.region)}:iam::{cloud.account}:{resource}"


def pathless(cloud: Cloud, resource: str, stack: str, specs: Mapping[str, ResourceSpec]) -> list[str]:
    """The ARNs of roles or profiles that are not there (any more): IAM knows a path only of what there is, and would
    deny a look at the rest instead of saying that it is gone."""
    return [iam_arn(cloud, f"{resource}/{name}") for name in (f"{stack}-*", *explicit(specs.values()))]


def pass_roles(verb: str, cloud: Cloud, stack: str, service: str) -> Right:
    """Handing the stack's own roles to an AWS service, and no other role to anybody."""
    roles = iam_arn(cloud, f"role/awsrun/{cloud.region}/{stack}/*")
    return allow(verb, "iam", "PassRole", roles, when=[passed_to(service)])
