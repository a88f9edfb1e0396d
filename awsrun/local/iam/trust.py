"""Policies of resources: a role's trust policy, a bucket's policy, and whom their statements name
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html)."""

from __future__ import annotations

from awsrun.local.iam.context import Context
from awsrun.local.iam.policy import Statement, compiled
from awsrun.local.iam.principals import Principal
from awsrun.local.iam.request import ACCOUNT

_ACCOUNT_ITSELF = frozenset({ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"})


def naming(document: str, who: Principal) -> tuple[Statement, ...]:
    """The statements of a resource's policy that are said to ``who``.

    Naming the account is not naming its users and roles: that only lets their own policies decide, as they do anyway
    in one account; but a Deny to the account is a Deny to all of them.

    Raises:
        PolicyError: the policy cannot be evaluated.
    """
    if not document:
        return ()
    return tuple(one for one in compiled(document).statements if _named(one, who))


def _named(statement: Statement, who: Principal) -> bool:
    names = (statement.principals or {}).get("AWS", ())
    wanted = {"*", who.entity, who.arn} | (_ACCOUNT_ITSELF if statement.deny and who.kind != "Anonymous" else set())
    return any(name in wanted for name in names) != statement.but_principals


def admits(document: str, who: Principal, context: Context) -> bool:
    """Whether a role's trust policy lets ``who`` or the whole account use it; in the second case an identity policy
    has to allow it too."""
    said = [
        one
        for one in compiled(document).statements
        if one.about("sts:AssumeRole")
        and (_named(one, who) or _ACCOUNT_ITSELF & set((one.principals or {}).get("AWS", ())))
        and one.applies("*", context)
    ]
    return bool(said) and not any(one.deny for one in said)


def trusts(document: str, service: str) -> bool:
    """Whether a role may be used by an AWS service (``ecs-tasks.amazonaws.com``).

    Raises:
        PolicyError: the policy cannot be evaluated.
    """
    return serves(document, service, "sts:AssumeRole", "*", Context({"aws:SourceAccount": (ACCOUNT,)}))


def serves(document: str, service: str, action: str, resource: str, context: Context) -> bool:
    """Whether a resource's policy lets an AWS service do something with it.

    Raises:
        PolicyError: the policy cannot be evaluated.
    """
    said = [
        statement
        for statement in (compiled(document).statements if document else ())
        if service in (statement.principals or {}).get("Service", ())
        and statement.about(action)
        and statement.applies(resource, context)
    ]
    return bool(said) and not any(statement.deny for statement in said)
