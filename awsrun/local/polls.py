"""ReceiveMessage of SQS that waits for messages: many short looks from outside of the world, where nobody is kept.

moto waits inside a call, by a clock that stands still there and with the world's lock: nothing would ever go on.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from awsrun.local.calls import Call, Perform, Reply

EVERY = 0.05  # seconds
LONGEST = 20.0  # seconds; more is refused
_FOUND = re.compile(rb'"Messages"\s*:\s*\[\s*\{|<Message>')
_ACCOUNT = "123456789012"


class Receives:
    """Inside the world: a look at a queue that does not wait, and that changes nothing where there is nothing.

    Args:
        moto: looks.
    """

    name = "receives"

    def __init__(self, moto: Perform) -> None:
        self._moto = moto

    def handle(self, call: Call) -> Reply | None:
        if not _receives(call):
            return None
        wanted = wait(call)
        reply = self._moto(call if wanted is not None and not 0 <= wanted <= LONGEST else _at_once(call))
        if reply.status < 400 and not _FOUND.search(reply.content) and not _redrives(call):
            return replace(reply, done=False)
        return reply

    def apply(self, event: tuple[Any, ...]) -> None:
        """Nothing happens outside of calls."""

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """Nothing was kept."""


def patient(perform: Perform) -> Perform:
    """``perform``, and again as long as a call wants to wait for messages and there are none."""

    def answer(call: Call) -> Reply:
        if not _receives(call):
            return perform(call)
        end: float | None = None
        while True:
            reply = perform(call)
            if reply.status >= 400 or _FOUND.search(reply.content):
                return reply
            end = time.monotonic() + _seconds(call) if end is None else end
            if time.monotonic() >= end:
                return reply
            time.sleep(EVERY)

    return answer


def wait(call: Call) -> int | None:
    """WaitTimeSeconds of a call; None where it says nothing."""
    given = (call.json if call.environ.get("HTTP_X_AMZ_TARGET") else call.form).get("WaitTimeSeconds", "")
    return int(given) if re.fullmatch(r"-?\d+", str(given)) else None


def _seconds(call: Call) -> float:
    """How long a call waits: as it says, or as its queue says."""
    wanted = wait(call)
    queue = _queue(call) if wanted is None else None
    return float(wanted if wanted is not None else int(queue.receive_message_wait_time_seconds) if queue else 0)


def _receives(call: Call) -> bool:
    return call.scope[0] == "sqs" and call.action == "ReceiveMessage"


def _at_once(call: Call) -> Call:
    if call.environ.get("HTTP_X_AMZ_TARGET"):
        content = json.dumps({**call.json, "WaitTimeSeconds": 0}).encode()
    else:
        content = urlencode({**call.form, "WaitTimeSeconds": "0"}).encode()
    return Call({**call.environ, "CONTENT_LENGTH": str(len(content))}, content)


def _redrives(call: Call) -> bool:
    """Whether a look may move messages into a dead-letter queue."""
    queue = _queue(call)
    return queue is not None and bool(queue.redrive_policy)


def _queue(call: Call) -> Any:
    """moto's record of the queue that a call is about; None where there is none."""
    from moto.sqs.models import sqs_backends

    url = str(call.json.get("QueueUrl") or call.form.get("QueueUrl") or call.path)
    return sqs_backends[_ACCOUNT][call.scope[1]].queues.get(url.rstrip("/").rpartition("/")[2])
