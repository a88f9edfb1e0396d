"""A stack's nodes, each after those it needs; and the same order among kinds, for when there is no spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from pydantic import BaseModel

from awsrun.aws.errors import AwsrunError
from awsrun.resources.kind import Kind
from awsrun.spec.mistakes import near
from awsrun.spec.references import ResourceSpec, marks, references


class Spec(Protocol):
    """What the engine needs of a spec; `awsrun.spec.stack.StackSpec` is one."""

    @property
    def stack(self) -> str: ...
    @property
    def resources(self) -> Mapping[str, ResourceSpec]: ...
    @property
    def jobs(self) -> Any: ...
    @property
    def protect(self) -> bool: ...
    @property
    def variables(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Node:
    """One resource to be: what the user wrote, or a part of a composite.

    Attributes:
        after: the nodes that must be there before it.
        protect: it is neither replaced nor deleted.
    """

    name: str
    kind: str
    spec: ResourceSpec
    after: frozenset[str] = frozenset()
    protect: bool = False


@dataclass(frozen=True)
class Graph:
    """The nodes of a stack, each after all that it needs.

    Attributes:
        tops: what the user wrote, by logical name.
        left_out: the nodes of the spec that this command leaves as they are.
    """

    stack: str
    nodes: Mapping[str, Node]
    tops: Mapping[str, ResourceSpec]
    left_out: Mapping[str, Node] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether all of the spec is looked at."""
        return not self.left_out

    def group(self, name: str) -> list[str]:
        """The nodes that ``name`` stands for."""
        return [node for node in self.nodes if group_of(node) == name]

    def kinds(self) -> frozenset[str]:
        return frozenset(node.kind for node in self.nodes.values())


def group_of(name: str) -> str:
    """``network`` of ``network/public-0``."""
    return name.partition("/")[0]


def exact(asking: str, named: str) -> bool:
    """Whether a reference means one node: within a group; from outside it means the whole group."""
    return group_of(asking) == group_of(named) or "/" in named


def build(spec: Spec, kinds: Mapping[str, Kind[Any, Any]], only: Collection[str] = ()) -> Graph:
    """The graph of a spec.

    Args:
        only: of these resources and of what they need, directly or through others; empty means all.

    Raises:
        AwsrunError: resources need each other in a circle, or ``only`` names one that is not there.
    """
    for name in only:
        if name not in spec.resources:
            raise AwsrunError(f"the spec has no resource {name!r}{near(name, spec.resources)}")
    specs: dict[str, ResourceSpec] = {}
    for name, written in spec.resources.items():
        specs.update(kinds[written.kind].expand(name, written))
    after = {name: _needs(name, found, specs) for name, found in specs.items()}
    try:
        order = list(TopologicalSorter({name: sorted(needs) for name, needs in sorted(after.items())}).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise AwsrunError(
            "resources need each other in a circle", circle, "take one of these references out"
        ) from error

    def protected(name: str) -> bool:
        asked = spec.protect or spec.resources[group_of(name)].protect
        return asked and kinds[specs[name].kind].taggable  # what has no tags goes with what it is a part of

    nodes = {name: Node(name, specs[name].kind, specs[name], after[name], protected(name)) for name in order}
    chosen = _needed(only or spec.resources, nodes)
    parts = {name: node for name, node in nodes.items() if group_of(name) in chosen}
    rest = {name: node for name, node in nodes.items() if name not in parts}
    return Graph(spec.stack, parts, dict(spec.resources), rest)


def _needed(names: Iterable[str], nodes: Mapping[str, Node]) -> set[str]:
    """``names`` and all that they need, as the user wrote it: of a composite always the whole."""
    found: set[str] = set()
    rest = set(names)
    while rest:
        found |= rest
        needs = (node.after for name, node in nodes.items() if group_of(name) in rest)
        rest = {group_of(one) for after in needs for one in after} - found
    return found


def _needs(name: str, spec: ResourceSpec, specs: Mapping[str, ResourceSpec]) -> frozenset[str]:
    needed: set[str] = set()
    for where, target, mark in references(spec):
        if not mark.edge:
            continue
        found = {target} if exact(name, target) else {other for other in specs if group_of(other) == target}
        if not found <= specs.keys() or not found:
            raise AwsrunError(f"{name}: {where} names {target!r}, which is not there")
        needed |= found
    return frozenset(needed)


def uses(kinds: Mapping[str, Kind[Any, Any]]) -> dict[str, frozenset[str]]:
    """Kind -> the kinds that its resources may need, by the typed references of the models.

    A reference to a composite needs its parts too (``vpc``: ``vpc.subnet`` ...).
    """
    direct = {name: _named(kind.Spec) & kinds.keys() - {name} for name, kind in kinds.items()}
    parts = {name: {part for part in kinds if part.startswith(f"{name}.") and not kinds[part].listed} for name in kinds}
    return {
        name: frozenset(target | {part for one in target if not name.startswith(f"{one}.") for part in parts[one]})
        for name, target in direct.items()
    }


def _named(model: type[BaseModel]) -> set[str]:
    """The kinds that fields of ``model`` may name, at any depth."""
    return {kind for _, mark in marks(model) if mark.edge for kind in mark.kinds}


def reach(uses: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Kind -> all kinds that it may need, directly or through others."""

    def follow(start: str) -> frozenset[str]:
        found: set[str] = set()
        rest = [start]
        while rest:
            for target in uses.get(rest.pop(), frozenset()) - found:
                found.add(target)
                rest.append(target)
        return frozenset(found)

    return {name: follow(name) for name in uses}
