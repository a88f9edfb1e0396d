"""What a kind sees of the rest of the stack while it lowers one resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.graph import Graph, Node, exact, group_of
from awsrun.reconcile.session import Session
from awsrun.resources.kind import UNKNOWN, Outputs, Refs
from awsrun.spec.mistakes import near
from awsrun.spec.references import ResourceSpec


class Unfinished(Mapping[str, Any]):
    """The outputs of a resource that is not all there: what it does not have will be known later."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def __getitem__(self, key: str) -> Any:
        return self._outputs.get(key, UNKNOWN)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)


NOT_YET: Outputs = Unfinished({})


class Outlook(Refs):
    """References of one node, answered from the outputs that are known so far."""

    def __init__(self, session: Session, graph: Graph, node: Node, outputs: Mapping[str, Outputs]) -> None:
        self.stack, self.name = graph.stack, node.name
        self.account, self.region = session.cloud.account, session.cloud.region
        self._kinds, self._graph, self._outputs = session.kinds, graph, outputs

    def output(self, name: str, key: str) -> Any:
        found = self._seen(name)
        if key not in found and found is not NOT_YET:
            if any(node not in self._outputs for node in self._graph.group(name)):
                return UNKNOWN
            raise KeyError(f"{self.name} asks {name} for {key!r}, which has {sorted(found)}")
        return found[key]

    def arn(self, name: str) -> str:
        spec = self.spec(name)
        kind = self._kinds[spec.kind]
        return kind.arn(kind.physical(self.stack, name, spec))

    def spec(self, name: str) -> ResourceSpec:
        top = self._graph.tops.get(name)
        return top if top is not None else self._graph.nodes[name].spec

    def _seen(self, name: str) -> Outputs:
        if exact(self.name, name):
            return self._outputs.get(name, NOT_YET)
        return combined(self._kinds, self._graph, name, self._outputs)


def lowered(session: Session, graph: Graph, node: Node, outputs: Mapping[str, Outputs]) -> Any:
    """The state that is wanted of ``node``; with what its selectors stand for now, where the user asks for that."""
    kind = session.kinds[node.kind]
    state = kind.lower(node.spec, Outlook(session, graph, node, outputs))
    return kind.refreshed(state) if {node.name, group_of(node.name)} & session.refresh else state


def check_refresh(session: Session, graph: Graph) -> None:
    """Raises AwsrunError where the user asks for that of what is not in the spec."""
    known = {*graph.tops, *graph.nodes}
    for name in sorted(session.refresh - known):
        why = f"there are: {', '.join(sorted(graph.tops))}"
        raise AwsrunError(f"nothing to refresh is called {name!r}{near(name, known)}", why)


def combined(kinds: Mapping[str, Any], graph: Graph, name: str, outputs: Mapping[str, Outputs]) -> Outputs:
    """What a resource of the spec puts out, all of its nodes taken together."""
    group = {node: outputs.get(node, NOT_YET) for node in graph.group(name)}
    if all(found is NOT_YET for found in group.values()):
        return NOT_YET
    found: Outputs = kinds[graph.tops[name].kind].combine(name, group)
    return found
