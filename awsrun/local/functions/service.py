"""Lambda's part inside the world: which calls run what, and events of functions taken in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from awsrun.local import clock
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.functions import deliveries, logs, requests
from awsrun.local.functions.definition import ACCOUNT, Definition, find
from awsrun.local.functions.deliveries import Delivery
from awsrun.local.functions.errors import Refused
from awsrun.local.functions.events import Event, Events
from awsrun.local.functions.outcome import Invocation
from awsrun.local.functions.requests import Request


@dataclass(frozen=True, kw_only=True)
class Admitted(Reply):
    """Stands for the answer to an invocation that may be carried out, which happens outside of the world."""

    definition: Definition
    invocation: Invocation
    tail: bool


class Functions:
    """What the world has of running functions.  Every method is called with the world's lock held.

    Args:
        moto: sends messages to queues.

    Attributes:
        events: that were accepted.
        changed: called with region and name of a function whose environments are out of date.
        accepted: called with an event that may be run.
        phase: region and name of a function -> the state in which it is for a while, where the cloud is strict.
    """

    name = "lambda"

    def __init__(self, moto: Perform) -> None:
        self._moto = moto
        self.events = Events()
        self.changed: Callable[[tuple[str, str]], None] = lambda function: None
        self.accepted: Callable[[Event], None] = lambda event: None
        self.phase: Callable[[str, str], str] = lambda region, name: ""

    def handle(self, call: Call) -> Reply | None:
        """Admit an invocation; every other call is moto's."""
        try:
            request = requests.read(call)
            if request is not None:
                return self._admit(request)
        except Refused as refused:
            return refused.reply()
        if (function := requests.changed(call)) is not None:
            self.changed(function)
        return None

    def apply(self, event: tuple[Any, ...]) -> None:
        kind, region, *rest = event
        if kind == "logs":
            logs.store(ACCOUNT, region, *rest)
        elif kind == "again":
            self.events.again(*rest)
        else:
            self._settled(*rest)

    def state(self) -> Any:
        return self.events

    def restore(self, state: Any) -> None:
        self.events = state

    def _settled(self, identity: str, at: float, sent: list[Delivery]) -> None:
        self.events.settle(identity)
        for number, delivery in enumerate(sent):
            with clock.moment(at, f"{identity}:{number}"):
                problem = deliveries.send(delivery, self._moto)
            if problem:
                print(f"event {identity}: what becomes of it is lost: {problem}", flush=True)

    def _admit(self, request: Request) -> Reply:
        definition = find(request.region, request.target)
        invocation = made(definition, request)
        headers = [("x-amzn-RequestId", invocation.id)]
        if request.kind == "DryRun":
            return Reply(204, headers, done=False)
        if request.kind == "Event":
            now = clock.now()
            event = Event(request.region, request.target, invocation, now, now)
            self.events.accept(event)
            self.accepted(event)
            return Reply(202, headers)
        return Admitted(200, headers, done=False, definition=definition, invocation=invocation, tail=request.tail)


def made(definition: Definition, request: Request) -> Invocation:
    """An invocation with an id of its own."""
    from moto.moto_api._internal import mock_random

    arn = definition.arn + (f":{request.target.qualifier}" if request.target.qualifier else "")
    return Invocation(str(mock_random.uuid4()), arn, request.payload, request.client_context)
