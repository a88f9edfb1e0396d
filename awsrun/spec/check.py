"""What no single resource can see: references, circles, overlapping networks."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

from pydantic import BaseModel

from awsrun.spec.document import Document
from awsrun.spec.mistakes import near
from awsrun.spec.references import Misfit, ResourceSpec, Trail, mentions


def check_references(
    document: Document, trail: Trail, model: type[BaseModel], data: Any, kinds: Mapping[str, str]
) -> None:
    """Each reference in ``data`` names a resource of the spec, of a kind that may stand there.

    ``kinds``: logical name -> kind.
    """
    for inner, target, mark in mentions(model, data):
        if target not in kinds:
            fitting = [name for name, kind in kinds.items() if kind in mark.kinds]
            text = f"no resource named {target!r}{near(target, fitting or kinds)}"
            text += f" (just text? {{text: {target}.{mark.output}}})" if mark.output else ""
            document.mistake((*trail, *inner), text)
        elif mark.output:
            continue  # `check_outputs` says what there is
        elif kinds[target] not in mark.kinds and kinds[target]:
            text = f"{target!r} is a {kinds[target]}, but this names a {' or a '.join(mark.kinds)}"
            document.mistake((*trail, *inner), text)


def check_outputs(
    document: Document, trail: Trail, model: type[BaseModel], data: Any, models: Mapping[str, type[ResourceSpec]]
) -> None:
    """Each output that ``data`` names is one of its resource's.  ``models``: logical name -> model."""
    for inner, target, mark in mentions(model, data):
        if mark.output and target in models and mark.output not in (there := models[target].outputs):
            text = f"{target!r} has no output {mark.output!r}{near(mark.output, there)}"
            document.mistake((*trail, *inner), text)


def check_cycles(document: Document, models: Mapping[str, type[BaseModel]], resources: Mapping[str, Any]) -> None:
    """No resource needs itself, by whatever way round.  Grants order nothing, so they may go in circles."""
    edges = {
        name: [target for _, target, mark in mentions(model, resources[name]) if mark.edge and target in models]
        for name, model in models.items()
    }
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]  # graphlib lists what must come first, first; the last is the first again
        first = min(range(len(circle) - 1), key=lambda at: document.line(("resources", circle[at])))
        path = [*circle[first:-1], *circle[:first], circle[first]]
        document.mistake(("resources", path[0]), f"a circle of references: {' → '.join(path)}")


def check_networks(document: Document, specs: Mapping[str, ResourceSpec]) -> None:
    """The address ranges of a stack's networks are apart, so that they can be joined later."""
    networks = {
        name: IPv4Network(str(cidr), strict=False)
        for name, spec in specs.items()
        if (cidr := getattr(spec, "cidr", None))
    }
    for (first, one), (second, other) in combinations(networks.items(), 2):
        if one.overlaps(other):
            document.mistake(("resources", second, "cidr"), f"{other} overlaps {one} of resources.{first}.cidr")


def fit(document: Document, specs: Mapping[str, ResourceSpec]) -> dict[str, ResourceSpec]:
    """Each resource as it is among the others: see `ResourceSpec.within`."""
    fitting: dict[str, ResourceSpec] = {}
    for name, spec in specs.items():
        try:
            fitting[name] = spec.within(specs)
        except Misfit as error:
            document.mistake(("resources", name, error.field), error.text)
    return fitting
