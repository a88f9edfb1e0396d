"""Stacks from Python: what the commands call, without the terminal.

spec = awsrun.load("specs/batch.yaml")
print(awsrun.plan(spec).to_json())
awsrun.apply(spec)
awsrun.teardown("mnist")
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud, connect
from awsrun.aws.context import Context
from awsrun.aws.errors import AwsrunError
from awsrun.preflight.check import Finding, Watch
from awsrun.reconcile import adopt as adopting
from awsrun.reconcile import apply as applying
from awsrun.reconcile import status as looking
from awsrun.reconcile import teardown as tearing
from awsrun.reconcile.adopt import Adoption
from awsrun.reconcile.apply import Applied
from awsrun.reconcile.calls import explain
from awsrun.reconcile.clock import SystemClock, timing_of
from awsrun.reconcile.graph import Spec
from awsrun.reconcile.halt import Halt, Halted, on_signals
from awsrun.reconcile.plan import Plan
from awsrun.reconcile.progress import Observer, silent
from awsrun.reconcile.rights import rights as rights_for
from awsrun.reconcile.session import Session
from awsrun.reconcile.status import Status
from awsrun.reconcile.survey import first_survey
from awsrun.reconcile.table import StackTable
from awsrun.reconcile.teardown import Doomed, TornDown
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import Kinds, kind
from awsrun.spec.load import load as load_spec
from awsrun.spec.stack import StackSpec
from awsrun.spec.variables import Given

PATIENCE = 1.0  # seconds that a plan waits for what is looked at beside it
Where = Cloud | Context | str | None  # a cloud, or the context to connect to; None: the current one


def load(path: str | Path, variables: Mapping[str, Any] | None = None) -> StackSpec:
    """The stack that a YAML file describes.

    Args:
        variables: values for its variables, as they are or as texts; else those of ``AWSRUN_VAR_...`` in the
            environment, else their defaults.

    Raises:
        AwsrunError: it cannot be read, has variables without a value, or mistakes; each is named with its line.
    """
    texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in (variables or {}).items()}
    return load_spec(path, SpecModels(), Given(texts, os.environ))


def services(spec: Spec) -> list[str]:
    """What a plan of ``spec`` calls first, for `connect`, which makes the clients meanwhile: the table's, and the one
    whose model takes by far the longest to read.  The others are made while the table is read."""
    used = {kind(one.kind).service for one in spec.resources.values()}
    return ["dynamodb", *sorted({"ec2"} & used)]


def plan(spec: Spec, context: Where = None, only: Collection[str] = (), refresh: Collection[str] = ()) -> Plan:
    """What `apply` would do.  Calls nothing that changes anything.

    Args:
        only, refresh: as `apply`.

    Raises:
        AwsrunError: the spec asks for what AWS does not have, or the cloud cannot be used.
    """
    session = open_session(context, refresh=refresh)
    watch = _preflight(session, spec)
    return replace(_survey(session, spec, only), findings=_worth_saying(watch))


def drift(spec: Spec, context: Where = None) -> Plan:
    """What differs between a spec and AWS, changes made by hand included: the same comparison as `plan`."""
    return _survey(open_session(context), spec)


def apply(
    spec: Spec,
    context: Where = None,
    confirm: Callable[[Plan], bool] = lambda plan: True,
    observer: Observer = silent,
    only: Collection[str] = (),
    refresh: Collection[str] = (),
) -> Applied:
    """Make AWS look like the spec; may be killed and run again at any time.

    Args:
        confirm: is shown the plan, and says whether to go on; called again where it changes under the lock.
        observer: is told what happens, from several threads.
        only: the names of resources: these and what they need are made right, and nothing else is touched; empty
            means all.
        refresh: the names of resources that are to be what their selectors stand for now ("newest image"), instead of
            what they stood for when these were made.

    Returns:
        what was done, what failed and why, and the outputs.  No exception for single resources that failed.

    Raises:
        AwsrunError: not confirmed, somebody else is changing the stack, stopped by a signal, credentials run out.
    """
    session = open_session(context, observer, refresh)
    again = "run the same apply again: it goes on from what is there"
    with on_signals(session.halt, again), _told(session, f"apply stack {spec.stack}"):
        shown = _Shown(session, spec, confirm)
        return applying.apply(session, spec, shown, only, shown.look)


def adopt(
    spec: Spec,
    ids: Mapping[str, str],
    context: Where = None,
    confirm: Callable[[Sequence[Adoption]], bool] = lambda adoptions: True,
    replacing: bool = False,
) -> tuple[Adoption, ...]:
    """Take over resources that exist and are not awsrun's; the next `apply` makes them as the spec has them.

    Args:
        ids: logical name -> what the resource is called in AWS: its name, or its id where that is AWS's.  A part of a
            composite has a name of its own (``network/public-0``).
        confirm: is shown what is taken over and how it differs, and says whether to go on.
        replacing: also what AWS cannot change to be as the spec has it, so that the next apply would replace it.

    Returns:
        what was taken over; not what was the stack's already.

    Raises:
        AwsrunError: one of them is not there, belongs to another stack, or could not be found again; then none is
            taken over.  Not confirmed, somebody else is changing the stack, stopped by a signal.
    """
    session = open_session(context)
    with on_signals(session.halt, "run the same again"), _told(session, f"adopt for stack {spec.stack}"):
        return adopting.adopt(session, spec, ids, confirm, replacing)


def teardown(
    stack: str | None = None,
    context: Where = None,
    purge: bool = False,
    confirm: Callable[[Sequence[Doomed]], bool] = lambda doomed: True,
    before: Sequence[Callable[[str], None]] = (),
    observer: Observer = silent,
) -> TornDown:
    """Delete a stack, or everything that awsrun made in this account and region; needs no spec.

    Args:
        stack: None means all of them.
        purge: what holds data goes too; else only where its spec said ``purge: true``.
        confirm: is shown what would go.
        before: called with each stack's name once it is confirmed (to cancel runs, to save their records).

    Raises:
        AwsrunError: there is no such stack, not confirmed, somebody else is changing it, stopped by a signal.
    """
    session = open_session(context, observer)
    again = "run the same teardown again: it goes on from what is left"
    with on_signals(session.halt, again), _told(session, f"tear down {stack or 'all stacks'}"):
        return tearing.teardown(session, stack, purge, confirm, before)


def status(stack: str | None = None, context: Where = None) -> list[Status]:
    """What exists of a stack (None: of every stack)."""
    session = open_session(context)
    with _told(session, "look at what is there"):
        return looking.status(session, stack)


def outputs(stack: str, context: Where = None) -> Mapping[str, Mapping[str, Any]]:
    """What the last apply of a stack put out: logical name -> output -> value.

    Raises:
        AwsrunError: no such stack is applied.
    """
    return stacks.read(_cloud(context), stack).outputs


def open_session(context: Where = None, observer: Observer = silent, refresh: Collection[str] = ()) -> Session:
    """A session with the real kinds and the machine's clock."""
    cloud, clock = _cloud(context), SystemClock()
    halt = Halt(clock.wake)
    return Session(cloud, Kinds(cloud), clock, timing_of(cloud), observer, halt, refresh=frozenset(refresh))


