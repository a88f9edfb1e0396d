"""CloudWatch Logs as hard as it is: a new group is not listed for a moment, though it can be written to and changed.

Sources: https://github.com/hashicorp/terraform-provider-aws/issues/11611 (a stream just made is missing in a list that
answers 200), https://github.com/aws/aws-sdk-go/issues/650 (DescribeLogGroups, the only call that reads a group, tells
the past).  ResourceAlreadyExistsException
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html) is what moto says by
itself; OperationAbortedException is in `awsrun.local.strict.overlaps`.
"""

from __future__ import annotations

from awsrun.local.calls import Call, Reply
from awsrun.local.strict.rules import Rules, document, with_document

LISTED = 5.0  # seconds, at most


class LogsRules(Rules):
    service = "logs"

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if call.action == "CreateLogGroup":
            self.ledger.made(self.key(call, call.json["logGroupName"]), 0, LISTED)
        if call.action == "DescribeLogGroups":
            hidden, found = self.ledger.unlisted_of(self.service, call.scope[1]), document(reply)
            shown = [one for one in found["logGroups"] if one["logGroupName"] not in hidden]
            return with_document(reply, {**found, "logGroups": shown})
        return reply
