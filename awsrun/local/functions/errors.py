"""Why an invocation is not carried out: errors of the Invoke call, not of the function.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
"""

from __future__ import annotations

import json

from awsrun.local.calls import Reply


class Refused(Exception):
    """The function was not run.

    Args:
        code: AWS's error code.
        message: what AWS would say.
        reason: of a throttle, as AWS names it.
    """

    def __init__(self, code: str, message: str, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.reason = code, message, status, reason

    def reply(self) -> Reply:
        """The answer that makes a client raise this."""
        body = {"Type": "User" if self.status < 500 else "Service", "message": self.message, "Message": self.message}
        if self.reason:
            body["Reason"] = self.reason
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", self.code)]
        if self.status == 429:
            headers.append(("Retry-After", "1"))
        return Reply(self.status, headers, json.dumps(body).encode(), done=False)


def throttled(reason: str) -> Refused:
    """More of it would run than may at a time."""
    return Refused("TooManyRequestsException", "Rate Exceeded.", 429, reason)


def pending() -> Refused:
    """It is being made."""
    said = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    return Refused("ResourceConflictException", said, 409)
