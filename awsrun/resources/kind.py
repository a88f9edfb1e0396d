"""The interface that every kind of AWS resource implements, and the data that passes through it.

A kind knows one resource type of AWS and nothing of engines: no verb sleeps, waits, retries, logs or orders anything,
and each may be called again after a crash at any point.  The same State class is what is *wanted* (`Kind.lower`) and
what is *seen* (`Kind.read`), so that diff, plan, drift and replacement are generic code.

How the engine uses a kind, in order:

1. ``expand`` turns a composite into several nodes; ``lower`` says what is wanted of a node, its references resolved.
2. ``find`` lists what of this kind belongs to a stack; ``read`` looks at one.
3. ``create``, or ``update`` step by step, or ``tag``; then ``read`` until the phase is ``ready``.
4. ``delete``, step by step, until ``read`` says ``absent``.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from awsrun.aws.clients import Cloud
from awsrun.aws.names import digest, physical
from awsrun.aws.rights import Right
from awsrun.prices.price import FREE, Price
from awsrun.prices.table import Prices
from awsrun.spec.references import ResourceSpec

Identity = Literal["name", "token", "tags", "revision"]
Phase = Literal["absent", "pending", "ready", "deleting", "broken"]
Outputs = Mapping[str, Any]


class Unknown:
    """An output that is known only once its resource is there.  It equals nothing, not even itself."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return "(known after apply)"

    __str__ = __repr__


UNKNOWN: Any = Unknown()


class Replace:
    """Marks a State field that AWS cannot change in place: ``vpc_id: Annotated[str, REPLACE]``."""


REPLACE = Replace()


class Parts(ABC):
    """A value of many parts (the files of a website): a plan says what changes in it, not all that is in it."""

    @abstractmethod
    def against(self, old: Any) -> str:
        """What changes where ``old`` is now; None where nothing is: ``3 to upload, 1 to delete``."""


@dataclass(frozen=True)
class State:
    """Base of every kind's state: frozen dataclasses in AWS's terms.

    None in a wanted state means *not managed*: whatever AWS has there is right.  Fields that AWS fills in or moves by
    itself are left out.  Collections without order are frozensets; policies are canonical JSON (`canonical`).
    """


S = TypeVar("S", bound=State)
P = TypeVar("P", bound=ResourceSpec)


@dataclass(frozen=True)
class Change:
    """One field that differs.  ``replace``: AWS cannot change it in place."""

    field: str
    old: Any
    new: Any
    replace: bool


@dataclass(frozen=True)
class Seen(Generic[S]):
    """What AWS says of one resource now.

    Attributes:
        state: None where it is absent (or too broken to describe).
        phase: ``pending`` and ``deleting`` pass by themselves; ``broken`` never does: delete and make it again.
        why: AWS's reason, for ``broken`` and long waits.
        outputs: what others may refer to: ``id``, ``arn``, ``name`` ...
        note: what users are told of it when it becomes ready.
    """

    state: S | None
    phase: Phase
    why: str = ""
    outputs: Outputs = field(default_factory=dict)
    note: str = ""


ABSENT: Seen[Any] = Seen(None, "absent")


@dataclass(frozen=True)
class Found:
    """A resource that carries our owner tags.

    Attributes:
        name: the logical name (``network/public-0``).
        id: what the kind's verbs take: the physical name where the kind's identity is ``name``, else AWS's id or ARN.
        tags: all its tags.
        seen: what `Kind.read` would have said at the moment of the list call, where finding it told everything anyway.
            It saves the read of a plan; after any writing call only `Kind.read` tells the truth.
    """

    name: str
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    seen: Seen[Any] | None = None


@dataclass(frozen=True)
class Owner:
    """Who a new resource belongs to, and how a repeated create finds the first one.

    Attributes:
        stack, name: the stack and the logical name.
        physical: the physical name to give it.
        tags: all owner tags, the nonce included; they go on in the create call itself.
        token: for kinds of identity ``token``: the client token, the same on a repeat of the same request.
    """

    stack: str
    name: str
    physical: str
    tags: Mapping[str, str]
    token: str = ""


class Refs(ABC):
    """What `Kind.lower` may ask of the rest of the stack.

    Attributes:
        stack, name: the stack, and the logical name of the resource being lowered.
        account, region: where it will live.
    """

    stack: str
    name: str
    account: str
    region: str

    @abstractmethod
    def output(self, name: str, key: str) -> Any:
        """Output ``key`` of the referenced resource ``name``; UNKNOWN while that one is not there."""

    @abstractmethod
    def arn(self, name: str) -> str:
        """The ARN that follows from the name of resource ``name``: for grants, which must order nothing."""

    @abstractmethod
    def spec(self, name: str) -> ResourceSpec:
        """What the user wrote of resource ``name``."""


