"""Which method of which resource a request is for.

A request goes to the most specific resource that has its method: text before a parameter, a parameter before one that
takes the rest of the path; a resource without the method is passed over
(https://github.com/ministackorg/ministack/pull/1423 and https://github.com/floci-io/floci/pull/3399, both measured on
AWS).  Parameters stay percent-encoded, as they came (https://github.com/serverless/serverless/issues/5037).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

ANY = "ANY"


@dataclass(frozen=True)
class Route:
    """Where a request goes.

    Attributes:
        resource: the path as it was defined: ``/items/{id}``.
        method: as API Gateway describes it, with its integration.
        key: under which the resource has it: a method's name, or ANY.
        parameters: of the path, by name.
    """

    resource: str
    method: Mapping[str, Any]
    key: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def find(methods: Mapping[str, Mapping[str, Any]], method: str, path: str) -> Route | None:
    """The route of a request.

    Args:
        methods: by resource, then by name.
        path: percent-encoded, behind the stage.
    """
    wanted = _segments(path)
    found = [
        (_rank(resource), Route(resource, named[key], key, parameters))
        for resource, named in methods.items()
        if (key := method if method in named else ANY) in named
        and (parameters := _match(_segments(resource), wanted)) is not None
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def _segments(path: str) -> list[str]:
    inner = path.strip("/") if path.endswith("/") else path.removeprefix("/")
    return inner.split("/") if inner else []


def _rank(resource: str) -> list[int]:
    """Sorts the more specific resource first."""
    return [2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in _segments(resource)]


def _match(template: Iterable[str], wanted: list[str]) -> dict[str, str] | None:
    """The parameters; None where ``wanted`` is no such path."""
    parameters: dict[str, str] = {}
    rest = list(wanted)
    for part in template:
        if not rest:
            return None
        if part.endswith("+}"):
            parameters[part[1:-2]] = "/".join(rest)
            return parameters
        segment = rest.pop(0)
        if part.startswith("{"):
            parameters[part[1:-1]] = segment
        elif part != unquote(segment):
            return None
    return None if rest else parameters
