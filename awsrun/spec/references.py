"""Typed references between resources: ``vpc: network`` is a field that says which kinds it may name.

The dependency graph comes from these fields, so that a spec needs no templating language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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


class ResourceSpec(BaseModel):
    """What a user writes of one resource.  Subclasses add fields and set ``kind: Literal["their.kind"]``.

    Attributes:
        name: the physical name, where the derived one will not do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str | None = Field(default=None, description="Physical name; derived from stack and key unless given.")


def references(spec: BaseModel) -> Iterator[tuple[str, str, RefTo]]:
    """Each reference in ``spec`` as (field, logical name, what it may name), lists and optional fields included."""
    for field_name, mark in reference_fields(type(spec)):
        value: Any = getattr(spec, field_name)
        for target in value if isinstance(value, (list, tuple, frozenset)) else [value]:
            if target is not None:
                yield field_name, target, mark


def reference_fields(model: type[BaseModel]) -> Iterator[tuple[str, RefTo]]:
    """The fields of ``model`` that hold references: ``Annotated[str, RefTo(...)]``, also as optional or in a list."""
    for name, info in model.model_fields.items():
        for mark in _marks([*info.metadata, info.annotation]):
            yield name, mark


def _marks(parts: list[Any]) -> Iterator[RefTo]:
    for part in parts:
        if isinstance(part, RefTo):
            yield part
        else:
            nested = [*getattr(part, "__metadata__", ()), *getattr(part, "__args__", ())]
            yield from _marks(nested)