def _survey(session: Session, spec: Spec, only: Collection[str] = ()) -> Plan:
    with _told(session, "look at what is there"):
        return first_survey(session, spec, StackTable(session.cloud, spec.stack, session.calls), only).plan


def _preflight(session: Session, spec: Spec) -> Watch:
    """Looks at the account while the plan is made; there is nothing to look at in the embedded cloud."""
    if session.cloud.context.name != "aws":
        return Watch([])
    from awsrun.preflight import suite  # what most applies, which change nothing, need not import

    rights = rights_for(spec, session.kinds, session.cloud, "apply")
    source = getattr(spec, "source", "") or "SPEC"
    return Watch(suite.of_stack(session.cloud, spec.stack, spec.resources, spec.jobs, rights, source))


class _Shown:
    """Shows a plan with what may go wrong; nothing is looked at for an apply that has nothing to do."""

    def __init__(self, session: Session, spec: Spec, confirm: Callable[[Plan], bool]) -> None:
        self._session, self._spec, self._confirm = session, spec, confirm
        self._watch: Watch | None = None

    def look(self) -> None:
        """Begin to look, once."""
        self._watch = self._watch or _preflight(self._session, self._spec)

    def __call__(self, found: Plan) -> bool:
        self.look()
        assert self._watch is not None
        return self._confirm(replace(found, findings=_worth_saying(self._watch)))


def _worth_saying(watch: Watch) -> tuple[Finding, ...]:
    return tuple(one for one in watch.findings(PATIENCE) if one.severity in ("warning", "error"))


def _cloud(context: Where) -> Cloud:
    return context if isinstance(context, Cloud) else connect(context)


@contextmanager
def _told(session: Session, what: str) -> Iterator[None]:
    """Whatever comes of it, users see an AwsrunError: the reason to halt, or AWS's own words."""
    try:
        yield
    except Halted as halted:
        raise session.halt.reason or AwsrunError(f"could not {what}", "it was stopped") from halted
    except (BotoCoreError, ClientError) as error:
        raise explain(error, what) from error
