"""A call as the tables read it: which operation of which service, with its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from awsrun.local.calls import Call
from awsrun.local.iam.context import Given
from awsrun.local.iam.directory import Directory

ACCOUNT = "123456789012"


class Authorization(NamedTuple):
    """One right that a call takes.

    Attributes:
        context: the condition keys that the call sets for it, beside the global ones.
    """

    action: str
    resource: str = "*"
    context: Mapping[str, Given] = {}


@dataclass(frozen=True)
class Request:
    """A call, its operation known.

    Attributes:
        prefix: of the service's actions (``dynamodb``).
        directory: looks up what the call only names.
    """

    call: Call
    prefix: str
    operation: str
    directory: Directory

    @property
    def region(self) -> str:
        return self.call.scope[1]

    @property
    def action(self) -> str:
        """What IAM calls the operation where the names are the same."""
        return f"{self.prefix}:{self.operation}"

    @property
    def body(self) -> dict[str, Any]:
        """The parameters of a JSON service."""
        return self.call.json

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a Query service, flat: ``TagSpecification.1.Tag.1.Key``."""
        return self.call.form

    def listed(self, name: str) -> list[str]:
        """A Query service's list: ``NAME.1``, ``NAME.2``, ``NAME.member.1``; or the single ``NAME``."""
        key = re.compile(rf"{re.escape(name)}(\.(member\.)?\d+)?")
        return [value for field, value in self.form.items() if key.fullmatch(field) and value]

    def pairs(self, prefix: str) -> dict[str, str]:
        """A Query service's tags below ``prefix``: ``PREFIX.1.Key``, ``PREFIX.1.Value``."""
        found: dict[str, dict[str, str]] = {}
        for field, value in self.form.items():
            if field.startswith(prefix + "."):
                number, _, part = field[len(prefix) + 1 :].removeprefix("member.").partition(".")
                found.setdefault(number, {})[part] = value
        return {tag["Key"]: tag.get("Value", "") for tag in found.values() if "Key" in tag}

    def arn(self, resource: str, service: str = "", region: str | None = None, account: str = ACCOUNT) -> str:
        """An ARN of this account, by default of the called service and region."""
        return f"arn:aws:{service or self.prefix}:{self.region if region is None else region}:{account}:{resource}"


Rule = Callable[[Request], Iterable[Authorization]]
Arns = Callable[[Request], Iterable[str]]


def on(arns: Arns, *actions: str) -> Rule:
    """The operation's own action (or ``actions``) on each of some resources."""

    def rule(request: Request) -> Iterator[Authorization]:
        for resource in arns(request):
            for action in actions or (request.action,):
                yield Authorization(action, resource)

    return rule


def everywhere(request: Request) -> Iterator[Authorization]:
    """The operation's own action, which knows no resources."""
    yield Authorization(request.action)


def nothing(request: Request) -> Iterator[Authorization]:
    """Everybody may."""
    return iter(())


def tags(values: Mapping[str, str]) -> dict[str, Given]:
    """The context of a call that brings these tags."""
    if not values:
        return {}
    return {"aws:TagKeys": tuple(values), **{f"aws:RequestTag/{key}": (value,) for key, value in values.items()}}


def tag_keys(keys: Iterable[str]) -> dict[str, Given]:
    """The context of a call that takes tags away."""
    return {"aws:TagKeys": tuple(keys)}


def pairs(listed: Any) -> dict[str, str]:
    """Tags of JSON services in any of their spellings, as a mapping."""
    if isinstance(listed, dict):
        return {str(key): str(value) for key, value in listed.items()}
    read = [{str(name).lower(): value for name, value in tag.items()} for tag in listed or ()]
    return {str(tag["key"]): str(tag.get("value", "")) for tag in read if "key" in tag}


def passing(role: str, *services: str) -> Authorization:
    """Handing a role to a service."""
    return Authorization("iam:PassRole", role, {"iam:PassedToService": services})
