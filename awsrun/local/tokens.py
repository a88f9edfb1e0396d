"""Client tokens of EC2's create calls, which moto ignores: the same token brings the same answer.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html: the token stays valid for a day, even after
the resource is gone; other parameters with the same token are IdempotentParameterMismatch.
"""

from __future__ import annotations

import hashlib
from typing import Any

from awsrun.local import clock
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal

_VALID = 24 * 3600.0  # seconds
_MISMATCH = (
    "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with "
    "different requests, unless the requests are identical."
)


class ClientTokens:
    """Remembers the answers of calls with a client token.  All methods are called with the world's lock held.

    Args:
        moto: carries a call out.
    """

    name = "client-tokens"

    def __init__(self, moto: Perform) -> None:
        self._moto = moto
        self._answers: dict[tuple[str, str, str], tuple[float, str, Reply]] = {}

    def handle(self, call: Call) -> Reply | None:
        service, region = call.scope
        if service != "ec2" or b"ClientToken=" not in call.body:
            return None
        form = dict(call.form)
        token = form.pop("ClientToken", "")
        if not token:
            return None
        key = (region, form.get("Action", ""), token)
        digest = hashlib.sha256(repr(sorted(form.items())).encode()).hexdigest()
        known = self._answers.get(key)
        if known is not None and clock.now() - known[0] < _VALID:
            if known[1] == digest:
                return known[2]
            return refusal(call, "IdempotentParameterMismatch", _MISMATCH)
        reply = self._moto(call)
        if reply.status < 400:
            self._answers[key] = (clock.now(), digest, reply)
        return reply

    def apply(self, event: tuple[Any, ...]) -> None:
        """There are no events here."""

    def state(self) -> Any:
        return self._answers

    def restore(self, state: Any) -> None:
        self._answers = state
