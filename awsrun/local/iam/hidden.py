"""What an answer leaves out for who may make the call, and not see all of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from awsrun.local.calls import Call, Reply
from awsrun.local.iam.request import Authorization
from awsrun.local.iam.tables import functions

Verdict = Callable[[Authorization], str]
"""Why a right is lacking; empty where it is there."""


def without(call: Call, reply: Reply, verdict: Verdict) -> Reply:
    """``reply`` as it is for a caller with the rights that ``verdict`` tells.

    GetFunction has a function's tags for those alone who may list them
    (https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html).
    """
    if call.scope[0] != "lambda" or functions.name(call) != "GetFunction" or reply.status >= 400:
        return reply
    found = json.loads(reply.content)
    if "Tags" not in found:
        return reply
    needed = Authorization("lambda:ListTags", str(found["Configuration"]["FunctionArn"]))
    if not (lacking := verdict(needed)):
        return reply
    del found["Tags"]
    found["TagsError"] = {"ErrorCode": "AccessDeniedException", "Message": lacking}
    return Reply(reply.status, reply.headers, json.dumps(found).encode())
