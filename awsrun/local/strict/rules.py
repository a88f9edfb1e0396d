"""What a service's strict rules are: refusals before a call is carried out, and what its answer hides."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.strict.ledger import Key, Ledger

ACCOUNT = "123456789012"


class Rules:
    """Strict rules of one service; called with the world's lock held.

    Attributes:
        service: as signatures name it (``ec2``).
        ledger: what is remembered; shared by all services.
    """

    service: ClassVar[str]

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def around(self, call: Call, inner: Perform) -> Reply:
        """Answer ``call``: `before` may refuse it or answer in its place, `after` may change the answer."""
        return self.before(call, inner) or self.after(call, inner(call))

    def before(self, call: Call, inner: Perform) -> Reply | None:
        """An answer in place of carrying the call out; None to carry it out."""
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        """What the client sees of the answer."""
        return reply

    def happen(self, event: str, arguments: tuple[Any, ...], inner: Perform) -> None:
        """Something that `Ledger.later` announced; by default a call that was put off, carried out now."""
        if event == "call":
            inner(Call(*arguments))

    def put_off(self, call: Call, seconds: float) -> None:
        """Carry ``call`` out in so many seconds of AWS."""
        self.ledger.later(seconds, self.service, "call", call.environ, call.body)

    def key(self, call: Call, name: str) -> Key:
        """What the ledger knows a resource of this service by."""
        return (self.service, call.scope[1], name)


def backend(service: str, region: str) -> Any:
    """moto's records of a service in a region (``aws`` for services without regions)."""
    from moto.backends import get_backend

    found: Any = get_backend(service)
    return found[ACCOUNT][region]


def document(reply: Reply) -> Any:
    """The body of an answer in a JSON protocol."""
    return json.loads(reply.content or b"{}")


def with_document(reply: Reply, changed: Any) -> Reply:
    """``reply`` with another JSON body."""
    headers = [(name, value) for name, value in reply.headers if name.lower() != "x-amz-crc32"]  # of the old body
    return Reply(reply.status, headers, json.dumps(changed).encode())
