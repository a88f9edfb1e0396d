"""Typed references between resources: ``vpc: network`` is a field that says which kinds it may name.

The dependency graph comes from these fields, so that a spec needs no templating language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

Trail = tuple[str | int, ...]  # the way to a value: ("resources", "compute", "vpc")
KINDS_KEY = "x-awsrun-kinds"  # in generated JSON schemas, until `json_schema` turns it into a description


@dataclass(frozen=True)
class RefTo:
    """Marks a field that holds the logical name of another resource of the stack: ``Annotated[str, RefTo("vpc")]``.

    Attributes:
        kinds: which kinds it may name.
        edge: whether the named one must be there first.  Grants need only the ARN, which follows from the name, so
            they order nothing (and two roles may name each other's tables).
    """

    kinds: tuple[str, ...]
    edge: bool = True

    def __init__(self, *kinds: str, edge: bool = True) -> None:
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "edge", edge)

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), KINDS_KEY: list(self.kinds)}


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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str | None = Field(default=None, description="Physical name; derived from stack and key unless given.")

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
