"""A bench for kinds: the least engine that can make the resources a kind needs, without waiting and without retries."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.tags import KIND, NAME, STACK
from awsrun.resources.kind import UNKNOWN, Kind, Outputs, Owner, Refs, Seen, State, diff
from awsrun.resources.registry import kind as kind_named
from awsrun.spec.references import ResourceSpec, references

STEPS = 20  # more than any kind needs: the guard against one that never gets there


class Bench:
    """One stack.  ``specs`` and ``nodes`` by logical name, composites expanded in ``nodes``."""

    def __init__(self, cloud: Cloud, stack: str, specs: Mapping[str, ResourceSpec]) -> None:
        self.cloud, self.stack = cloud, stack
        self._kinds: dict[str, Kind[Any, Any]] = {}
        self.specs: dict[str, ResourceSpec] = dict(specs)
        self.nodes: dict[str, ResourceSpec] = {}
        self.parts: dict[str, list[str]] = {}
        self.ids: dict[str, str] = {}
        self.made: dict[str, Outputs] = {}
        for name, spec in specs.items():
            self.put(name, spec)

    def put(self, name: str, spec: ResourceSpec) -> None:
        """Want ``spec`` under ``name``."""
        expanded = dict(self.kind(spec).expand(name, spec))
        for child, child_spec in list(expanded.items()):
            if child != name:
                expanded |= self.kind(child_spec).expand(child, child_spec)
        self.specs[name], self.parts[name] = spec, list(expanded)
        self.nodes |= expanded

    def kind(self, spec: ResourceSpec) -> Kind[Any, Any]:
        return self._kinds.setdefault(spec.kind, kind_named(spec.kind)(self.cloud))

    def order(self) -> list[str]:
        """All nodes, each after what it refers to."""
        edges: dict[str, set[str]] = {name: set() for name in self.nodes}
        for name, spec in self.nodes.items():
            for _, target, mark in references(spec):
                if mark.edge:
                    edges[name] |= set(self.parts[target]) if self.outside(name, target) else {target}
        return list(TopologicalSorter(edges).static_order())

    def outside(self, name: str, target: str) -> bool:
        """Whether ``target`` is a composite that ``name`` is no part of."""
        return target in self.parts and name not in self.parts[target]

    def wanted(self, name: str) -> State:
        spec = self.nodes[name]
        state: State = self.kind(spec).lower(spec, BenchRefs(self, name))
        return state

    def seen(self, name: str) -> Seen[Any]:
        return self.kind(self.nodes[name]).read(self.ids[name])

    def owner(self, name: str, state: State) -> Owner:
        spec = self.nodes[name]
        tags = {STACK: self.stack, NAME: name, KIND: spec.kind}
        return Owner(self.stack, name, self.kind(spec).physical(self.stack, name, spec, state), tags, uuid.uuid4().hex)

    def create(self, name: str) -> str:
        """One create call, for which a kind needs nothing but what is there before it."""
        spec, state = self.nodes[name], self.wanted(name)
        owner = self.owner(name, state)
        self.ids[name] = self.kind(spec).create(state, owner)
        return self.ids[name]

    def settle(self, name: str) -> Seen[Any]:
        """Update until nothing differs; what is then seen."""
        kind, wanted = self.kind(self.nodes[name]), self.wanted(name)
        for _ in range(STEPS):
            seen = self._read_once_settled(kind, name)
            changes = diff(wanted, seen.state) if seen.state is not None else ()
            if seen.phase == "ready" and not changes:
                self.made[name] = seen.outputs
                return seen
            assert not [change for change in changes if change.replace], f"{name} was made as something else: {changes}"
            if seen.phase == "ready":
                kind.update(self.ids[name], wanted, seen.state, changes)
        raise AssertionError(f"{name} does not get there: {seen.phase} {seen.why} {changes}")

    def _read_once_settled(self, kind: Kind[Any, Any], name: str) -> Seen[Any]:
        """What is seen once nothing of this machine's own is under way any more: an image that is built, tasks that
        come to run."""
        end = time.monotonic() + 120
        own = not kind.taggable or kind.service == "ecs"
        while (seen := kind.read(self.ids[name])).phase == "pending" and own:
            assert time.monotonic() < end, seen
            threading.Event().wait(0.02)
        return seen

    def make(self) -> None:
        """Create and settle what is not there yet, each after what it refers to."""
        for name in self.order():
            if name not in self.ids:
                self.create(name)
                self.settle(name)

    def make_before(self, name: str) -> None:
        """Create and settle what comes before ``name``."""
        for other in self.order():
            if other == name:
                return
            self.create(other)
            self.settle(other)

    def remove(self, name: str) -> int:
        """Delete until it is absent; how many steps that took."""
        kind = self.kind(self.nodes[name])
        end = time.monotonic() + 120
        for step in range(STEPS):
            seen = kind.read(self.ids[name])
            while kind.kind == "ecs.service" and seen.phase == "deleting" and time.monotonic() < end:
                threading.Event().wait(0.02)  # its tasks end
                seen = kind.read(self.ids[name])
            if seen.phase == "absent":
                return step
            while getattr(self.nodes[name], "purge", False) and kind.holds(self.ids[name]):
                kind.empty(self.ids[name])
            kind.delete(self.ids[name], seen)
        raise AssertionError(f"{name} does not go: {seen}")

    def outputs(self, asker: str, name: str) -> Outputs:
        if self.outside(asker, name):
            outputs = {part: self.made.get(part, {}) for part in self.parts[name]}
            return self.kind(self.specs[name]).combine(name, outputs)
        return self.made.get(name, {})


class BenchRefs(Refs):
    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name, self.stack = bench, name, bench.stack
        self.account, self.region = bench.cloud.account, bench.cloud.region

    def output(self, name: str, key: str) -> Any:
        return self.bench.outputs(self.name, name).get(key, UNKNOWN)

    def arn(self, name: str) -> str:
        spec = self.bench.nodes[name]
        kind = self.bench.kind(spec)
        return kind.arn(kind.physical(self.stack, name, spec))

    def spec(self, name: str) -> ResourceSpec:
        return self.bench.nodes[name]
