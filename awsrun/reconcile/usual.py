"""How long AWS usually takes for a plan: the longest chain of resources that wait for each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from awsrun.reconcile import graph as graphs
from awsrun.reconcile.graph import Graph
from awsrun.resources.kind import Kind


def usual(kinds: Mapping[str, Kind[Any, Any]], graph: Graph, made: Iterable[str], deleted: Iterable[str]) -> float:
    """Seconds until all is made that is to be made, and then all deleted that is to go.

    Args:
        made: names of the nodes that are created or changed.
        deleted: kinds of the resources that go, replaced ones included; each kind goes after those that use it.
    """
    changed, until = set(made), dict[str, float]()
    for node in graph.nodes.values():
        own = kinds[node.kind].usual if node.name in changed else 0.0
        until[node.name] = own + max((until[name] for name in node.after), default=0.0)
    return max(until.values(), default=0.0) + _unmaking(kinds, set(deleted))


def _unmaking(kinds: Mapping[str, Kind[Any, Any]], doomed: set[str]) -> float:
    reach = graphs.reach(graphs.uses(kinds)) if doomed else {}
    until: dict[str, float] = {}
    for kind in sorted(doomed, key=lambda one: -len(reach.get(one, ()))):
        users = [until[other] for other in until if kind in reach.get(other, ())]
        until[kind] = kinds[kind].usual + max(users, default=0.0)
    return max(until.values(), default=0.0)
