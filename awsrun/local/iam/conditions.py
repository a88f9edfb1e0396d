"""The Condition element
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html)."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from awsrun.local.iam import patterns
from awsrun.local.iam.context import Context, Values
from awsrun.local.iam.errors import PolicyError
from awsrun.local.iam.variables import Variables

Compare = Callable[[str, str], bool]
"""Whether a value of the call is as a value of the policy wants it: (wanted, value)."""


def _date(value: str) -> float:
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _numbers(compare: Callable[[float, float], bool], read: Callable[[str], float]) -> Compare:
    def compared(wanted: str, value: str) -> bool:
        try:
            return compare(read(value), read(wanted))
        except ValueError:
            return False

    return compared


def _in_network(wanted: str, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _same_bytes(wanted: str, value: str) -> bool:
    try:
        return base64.b64decode(wanted) == base64.b64decode(value)
    except binascii.Error:
        return False


_ORDER: dict[str, Callable[[float, float], bool]] = {
    "Equals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}
_POSITIVE: dict[str, Compare] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": lambda wanted, value: patterns.text(wanted)(value),
    "ArnEquals": lambda wanted, value: patterns.arn(wanted)(value),
    "ArnLike": lambda wanted, value: patterns.arn(wanted)(value),
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "BinaryEquals": _same_bytes,
    "IpAddress": _in_network,
    **{f"Numeric{name}": _numbers(compare, float) for name, compare in _ORDER.items()},
    **{f"Date{name}": _numbers(compare, _date) for name, compare in _ORDER.items()},
}
_NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


@dataclass(frozen=True)
class Condition:
    """One key of one operator.

    Attributes:
        compare: None for ``Null``, which asks whether the key is there.
        quantifier: ForAllValues, ForAnyValue, or empty.
    """

    key: str
    wanted: tuple[str, ...]
    compare: Compare | None
    negated: bool
    quantifier: str
    if_exists: bool

    def holds(self, context: Context, variables: Variables) -> bool:
        """Whether the call is as the condition wants it."""
        values = context.get(self.key)
        wanted = variables.fill(self.wanted)
        if self.compare is None:
            return any((word.lower() == "true") == (not values) for word in wanted)
        if not values:
            return self.if_exists or self.quantifier == "ForAllValues" or (self.negated and not self.quantifier)
        return self._compared(self.compare, wanted, values)

    def _compared(self, compare: Compare, wanted: Values, values: Values) -> bool:
        hits = [any(compare(word, value) for word in wanted) != self.negated for value in values]
        if self.quantifier == "ForAllValues" or (self.negated and not self.quantifier):
            return all(hits)
        return any(hits)


def parse(element: Mapping[str, Mapping[str, Any]]) -> tuple[Condition, ...]:
    """All conditions of a statement: each of them has to hold.

    Raises:
        PolicyError: an operator that IAM does not have.
    """
    found = []
    for operator, keys in element.items():
        quantifier, _, name = operator.rpartition(":")
        if quantifier not in ("", "ForAllValues", "ForAnyValue"):
            raise PolicyError(f"{operator} is no condition operator")
        bare = name.removesuffix("IfExists")
        positive = _NEGATIVE.get(bare, bare)
        if positive != "Null" and positive not in _POSITIVE:
            raise PolicyError(f"{operator} is no condition operator")
        compare = None if positive == "Null" else _POSITIVE[positive]
        for key, wanted in keys.items():
            listed = tuple(_word(one) for one in (wanted if isinstance(wanted, list) else [wanted]))
            found.append(Condition(key, listed, compare, bare in _NEGATIVE, quantifier, bare != name))
    return tuple(found)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
