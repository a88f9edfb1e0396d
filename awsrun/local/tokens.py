"""Client tokens, for all services here: the same token brings the same answer, and makes nothing twice.

EC2 (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html): valid for a day, even after the resource
is gone; other parameters are IdempotentParameterMismatch.  ECS
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html): valid in one cluster, RunTask's for a
day at most; other parameters are a ConflictException, or for CreateService "Creation of service was not idempotent".
DynamoDB (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html): ten minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.local import clock
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal

_DAY = 24 * 3600.0  # seconds
_REUSED = (
    "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with "
    "different requests, unless the requests are identical."
)
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Tokens:
    """How one operation takes tokens.

    Attributes:
        field: the parameter that carries it.
        valid: seconds.
        code, message: of the error where other parameters come with a known token.
        within: what a token is for: the same one elsewhere is another token.
    """

    field: str
    valid: float
    code: str
    message: str = _REUSED
    within: Callable[[Parameters], str] = lambda parameters: ""


def _cluster(parameters: Parameters) -> str:
    return str(parameters.get("cluster", "default")).rpartition("/")[2]


_EC2 = Tokens("ClientToken", _DAY, "IdempotentParameterMismatch")
_NOT_IDEMPOTENT = "Creation of service was not idempotent."
_OPERATIONS = {
    ("ecs", "RunTask"): Tokens("clientToken", _DAY, "ConflictException", within=_cluster),
    ("ecs", "CreateService"): Tokens(
        "clientToken", _DAY, "InvalidParameterException", _NOT_IDEMPOTENT, within=_cluster
    ),
    ("dynamodb", "TransactWriteItems"): Tokens("ClientRequestToken", 600.0, "IdempotentParameterMismatchException"),
}
_Key = tuple[str, ...]  # service, region, operation, what it is for, token
_Answer = tuple[float, str, Reply]  # POSIX seconds, digest of the parameters, the answer


class ClientTokens:
    """Remembers the answers of calls with a client token.  All methods are called with the world's lock held.

    Args:
        carry_out: carries a call out.
    """

    name = "client-tokens"

    def __init__(self, carry_out: Perform) -> None:
        self._carry_out = carry_out
        self._answers: dict[_Key, _Answer] = {}  # the oldest first

    def handle(self, call: Call) -> Reply | None:
        found = _token(call)
        if found is None:
            return None
        how, key, digest = found
        known = self._known(how, key)
        if known is not None:
            return known[2] if known[1] == digest else refusal(call, how.code, how.message)
        reply = self._carry_out(call)
        if reply.status < 400:
            self._answers[key] = (clock.now(), digest, reply)
            self._forget()
        return reply

    def knows(self, call: Call) -> bool:
        """Whether the token of ``call`` came before and is still valid."""
        found = _token(call)
        return found is not None and self._known(found[0], found[1]) is not None

    def apply(self, event: tuple[Any, ...]) -> None:
        """There are no events here."""

    def state(self) -> Any:
        return self._answers

    def restore(self, state: Any) -> None:
        self._answers = state

    def _known(self, how: Tokens, key: _Key) -> _Answer | None:
        known = self._answers.get(key)
        if known is not None and clock.now() - known[0] >= how.valid:
            del self._answers[key]
            return None
        return known

    def _forget(self) -> None:
        """Drop what is older than any token's validity; and of DynamoDB, whose every transaction has one, sooner."""
        now = clock.now()
        for key, (at, _, _) in list(self._answers.items()):
            if now - at < 600.0:
                return
            if now - at >= _OPERATIONS.get((key[0], key[2]), _EC2).valid:
                del self._answers[key]


def _token(call: Call) -> tuple[Tokens, _Key, str] | None:
    """How the operation takes tokens, the key of this one, and a digest of all other parameters."""
    service, region = call.scope
    if service == "ec2":
        how, parameters = _EC2, dict[str, Any](call.form) if b"ClientToken=" in call.body else {}
    else:
        known = _OPERATIONS.get((service, call.action))
        if known is None:
            return None
        how, parameters = known, dict(call.json)
    token = parameters.pop(how.field, "")
    if not token:
        return None
    digest = hashlib.sha256(repr(sorted(parameters.items())).encode()).hexdigest()
    return how, (service, region, call.action, how.within(parameters), token), digest
