"""The verdict: an explicit Deny wins, then something has to allow it
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from awsrun.local.iam.context import Context
from awsrun.local.iam.policy import Policy, Statement

_IDENTITY, _BOUNDARY, _SESSION = "an identity-based policy", "a permissions boundary", "a session policy"


@dataclass(frozen=True)
class Named:
    """A policy and where it comes from, for reports: ``role/worker/awsrun``."""

    source: str
    policy: Policy


@dataclass(frozen=True)
class Rights:
    """Everything that limits what a principal may do.

    Attributes:
        identity: policies of the user, its groups, or the role.
        boundary: the permissions boundary.
        session: what AssumeRole was given as Policy.
    """

    identity: tuple[Named, ...] = ()
    boundary: Named | None = None
    session: Named | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a call may be made.

    Attributes:
        reason: AWS's words for why not, after "because" or "with"; empty where it may.
        matched: the statements that decided, with their policies.
    """

    allowed: bool
    explicit: bool = False
    reason: str = ""
    matched: tuple[tuple[Named, Statement], ...] = ()


def decide(
    rights: Rights, action: str, resource: str, context: Context, of_resource: tuple[Statement, ...] = ()
) -> Verdict:
    """Whether ``rights`` allow ``action`` on ``resource``.

    Args:
        of_resource: statements of the resource's own policy that name the principal.  In one account they are as good
            as identity policies; a boundary or session policy limits them here whatever the principal, which is
            stricter than AWS for users that are named by ARN.
    """
    layers = (
        (_IDENTITY, rights.identity),
        (_BOUNDARY, _some(rights.boundary)),
        (_SESSION, _some(rights.session)),
    )
    granted: dict[str, list[tuple[Named, Statement]]] = {}
    for layer, policies in layers:
        for named in policies:
            for statement in named.policy.about(action):
                if statement.applies(resource, context):
                    if statement.deny:
                        return Verdict(False, True, f"with an explicit deny in {layer}", ((named, statement),))
                    granted.setdefault(layer, []).append((named, statement))
    by_resource = [one for one in of_resource if one.about(action) and one.applies(resource, context)]
    if any(statement.deny for statement in by_resource):
        return Verdict(False, True, "with an explicit deny in a resource-based policy")
    if not granted.get(_IDENTITY) and not by_resource:
        return Verdict(False, reason=f"because no identity-based policy allows the {action} action")
    if rights.boundary and _BOUNDARY not in granted:
        return Verdict(False, reason=f"because no permissions boundary allows the {action} action")
    if rights.session and _SESSION not in granted:
        return Verdict(False, reason=f"because no session policy allows the {action} action")
    return Verdict(True, matched=tuple(granted.get(_IDENTITY, ())))


def _some(named: Named | None) -> Iterable[Named]:
    return () if named is None else (named,)
