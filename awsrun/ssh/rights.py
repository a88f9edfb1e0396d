"""What an identity must be allowed to log in to a stack's servers: to find, start and open them, not to change them."""

from __future__ import annotations

from collections.abc import Iterator

from awsrun.aws.clients import Cloud
from awsrun.aws.names import stack_table
from awsrun.aws.rights import Right, allow, owned_by
from awsrun.resources.ours import arn


def rights(cloud: Cloud, stack: str) -> Iterator[Right]:
    """For ``awsrun ssh`` (with ``--let-me-in``) and ``awsrun jupyter``.  Calls nothing."""
    mine, groups = [owned_by(stack)], arn(cloud, "ec2", "security-group/*")
    yield allow("ssh", "ec2", "DescribeInstances DescribeKeyPairs DescribeSecurityGroups")
    yield allow("ssh", "dynamodb", "GetItem", arn(cloud, "dynamodb", f"table/{stack_table(stack)}"))
    yield allow("ssh", "ec2", "StartInstances", arn(cloud, "ec2", "instance/*"), when=mine)
    rules = "AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress CreateTags"
    yield allow("ssh", "ec2", rules, groups, when=mine)
