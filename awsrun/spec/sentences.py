"""What pydantic found wrong, in plain sentences, each at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from awsrun.spec.document import Document
from awsrun.spec.mistakes import near
from awsrun.spec.references import Trail

# By the prefix of pydantic's error type (https://docs.pydantic.dev/latest/errors/validation_errors/).
_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "`key: value` lines",
    "model": "`key: value` lines",
    "mapping": "`key: value` lines",
}
_BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "greater_than": ("must be more than", "gt"),
    "less_than_equal": ("must be at most", "le"),
    "less_than": ("must be less than", "lt"),
    "multiple_of": ("must be a multiple of", "multiple_of"),
    "too_short": ("must have this many entries or more:", "min_length"),
    "too_long": ("must have this many entries or fewer:", "max_length"),
    "string_too_short": ("must have this many characters or more:", "min_length"),
    "string_too_long": ("must have this many characters or fewer:", "max_length"),
}


def complain(document: Document, trail: Trail, model: type[BaseModel], data: Any, error: ValidationError) -> None:
    """Note in ``document`` what ``error`` says of ``data``, which stands at ``trail`` and should be a ``model``."""
    said: dict[Trail, list[str]] = {}
    for problem in error.errors(include_url=False):
        inner = _in_data(problem["loc"], data, whole=problem["type"] in ("missing", "extra_forbidden"))
        text = _sentence(dict(problem), lambda inner=inner: _keys(model, inner[:-1]))  # type: ignore[misc]
        texts = said.setdefault(inner, [])
        if text not in texts:
            texts.append(text)
    for inner, texts in said.items():  # each branch of a union complains of the same value
        document.mistake((*trail, *inner), "; or ".join(texts))


def _sentence(problem: Mapping[str, Any], keys: Callable[[], Iterable[str]]) -> str:
    kind, value, context = str(problem["type"]), problem.get("input"), problem.get("ctx", {})
    if kind == "extra_forbidden":
        key = problem["loc"][-1]
        return f"unknown key{near(key, keys())}"
    if kind == "missing":
        return "missing"
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"{shown(value)} is not allowed{near(value, choices)}"
    if kind in _BOUNDS:
        phrase, bound = _BOUNDS[kind]
        return f"{phrase} {context[bound]}; this is {shown(value)}"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} does not have the form {context['pattern']}"
    wanted = next(
        (text for prefix, text in _WANTED.items() if re.match(rf"{prefix}_(type|parsing|from|attr)", kind)), ""
    )
    if wanted:
        quotes = " (put it in quotes)" if wanted == "text" and isinstance(value, (bool, int, float)) else ""
        return f"must be {wanted}; this is {shown(value)}{quotes}"
    message = str(problem["msg"])
    return f"{message[0].lower()}{message[1:]}; this is {shown(value)}"


def shown(value: Any) -> str:
    """A value as a user would know it again."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _in_data(loc: Iterable[str | int], data: Any, whole: bool) -> Trail:
    """Pydantic's location without the names of union branches and validators, which are nowhere in the file."""
    steps = list(loc)
    last = [steps.pop()] if whole and steps else []
    trail: list[str | int] = []
    for step in steps:
        held = isinstance(data, Mapping) and step in data
        if held or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            data = data[step]
            trail.append(step)
    return (*trail, *last)


def _keys(model: type[BaseModel], trail: Trail) -> set[str]:
    """What may be written at ``trail`` inside ``model``."""
    models = {model}
    for step in trail:
        if isinstance(step, str):
            fields = (
                info for known in models for name, info in known.model_fields.items() if step in (name, info.alias)
            )
            models = {inner for info in fields for inner in _models_in(info.annotation)}
    return {info.alias or name for known in models for name, info in known.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
