"""The order of resources: who must be there before whom, and the circle where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def order(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The nodes, each after all that it needs (``edges[node]``).

    Raises:
        graphlib.CycleError: there is a circle; `cycle` shows it.
    """
    return list(TopologicalSorter(edges).static_order())


def cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle as a path in which each needs the next, ending where it starts (``["a", "b", "a"]``), or empty."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]  # graphlib lists what must come first, first
        return found
    return []
