"""What goes wrong between a client and AWS: random throttling, lost answers, errors of AWS's own.

It stands outside of the world: what it refuses was not done, what it loses was done and stays done.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from random import Random
from typing import Any

from awsrun.local.calls import DROPPED, Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.options import Options
from awsrun.local.strict.throttles import Throttles

# https://docs.aws.amazon.com/general/latest/gr/api-retries.html and each service's API reference: code and HTTP status.
_THROTTLED = {
    "apigateway": ("TooManyRequestsException", 429),
    "batch": ("TooManyRequestsException", 429),
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
}
_FAILED = {"s3": ("InternalError", 500), "dynamodb": ("InternalServerError", 500), "ec2": ("InternalError", 500)}
_BATCHES = {"BatchWriteItem": "UnprocessedItems", "BatchGetItem": "UnprocessedKeys"}


class Faults:
    """Wraps ``perform``.

    Args:
        dice: numbers from 0 to 1; tests pass some that they know.
    """

    def __init__(
        self, perform: Perform, options: Options, throttles: Throttles, dice: Callable[[], float] | None = None
    ) -> None:
        self._perform, self._options, self._throttles = perform, options, throttles
        self._draw = dice or Random().random
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Reply:
        service = call.scope[0]
        if not service:
            return self._perform(call)  # not a call of AWS's: nothing of the cloud's, such as its health
        if self._throttles.exceeded(call):
            return _throttled(call, how=1.0)
        with self._lock:
            throttle, lose, how = self._draw(), self._draw(), self._draw()
        if throttle < self._options.throttle:
            return self._partly(call) if call.action in _BATCHES else _throttled(call, how)
        if lose >= self._options.lose:
            return self._perform(call)
        if how < 0.25:  # it was not done, and AWS says so in a way that tells nothing
            return _failed(call)
        self._perform(call)
        return DROPPED if how < 0.75 else _failed(call)

    def _partly(self, call: Call) -> Reply:
        """A batch of which one item went through: the rest comes back as unprocessed
        (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html)."""
        part, rest = _split(call.json.get("RequestItems", {}))
        if not rest:
            return _throttled(call, how=1.0)
        content = json.dumps({**call.json, "RequestItems": part}).encode()
        reply = self._perform(Call({**call.environ, "CONTENT_LENGTH": str(len(content))}, content))
        if reply.status >= 400:
            return reply
        body = json.loads(reply.content)
        key = _BATCHES[call.action]
        left = {name: _joined(body.get(key, {}).get(name), items) for name, items in rest.items()}
        headers = [(name, value) for name, value in reply.headers if name.lower() != "x-amz-crc32"]
        return Reply(reply.status, headers, json.dumps({**body, key: {**body.get(key, {}), **left}}).encode())


def _split(requests: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first half of each table's requests, and the other."""
    first: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, items in requests.items():
        keys = items["Keys"] if isinstance(items, dict) else items
        half = max(1, len(keys) // 2)
        for part, chosen in ((first, keys[:half]), (rest, keys[half:])):
            if chosen:
                part[name] = {**items, "Keys": chosen} if isinstance(items, dict) else chosen
    return first, rest


def _joined(one: Any, other: Any) -> Any:
    if not one:
        return other
    return {**other, "Keys": one["Keys"] + other["Keys"]} if isinstance(other, dict) else one + other


def _throttled(call: Call, how: float) -> Reply:
    """A throttle in the words of its service.

    Args:
        how: half of ECS's calls for tasks with a network fail because ECS's own calls of EC2 were throttled, which is
            said in another way (https://github.com/dagster-io/dagster/issues/33439).
    """
    if call.scope[0] == "ecs" and how < 0.5 and (network := call.json.get("networkConfiguration")):
        subnets = ", ".join((network.get("awsvpcConfiguration") or {}).get("subnets") or ())
        said = f"Error retrieving subnet information for [{subnets}]: Rate exceeded (ErrorCode: Throttling)"
        return refusal(call, "InvalidParameterException", said)
    code, status = _THROTTLED.get(call.scope[0], ("ThrottlingException", 400))
    return refusal(call, code, "Rate exceeded", status)


def _failed(call: Call) -> Reply:
    code, status = _FAILED.get(call.scope[0], ("InternalFailure", 500))
    return refusal(call, code, "An internal error occurred", status)
