"""What an identity must be allowed to call the functions of a stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.aws.clients import Cloud
from awsrun.aws.names import stack_table
from awsrun.aws.rights import Right, allow
from awsrun.resources.ours import arn
from awsrun.resources.registry import kind
from awsrun.spec.references import ResourceSpec

FUNCTION = "lambda.function"


def rights(cloud: Cloud, stack: str, resources: Mapping[str, ResourceSpec]) -> Iterator[Right]:
    """What ``awsrun invoke`` needs; nothing where ``resources`` have no function.  Calls nothing."""
    functions = {name: spec for name, spec in resources.items() if spec.kind == FUNCTION}
    if functions:
        made = kind(FUNCTION)(cloud)
        arns = [made.arn(made.physical(stack, name, spec)) for name, spec in functions.items()]
        yield allow("look", "dynamodb", "ListTables")
        yield allow("look", "dynamodb", "GetItem", arn(cloud, "dynamodb", f"table/{stack_table(stack)}"))
        yield allow("invoke", "lambda", "InvokeFunction", *arns)
