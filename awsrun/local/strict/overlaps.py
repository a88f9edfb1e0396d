"""Two changes of one thing at the same moment: all services but EC2 and DynamoDB refuse the second.

It stands outside of the world, where calls still overlap: inside they come one by one.  Sources, the errors of
https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html,
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html,
https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html, and for S3
https://github.com/hashicorp/terraform-provider-aws/pull/33531.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal

_CONFLICT = "A conflicting conditional operation is currently in progress against this resource. Please try again."
_FUNCTION = re.compile(r"/[0-9-]+/functions/([^/]+)(?!.*invocations)")
_API = re.compile(r"/restapis/([^/]+)")


@dataclass(frozen=True)
class Overlap:
    """What a service says.

    Attributes:
        about: what a call changes; empty where it may overlap with anything.
    """

    about: Callable[[Call], str]
    code: str
    message: str
    status: int


def _iam(call: Call) -> str:
    return call.form.get("RoleName", "") or call.form.get("InstanceProfileName", "")


def _log_group(call: Call) -> str:
    """Groups alone: events may come from many at once."""
    return str(call.json.get("logGroupName", "")) if "Group" in call.action or "Policy" in call.action else ""


def _bucket(call: Call) -> str:
    """Buckets and their settings alone: objects may come from many at once."""
    name, _, item = call.path.lstrip("/").partition("/")
    return "" if item or call.method == "POST" else name


def _found(pattern: re.Pattern[str]) -> Callable[[Call], str]:
    return lambda call: found.group(1) if (found := pattern.match(call.path)) else ""


OVERLAPS = {
    "iam": Overlap(
        _iam, "ConcurrentModification", "Multiple requests to change this object were submitted simultaneously.", 409
    ),
    "logs": Overlap(
        _log_group,
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource. Please try again.",
        400,
    ),
    "s3": Overlap(_bucket, "OperationAborted", _CONFLICT, 409),
    "lambda": Overlap(
        _found(_FUNCTION), "ResourceConflictException", "The operation cannot be performed at this time.", 409
    ),
    "apigateway": Overlap(
        _found(_API),
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        409,
    ),
}


class Overlaps:
    """Wraps ``perform``."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._going_on: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Reply:
        known = OVERLAPS.get(call.scope[0]) if call.changes else None
        about = known.about(call) if known is not None else ""
        if known is None or not about:
            return self._perform(call)
        key = (*call.scope, about)
        with self._lock:
            if key in self._going_on:
                return refusal(call, known.code, known.message, known.status)
            self._going_on.add(key)
        try:
            return self._perform(call)
        finally:
            with self._lock:
                self._going_on.discard(key)
