"""Quantities as users write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from awsrun.spec.references import DURATION

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: Any) -> int:
    """``"2h"``, ``"90m"``, ``"30 s"``, ``"1h30m"`` or a number of seconds, as seconds.

    Raises:
        ValueError: not a duration.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = str(value).replace(" ", "")
    parts = re.findall(r"(\d+)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{value!r} is not a duration: write 30s, 90m, 2h, 1d, or 1h30m")
    return sum(int(number) * SECONDS[unit] for number, unit in parts)


Duration = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": DURATION}, {"type": "integer", "minimum": 0}]}),
]
