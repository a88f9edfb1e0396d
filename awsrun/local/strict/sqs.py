"""SQS as hard as it is: a queue is there a moment after its creation, and changes show up to a minute later.

Sources: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html ("you must wait at
least one second after the queue is created to be able to use the queue"; 60 seconds after a deletion of that name),
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html (a deletion takes up to 60
seconds, in which requests may succeed),
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html (up to 60 seconds
until attributes show); https://github.com/serverless/serverless/issues/5215 (a queue for dead letters that is not there
is an InvalidParameterValue).
"""

from __future__ import annotations

import json

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.rules import Rules, document, with_document

KNOWN, LISTED = 1.0, 1.0  # seconds, at most
DELETING, SHOWN = 60.0, 60.0
NAME_TAKEN = 60.0
_GONE = "The specified queue does not exist."


class SqsRules(Rules):
    service = "sqs"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        name, action = _name(call), call.action
        key = self.key(call, name)
        if action == "CreateQueue" and self.ledger.phase((*key, "deleted")):
            said = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
            return _refused(call, "AWS.SimpleQueueService.QueueDeletedRecently", said)
        if name and action != "CreateQueue" and self.ledger.unknown(key):
            return _refused(call, "AWS.SimpleQueueService.NonExistentQueue", _GONE)
        if action in ("CreateQueue", "SetQueueAttributes") and (refused := self._letters(call, inner)) is not None:
            return refused
        if action == "DeleteQueue" and not self.ledger.phase((*key, "deleting")):
            return self._delete(call, name, inner)
        if action == "DeleteQueue":
            return Reply(200, [("Content-Type", "application/x-amz-json-1.0")], b"{}")
        if action == "SetQueueAttributes":
            self._show_later(call, name, inner)
        return None

    def _letters(self, call: Call, inner: Perform) -> Reply | None:
        """The refusal where the queue for dead letters is not there (yet)."""
        redrive = (call.json.get("Attributes") or {}).get("RedrivePolicy", "")
        target = str(json.loads(redrive or "{}").get("deadLetterTargetArn", "")).rpartition(":")[2]
        if not target or (
            not self.ledger.unknown(self.key(call, target))
            and inner(_like(call, "GetQueueUrl", {"QueueName": target})).status < 400
        ):
            return None
        said = f"Value {redrive} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
        return _refused(call, "InvalidParameterValue", said)

    def _delete(self, call: Call, name: str, inner: Perform) -> Reply:
        """moto deletes at once, and so is asked only when AWS would be done."""
        there = inner(_like(call, "GetQueueUrl", {"QueueName": name}))
        if there.status >= 400:
            return there
        key = self.key(call, name)
        seconds = self.ledger.lag(key, DELETING)
        self.ledger.enter((*key, "deleting"), "deleting", seconds)
        self.ledger.enter((*key, "deleted"), "deleted", NAME_TAKEN)
        self.put_off(call, seconds)
        return Reply(200, [("Content-Type", "application/x-amz-json-1.0")], b"{}")

    def _show_later(self, call: Call, name: str, inner: Perform) -> None:
        """What is shown meanwhile is what was there before, of those attributes that are being set."""
        before = inner(_like(call, "GetQueueAttributes", {**_queue(call), "AttributeNames": ["All"]}))
        key = (*self.key(call, name), "attributes")
        if before.status < 400 and not self.ledger.phase(key):
            shown = document(before)["Attributes"]
            old = {attribute: shown.get(attribute) for attribute in call.json.get("Attributes", {})}
            self.ledger.enter(key, json.dumps(old), self.ledger.lag(key, SHOWN))

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        key = self.key(call, _name(call))
        if call.action == "CreateQueue":
            self.ledger.made(key, KNOWN, LISTED)
        elif call.action == "ListQueues":
            hidden = self.ledger.unlisted_of(self.service, call.scope[1])
            found = document(reply)
            urls = [url for url in found.get("QueueUrls", ()) if url.rpartition("/")[2] not in hidden]
            return with_document(reply, {**found, "QueueUrls": urls})
        elif call.action == "GetQueueAttributes" and (old := self.ledger.phase((*key, "attributes"))):
            found = document(reply)
            shown = {**found.get("Attributes", {}), **json.loads(old)}
            asked = set(call.json.get("AttributeNames", ())) - {"All"} or set(shown)
            kept = {one: text for one, text in shown.items() if text is not None and one in asked}
            return with_document(reply, {**found, "Attributes": kept})
        return reply


def _name(call: Call) -> str:
    """The name of the queue that a call is about; empty for lists."""
    return str(call.json.get("QueueName") or str(call.json.get("QueueUrl", "")).rpartition("/")[2])


def _queue(call: Call) -> dict[str, str]:
    return {"QueueUrl": str(call.json.get("QueueUrl", ""))}


def _refused(call: Call, code: str, message: str) -> Reply:
    """boto3 knows SQS's errors by the names of its older protocol, which a header brings
    (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#x-amzn-query-error)."""
    shape = f"com.amazonaws.sqs#{_SHAPES[code]}"
    reply = refusal(call, shape, message)
    return Reply(reply.status, [*reply.headers, ("x-amzn-query-error", f"{code};Sender")], reply.content)


_SHAPES = {
    "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
    "AWS.SimpleQueueService.QueueDeletedRecently": "QueueDeletedRecently",
    "InvalidParameterValue": "InvalidAttributeValue",
}


def _like(call: Call, action: str, body: dict[str, object]) -> Call:
    """A call of another operation by the same caller."""
    content = json.dumps(body).encode()
    environ = {**call.environ, "HTTP_X_AMZ_TARGET": f"AmazonSQS.{action}", "CONTENT_LENGTH": str(len(content))}
    return Call(environ, content)
