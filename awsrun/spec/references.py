"""Typed references between resources: ``vpc: network`` is a field that says which kinds it may name.

The dependency graph comes from these fields, so that a spec needs no templating language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

Trail = tuple[str | int, ...]  # the way to a value: ("resources", "compute", "vpc")
DURATION = r"^(\d+ ?[smhd] ?)+$"  # how durations are written in specs: 90s, 2h, 1h30m
KINDS_KEY = "x-awsrun-kinds"  # in generated JSON schemas, until `json_schema` turns it into a description


@dataclass(frozen=True)
class RefTo:
    """Marks a field that holds the logical name of another resource of the stack: ``Annotated[str, RefTo("vpc")]``.

    Attributes:
        kinds: which kinds it may name.
        edge: whether the named one must be there first.  Grants need only the ARN, which follows from the name, so
            they order nothing (and two roles may name each other's tables).
        output: which of its outputs is meant, where the reference itself says so (``api.url``); then any kind will do.
    """

    kinds: tuple[str, ...]
    edge: bool = True
    output: str = ""

    def __init__(self, *kinds: str, edge: bool = True, output: str = "") -> None:
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "edge", edge)
        object.__setattr__(self, "output", output)

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), KINDS_KEY: list(self.kinds)}


class Text(BaseModel):
    """Text that looks like an output of another resource, and is none: ``{text: example.com}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(description="The text as it stands.")


@dataclass(frozen=True)
class TakesOutputs:
    """Marks a field whose texts are outputs of other resources where they look like it: see `Value`."""


Value = Annotated[str | int | float | bool | Text, TakesOutputs()]
"""A setting that is handed on to a program: ``table.name`` is that output of the resource ``table``, which has to be
there first; anything else stands for itself, and so does what is written as ``{text: example.com}``."""

_OUTPUT = re.compile(r"([a-z][a-z0-9_-]*)\.([a-z][a-z0-9_]*)")


def output_named(text: Any) -> tuple[str, str] | None:
    """Resource and output where ``text`` names one: ``("api", "url")`` of ``api.url``."""
    found = _OUTPUT.fullmatch(text) if isinstance(text, str) else None
    return (found[1], found[2]) if found else None


def valued(values: Mapping[str, Any], output: Callable[[str, str], Any]) -> dict[str, Any]:
    """`Value`s as the program gets them.

    Args:
        output: what stands for an output of a resource, given both names (`awsrun.resources.kind.Refs.output`).
    """

    def one(value: Any) -> Any:
        if isinstance(value, Text):
            return value.text
        named = output_named(value)
        return output(*named) if named else value

    return {key: one(value) for key, value in values.items()}


class Misfit(ValueError):
    """A resource is right by itself, but not among the others of its stack.

    Args:
        field: which of its fields does not fit.
        text: why, as a user reads it.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(field, text)
        self.field, self.text = field, text

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


class ResourceSpec(BaseModel):
    """What a user writes of one resource.  Subclasses add fields and set ``kind: Literal["their.kind"]``.

    Attributes:
        name: the physical name, where the derived one will not do.
        outputs: what other resources may name of it as a `Value`; each is a text or a number.
        example: resources, in YAML, of which the last is of this kind, as the reference shows it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    outputs: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[str] = ""

    kind: str
    name: str | None = Field(default=None, description="Physical name; derived from stack and key unless given.")
    protect: bool = Field(default=False, description="It is neither replaced nor deleted for as long as this says so.")

    def within(self, stack: Mapping[str, ResourceSpec]) -> ResourceSpec:
        """This resource among the others: what was left open and follows from them is filled in.

        Args:
            stack: all resources of the stack, by logical name; the references in them are right.

        Raises:
            Misfit: it contradicts another one.
        """
        return self


def references(spec: BaseModel) -> Iterator[tuple[str, str, RefTo]]:
    """Each reference in ``spec`` as (field, logical name, what it may name), also in lists, options and nested models.

    The field is dotted where it lies deeper: ``compute_environments.0``, ``ingress.0.group``.
    """
    for trail, target, mark in mentions(type(spec), spec):
        yield ".".join(map(str, trail)), target, mark


def mentions(model: type[BaseModel], value: Any) -> Iterator[tuple[Trail, str, RefTo]]:
    """The references in ``value``: a ``model``, or the plain mapping that one is to be made from, valid or not."""
    seen: set[tuple[Trail, str]] = set()
    for trail, target, mark in _in_model(model, value, ()):
        if (trail, target) not in seen:  # the branches of a union may name the same one
            seen.add((trail, target))
            yield trail, target, mark


def marks(model: type[BaseModel]) -> Iterator[tuple[str, RefTo]]:
    """Each reference that a ``model`` may hold: its field, as a spec says it, and what it may name, at any depth."""
    for name, info in model.model_fields.items():
        yield from ((info.alias or name, mark) for mark in _marks_in([*info.metadata, info.annotation], {model}))


def _marks_in(parts: Iterable[Any], done: set[Any]) -> Iterator[RefTo]:
    for part in parts:
        if isinstance(part, RefTo):
            yield part
        elif isinstance(part, type) and issubclass(part, BaseModel):
            if part not in done:
                inner = [one for info in part.model_fields.values() for one in (*info.metadata, info.annotation)]
                yield from _marks_in(inner, done | {part})
        else:
            yield from _marks_in([*getattr(part, "__metadata__", ()), *getattr(part, "__args__", ())], done)


def _in_model(model: type[BaseModel], value: Any, trail: Trail) -> Iterator[tuple[Trail, str, RefTo]]:
    for name, info in model.model_fields.items():
        if isinstance(value, Mapping):
            key = info.alias if info.alias in value else name
            inner = value.get(key)
        else:
            key, inner = name, getattr(value, name, None)
        yield from _in_value(info.annotation, info.metadata, inner, (*trail, str(key)))


def _in_value(annotation: Any, marks: Any, value: Any, trail: Trail) -> Iterator[tuple[Trail, str, RefTo]]:
    if value is None:
        return
    mark = next((mark for mark in marks if isinstance(mark, RefTo)), None)
    if mark is not None:
        yield from _named(value, mark, trail)
    elif any(isinstance(one, TakesOutputs) for one in marks):
        if named := output_named(value):
            yield trail, named[0], RefTo(output=named[1])
    elif get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _in_value(inner, metadata, value, trail)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if isinstance(value, (Mapping, annotation)):
            yield from _in_model(annotation, value, trail)
    elif get_origin(annotation) in (list, tuple, set, frozenset):
        for index, item in enumerate(_items(value)):
            yield from _in_value(get_args(annotation)[0], (), item, (*trail, index))
    elif get_origin(annotation) is dict:
        for key, item in value.items() if isinstance(value, Mapping) else ():
            yield from _in_value(get_args(annotation)[1], (), item, (*trail, key))
    else:
        for branch in get_args(annotation):
            yield from _in_value(branch, (), value, trail)


def _named(value: Any, mark: RefTo, trail: Trail) -> Iterator[tuple[Trail, str, RefTo]]:
    if isinstance(value, str):
        yield trail, value, mark
    for index, item in enumerate(_items(value)):
        if isinstance(item, str):
            yield (*trail, index), item, mark


def _items(value: Any) -> list[Any]:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return list(value) if isinstance(value, (list, tuple)) else []
