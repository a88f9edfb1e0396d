"""What becomes of events that are over: dead letters, and records of invocations, as messages in queues.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from awsrun.local.calls import Call, Perform
from awsrun.local.functions.definition import ACCOUNT, Definition
from awsrun.local.functions.events import Event
from awsrun.local.functions.outcome import Outcome

MESSAGE = 1024  # bytes of an error's text that a dead letter carries


@dataclass(frozen=True)
class Delivery:
    """A message for an SQS queue.

    Attributes:
        queue: its ARN.
        attributes: name -> type, value.
    """

    queue: str
    body: str
    attributes: Mapping[str, tuple[str, str]]


def dead_letter(definition: Definition, event: Event, status: int, message: str) -> list[Delivery]:
    """The event itself, with why it failed; nothing where the function has no dead-letter queue."""
    if not definition.dead_letters:
        return []
    said = message.encode()[:MESSAGE].decode(errors="ignore")
    attributes = {
        "RequestID": ("String", event.id),
        "ErrorCode": ("Number", str(status)),
        "ErrorMessage": ("String", said or "unknown"),
    }
    return [Delivery(definition.dead_letters, event.invocation.payload.decode(), attributes)]


def record(definition: Definition, event: Event, condition: str, outcome: Outcome | None, now: float) -> list[Delivery]:
    """What is told of an invocation; nothing where nobody wants to know.

    Args:
        condition: ``Success``, ``RetriesExhausted`` or ``EventAgeExceeded``.
        outcome: of the last time; None where the function was never run.
        now: POSIX seconds.
    """
    target = definition.on_success if condition == "Success" else definition.on_failure
    if not target:
        return []
    at = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    told: dict[str, Any] = {
        "version": "1.0",
        "timestamp": at,
        "requestContext": {
            "requestId": event.id,
            "functionArn": f"{definition.arn}:{event.target.qualifier or '$LATEST'}",
            "condition": condition,
            "approximateInvokeCount": event.failed + (condition == "Success"),
        },
        "requestPayload": json.loads(event.invocation.payload),
    }
    if outcome is not None:
        told["responseContext"] = {"statusCode": 200, "executedVersion": outcome.version}
        if outcome.failed:
            told["responseContext"]["functionError"] = "Unhandled"
        told["responsePayload"] = json.loads(outcome.payload)
    return [Delivery(target, json.dumps(told), {})]


def send(delivery: Delivery, perform: Perform) -> str:
    """Put a message into its queue; why that did not work, or an empty string.  The world's lock is held."""
    _, _, service, region, _, name = delivery.queue.split(":", 5)
    if service != "sqs":
        return f"the embedded cloud sends what becomes of events to queues of SQS alone, not to {delivery.queue}"
    body = {
        "QueueUrl": f"http://127.0.0.1/{ACCOUNT}/{name}",
        "MessageBody": delivery.body,
        "MessageAttributes": {
            name: {"DataType": kind, "StringValue": value} for name, (kind, value) in delivery.attributes.items()
        },
    }
    content = json.dumps(body).encode()
    scope = f"Credential=local/20260101/{region}/sqs/aws4_request"
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "HTTP_HOST": f"sqs.{region}.amazonaws.com",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "HTTP_X_AMZ_TARGET": "AmazonSQS.SendMessage",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "CONTENT_LENGTH": str(len(content)),
    }
    reply = perform(Call(environ, content))
    return "" if reply.status < 400 else f"{delivery.queue}: {reply.content.decode(errors='replace')}"
