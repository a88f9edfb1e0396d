"""Whether the caller may do what its commands would call, asked of IAM itself.

IAM evaluates the caller's own policies; what an organisation or a resource's policy forbids beyond that it tells only
in part (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.rights import Condition, Right
from awsrun.preflight.check import Check, Finding, side_by_side
from awsrun.preflight.identity import Principal, principal

_MOST = 30.0  # seconds: some forty calls, eight at a time
_AT_ONCE = 8
_SHOWN = 6  # actions named in a finding


def permissions(cloud: Cloud, rights: Iterable[Right], spec: str) -> Check:
    """Whether the caller has ``rights``, which the commands on ``spec`` (a path) need."""
    return Check("permissions", _MOST, lambda: _look(cloud, rights, spec), "iam:SimulatePrincipalPolicy")


def _look(cloud: Cloud, rights: Iterable[Right], spec: str) -> Iterator[Finding]:
    who = principal(cloud)
    if who.root:
        yield Finding("ok", "permissions", "the root user may do everything")
        return
    if not who.entity:
        what = f"what {who.arn} may do cannot be asked"
        yield Finding("note", "permissions", what, "it is neither a user nor a role", f"compare: awsrun policy {spec}")
        return
    rights = [right for right in rights if right.verb != "check"]  # what checks may, they find out
    groups = _grouped(rights)
    parts = side_by_side(lambda group: _denied(cloud, who, *group), groups, _AT_ONCE)
    denied = sorted({action for part in parts for action in part})
    asked = {action for right in rights for action in right.actions}
    if not denied:
        yield Finding("ok", "permissions", f"{who.entity} may make all of {len(asked)} calls")
        return
    if len(denied) == len(asked):
        denied = ["any of it"]
    more = f" and {len(denied) - _SHOWN} more" if len(denied) > _SHOWN else ""
    what = f"{who.entity} may not call {', '.join(denied[:_SHOWN])}{more}"
    hint = f"awsrun policy {spec} -o policy.json; then attach that to {who.entity.rpartition('/')[2]}"
    yield Finding("error", "permissions", what, f"of {len(asked)} that the commands on {spec} need", hint)


def _grouped(rights: Iterable[Right]) -> list[tuple[list[str], tuple[str, ...], tuple[Condition, ...]]]:
    """Actions that are wanted on the same resources under the same conditions: one call each."""
    groups: dict[tuple[tuple[str, ...], tuple[Condition, ...]], dict[str, None]] = {}
    for right in rights:
        groups.setdefault((right.resources, right.when), {}).update(dict.fromkeys(right.actions))
    return [(list(actions), resources, when) for (resources, when), actions in groups.items()]


def _denied(
    cloud: Cloud, who: Principal, actions: list[str], resources: tuple[str, ...], when: tuple[Condition, ...]
) -> list[str]:
    pages = (
        cloud.read("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=who.entity, ActionNames=actions, ResourceArns=list(resources), ContextEntries=_context(when)
        )
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    return [str(result["EvalActionName"]) for result in results if not _allowed(result)]


def _allowed(result: Mapping[str, Any]) -> bool:
    return result["EvalDecision"] == "allowed" and all(
        one["EvalResourceDecision"] == "allowed" for one in result.get("ResourceSpecificResults", [])
    )


def _context(when: Iterable[Condition]) -> list[dict[str, Any]]:
    """A request that meets the conditions."""
    return [
        {"ContextKeyName": key, "ContextKeyValues": [values[0]], "ContextKeyType": "string"}
        for operator, key, values in when
        if operator != "Null"
    ]
