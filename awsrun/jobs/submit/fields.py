"""The fields of experiments: how what users write in a shell, in Python or in YAML becomes a value, or is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from awsrun.jobs.submit import spaces
from awsrun.jobs.submit.pruning import Prune
from awsrun.jobs.workers import sizes
from awsrun.spec.sentences import shown

File = Annotated[str | Path, WithJsonSchema({"type": "string"})]
Inputs = File | Sequence[Mapping[str, Any]]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = r"(\d+(?:\.\d+)?) ?([smhd]) ?"


def seconds(value: Any) -> Any:
    """``90``, ``"90s"``, ``"30m"``, ``"1h30m"`` or ``"1.5h"`` as seconds; what is no text is left as it is.

    Raises:
        ValueError: a text that is no duration.
    """
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        return float(value)
    if not re.fullmatch(rf"(?:{_PART})+", value):
        raise ValueError(f"{value!r} is no duration: write 90, 90s, 30m, 2h or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))


def _lasting(value: float) -> str | float:
    """Seconds as a user would write them."""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if value and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return value


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _values(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, (tuple, range)):
        value = list(value)
    if not isinstance(value, list):
        raise ValueError(f"must be a list; this is {shown(value)}")
    return [_plain(one) for one in value]


def _interval(value: Any) -> Any:
    return list(spaces.interval(value)) if isinstance(value, str) else _values(value)


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else _plain(value)
    except ValueError:
        return value


def _rows(value: Any) -> Any:
    """A file's name, or rows: of a list, or of a pandas frame, whose empty cells leave the job its default."""
    if hasattr(value, "notna") and hasattr(value, "to_dict"):
        frame = value.convert_dtypes() if value.isna().any(axis=None) else value
        there = value.notna().to_dict("records")
        value = [
            {name: one for name, one in row.items() if full[name]}
            for row, full in zip(frame.to_dict("records"), there, strict=True)
        ]
    if isinstance(value, (list, tuple)) and all(isinstance(row, Mapping) for row in value):
        return [{name: _plain(one) for name, one in row.items()} for row in value]
    if value is None or isinstance(value, (str, Path)):
        return value
    raise ValueError(f"a .json, .jsonl or .csv file, or a list of rows such as {{lr: 0.1}}; this is {shown(value)}")


def _switch(value: Any) -> Any:
    """``true`` is the default, ``false`` is none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _switched(value: Prune | None) -> Any:
    return value and (value.model_dump(exclude_defaults=True) or True)


def _goals(value: Any) -> Any:
    """``loss:min``, or a list of such, as a mapping; without a direction, more is better."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        return value
    parts = [text.rpartition(":") if text.endswith((":max", ":min")) else (text, ":", "max") for text in texts]
    names = [name for name, _, _ in parts]
    if odd := next((text for text in texts if ":" in text and not text.endswith((":max", ":min"))), None):
        raise ValueError(f"{odd}: a metric is maximised or minimised: write {odd.partition(':')[0]}:max or :min")
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{doubled} is given twice")
    return {name: mode for name, _, mode in parts}


_METRIC = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"enum": ["max", "min"]}},
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
    ]
}
_PRUNE = {"anyOf": [{"type": "boolean"}, {"type": "null"}, {**Prune.model_json_schema(), "title": "pruning"}]}
_TIME = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d+(\.\d+)?$|^(\d+(\.\d+)? ?[smhd] ?)+$"},
        {"type": "number", "minimum": 0},
    ]
}
Seconds = Annotated[float, BeforeValidator(seconds), PlainSerializer(_lasting, when_used="json"), WithJsonSchema(_TIME)]
Value = Annotated[Any, BeforeValidator(_plain)]
Values = Annotated[Sequence[Any], BeforeValidator(_values)]
_MEMORY = {
    "anyOf": [
        {"type": "integer", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\d+(\.\d+)? ?([MmGg]i?)?[Bb]?$"},
    ]
}
_RANGE = {
    "anyOf": [
        {"type": "array", "minItems": 2, "maxItems": 3},
        {"type": "string", "pattern": r"^.+\.\..+?(:log)?$"},
    ]
}
Range = Annotated[Sequence[Any], BeforeValidator(_interval), WithJsonSchema(_RANGE)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Rows = Annotated[Inputs | None, BeforeValidator(_rows)]
Metric = Annotated[Mapping[str, Literal["max", "min"]], BeforeValidator(_goals), WithJsonSchema(_METRIC)]
Pruning = Annotated[
    Prune | None, BeforeValidator(_switch), PlainSerializer(_switched, when_used="json"), WithJsonSchema(_PRUNE)
]
Vcpus = Annotated[float, BeforeValidator(_number)]
Memory = Annotated[int, BeforeValidator(sizes.mebibytes), WithJsonSchema(_MEMORY)]
