"""Policy documents, compiled: each text once, however many calls it decides."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from awsrun.local.iam import conditions, patterns
from awsrun.local.iam.conditions import Condition
from awsrun.local.iam.context import Context
from awsrun.local.iam.errors import PolicyError
from awsrun.local.iam.variables import Variables

Words = tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        principals: of a resource's policy, kind -> names (``AWS``, ``Service``); None where the element is missing.
        modern: version 2012-10-17, which has variables.
        number: its place in the document, from 0.
    """

    deny: bool
    actions: Words
    but_actions: bool
    resources: Words
    but_resources: bool
    conditions: tuple[Condition, ...]
    principals: dict[str, Words] | None
    but_principals: bool
    modern: bool
    sid: str
    number: int

    def about(self, action: str) -> bool:
        """Whether it says anything of ``action``."""
        return any(patterns.text(one, ignore_case=True)(action) for one in self.actions) != self.but_actions

    def applies(self, resource: str, context: Context) -> bool:
        """Whether it is about ``resource``, and its conditions hold."""
        variables = Variables(context, self.modern)
        if self.resources:
            named = any(patterns.resource(one)(resource) for one in variables.fill(self.resources))
            if named == self.but_resources:
                return False
        return all(condition.holds(context, variables) for condition in self.conditions)


class Policy:
    """A compiled document."""

    def __init__(self, statements: tuple[Statement, ...]) -> None:
        self.statements = statements
        self.about: Callable[[str], tuple[Statement, ...]] = functools.lru_cache(maxsize=512)(self._about)

    def _about(self, action: str) -> tuple[Statement, ...]:
        return tuple(statement for statement in self.statements if statement.about(action))

    @property
    def keys(self) -> set[str]:
        """The context keys that its conditions ask for."""
        return {condition.key for statement in self.statements for condition in statement.conditions}


@functools.lru_cache(maxsize=1024)
def compiled(document: str) -> Policy:
    """The policy of this JSON text.

    Raises:
        PolicyError: it is not one that IAM would take.
    """
    try:
        loaded = json.loads(document)
        statements = loaded["Statement"]
        modern = loaded.get("Version") == "2012-10-17"
        listed = statements if isinstance(statements, list) else [statements]
        return Policy(tuple(_statement(one, modern, number) for number, one in enumerate(listed)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(f"not a policy: {error!r}") from error


def _statement(given: dict[str, Any], modern: bool, number: int) -> Statement:
    effect = given["Effect"]
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"Effect is Allow or Deny, not {effect!r}")
    if ("Action" in given) == ("NotAction" in given):
        raise PolicyError("a statement has either Action or NotAction")
    principals = given.get("Principal", given.get("NotPrincipal"))
    return Statement(
        deny=effect == "Deny",
        actions=_words(given.get("Action", given.get("NotAction"))),
        but_actions="NotAction" in given,
        resources=_words(given.get("Resource", given.get("NotResource", []))),
        but_resources="NotResource" in given,
        conditions=conditions.parse(given.get("Condition", {})),
        principals=None if principals is None else _principals(principals),
        but_principals="NotPrincipal" in given,
        modern=modern,
        sid=given.get("Sid", ""),
        number=number,
    )


def _principals(element: Any) -> dict[str, Words]:
    if element == "*":
        return {"AWS": ("*",)}
    return {kind: _words(names) for kind, names in element.items()}


def _words(value: Any) -> Words:
    return tuple(value) if isinstance(value, list) else (value,)
