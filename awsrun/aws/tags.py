"""The tags by which awsrun knows its own.  A resource without STACK is foreign and is never touched."""

from __future__ import annotations

STACK = "awsrun:stack"
NAME = "awsrun:name"  # the logical name, with the path of a composite's child: network/public-0
KIND = "awsrun:kind"
PURGE = "awsrun:purge"  # "true" where the spec lets contents be deleted with the resource
PROTECT = "awsrun:protect"  # "true" where it is neither replaced nor deleted until the spec says otherwise
NONCE = "awsrun:nonce"  # finds again what was created by a call whose answer was lost


def pairs(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """``{"a": "b"}`` as ``[{"Key": "a", "Value": "b"}]``, in AWS's several spellings."""
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def mapping(listed: list[dict[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The inverse of `pairs`."""
    return {pair[key]: pair.get(value, "") for pair in listed or ()}
