"""What several kinds need: which tags make a resource ours, ARNs that follow from names, and outputs not yet known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import DENIED, matches
from awsrun.aws.tags import NAME, STACK
from awsrun.resources.kind import UNKNOWN, Refs

T = TypeVar("T")


def ours(tags: Mapping[str, str], stack: str | None) -> bool:
    """Whether ``tags`` are the owner tags of ``stack`` (None: of any stack)."""
    return NAME in tags and STACK in tags and stack in (None, tags[STACK])


def partition(region: str) -> str:
    """``aws``, ``aws-cn`` or ``aws-us-gov``."""
    for prefix in ("cn", "us-gov"):
        if region.startswith(f"{prefix}-"):
            return f"aws-{prefix}"
    return "aws"


def arn(cloud: Cloud, service: str, resource: str) -> str:
    """The ARN of a resource in this account and region."""
    return f"arn:{partition(cloud.region)}:{service}:{cloud.region}:{cloud.account}:{resource}"


def known(value: Any, make: Callable[[Any], Any]) -> Any:
    """``make(value)``, or UNKNOWN while ``value`` is."""
    return UNKNOWN if value is UNKNOWN else make(value)


def unless_denied(stack: str | None, read: Callable[[str], T], id: str) -> T | None:
    """``read(id)``; None where a look at everything (no ``stack``) comes upon what this identity may not read.

    Whoever may work on one stack only cannot read the tags of others; of that one stack, a denial is an error.
    """
    try:
        return read(id)
    except ClientError as error:
        if stack is None and matches(error, DENIED):
            return None
        raise


def outputs_of(refs: Refs, names: Iterable[str], key: str) -> Any:
    """Output ``key`` of each of ``names`` as a tuple, or UNKNOWN while one of them is."""
    found = tuple(refs.output(name, key) for name in names)
    return UNKNOWN if any(value is UNKNOWN for value in found) else found
