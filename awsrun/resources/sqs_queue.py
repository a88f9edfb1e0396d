"""Queues of SQS, encrypted, billed by request: they cost nothing while idle.

What was just made, changed or deleted shows after up to 60 seconds, and a deleted queue's name is free again only then
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field, model_validator

from awsrun.aws.errors import matches
from awsrun.aws.names import physical
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, REPLACE, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, unless_denied
from awsrun.resources.rights import named
from awsrun.resources.units import Duration
from awsrun.spec.references import Misfit, RefTo, ResourceSpec

FIFO = ".fifo"  # ends the names of such queues
_COUNTS = ("", "NotVisible", "Delayed")


class QueueSpec(ResourceSpec):
    """A queue. Messages that are not taken are dropped after `retention`."""

    outputs = ("arn", "name", "url")
    example = """
    failed: {kind: sqs.queue, retention: 14d}
    jobs: {kind: sqs.queue, dead_letter: failed, max_receives: 3, visibility: 2m}
    """
    kind: Literal["sqs.queue"] = "sqs.queue"
    name: str | None = Field(
        default=None, max_length=80, pattern=r"^[A-Za-z0-9_-]+(\.fifo)?$", description="Physical name."
    )
    fifo: bool = Field(default=False, description="Messages of a group come in order, each exactly once.")
    deduplicate: bool = Field(
        default=False, description="With fifo: two messages with the same body within 5 minutes are one."
    )
    visibility: Duration = Field(
        default=30, le=43200, description="How long a message that was received is hidden from others (30s, 12h)."
    )
    retention: Duration = Field(
        default=4 * 86400, ge=60, le=14 * 86400, description="How long a message is kept that nobody takes (60s, 14d)."
    )
    wait: Duration = Field(
        default=20, le=20, description="How long a receive waits for a message: fewer requests, fewer dollars."
    )
    delay: Duration = Field(default=0, le=900, description="How long a new message is hidden at first.")
    dead_letter: Annotated[str, RefTo("sqs.queue")] | None = Field(
        default=None, description="The queue where messages go that were received max_receives times in vain."
    )
    max_receives: int = Field(default=3, ge=1, le=1000, description="With dead_letter: receives before that.")
    purge: bool = Field(default=False, description="Its messages may be deleted with it.")

    @model_validator(mode="after")
    def _fits(self) -> QueueSpec:
        if self.deduplicate and not self.fifo:
            raise ValueError("deduplicate is for fifo queues")
        if self.name and self.name.endswith(FIFO) != self.fifo:
            raise ValueError(f"the name of a fifo queue, and of no other, ends in {FIFO}")
        return self

    def within(self, stack: Mapping[str, ResourceSpec]) -> QueueSpec:
        """Its dead letters go to a queue of the same type, as SQS wants it."""
        other = stack.get(self.dead_letter or "")
        if isinstance(other, QueueSpec) and other.fifo != self.fifo:
            lacks = f"{self.dead_letter!r} must have fifo: {str(self.fifo).lower()} as well"
            raise Misfit("dead_letter", f"a queue and the one of its dead letters are of one type: {lacks}")
        return self


@dataclass(frozen=True)
class QueueState(State):
    """Times in seconds.  ``dead_letter``: the ARN of that queue; empty (with ``max_receives`` 0) for none."""

    fifo: Annotated[bool, REPLACE]
    deduplicate: bool
    visibility: int
    retention: int
    wait: int
    delay: int
    dead_letter: str
    max_receives: int
    encrypted: bool


class Queue(Kind[QueueSpec, QueueState]):
    kind = "sqs.queue"
    Spec = QueueSpec
    State = QueueState
    identity = "name"
    service = "sqs"
    name_limit = 80
    holds_data = True
    # boto3 speaks of errors by the names that they had in SQS's older protocol; without these by the newer ones.
    absent = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
    exists = frozenset({"QueueAlreadyExists", "QueueNameExists"})
    # The other queue was made a moment ago: https://github.com/serverless/serverless/issues/5215 has the words.
    retry = frozenset(
        {
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "InvalidParameterValue:Dead letter target does not exist",
            "QueueDeletedRecently",
        }
    )

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self._urls: dict[str, str] = {}
        self._emptied: set[str] = set()  # names of queues that were deleted with what was in them

    def lower(self, spec: QueueSpec, refs: Refs) -> QueueState:
        return QueueState(
            fifo=spec.fifo,
            deduplicate=spec.deduplicate,
            visibility=spec.visibility,
            retention=spec.retention,
            wait=spec.wait,
            delay=spec.delay,
            dead_letter=refs.output(spec.dead_letter, "arn") if spec.dead_letter else "",
            max_receives=spec.max_receives if spec.dead_letter else 0,
            encrypted=True,
        )

    def physical(self, stack: str, name: str, spec: QueueSpec, state: QueueState | None = None) -> str:
        if spec.name or not spec.fifo:
            return super().physical(stack, name, spec, state)
        return physical(stack, name, self.name_limit - len(FIFO)) + FIFO

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "sqs", physical)

    def price(self, state: QueueState, prices: Prices) -> Price:
        rate = prices.rate("sqs_fifo_million_requests" if state.fifo else "sqs_million_requests")
        return metered((rate, "per million requests"))

    def rights(self, stack: str, specs: Mapping[str, QueueSpec]) -> Iterable[Right]:
        """Tags in the create call need sqs:TagQueue
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html)."""
        queues = named(self, f"{stack}-*", specs)
        yield allow("find", "sqs", "ListQueues")
        yield allow("find", "sqs", "GetQueueAttributes GetQueueUrl ListQueueTags", *queues)
        yield allow("read", "sqs", "GetQueueAttributes GetQueueUrl", *queues)
        yield allow("create", "sqs", "CreateQueue GetQueueUrl TagQueue", *queues)
        yield allow("update", "sqs", "SetQueueAttributes", *queues)
        yield allow("tag", "sqs", "TagQueue UntagQueue", *queues)
        yield allow("delete", "sqs", "DeleteQueue", *queues)
        yield allow("empty", "sqs", "DeleteQueue", *queues)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted."""
        prefix = {"QueueNamePrefix": f"{stack}-"} if stack and not hints else {}
        pages = self._sqs.get_paginator("list_queues").paginate(**prefix, PaginationConfig={"PageSize": 1000})
        for url in (url for page in pages for url in page.get("QueueUrls", ())):
            name = url.rpartition("/")[2]
            if stack is None or name.startswith(f"{stack}-") or name in hints:
                self._urls[name] = url
                tags = unless_denied(stack, self._tags, name) or {}
                if ours(tags, stack):
                    yield Found(tags[NAME], name, tags, self.read(name))

    def read(self, id: str) -> Seen[QueueState]:
        found = self._attributes(id)
        if found is None:
            return ABSENT
        redrive = json.loads(found.get("RedrivePolicy") or "{}")
        state = QueueState(
            fifo=found.get("FifoQueue") == "true",
            deduplicate=found.get("ContentBasedDeduplication") == "true",
            visibility=int(found["VisibilityTimeout"]),
            retention=int(found["MessageRetentionPeriod"]),
            wait=int(found["ReceiveMessageWaitTimeSeconds"]),
            delay=int(found["DelaySeconds"]),
            dead_letter=redrive.get("deadLetterTargetArn", ""),
            max_receives=int(redrive.get("maxReceiveCount", 0)),
            encrypted=found.get("SqsManagedSseEnabled", "").lower() == "true" or bool(found.get("KmsMasterKeyId")),
        )
        return Seen(state, "ready", outputs={"name": id, "arn": found["QueueArn"], "url": self._url(id)})

    def create(self, state: QueueState, owner: Owner) -> str:
        """CreateQueue of a queue that is there, with the same attributes, succeeds again
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html), so the name is
        looked at first."""
        if self._is_there(owner.physical):
            answer: Any = {"Error": {"Code": "QueueAlreadyExists", "Message": "the queue is there already"}}
            raise ClientError(answer, "CreateQueue")
        attributes = {key: text for key, (_, text) in _attributes(state).items() if text}
        attributes |= {"FifoQueue": "true"} if state.fifo else {}
        made = self.cloud.write("sqs").create_queue(
            QueueName=owner.physical, Attributes=attributes, tags=dict(owner.tags)
        )
        self._urls[owner.physical] = made["QueueUrl"]
        self._emptied.discard(owner.physical)
        return owner.physical

    def update(self, id: str, wanted: QueueState, seen: QueueState, changed: Collection[Change]) -> None:
        fields = {change.field for change in changed}
        attributes = {key: text for key, (of, text) in _attributes(wanted).items() if of & fields}
        self.cloud.write("sqs").set_queue_attributes(QueueUrl=self._url(id), Attributes=attributes)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("sqs").tag_queue(QueueUrl=self._url(id), Tags=dict(set))
        if unset:
            self.cloud.write("sqs").untag_queue(QueueUrl=self._url(id), TagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[QueueState]) -> None:
        self.cloud.write("sqs").delete_queue(QueueUrl=self._url(id))

    def holds(self, id: str) -> int:
        """About how many messages wait, are being worked on or are hidden at first; 0 of a queue that was emptied."""
        found = None if id in self._emptied else self._attributes(id)
        return sum(int((found or {}).get(f"ApproximateNumberOfMessages{part}", 0)) for part in _COUNTS)

    def empty(self, id: str) -> None:
        """Deletes the queue: a purge takes a minute, and is only ever asked for before that."""
        self.delete(id, ABSENT)
        self._emptied.add(id)

    @property
    def _sqs(self) -> Any:
        return self.cloud.read("sqs")

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]

    def _is_there(self, name: str) -> bool:
        try:
            self._sqs.get_queue_url(QueueName=name)
        except ClientError as error:
            if matches(error, self.absent):
                return False
            raise
        return True

    def _attributes(self, name: str) -> Mapping[str, str] | None:
        try:
            found: Mapping[str, str] = self._sqs.get_queue_attributes(QueueUrl=self._url(name), AttributeNames=["All"])[
                "Attributes"
            ]
        except ClientError as error:
            if matches(error, self.absent):
                return None
            raise
        return found

    def _tags(self, name: str) -> dict[str, str]:
        try:
            return dict(self._sqs.list_queue_tags(QueueUrl=self._url(name)).get("Tags", {}))
        except ClientError as error:
            if matches(error, self.absent):  # deleted since it was listed
                return {}
            raise


def _attributes(state: QueueState) -> dict[str, tuple[set[str], str]]:
    """What can be set at any time, each with the fields that it comes from.  An empty redrive policy takes the present
    one off."""
    redrive = {"deadLetterTargetArn": state.dead_letter, "maxReceiveCount": state.max_receives}
    found = {
        "DelaySeconds": ({"delay"}, str(state.delay)),
        "MessageRetentionPeriod": ({"retention"}, str(state.retention)),
        "ReceiveMessageWaitTimeSeconds": ({"wait"}, str(state.wait)),
        "RedrivePolicy": ({"dead_letter", "max_receives"}, json.dumps(redrive) if state.dead_letter else ""),
        "SqsManagedSseEnabled": ({"encrypted"}, "true"),
        "VisibilityTimeout": ({"visibility"}, str(state.visibility)),
    }
    deduplicate = ({"deduplicate"}, str(state.deduplicate).lower())
    return found | ({"ContentBasedDeduplication": deduplicate} if state.fifo else {})
