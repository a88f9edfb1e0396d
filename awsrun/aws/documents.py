"""IAM policy documents from rights: as few statements as say exactly the same, and no document over IAM's limit.

IAM counts no white space; a managed policy may have 6,144 characters, all inline policies of a user together 2,048, of
a role 10,240 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from awsrun.aws.rights import Condition, Right

MANAGED, INLINE_USER, INLINE_ROLE = 6_144, 2_048, 10_240
Statement = Mapping[str, Any]
Document = Mapping[str, Any]
_When = tuple[Condition, ...]
_Scope = tuple[tuple[str, ...], _When]


def statements(rights: Iterable[Right]) -> list[Statement]:
    """One Allow for all actions that are wanted on the same resources under the same conditions.

    Nothing is widened: what another right says already is left out, values of one condition are put together, and
    nothing else is merged.
    """
    wanted: dict[str, dict[_When, set[str]]] = {}
    for right in rights:
        for action in right.actions:
            wanted.setdefault(action, {}).setdefault(tuple(sorted(right.when)), set()).update(right.resources)
    groups: dict[tuple[tuple[str, ...], _When], list[str]] = {}
    for action, by_condition in sorted(wanted.items()):
        for resources, when in _together(_needed(by_condition)):
            groups.setdefault((resources, when), []).append(action)
    ordered = sorted(groups.items(), key=lambda one: (one[1][0].partition(":")[0], one[0][0], one[1]))
    return [_statement(actions, resources, when) for (resources, when), actions in ordered]


def _needed(by_condition: Mapping[_When, set[str]]) -> list[_Scope]:
    """The scopes of one action, without resources that it is allowed on anyway."""
    always = by_condition.get((), set())
    found = []
    for when, resources in by_condition.items():
        left = {r for r in resources if not _covered(r, (resources | always) - {r}) and not (when and r in always)}
        if left:
            found.append((tuple(sorted(left)), when))
    return found


def _together(scopes: list[_Scope]) -> list[_Scope]:
    """Scopes that differ in nothing but the values of one condition are one scope with all the values."""
    found: list[_Scope] = []
    for resources, when in sorted(scopes):
        for index, (others, known) in enumerate(found):
            differing = [n for n, (a, b) in enumerate(zip(when, known, strict=False)) if a != b]
            alike = resources == others and [c[:2] for c in when] == [c[:2] for c in known]
            if alike and len(differing) == 1:
                (n,) = differing
                values = tuple(sorted({*when[n][2], *known[n][2]}))
                found[index] = (resources, (*known[:n], (*known[n][:2], values), *known[n + 1 :]))
                break
        else:
            found.append((resources, when))
    return found


def documents(rights: Iterable[Right], limit: int = MANAGED) -> list[Document]:
    """Policies that together allow ``rights``, each of at most ``limit`` characters; one where all fits into one."""
    found: list[list[Statement]] = [[]]
    for one in (part for whole in statements(rights) for part in _parts(whole, limit)):
        if found[-1] and size(document([*found[-1], one])) > limit:
            found.append([])
        found[-1].append(one)
    return [document(part) for part in found]


def document(allowed: Sequence[Statement]) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(allowed)}


def size(policy: Document) -> int:
    """Characters as IAM counts them."""
    return len(json.dumps(policy, separators=(",", ":")))


def _covered(pattern: str, others: Iterable[str]) -> bool:
    """Whether one of the ``others`` matches all that ``pattern`` does."""
    return any("*" in other and fnmatchcase(pattern, other.replace("[", "[[]")) for other in others)


def _statement(actions: Sequence[str], resources: Sequence[str], when: _When) -> Statement:
    found: dict[str, Any] = {"Effect": "Allow", "Action": _one(actions), "Resource": _one(resources)}
    for operator, key, values in when:
        found.setdefault("Condition", {}).setdefault(operator, {})[key] = _one(values)
    return found


def _one(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _parts(whole: Statement, limit: int) -> list[Statement]:
    """A statement that is too long for any document, as several."""
    longest = max(("Action", "Resource"), key=lambda key: len(json.dumps(whole[key])))
    values = whole[longest]
    if size(document([whole])) <= limit or isinstance(values, str):
        return [whole]
    half = len(values) // 2
    return [part for some in (values[:half], values[half:]) for part in _parts({**whole, longest: _one(some)}, limit)]
