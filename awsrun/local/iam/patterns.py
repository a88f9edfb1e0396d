"""Wildcards of policies: ``*`` is any number of characters, ``?`` is one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

Matches = Callable[[str], bool]
_SEGMENTS = 6  # arn:partition:service:region:account:resource


@functools.lru_cache(maxsize=4096)
def text(pattern: str, ignore_case: bool = False) -> Matches:
    """Whether a whole string is as ``pattern`` says."""
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    found = re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    return lambda value: found.fullmatch(value) is not None


@functools.lru_cache(maxsize=4096)
def resource(pattern: str) -> Matches:
    """Whether an ARN is one of those that a Resource element names.

    A ``*`` that ends a segment goes on over colons, any other stays within its segment
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html).
    """
    if pattern == "*":
        return lambda value: True
    parts, colons = [], 0
    for at, character in enumerate(pattern):
        colons += character == ":"
        ends = at + 1 == len(pattern) or pattern[at + 1] == ":"
        free = colons >= _SEGMENTS - 1
        if character == "*":
            parts.append(".*" if free or ends else "[^:]*")
        elif character == "?":
            parts.append("." if free else "[^:]")
        else:
            parts.append(re.escape(character))
    found = re.compile("".join(parts), re.DOTALL)
    return lambda value: found.fullmatch(value) is not None


@functools.lru_cache(maxsize=1024)
def arn(pattern: str) -> Matches:
    """ArnLike: each of an ARN's six segments on its own
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html)."""
    wanted = [text(segment) for segment in pattern.split(":", _SEGMENTS - 1)]

    def matches(value: str) -> bool:
        segments = value.split(":", _SEGMENTS - 1)
        return len(segments) == len(wanted) == _SEGMENTS and all(
            one(segment) for one, segment in zip(wanted, segments, strict=True)
        )

    return matches
