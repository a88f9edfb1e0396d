"""ECS's errors, and what calls are checked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = dict[str, Any]
INVALID = "InvalidParameterException"


class EcsError(Exception):
    """Refuses a call.

    Args:
        message: what AWS would say.
        code: its error code.
    """

    def __init__(self, message: str, code: str = INVALID) -> None:
        super().__init__(message)
        self.message, self.code = message, code


def need(body: Mapping[str, Any], *names: str) -> None:
    """Refuse a body that lacks one of ``names``."""
    for name in names:
        if body.get(name) in (None, "", []):
            raise EcsError(f"{name} cannot be empty.")


def among(value: object, name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not one of ``allowed``."""
    if value is not None and value not in allowed:
        raise EcsError(f"{name} should be one of {','.join(allowed)}")


def page(key: str, values: list[Any], body: Mapping[str, Any], most: int = 100) -> Record:
    """One page of a list, by ``nextToken`` and ``maxResults``."""
    limit = int(body.get("maxResults") or most)
    if not 1 <= limit <= most:
        raise EcsError(f"maxResults should be between 1 and {most}.")
    try:
        start = int(body.get("nextToken") or 0)
    except ValueError:
        raise EcsError("Invalid token.") from None
    found: Record = {key: values[start : start + limit]}
    if start + limit < len(values):
        found["nextToken"] = str(start + limit)
    return found


def seconds(milliseconds: int) -> float:
    """A time as ECS's protocol has it."""
    return milliseconds / 1000


def tags_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a call brings."""
    return {tag["key"]: tag.get("value", "") for tag in body.get("tags") or ()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as answers have them."""
    return [{"key": key, "value": value} for key, value in tags.items()]
