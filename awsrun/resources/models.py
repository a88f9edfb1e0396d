"""What users may write of each kind: the models behind ``kind: NAME`` in a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.resources.registry import KINDS, kind
from awsrun.spec.references import ResourceSpec


class SpecModels(Mapping[str, type[ResourceSpec]]):
    """Kind -> model of its spec.  A kind is imported when it is looked up; going over all of them imports all."""

    def __getitem__(self, name: str) -> type[ResourceSpec]:
        found = kind(name)
        if not found.listed:  # a child of a composite
            raise KeyError(name)
        return found.Spec

    def __iter__(self) -> Iterator[str]:
        return (name for name in KINDS if kind(name).listed)

    def __len__(self) -> int:
        return sum(1 for _ in self)
