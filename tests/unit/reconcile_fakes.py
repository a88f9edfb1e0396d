"""A small cloud in memory with one kind per identity, for tests of the engine on virtual time.

`FakeCloud` keeps resources as plain dictionaries.  It can lose answers before or after a call takes effect, hide what
was just made from lists, accept changes without making them, and count every mutating call.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import boto3
from botocore.exceptions import ClientError, ReadTimeoutError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.tags import NAME, STACK
from awsrun.prices.price import Price, always
from awsrun.prices.table import Prices
from awsrun.reconcile.clock import Timing
from awsrun.reconcile.progress import Event
from awsrun.reconcile.session import Session
from awsrun.resources.kind import ABSENT, REPLACE, UNKNOWN, Change, Found, Kind, Owner, Phase, Refs, Seen, State
from awsrun.spec.references import RefTo, ResourceSpec


class VirtualClock:
    """Sleeping takes no time; what would have been slept is added up."""

    def __init__(self) -> None:
        self._at = 1_800_000_000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._at

    monotonic = now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._at += seconds


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Fake")


LOST = ReadTimeoutError(endpoint_url="fake")


@dataclass
class Thing:
    kind: str
    id: str
    tags: dict[str, str]
    state: Any
    phase: Phase = "ready"
    why: str = ""
    ready_at: float = 0.0
    made_at: float = 0.0
    contents: int = 0


@dataclass
class FakeCloud:
    """Resources by id, and the faults to come.

    Attributes:
        faults: called before and after each mutating call with (moment, verb, kind, key); raises what it likes.
        lag: seconds for which lists and reads do not show what was just made.
        slow: seconds that environments take to be ready.
    """

    clock: VirtualClock
    things: dict[str, Thing] = field(default_factory=dict)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Callable[[str, str, str, str], None] = lambda *_: None
    lag: float = 0.0
    slow: float = 0.0
    ignores: frozenset[str] = frozenset()
    tokens: dict[str, tuple[Any, str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    lock: Any = field(default_factory=threading.RLock)

    def mutate(self, verb: str, kind: str, key: str, act: Callable[[], Any]) -> Any:
        with self.lock:
            self.calls[verb, kind] += 1
            self.faults("before", verb, kind, key)
            result = act()
            self.faults("after", verb, kind, key)
            return result

    def of(self, kind: str) -> list[Thing]:
        with self.lock:
            return [thing for thing in self.things.values() if thing.kind == kind]

    def shown(self, thing: Thing) -> bool:
        return self.clock.now() >= thing.made_at + self.lag

    def names(self) -> list[tuple[str, str]]:
        return sorted((thing.kind, thing.tags.get(NAME, "")) for thing in self.things.values())


class FakeKind(Kind[Any, Any]):
    """What the fakes share: everything, but what makes their identities differ."""

    absent = frozenset({"NotFound"})
    exists = frozenset({"AlreadyExists"})
    retry = frozenset({"NotYet"})
    blocked = frozenset({"InUse"})

    def __init__(self, cloud: Any, fake: FakeCloud) -> None:
        super().__init__(cloud)
        self.fake = fake

    def rights(self, stack: str, specs: Any) -> tuple[()]:
        return ()

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        for thing in self.fake.of(self.kind):
            derived = stack is None or self.identity != "name" or thing.id.startswith(f"{stack}-") or thing.id in hints
            if derived and NAME in thing.tags and stack in (None, thing.tags[STACK]) and self.fake.shown(thing):
                yield Found(thing.tags[NAME], thing.id, dict(thing.tags))

    def read(self, id: str) -> Seen[Any]:
        thing = self.fake.things.get(id)
        if thing is None or not self.fake.shown(thing):
            return ABSENT
        phase = "pending" if thing.phase == "ready" and self.fake.clock.now() < thing.ready_at else thing.phase
        return Seen(thing.state, phase, thing.why, {"id": thing.id, "arn": f"arn:{thing.id}", "name": thing.id})

    def create(self, state: Any, owner: Owner) -> str:
        def act() -> str:
            if self.identity == "token" and owner.token in self.fake.tokens:
                request, id = self.fake.tokens[owner.token]
                if request != (state, dict(owner.tags)):
                    raise refused("IdempotentParameterMismatch")
                return id
            id = self.new_id(owner)
            if id in self.fake.things:
                raise refused("AlreadyExists", id)
            now = self.fake.clock.now()
            self.fake.things[id] = Thing(
                self.kind, id, dict(owner.tags), state, ready_at=now + self.delay(), made_at=now
            )
            self.fake.tokens[owner.token] = ((state, dict(owner.tags)), id)
            return id

        return str(self.fake.mutate("create", self.kind, owner.name, act))

    def new_id(self, owner: Owner) -> str:
        return owner.physical if self.identity == "name" else f"{self.kind}-{next(self.fake.numbers):03}"

    def delay(self) -> float:
        return 0.0

    def update(self, id: str, wanted: Any, seen: Any, changed: Collection[Change]) -> None:
        values = {c.field: c.new for c in changed if c.field not in self.fake.ignores}
        self.fake.mutate("update", self.kind, id, lambda: self._set(id, values))

    def _set(self, id: str, values: Mapping[str, Any]) -> None:
        thing = self._there(id)
        thing.state = replace(thing.state, **values)
        thing.ready_at = self.fake.clock.now() + self.delay()

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        def act() -> None:
            tags = {**self._there(id).tags, **set}
            self.fake.things[id].tags = {key: value for key, value in tags.items() if key not in unset}

        self.fake.mutate("tag", self.kind, id, act)

    def delete(self, id: str, seen: Seen[Any]) -> None:
        def act() -> None:
            self._there(id)
            for other in self.fake.things.values():
                if id in used_by(other):
                    raise refused("InUse", f"{id} is used by {other.id}")
            del self.fake.things[id]

        self.fake.mutate("delete", self.kind, id, act)

    def _there(self, id: str) -> Thing:
        if id not in self.fake.things:
            raise refused("NotFound", id)
        return self.fake.things[id]


def used_by(thing: Thing) -> set[str]:
    state = thing.state
    return set(getattr(state, "envs", ())) | {getattr(state, "net", "")}


class NetSpec(ResourceSpec):
    kind: Literal["net"] = "net"
    cidr: str = "10.0.0.0/16"
    parts: int = 1


@dataclass(frozen=True)
class NetState(State):
    cidr: Annotated[str, REPLACE]


class Net(FakeKind):
    """A composite, found by its tags only: itself and its zones."""

    kind, Spec, State, identity = "net", NetSpec, NetState, "tags"

    def expand(self, name: str, spec: NetSpec) -> Mapping[str, ResourceSpec]:
        return {name: spec, **{f"{name}/zone-{n}": ZoneSpec(net=name, number=n) for n in range(spec.parts)}}

    def combine(self, name: str, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        zones = [found.get("id", UNKNOWN) for node, found in sorted(outputs.items()) if node != name]
        return {**outputs.get(name, {}), "zones": UNKNOWN if any(z is UNKNOWN for z in zones) else tuple(zones)}

    def lower(self, spec: NetSpec, refs: Refs) -> NetState:
        return NetState(spec.cidr)


class ZoneSpec(ResourceSpec):
    kind: Literal["net.zone"] = "net.zone"
    net: Annotated[str, RefTo("net")]
    number: int


@dataclass(frozen=True)
class ZoneState(State):
    net: Annotated[str, REPLACE]
    number: Annotated[int, REPLACE]


class Zone(FakeKind):
    kind, Spec, State, identity, listed = "net.zone", ZoneSpec, ZoneState, "token", False

    def lower(self, spec: ZoneSpec, refs: Refs) -> ZoneState:
        return ZoneState(refs.output(spec.net, "id"), spec.number)


class EnvSpec(ResourceSpec):
    kind: Literal["env"] = "env"
    net: Annotated[str, RefTo("net")]
    size: str = "small"
    most: int = 4


@dataclass(frozen=True)
class EnvState(State):
    net: Annotated[str, REPLACE]
    size: Annotated[str, REPLACE]
    most: int


class Env(FakeKind):
    """Has a unique name with a hash, so that a replacement is made before the old one goes; ready after a while."""

    kind, Spec, State, identity, hashed = "env", EnvSpec, EnvState, "name", True
    usual = 60.0

    def lower(self, spec: EnvSpec, refs: Refs) -> EnvState:
        assert refs.output(spec.net, "zones") is not None
        return EnvState(refs.output(spec.net, "id"), spec.size, spec.most)

    def delay(self) -> float:
        return self.fake.slow


class QueueSpec(ResourceSpec):
    kind: Literal["queue"] = "queue"
    envs: list[Annotated[str, RefTo("env")]]


@dataclass(frozen=True)
class QueueState(State):
    envs: tuple[str, ...]


class Queue(FakeKind):
    kind, Spec, State, identity = "queue", QueueSpec, QueueState, "name"
    usual = 120.0

    def price(self, state: QueueState, prices: Prices) -> Price:
        return always(prices.rate("nat_gateway_hour"))

    def lower(self, spec: QueueSpec, refs: Refs) -> QueueState:
        envs = tuple(refs.output(name, "id") for name in spec.envs)
        return QueueState(UNKNOWN if any(env is UNKNOWN for env in envs) else envs)


class StoreSpec(ResourceSpec):
    kind: Literal["store"] = "store"
    key: str = "id"
    purge: bool = False


@dataclass(frozen=True)
class StoreState(State):
    key: Annotated[str, REPLACE]


class Store(FakeKind):
    kind, Spec, State, identity, holds_data = "store", StoreSpec, StoreState, "name", True

    def lower(self, spec: StoreSpec, refs: Refs) -> StoreState:
        return StoreState(spec.key)

    def holds(self, id: str) -> int:
        return self.fake.things[id].contents if id in self.fake.things else 0

    def empty(self, id: str) -> None:
        def act() -> None:
            self.fake.things[id].contents -= 1

        self.fake.mutate("empty", self.kind, id, act)


class WorkSpec(ResourceSpec):
    kind: Literal["work"] = "work"
    cores: int = 1


@dataclass(frozen=True)
class WorkState(State):
    cores: Annotated[int, REPLACE]


class Work(FakeKind):
    """A definition: each change is a new revision."""

    kind, Spec, State, identity = "work", WorkSpec, WorkState, "revision"

    def lower(self, spec: WorkSpec, refs: Refs) -> WorkState:
        return WorkState(spec.cores)

    def new_id(self, owner: Owner) -> str:
        return f"{owner.physical}:{next(self.fake.numbers)}"


KINDS = (Net, Zone, Env, Queue, Store, Work)


@dataclass(frozen=True)
class FakeSpec:
    resources: Mapping[str, ResourceSpec]
    stack: str = "test"
    jobs: Any = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False


def small_stack(**changes: ResourceSpec | None) -> FakeSpec:
    """A stack with one of each; ``changes`` replace resources, None takes one out."""
    resources: dict[str, ResourceSpec | None] = {
        "network": NetSpec(),
        "compute": EnvSpec(net="network"),
        "queue": QueueSpec(envs=["compute"]),
        "results": StoreSpec(),
        "train": WorkSpec(),
    }
    resources |= changes
    return FakeSpec({name: spec for name, spec in resources.items() if spec is not None})


def open_session(fake: FakeCloud, events: list[Event] | None = None, timing: Timing | None = None) -> Session:
    """A session as a new process would have it: nothing but the cloud is left of earlier ones."""
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
    cloud = Cloud(session, LOCAL, None)
    kinds = {kind.kind: kind(cloud, fake) for kind in KINDS}
    heard = events if events is not None else []
    return Session(cloud, kinds, fake.clock, timing or Timing(), heard.append)