class Kind(ABC, Generic[P, S]):
    """One resource type of AWS; see the module's docstring for when each verb is called.

    Attributes:
        kind: its name in specs (``s3.bucket``); children of composites have names too (``vpc.subnet``).
        Spec: what the user writes.  State: what AWS has.
        identity: how doubles are avoided (RunInstances takes a ``token``, roles have a unique ``name``, a VPC has only
            its ``tags``, definitions have a ``revision``).
        service: what boto3 calls the service that its calls go to.
        absent: error codes of ``read``, ``update``, ``delete`` that mean: it is not there.
        exists: error codes of ``create`` that mean: the name is taken, by us or by somebody else (look at the tags).
        retry: codes that mean: the very same call will pass later (propagation, a state that is passing).
        blocked: codes of ``delete`` that mean: something else must go first.
        pace: account-wide seconds of AWS between calls of a verb, where it publishes such a limit.
        name_limit: how long a physical name may be.
        hashed: the physical name ends in a hash of the REPLACE fields, so that a replacement can be created before the
            old one goes.  False for kinds that hold data and where names are not unique.
        alone: its replacement cannot be there beside it: the old one goes first.
        holds_data: it may be deleted only when empty, or with ``purge``.
        listed: whether users may write it in a spec (False for the children of composites).
        taggable: whether it carries owner tags.  False where it is part of something else that does: `find` then makes
            them up from that one's, and `tag` does nothing.
        advice: error code -> what a user may do about it, where that does not follow from AWS's own words.
        usual: seconds after which AWS usually has one ready, from the create call on.  A plan adds them up along the
            longest chain of references.
    """

    kind: ClassVar[str]
    Spec: ClassVar[type[ResourceSpec]]
    State: ClassVar[type[State]]
    identity: ClassVar[Identity]
    service: ClassVar[str] = ""
    absent: ClassVar[frozenset[str]] = frozenset()
    exists: ClassVar[frozenset[str]] = frozenset()
    retry: ClassVar[frozenset[str]] = frozenset()
    blocked: ClassVar[frozenset[str]] = frozenset()
    pace: ClassVar[Mapping[str, float]] = {}
    name_limit: ClassVar[int] = 128
    hashed: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    holds_data: ClassVar[bool] = False
    listed: ClassVar[bool] = True
    taggable: ClassVar[bool] = True
    usual: ClassVar[float] = 2.0
    advice: ClassVar[Mapping[str, str]] = {}

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def expand(self, name: str, spec: P) -> Mapping[str, ResourceSpec]:
        """The nodes that ``name`` stands for, by logical name.  Composites add children (``network/igw``) whose specs
        refer to each other by these names, and may fill in fields of their own spec that name a child."""
        return {name: spec}

    def combine(self, name: str, outputs: Mapping[str, Outputs]) -> Outputs:
        """What a reference from outside sees of a composite: made from its nodes' outputs, by logical name."""
        return outputs.get(name, {})

    @abstractmethod
    def lower(self, spec: P, refs: Refs) -> S:
        """The wanted state: references replaced by outputs.  Calls nothing but, for selectors, reads.

        Raises:
            AwsrunError: the spec asks for something that AWS does not have.
        """

    def refreshed(self, state: S) -> S:
        """``state`` with what its selectors stand for now ("newest image"), which is then compared too.

        `lower` leaves that open: a selector is resolved when a resource is made, and kept in a tag.  May make read
        calls; asked only where a user wants one resolved anew.
        """
        return state

    def physical(self, stack: str, name: str, spec: P, state: S | None = None) -> str:
        """The physical name: the user's, else derived; with a hash of the REPLACE fields where the kind says so."""
        if spec.name:
            return spec.name
        suffix = digest(*replace_values(state)) if self.hashed and state is not None else ""
        return physical(stack, name, self.name_limit, suffix)

    def arn(self, physical: str) -> str:
        """The ARN of the resource with this physical name; only for kinds that grants may name."""
        raise TypeError(f"{self.kind} has no ARN that follows from its name")

    def price(self, state: S, prices: Prices) -> Price:
        """What one costs by the hour while idle and at full use, and what is billed beside that; `FREE` by default.

        Asked of wanted and of seen states, so it may meet UNKNOWN in fields that are references.  Composites are not
        asked: each of their nodes has a price of its own.  `prices` has the region's figures, None where it does not
        know one: say so (None in the Price) rather than 0.  What costs the same whether it is used or not:
        ``always(prices.rate("nat_gateway_hour"), "$0.045 per GB")``; machines: `awsrun.prices.machines`.
        """
        return FREE

    def price_at_work(self, state: S, count: int, spot: bool, public: bool, prices: Prices) -> Price:
        """What it costs where jobs run it: nothing while idle, ``count`` workers at full use.  Only for what one worker
        is; of machines that workers share their environment tells.

        Args:
            public: each has a public address.
        """
        return self.price(state, prices)

    @abstractmethod
    def rights(self, stack: str, specs: Mapping[str, P]) -> Iterable[Right]:
        """What an identity must be allowed so that this kind's verbs work for ``stack``; calls nothing.

        Each right's verb is one of ``find``, ``read`` (with `holds`), ``create``, ``update``, ``tag``, ``delete``,
        ``empty`` and ``adopt`` (to tag what nobody owns, where ``tag`` does not include that).  ``find`` is also
        wanted of kinds that the spec does not have: what was left behind is looked for.
        Resources are as narrow as the action knows them; actions, resources and conditions are checked against the
        Service Authorization Reference in the tests.

        Args:
            specs: what the stack has of this kind, by logical name, composites expanded.
        """

    def price_now(self, id: str, state: S, prices: Prices) -> float | None:
        """US dollars that ``id`` costs per hour at this moment; None where that cannot be told.  May make read calls.

        That of the idle resource unless a kind can see what is running.
        """
        return self.price(state, prices).idle

    # -- what is there ----------------------------------------------------------------------------------------------

    @abstractmethod
    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """All resources of this kind with the owner tags of ``stack`` (None: of any stack), in few, batched calls.

        ``hints``: ids that the stack's table remembers (explicit names, ids just made that lists do not show yet).
        Lists of whole services that return no tags are narrowed by the derived name, or by hints, before tags are read;
        with ``stack=None`` everything is looked at.  Of a ``revision`` kind every active revision is yielded, the
        newest first; `Found.seen` is filled wherever the calls told everything.
        """

    @abstractmethod
    def read(self, id: str) -> Seen[S]:
        """What AWS says of ``id`` now; ABSENT rather than an error where it is gone.  Never an error in ``absent``."""

    # -- making it so -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """What `create` has to read whatever the rest of the stack is; called early, beside other work."""
        return None

    @abstractmethod
    def create(self, state: S, owner: Owner) -> str:
        """Create it, tags in the same call, and return its id at once, without waiting: what this machine itself has
        to work on for long (an image to build) goes on in the background, and `read` says ``pending`` meanwhile.

        "It exists already" of a ``name`` kind is left to the engine, which looks at the tags: ours, or foreign.
        What needs more than one call may be left to `update`: the engine reads and diffs after the create.
        """

    def born(self, state: S) -> S | None:
        """What AWS has right after `create` was answered: saves the look before the first `update`.  None: look."""
        return None

    def update(self, id: str, wanted: S, seen: S, changed: Collection[Change]) -> None:
        """One step from ``seen`` towards ``wanted``; the engine reads again and calls again until nothing differs."""
        raise TypeError(f"{self.kind} has nothing that can change in place")

    @abstractmethod
    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        """Set and remove tags."""

    def unfit(self, id: str, stack: str) -> str:
        """Why `find` would not find ``id`` even with the owner tags of ``stack``, so that it cannot be taken over;
        empty where it would.  Its physical name is what `physical` says."""
        return ""

    @abstractmethod
    def delete(self, id: str, seen: Seen[S]) -> None:
        """One step towards its absence (disable, detach, delete); needs no spec.  The engine reads and calls again
        until it is absent."""

    def holder(self, id: str, seen: Seen[S]) -> str:
        """Who or what holds ``id``, whose deletion is blocked, and when that usually ends; empty where it cannot tell.

        It reads after "is held by": ``eni-9 of Lambda function X; it usually lets go within 40 minutes``.  A few reads
        at most; the engine asks seldom, and goes on where it fails.
        """
        return ""

    def until(self, seen: Seen[S]) -> Mapping[str, frozenset[str]]:
        """Kinds that it uses -> kinds that go before those: what it leaves behind for a while holds the latter, and is
        cleared away with the former.  Empty for most."""
        return {}

    def left_behind(self, seen: Seen[S]) -> str:
        """What users are told with the end of ``seen``: what of it stays somewhere else; empty for nothing."""
        return ""

    # -- kinds that hold data ----------------------------------------------------------------------------------------

    def holds(self, id: str) -> int:
        """How many things are in it (a lower bound will do: 0 means empty)."""
        return 0

    def empty(self, id: str) -> None:
        """Delete one page of its contents; the engine calls until `holds` says 0."""


def diff(wanted: State, seen: State) -> tuple[Change, ...]:
    """The fields in which ``seen`` is not what is wanted, in the order of the class.  None is not managed."""
    marks = replace_fields(type(wanted))
    pairs = ((f.name, getattr(seen, f.name), getattr(wanted, f.name)) for f in dataclasses.fields(wanted))
    return tuple(Change(name, old, new, name in marks) for name, old, new in pairs if new is not None and old != new)


def replace_fields(state: type[State]) -> frozenset[str]:
    """The names of the fields marked REPLACE."""
    hints = get_type_hints(state, include_extras=True)
    return frozenset(n for n, t in hints.items() if get_origin(t) is Annotated and REPLACE in get_args(t))


def replace_values(state: State) -> list[Any]:
    """The values of the REPLACE fields, in a form that prints the same for equal values."""
    values = (getattr(state, name) for name in sorted(replace_fields(type(state))))
    return [sorted(value) if isinstance(value, frozenset) else value for value in values]
