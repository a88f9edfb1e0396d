"""API Gateway as hard as it is: new APIs are neither found nor listed for a moment.

That what is new does not show at once is an assumption: no page promises that it does.  The rates are in
`awsrun.local.strict.throttles`, ConflictException is in `awsrun.local.strict.overlaps`; that a stage holds its
deployment is so without strict too (`awsrun.local.patches.apigateway`).
"""

from __future__ import annotations

import re

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.rules import Rules, document, with_document

KNOWN, LISTED = 2.0, 5.0  # seconds, at most

_API = re.compile(r"/restapis/([^/]+).*")
_APIS = re.compile(r"/restapis/?")


class ApiGatewayRules(Rules):
    service = "apigateway"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        found = _API.fullmatch(call.path)
        if found is not None and self.ledger.unknown(self.key(call, found[1])):
            return refusal(call, "NotFoundException", "Invalid API identifier specified", 404)
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400 or not _APIS.fullmatch(call.path):
            return reply
        found = document(reply)
        if call.method == "POST":
            self.ledger.made(self.key(call, found["id"]), KNOWN, LISTED)
        if call.method == "GET":
            hidden = self.ledger.unlisted_of(self.service, call.scope[1])
            return with_document(reply, {**found, "item": [one for one in found["item"] if one["id"] not in hidden]})
        return reply
