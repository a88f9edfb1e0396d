"""Parameters as slow to show as they are: a new one is not read for a moment, and is listed later.

Sources: https://github.com/aws/aws-cdk-cli/pull/830 ("Parameter not found" right after its creation),
https://github.com/aws/aws-sdk-js/issues/4349 (DescribeParameters shows it seconds later); how long is an assumption.
"""

from __future__ import annotations

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.rules import Rules, document, with_document

KNOWN, LISTED = 1.0, 10.0  # seconds, at most


class SsmRules(Rules):
    service = "ssm"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        name = str(call.json.get("Name") or call.json.get("ResourceId") or "")
        if call.action != "PutParameter" and name and self.ledger.unknown(self.key(call, name)):
            code = "InvalidResourceId" if "ResourceId" in call.json else "ParameterNotFound"
            return refusal(call, code, f"Parameter {name} not found.")
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if call.action == "PutParameter" and document(reply).get("Version") == 1:
            self.ledger.made(self.key(call, call.json["Name"]), KNOWN, LISTED)
        elif call.action == "DescribeParameters":
            hidden, found = self.ledger.unlisted_of(self.service, call.scope[1]), document(reply)
            return with_document(
                reply, {**found, "Parameters": [one for one in found["Parameters"] if one["Name"] not in hidden]}
            )
        return reply
